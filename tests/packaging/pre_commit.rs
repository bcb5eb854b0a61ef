//! The real pre-commit, with this repository as the hook's and a scratch repository as the user's.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::externals::{command, python_with, succeed};
use crate::{run, stdout, target};

/// Shared state: what runs, for which the other side is in another file.
const SHARED: &str = "total = 0


def add(amount):
    global total
    total += amount
";

const MAIN: &str = "import threading

import shared

for _ in range(4):
    threading.Thread(target=shared.add, args=(1,)).start()
";

const FIXED: &str = "import threading

total = 0
_lock = threading.Lock()


def add(amount):
    global total
    with _lock:
        total += amount
";

struct Repository {
    root: PathBuf,
    python: PathBuf,
    home: PathBuf,
    wheels: PathBuf,
    _directory: tempfile::TempDir,
}

impl Repository {
    fn git(&self, arguments: &[&str]) -> Output {
        git(&self.root, arguments)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .current_dir(&self.root)
            .env("PRE_COMMIT_HOME", &self.home)
            // Nothing is fetched: the build tool was, before.
            .env("PIP_NO_INDEX", "1")
            .env("PIP_FIND_LINKS", &self.wheels)
            // As a release is built, but for the optimiser.
            .env("MATURIN_PEP517_ARGS", "--profile dev")
            // Not where this repository is built: cargo takes a clone for the same package, and
            // the one's artifacts for the other's.
            .env("CARGO_TARGET_DIR", target().join("hook"))
            .env_remove("GIT_DIR")
            .env_remove("GIT_INDEX_FILE")
    }

    /// Runs pre-commit.
    fn pre_commit(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.python);
        command.args(["-m", "pre_commit"]).args(arguments);
        self.environment(&mut command).output().unwrap()
    }

    /// Commits what is staged, with the hook in the way.
    fn commit(&self) -> Output {
        let mut command = Command::new("git");
        command.args(["commit", "--quiet", "--message", "change"]);
        self.environment(&mut command).output().unwrap()
    }
}

fn git(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("git");
    command
        .args([
            "-c",
            "user.name=user",
            "-c",
            "user.email=user@files.example",
        ])
        .args(arguments)
        .current_dir(directory);
    run(&mut command)
}

/// A clone of this repository, and its last commit. It is the same for all tests: pre-commit keeps
/// an environment for each place that hooks come from.
fn hooks() -> &'static (PathBuf, String) {
    static HOOKS: OnceLock<(PathBuf, String)> = OnceLock::new();
    HOOKS.get_or_init(|| {
        let hooks = target().join("hook").join("repository");
        if hooks.exists() {
            std::fs::remove_dir_all(&hooks).unwrap();
        }
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        git(here, &["clone", "--quiet", ".", hooks.to_str().unwrap()]);
        let revision = stdout(&git(&hooks, &["rev-parse", "HEAD"]));
        (hooks, revision)
    })
}

/// A scratch repository whose hook `id` is the one of this repository's last commit.
fn repository(id: &str) -> Option<Repository> {
    let python = python_with("pre_commit")?;
    command("git", &["--version"])?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wheels = target().join("ci-wheels");
    let committed = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(here)
        .output()
        .is_ok_and(|it| it.status.success());
    if !committed || !wheels.is_dir() {
        command(
            "a clone of the repository with maturin in target/ci-wheels",
            &[],
        )?;
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("user");
    let (hooks, revision) = hooks();
    std::fs::create_dir(&root).unwrap();
    git(&root, &["init", "--quiet"]);
    git(&root, &["config", "user.name", "user"]);
    git(&root, &["config", "user.email", "user@files.example"]);
    let repository = Repository {
        root,
        python,
        // The environment is built by the first test that needs it.
        home: target().join("pre-commit"),
        wheels,
        _directory: directory,
    };
    repository.write(
        ".pre-commit-config.yaml",
        &format!(
            "repos:\n  - repo: {}\n    rev: {}\n    hooks:\n      - id: {id}\n",
            hooks.display(),
            revision.trim()
        ),
    );
    repository.write("pyproject.toml", "[tool.raceproof]\n");
    repository.write(".gitignore", ".raceproof_cache/\n");
    succeed(&repository.pre_commit(&["install"]));
    Some(repository)
}

#[test]
fn a_race_in_a_staged_file_blocks_the_commit() {
    let Some(repository) = repository("raceproof") else {
        return;
    };
    // Clean code passes.
    repository.write("shared.py", "def add(amount):\n    return amount\n");
    repository.git(&["add", "."]);
    succeed(&repository.commit());

    // The threads are in a file that this commit does not touch.
    repository.write("main.py", MAIN);
    repository.git(&["add", "main.py"]);
    succeed(&repository.commit());
    repository.write("shared.py", SHARED);
    repository.git(&["add", "shared.py"]);
    let output = repository.commit();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &stdout(&output);
    assert!(said.contains("unlocked-counter"), "{said}");
    assert!(said.contains("shared.py"), "{said}");

    repository.write("shared.py", FIXED);
    repository.git(&["add", "shared.py"]);
    succeed(&repository.commit());

    // Many names, and names with spaces.
    for index in 0..3000 {
        repository.write(
            &format!("a package/with a long name of its own/module number {index}.py"),
            "value = 1\n",
        );
    }
    repository.git(&["add", "."]);
    succeed(&repository.commit());
    repository.write(
        "a package/racing code.py",
        &format!(
            "{SHARED}\n{}",
            MAIN.replace("shared.", "").replace("import shared\n", "")
        ),
    );
    repository.git(&["add", "."]);
    let output = repository.pre_commit(&["run", "--all-files"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stdout(&output).contains("racing code.py"));
}

#[test]
fn the_other_hook_looks_at_the_whole_project() {
    let Some(repository) = repository("raceproof-all") else {
        return;
    };
    repository.write("shared.py", SHARED);
    repository.git(&["add", "."]);
    repository.git(&[
        "commit",
        "--quiet",
        "--no-verify",
        "--message",
        "before the hook",
    ]);
    // What is staged is fine by itself, and has threads run what is not.
    repository.write("main.py", MAIN);
    repository.git(&["add", "main.py"]);
    let output = repository.commit();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("unlocked-counter"), "{said}");
}
