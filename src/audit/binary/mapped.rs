//! Files as memory, without copying them.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// The contents of a file: mapped, or owned when they came out of an archive.
pub enum Bytes {
    /// A file on disk.
    Mapped(Mmap),
    /// A member of a wheel, or an empty file.
    Owned(Vec<u8>),
}

impl Bytes {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// Whatever opening it or mapping it says; a directory, a device or a pipe is `InvalidInput`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        if metadata.len() == 0 {
            return Ok(Self::Owned(Vec::new()));
        }
        let file = File::open(path)?;
        // SAFETY: the map is read-only and private, and every reader bounds-checks what it reads,
        // so bytes that another process changes meanwhile give a wrong reading, not undefined
        // control flow. A file that is truncated while mapped raises SIGBUS, as in every other
        // tool that maps (linkers, ripgrep); installed extension modules are replaced, not cut.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self::Mapped(map))
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}
