//! Which Python the user means, for the commands that run one.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

/// A Python to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// How it is started.
    pub path: PathBuf,
    /// What led to it.
    pub from: Named,
}

/// What leads to a Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// `--python`.
    Option,
    /// `RACEPROOF_PYTHON`.
    Variable,
    /// The active or an audited virtual environment.
    Environment,
    /// A name looked up on the path.
    Path,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.from {
            Named::Option => write!(f, "--python {path}"),
            Named::Variable => write!(f, "RACEPROOF_PYTHON={path}"),
            Named::Environment => write!(f, "virtual environment's {path}"),
            Named::Path => write!(f, "{path}"),
        }
    }
}

/// Where to look for a Python, in order: `wanted` and nothing else, or `RACEPROOF_PYTHON`, the
/// active virtual environment, `free_threaded` (such as `python3.14t`), `python3`.
pub fn candidates(wanted: Option<&Path>, free_threaded: &str) -> Vec<Candidate> {
    let candidate = |path: PathBuf, from| Candidate { path, from };
    if let Some(path) = wanted {
        return vec![candidate(path.to_owned(), Named::Option)];
    }
    let variable = |name: &str| env::var_os(name).filter(|it| !it.is_empty());
    let mut found = Vec::new();
    if let Some(path) = variable("RACEPROOF_PYTHON") {
        found.push(candidate(path.into(), Named::Variable));
    }
    if let Some(root) = variable("VIRTUAL_ENV") {
        found.extend(of_environment(Path::new(&root)));
    }
    for name in [free_threaded, "python3"] {
        found.push(candidate(name.into(), Named::Path));
    }
    found
}

/// The interpreter of a virtual environment, if it has one.
pub fn of_environment(root: &Path) -> Option<Candidate> {
    let path = if cfg!(windows) {
        root.join("Scripts").join("python.exe")
    } else {
        root.join("bin").join("python")
    };
    path.exists().then_some(Candidate {
        path,
        from: Named::Environment,
    })
}
