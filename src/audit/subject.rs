//! What a path given to the audit is, and what a project offers when nothing was given.

use std::fs;
use std::path::{Path, PathBuf};

use super::environment::{Environment, recognise, unreadable};
use super::lockfile::{Format, format_of};
use super::outcome::Problem;

/// Something that can be audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A lock file.
    Lock(PathBuf, Format),
    /// An environment or a site-packages folder.
    Environment(Environment),
    /// A wheel.
    Wheel(PathBuf),
    /// One extension module.
    Module(PathBuf),
}

impl Subject {
    /// Its path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Lock(path, _) | Self::Wheel(path) | Self::Module(path) => path,
            Self::Environment(environment) => &environment.root,
        }
    }
}

/// What there is to audit at `path`: one thing, or the lock files and environments of a project.
pub fn subjects(path: &Path) -> (Vec<Subject>, Vec<Problem>) {
    let problem = |message: &str| Problem {
        path: path.display().to_string(),
        message: message.to_owned(),
        fatal: true,
    };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return (Vec::new(), vec![unreadable(path, &error)]),
    };
    if metadata.is_dir() {
        if let Some(environment) = recognise(path) {
            return (vec![Subject::Environment(environment)], Vec::new());
        }
        return of_project(path);
    }
    if let Some(format) = format_of(path) {
        return (vec![Subject::Lock(path.to_owned(), format)], Vec::new());
    }
    let subject = match path.extension().and_then(|it| it.to_str()) {
        Some("whl") => Subject::Wheel(path.to_owned()),
        Some("so" | "pyd") => Subject::Module(path.to_owned()),
        // A requirements file of any name, such as `constraints.txt` or `dev.txt`.
        Some("txt") => Subject::Lock(path.to_owned(), Format::Requirements),
        _ => {
            return (
                Vec::new(),
                vec![problem(
                    "not a lock file, an environment, a wheel or an extension module",
                )],
            );
        }
    };
    (vec![subject], Vec::new())
}

fn of_project(root: &Path) -> (Vec<Subject>, Vec<Problem>) {
    let mut subjects = Vec::new();
    let mut problems = Vec::new();
    let mut entries = Vec::new();
    match fs::read_dir(root) {
        Ok(read) => entries.extend(read.flatten().map(|entry| entry.path())),
        Err(error) => problems.push(unreadable(root, &error)),
    }
    entries.sort();
    for path in &entries {
        if let Some(format) = format_of(path)
            && path.is_file()
        {
            subjects.push(Subject::Lock(path.clone(), format));
        }
    }
    let mut folders: Vec<PathBuf> = [".venv", "venv"].iter().map(|it| root.join(it)).collect();
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        folders.extend(std::env::var_os(variable).map(PathBuf::from));
    }
    let mut known: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let Ok(real) = folder.canonicalize() else {
            continue;
        };
        if known.contains(&real) {
            continue;
        }
        if let Some(environment) = recognise(&folder) {
            known.push(real);
            subjects.push(Subject::Environment(environment));
        }
    }
    (subjects, problems)
}
