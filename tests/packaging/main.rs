//! What users install: the wheel, and the hook of pre-commit.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../externals/mod.rs"]
mod externals;

mod extension;
mod pre_commit;
mod wheel;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where cargo builds: the same place for what these tests build, so that little is built twice.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    )
}

/// A program of a virtual environment.
fn script(environment: &Path, name: &str) -> PathBuf {
    if cfg!(windows) {
        environment.join("Scripts").join(format!("{name}.exe"))
    } else {
        environment.join("bin").join(name)
    }
}

/// Runs a command that must succeed.
#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    externals::succeed(&output);
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}
