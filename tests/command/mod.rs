//! Runs the real command in a project of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A directory with files, gone when the test is.
pub struct Project {
    directory: TempDir,
}

/// What a run left.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Project {
    /// Files by path and contents.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let project = Self {
            directory: TempDir::with_prefix("raceproof-").unwrap(),
        };
        for (path, text) in files {
            project.write(path, text.as_bytes());
        }
        project
    }

    pub fn path(&self) -> PathBuf {
        // macOS reaches its temporary directory through a link.
        self.directory.path().canonicalize().unwrap()
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        command(&self.path(), arguments)
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        finish(&mut self.command(arguments))
    }

    pub fn run_with_stdin(&self, arguments: &[&str], stdin: &[u8]) -> Run {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        let output = child.wait_with_output().unwrap();
        Run::of(output)
    }
}

impl Run {
    fn of(output: std::process::Output) -> Self {
        Self {
            // A signal has no code, and no test expects one.
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raceproof"));
    command
        .args(arguments)
        .current_dir(directory)
        .env_remove("NO_COLOR")
        .env("LC_ALL", "C.UTF-8");
    command
}

pub fn finish(command: &mut Command) -> Run {
    Run::of(command.stdin(Stdio::null()).output().unwrap())
}
