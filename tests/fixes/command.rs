//! `raceproof check --fix`, `--unsafe-fixes` and `--diff`.

use std::path::Path;
use std::process::{Command, Output};

const COUNTER: &str = "\
import threading

CACHE = {}
TOTALS = [0]


def work(key='a'):
    if key not in CACHE:
        CACHE[key] = []
    lock = threading.Lock()
    with lock:
        TOTALS[0] += 1


for _ in range(4):
    threading.Thread(target=work).start()
";

fn raceproof(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_raceproof"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

fn project(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("raceproof.toml"), "").unwrap();
    for (name, bytes) in files {
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

fn text(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join(name)).unwrap()
}

#[test]
fn only_safe_fixes_unless_asked() {
    let directory = project(&[("a.py", COUNTER.as_bytes())]);
    let root = directory.path();
    let output = raceproof(root, &["check", "--fix"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let fixed = text(root, "a.py");
    assert!(fixed.contains("CACHE.setdefault(key, [])"), "{fixed}");
    assert!(fixed.contains("    lock = threading.Lock()"), "{fixed}");
    raceproof(root, &["check", "--unsafe-fixes"]);
    let fixed = text(root, "a.py");
    assert!(fixed.contains("_work_lock = threading.Lock()"), "{fixed}");
}

#[test]
fn a_diff_changes_nothing() {
    let directory = project(&[("a.py", COUNTER.as_bytes())]);
    let root = directory.path();
    let output = raceproof(root, &["check", "--diff"]);
    assert_eq!(output.status.code(), Some(1));
    let diff = String::from_utf8(output.stdout).unwrap();
    assert!(diff.starts_with("--- a.py\n+++ a.py\n"), "{diff}");
    assert!(diff.contains("+    CACHE.setdefault(key, [])\n"), "{diff}");
    assert_eq!(text(root, "a.py"), COUNTER);
    raceproof(root, &["check", "--fix"]);
    let output = raceproof(root, &["check", "--diff"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stdout.is_empty());
}

#[test]
fn files_outside_the_focus_stay() {
    let directory = project(&[("a.py", COUNTER.as_bytes()), ("b.py", COUNTER.as_bytes())]);
    raceproof(directory.path(), &["check", "--fix", "a.py"]);
    assert_ne!(text(directory.path(), "a.py"), COUNTER);
    assert_eq!(text(directory.path(), "b.py"), COUNTER);
}

#[test]
fn encodings_and_line_ends_stay() {
    let windows = COUNTER.replace('\n', "\r\n");
    let marked = [b"\xef\xbb\xbf".as_slice(), COUNTER.as_bytes()].concat();
    let latin = [
        b"# coding: latin-1\n# \xe9\n".as_slice(),
        COUNTER.as_bytes(),
    ]
    .concat();
    let directory = project(&[
        ("windows.py", windows.as_bytes()),
        ("marked.py", &marked),
        ("latin.py", &latin),
    ]);
    let root = directory.path();
    let output = raceproof(root, &["check", "--fix"]);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        complaint.contains("latin.py: is not encoded in UTF-8"),
        "{complaint}"
    );
    assert_eq!(std::fs::read(root.join("latin.py")).unwrap(), latin);
    let fixed = text(root, "windows.py");
    assert!(fixed.contains("setdefault"));
    assert_eq!(fixed.matches('\n').count(), fixed.matches("\r\n").count());
    let fixed = std::fs::read(root.join("marked.py")).unwrap();
    assert!(fixed.starts_with(b"\xef\xbb\xbfimport"));
}

#[test]
fn standard_input_is_not_fixed() {
    let directory = project(&[]);
    let output = raceproof(directory.path(), &["check", "--fix", "-"]);
    assert_eq!(output.status.code(), Some(2));
}
