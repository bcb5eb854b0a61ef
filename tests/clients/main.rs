//! The language server under clients that others wrote: Neovim, Emacs, and pytest-lsp (pygls).
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../externals/mod.rs"]
mod externals;

use std::process::Command;

use externals::{command, python_with, succeed};

const CACHE: &str = r#"import threading
import other

CACHE = {}
total = 0


def work(key="a"):
    if key not in CACHE:
        CACHE[key] = []  # empty


for _ in range(4):
    threading.Thread(target=work).start()
"#;

const OTHER: &str = "count = 0


def bump():
    global count
    count += 1
";

fn project() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("raceproof.toml"), "").unwrap();
    std::fs::write(directory.path().join("cache.py"), CACHE).unwrap();
    std::fs::write(directory.path().join("other.py"), OTHER).unwrap();
    directory
}

fn script(name: &str) -> String {
    format!("{}/tests/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn neovim_shows_fixes_and_follows() {
    let Some(mut neovim) = command("nvim", &["--version"]) else {
        return;
    };
    let project = project();
    let root = project.path().canonicalize().unwrap();
    let output = neovim
        .args(["--headless", "--clean", "-c"])
        .arg(format!("luafile {}", script("neovim.lua")))
        .env("RACEPROOF_BINARY", env!("CARGO_BIN_EXE_raceproof"))
        .env("RACEPROOF_ROOT", root)
        .output()
        .unwrap();
    succeed(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("ok"));
}

#[test]
fn emacs_shows_and_fixes() {
    // Part of Emacs from 29 on, a package before.
    let probe = "(progn (require 'package) (package-initialize) (require 'eglot))";
    let Some(mut emacs) = command("emacs", &["--batch", "--eval", probe]) else {
        return;
    };
    let project = project();
    let root = project.path().canonicalize().unwrap();
    let output = emacs
        .args(["--batch", "-l", &script("eglot.el")])
        .env("RACEPROOF_BINARY", env!("CARGO_BIN_EXE_raceproof"))
        .env("RACEPROOF_ROOT", root)
        .output()
        .unwrap();
    succeed(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("ok"));
}

#[test]
fn pytest_lsp_is_content() {
    let Some(python) = python_with("pytest_lsp") else {
        return;
    };
    let project = project();
    let root = project.path().canonicalize().unwrap();
    let output = Command::new(python)
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .arg(script("test_server.py"))
        .env("RACEPROOF_BINARY", env!("CARGO_BIN_EXE_raceproof"))
        .env("RACEPROOF_ROOT", root)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    succeed(&output);
}
