//! Which Python runs the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::config::python::{Named, candidates};

/// Oldest version the agent runs on.
pub const OLDEST: (u32, u32) = (3, 9);

/// What an interpreter says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// How it is started.
    pub path: PathBuf,
    /// Version.
    pub version: (u32, u32, u32),
    /// The GIL is off.
    pub free_threaded: bool,
    /// Such as `cpython`.
    pub implementation: String,
}

impl Interpreter {
    /// Such as `CPython 3.14.7 (free-threaded)`.
    pub fn describe(&self) -> String {
        let (major, minor, micro) = self.version;
        let name = match self.implementation.as_str() {
            "cpython" => "CPython",
            other => other,
        };
        let suffix = if self.free_threaded {
            " (free-threaded)"
        } else {
            ""
        };
        format!("{name} {major}.{minor}.{micro}{suffix}")
    }
}

/// Finds an interpreter among the [`candidates`]: the first that the user named, or that exists.
///
/// # Errors
/// There is none, it does not run, or it is older than [`OLDEST`]: a sentence that says which.
pub fn find(wanted: Option<&Path>) -> Result<Interpreter, String> {
    let mut last = String::new();
    for candidate in candidates(wanted, "python3.14t") {
        match ask(&candidate.path) {
            Ok(found) => return Ok(found),
            Err(why) if candidate.from == Named::Path => last = format!("{candidate}: {why}"),
            // What was named is meant, whatever else there is.
            Err(why) => return Err(format!("{candidate}: {why}")),
        }
    }
    Err(format!(
        "no Python to run the program with ({last}); name one with --python or RACEPROOF_PYTHON"
    ))
}

/// In the syntax of every Python there is, so that an old one can tell that it is too old.
const QUESTION: &str = "import sys; sys.stdout.write(' '.join(map(str, sys.version_info[:3])) + \
     ' %s %d' % (getattr(getattr(sys, 'implementation', None), 'name', 'cpython'), \
     hasattr(sys, '_is_gil_enabled') and not sys._is_gil_enabled()))";

/// Starts an interpreter to ask its version.
///
/// # Errors
/// It does not start, says nonsense, or is too old.
pub fn ask(path: &Path) -> Result<Interpreter, String> {
    let output = Command::new(path)
        .args(["-S", "-c", QUESTION])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = text.split_whitespace().collect();
    let [major, minor, micro, implementation, free_threaded] = words[..] else {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let complaint = complaint.lines().last().unwrap_or("it says nothing");
        return Err(format!("is no working Python: {complaint}"));
    };
    let number = |it: &str| it.parse().unwrap_or(0);
    let found = Interpreter {
        path: path.to_owned(),
        version: (number(major), number(minor), number(micro)),
        free_threaded: free_threaded == "1",
        implementation: implementation.to_owned(),
    };
    if (found.version.0, found.version.1) < OLDEST {
        return Err(format!(
            "is {}; raceproof explores with Python {}.{} or newer",
            found.describe(),
            OLDEST.0,
            OLDEST.1
        ));
    }
    if found.implementation != "cpython" {
        return Err(format!(
            "is {}; raceproof explores with CPython only",
            found.describe()
        ));
    }
    Ok(found)
}
