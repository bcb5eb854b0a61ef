//! What no compiler checks: layers, homes of third-party types, paths named in documents, and what
//! must not be in the repository at all.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Who may import whom, by path below `src/`: `docs/architecture.md` draws the same table. The
/// longest key that begins a path counts; a new arrow needs a record in `docs/decisions/`.
const LAYERS: &[(&str, &[&str])] = &[
    ("source", &[]),
    ("models", &["source"]),
    ("facts", &["models", "source"]),
    ("program", &["facts", "findings", "models", "source"]),
    ("trace", &["source"]),
    ("findings", &["source"]),
    (
        "findings/filter",
        &["config", "facts", "findings", "source"],
    ),
    (
        "rule",
        &["facts", "findings", "models", "program", "source", "trace"],
    ),
    (
        "rules",
        &[
            "facts", "findings", "models", "program", "rule", "source", "trace",
        ],
    ),
    (
        "config",
        &["findings", "models", "program", "rule", "source"],
    ),
    (
        "engine",
        &[
            "config", "facts", "findings", "models", "program", "rule", "rules", "source", "trace",
        ],
    ),
    (
        "fixes",
        &["facts", "findings", "models", "program", "source"],
    ),
    ("report", &["config", "findings", "fixes", "rule", "source"]),
    (
        "report/graph",
        &["findings", "program", "rule", "source", "report"],
    ),
    (
        "report/line",
        &["findings", "program", "rule", "source", "report"],
    ),
    (
        "dynamic",
        &[
            "config", "engine", "findings", "program", "rule", "source", "trace",
        ],
    ),
    ("audit", &["config", "findings", "source"]),
    (
        "lsp",
        &[
            "config", "engine", "facts", "findings", "fixes", "models", "program", "rule", "source",
        ],
    ),
    (
        "cli",
        &[
            "audit", "config", "dynamic", "engine", "facts", "findings", "fixes", "lsp", "models",
            "program", "report", "rule", "rules", "source", "trace",
        ],
    ),
];

/// Third-party crates that only some modules may name.
const HOMES: &[(&str, &[&str])] = &[
    ("ruff_python_ast", &["facts", "fixes", "source"]),
    ("ruff_python_parser", &["facts", "fixes", "source"]),
    ("ruff_text_size", &["facts", "fixes", "source"]),
    ("petgraph", &["program", "rules"]),
    ("rayon", &["audit", "engine", "program"]),
    ("miette", &["cli", "config/error", "report"]),
    ("lsp_types", &["lsp"]),
    ("lsp_server", &["lsp"]),
    ("clap", &["cli"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files of the repository that git does not ignore, with their paths from its root.
fn files() -> Vec<(String, PathBuf)> {
    let root = root();
    let mut files: Vec<_> = ignore::WalkBuilder::new(&root)
        .hidden(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_some_and(|it| it.is_file()))
        .map(|entry| {
            let path = entry.path().strip_prefix(&root).unwrap();
            let shown = path.to_str().unwrap().replace('\\', "/");
            (shown, entry.into_path())
        })
        .collect();
    files.sort();
    files
}

/// The Rust files below `src/`, by path without that folder, with their code: comments left out.
fn sources() -> Vec<(String, String)> {
    files()
        .into_iter()
        .filter_map(|(shown, path)| {
            let inner = shown.strip_prefix("src/")?.strip_suffix(".rs")?.to_owned();
            let text = std::fs::read_to_string(path).unwrap();
            let code: Vec<&str> = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            Some((inner, code.join("\n")))
        })
        .collect()
}

/// The value for the longest key that is `path` or a folder above it.
fn longest<'a, T: ?Sized>(table: &[(&str, &'a T)], path: &str) -> Option<&'a T> {
    table
        .iter()
        .filter(|(key, _)| is_below(path, key))
        .max_by_key(|(key, _)| key.len())
        .map(|(_, value)| *value)
}

fn is_below(path: &str, folder: &str) -> bool {
    path == folder
        || path
            .strip_prefix(folder)
            .is_some_and(|it| it.starts_with('/'))
}

/// The identifiers that follow `prefix` in `code`.
fn after<'a>(code: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    code.match_indices(prefix)
        .filter(|(at, _)| {
            !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
        })
        .map(|(at, _)| {
            let rest = &code[at + prefix.len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            &rest[..end.unwrap_or(rest.len())]
        })
        .collect()
}

