//! Where file contents come from. Front ends differ in this value alone.

use std::io;
use std::path::{Path, PathBuf};

/// The files of a project.
pub trait Files: Send + Sync {
    /// The Python files to analyse, sorted, with what could not be listed.
    fn list(&self) -> (Vec<PathBuf>, Vec<(PathBuf, io::Error)>);

    /// The bytes of one file.
    ///
    /// # Errors
    /// Whatever the operating system says, or `NotFound` for a file this source does not have.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}
