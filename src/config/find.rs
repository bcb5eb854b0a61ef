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

/// Looks for the project around `start`, an absolute directory.
///
/// # Errors
/// The configuration that was found cannot be used.
pub fn find(start: &Path, rules: &[&str]) -> Result<Project, ConfigError> {
    for directory in start.ancestors() {
        let own = directory.join("raceproof.toml");
        let shared = directory.join("pyproject.toml");
        let own_there = own.is_file();
        if !own_there && !shared.is_file() {
            continue;
        }
        let table = Table::read(if own_there { &own } else { &shared }, rules)?;
        return Ok(Project {
            root: Some(directory.to_path_buf()),
            table,
        });
    }
    Ok(Project::default())
}