#[test]
fn layers_hold() {
    let mut wrong = Vec::new();
    for (path, code) in sources() {
        if path == "lib" || path == "main" {
            continue;
        }
        let Some(allowed) = longest(LAYERS, &path) else {
            wrong.push(format!("src/{path}.rs has no layer: add it to the table"));
            continue;
        };
        let own = path.split('/').next().unwrap();
        for module in after(&code, "crate::") {
            if !module.is_empty() && module != own && !allowed.contains(&module) {
                wrong.push(format!("src/{path}.rs imports crate::{module}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "against the layers:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn layers_have_no_circles() {
    // `findings/filter` and the like are steps of their own, on top of what they import.
    fn reach(from: &str, seen: &mut BTreeSet<String>) {
        for next in longest(LAYERS, from).unwrap_or(&[]) {
            if seen.insert((*next).to_owned()) {
                reach(next, seen);
            }
        }
    }
    for (layer, _) in LAYERS {
        let mut seen = BTreeSet::new();
        reach(layer, &mut seen);
        assert!(!seen.contains(*layer), "{layer} imports itself by a detour");
    }
}

#[test]
fn third_parties_stay_home() {
    let mut wrong = Vec::new();
    for (path, code) in sources() {
        for (name, homes) in HOMES {
            let used = !after(&code, &format!("{name}::")).is_empty();
            if used && !homes.iter().any(|home| is_below(&path, home)) {
                wrong.push(format!("src/{path}.rs names {name}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "third-party types abroad:\n{}",
        wrong.join("\n")
    );
}

/// The documents whose words about files are checked.
fn documents() -> Vec<(String, String)> {
    files()
        .into_iter()
        .filter(|(shown, _)| {
            let is_document = shown.starts_with("docs/") || shown.starts_with("rules/");
            shown.ends_with(".md") && (is_document || !shown.contains('/'))
        })
        .map(|(shown, path)| (shown, std::fs::read_to_string(path).unwrap()))
        .collect()
}

/// A word in backticks that names a file or folder of the repository.
fn named_path(word: &str) -> Option<&str> {
    const TOP: &[&str] = &[
        "src/",
        "tests/",
        "rules/",
        "docs/",
        "fixtures/",
        "benches/",
        "editors/",
        "python/",
        "fuzz/",
        ".ci/",
        ".github/",
    ];
    let placeholder = word.contains(['<', '*', '{', '…', ' ']);
    (TOP.iter().any(|top| word.starts_with(top)) && !placeholder).then_some(word)
}

#[test]
fn documents_name_files_that_exist() {
    let mut wrong = Vec::new();
    for (shown, text) in documents() {
        let prose: Vec<&str> = text.split("```").step_by(2).flat_map(str::lines).collect();
        for line in prose {
            for word in line.split('`').skip(1).step_by(2).filter_map(named_path) {
                let path = word.split(['#', ':']).next().unwrap();
                if !root().join(path).exists() {
                    wrong.push(format!("{shown}: `{word}` does not exist"));
                }
            }
            for link in line.split("](").skip(1) {
                let target = link.split([')', '#']).next().unwrap();
                if target.is_empty() || target.contains("://") {
                    continue;
                }
                let folder = Path::new(&shown).parent().unwrap();
                if !root().join(folder).join(target).exists() {
                    wrong.push(format!("{shown}: the link to {target} leads nowhere"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_path_of_a_machine_is_committed() {
    // Put together here, so that this file passes its own test.
    let forbidden = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/"].concat(),
        ["/Us", "ers/"].concat(),
    ];
    let mut wrong = Vec::new();
    for (shown, path) in files() {
        let Ok(text) = std::fs::read_to_string(path) else {
            continue;
        };
        for (number, line) in (1..).zip(text.lines()) {
            if forbidden.iter().any(|it| line.contains(it)) {
                wrong.push(format!("{shown}:{number}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lock_files_of_fixtures_name_no_registry() {
    const LOCKS: &[&str] = &[
        "uv.lock",
        "poetry.lock",
        "pdm.lock",
        "Pipfile.lock",
        "pylock.toml",
        "package-lock.json",
    ];
    let mut wrong = Vec::new();
    for (shown, path) in files() {
        let name = shown.rsplit('/').next().unwrap();
        let in_tests = shown.starts_with("fixtures/") || shown.starts_with("tests/");
        let is_lock = LOCKS.contains(&name)
            || name.starts_with("requirements")
            || name.starts_with("pylock.");
        if !in_tests || !is_lock {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        for host in text.split("://").skip(1) {
            let host = host.split(['/', '"', '\'', '\n', ' ']).next().unwrap();
            if host != "files.example" {
                wrong.push(format!("{shown}: {host}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "hosts other than files.example:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_test_is_ignored() {
    let attribute = ["#[ign", "ore"].concat();
    for (shown, path) in files() {
        if shown.ends_with(".rs") {
            let text = std::fs::read_to_string(path).unwrap();
            assert!(
                !text.contains(&attribute),
                "{shown}: assert what is wrong instead"
            );
        }
    }
}

#[test]
fn the_readme_and_the_gate_run_the_same_tests() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let readme = read("README.md");
    let command = readme
        .lines()
        .find(|line| line.starts_with("cargo test"))
        .expect("the README says how to run the tests");
    let gate = read(".ci/run");
    assert!(gate.lines().any(|line| line.trim() == command), "{command}");
}
