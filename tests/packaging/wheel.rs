use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::externals::python_with;
use crate::{run, script, stdout, target};

const RACE: &str = "import threading

total = 0


def work():
    global total
    total += 1


for _ in range(4):
    threading.Thread(target=work).start()
";

fn only(directory: &Path, suffix: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.to_str().unwrap().ends_with(suffix))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn the_wheel_installs_and_runs() {
    let Some(python) = python_with("maturin") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let scratch = directory.path();
    // The profile of the tests: what is packed, and how, is the same in a release.
    run(Command::new(&python)
        .args(["-m", "maturin", "build", "--profile", "dev", "--out"])
        .arg(scratch)
        .env("CARGO_TARGET_DIR", target())
        .current_dir(env!("CARGO_MANIFEST_DIR")));
    let wheel = only(scratch, ".whl");
    let name = wheel.file_name().unwrap().to_str().unwrap();
    let expected = format!("raceproof-{}-py3-none-", env!("CARGO_PKG_VERSION"));
    assert!(name.starts_with(&expected), "{name}");

    let environment = scratch.join("environment");
    run(Command::new(&python).args(["-m", "venv"]).arg(&environment));
    let installed = script(&environment, "python");
    run(Command::new(&installed)
        .args(["-m", "pip", "install", "--quiet", "--no-index", "--no-deps"])
        .arg(&wheel));

    // The command, the module, and the module of an installation that is not an environment.
    let version = format!("raceproof {}\n", env!("CARGO_PKG_VERSION"));
    let command = script(&environment, "raceproof");
    let output = run(Command::new(&command).arg("--version"));
    assert_eq!(stdout(&output), version);
    let output = run(Command::new(&installed).args(["-m", "raceproof", "--version"]));
    assert_eq!(stdout(&output), version);
    let aside = scratch.join("aside");
    run(Command::new(&installed)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-index",
            "--no-deps",
            "--target",
        ])
        .args([&aside, &wheel]));
    let output = run(Command::new(&python)
        .args(["-m", "raceproof", "--version"])
        .env("PYTHONPATH", &aside)
        .current_dir(scratch));
    assert_eq!(stdout(&output), version);

    // A package without its binary says where it looked.
    std::fs::remove_dir_all(aside.join(if cfg!(windows) { "Scripts" } else { "bin" })).unwrap();
    let output = Command::new(&python)
        .args(["-S", "-m", "raceproof", "--version"])
        .env("PYTHONPATH", &aside)
        .current_dir(scratch)
        .output()
        .unwrap();
    if !output.status.success() {
        assert_eq!(output.status.code(), Some(2));
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(complaint.contains("aside"), "{complaint}");
    }

    let output = run(Command::new(&installed).args([
        "-c",
        "import importlib.metadata as m; d = m.metadata('raceproof');\n\
         print(d['License-Expression'], d['Requires-Python'], d['Summary'], d['Keywords'])\n\
         print(d.get_all('Project-URL'), d.get_all('Classifier'), d['Description-Content-Type'])\n\
         print([str(f) for f in m.files('raceproof')])",
    ]));
    let metadata = stdout(&output);
    for part in [
        "MIT OR Apache-2.0",
        ">=3.8",
        "data races",
        "free-threading",
        "Repository",
        "Free Threading",
        "text/markdown",
        "LICENSE-MIT",
        "raceproof/py.typed",
    ] {
        assert!(metadata.contains(part), "{part} is missing:\n{metadata}");
    }

    check_commands(&command, scratch);
}

/// What the issue of a release is: the three commands, from where it was installed.
fn check_commands(command: &Path, scratch: &Path) {
    std::fs::write(scratch.join("race.py"), RACE).unwrap();
    let output = Command::new(command)
        .args(["check", "--output-format", "concise", "race.py"])
        .current_dir(scratch)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stdout(&output).contains("unlocked-counter"), "{output:?}");
    let output = run(Command::new(command).args(["explain", "unlocked-counter"]));
    assert!(stdout(&output).contains("unlocked-counter"));

    let mut server = Command::new(command)
        .arg("server")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = server.stdin.take().unwrap();
    for message in [
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}"#,
        r#"{"jsonrpc":"2.0","method":"initialized","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"shutdown"}"#,
        r#"{"jsonrpc":"2.0","method":"exit"}"#,
    ] {
        write!(input, "Content-Length: {}\r\n\r\n{message}", message.len()).unwrap();
    }
    drop(input);
    let output = server.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("\"serverInfo\":{\"name\":\"raceproof\""));
}

#[test]
fn the_source_distribution_holds_what_a_build_needs() {
    let Some(python) = python_with("maturin") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    run(Command::new(&python)
        .args(["-m", "maturin", "sdist", "--out"])
        .arg(directory.path())
        .current_dir(env!("CARGO_MANIFEST_DIR")));
    let archive = only(directory.path(), ".tar.gz");
    run(Command::new(&python)
        .args([
            "-c",
            "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])",
        ])
        .arg(&archive)
        .arg(directory.path()));
    let root = directory
        .path()
        .join(format!("raceproof-{}", env!("CARGO_PKG_VERSION")));
    for needed in [
        "Cargo.lock",
        "pyproject.toml",
        "README.md",
        "LICENSE-MIT",
        "python/raceproof/__main__.py",
        "rules/unlocked-counter.md",
        "rules/models/threading.toml",
        "src/main.rs",
    ] {
        assert!(root.join(needed).is_file(), "{needed} is missing");
    }
    assert!(!root.join("tests").exists());
    // Cargo is content with what the manifest names.
    run(Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--offline",
            "--locked",
            "--no-deps",
            "--format-version",
            "1",
        ])
        .current_dir(root));
}
