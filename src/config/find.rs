//! Where the project is.

use std::path::{Path, PathBuf};

use super::{ConfigError, Table};

/// A project and what its configuration says.
#[derive(Debug, Default)]
pub struct Project {
    /// Its root; `None` when no directory upwards has a configuration file.
    pub root: Option<PathBuf>,
    /// The configuration in force; empty when there is none.
    pub table: Table,
}

/// Looks for the project around `start`, an absolute directory. A configuration that is named
/// outright is the one in force, wherever it lies.
///
/// # Errors
/// The configuration cannot be used.
pub fn find(start: &Path, named: Option<&Path>, rules: &[&str]) -> Result<Project, ConfigError> {
    let mut project = Project::default();
    for directory in start.ancestors() {
        let own = directory.join("raceproof.toml");
        let shared = directory.join("pyproject.toml");
        let own_there = own.is_file();
        if !own_there && !shared.is_file() {
            continue;
        }
        project.root = Some(directory.to_path_buf());
        if named.is_none() {
            project.table = Table::read(if own_there { &own } else { &shared }, rules)?;
        }
        break;
    }
    if let Some(named) = named {
        project.table = Table::read(named, rules)?;
    }
    Ok(project)
}
