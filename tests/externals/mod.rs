//! Programs that tests use and that not every machine has: `.ci/run` installs them. Where one is
//! missing the test says so and is skipped, unless `RACEPROOF_REQUIRE_EXTERNALS=1` is set.
#![allow(dead_code, clippy::unwrap_used, missing_docs, clippy::print_stderr)]

use std::path::PathBuf;
use std::process::{Command, Output};

/// The program, if it runs with these arguments.
pub fn command(program: &str, probe: &[&str]) -> Option<Command> {
    let works = Command::new(program)
        .args(probe)
        .output()
        .is_ok_and(|it| it.status.success());
    if !works {
        missing(program);
        return None;
    }
    Some(Command::new(program))
}

/// A Python that can import `module`: the one of `RACEPROOF_TEST_PYTHON`, or `python3`.
pub fn python_with(module: &str) -> Option<PathBuf> {
    let python = std::env::var_os("RACEPROOF_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let works = Command::new(&python)
        .args(["-c", &format!("import {module}")])
        .output()
        .is_ok_and(|it| it.status.success());
    if !works {
        missing(&format!("{} with {module}", python.to_string_lossy()));
        return None;
    }
    Some(PathBuf::from(python))
}

fn missing(what: &str) {
    let required = std::env::var_os("RACEPROOF_REQUIRE_EXTERNALS").is_some_and(|it| it == "1");
    assert!(!required, "{what} is missing");
    eprintln!("skipped: {what} is missing");
}

/// The program ended well; if not, everything it said.
#[track_caller]
pub fn succeed(output: &Output) {
    assert!(
        output.status.success(),
        "{}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
