//! Where file contents come from. Front ends differ in this value alone.
//!
//! Paths are relative to the root of the project, so that findings, caches and fingerprints do not
//! depend on where it lies.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::discover::{Selection, discover};
use super::parse::MAX_BYTES;

/// The files of a project.
pub trait Files: Send + Sync {
    /// The Python files to analyse, sorted, with what could not be listed.
    fn list(&self) -> Listing;

    /// The bytes of one file.
    ///
    /// # Errors
    /// Whatever the operating system says, or `NotFound` for a file this source does not have.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The text of one file, where it is known as text: nothing is to be decoded then, whatever
    /// encoding a comment in it declares for the file on disk.
    fn text(&self, path: &Path) -> Option<Arc<str>> {
        let _ = path;
        None
    }

    /// What tells that a file is unchanged without reading it; `None` when nothing does.
    fn stamp(&self, path: &Path) -> Option<Stamp>;
}

/// What there is to analyse.
#[derive(Debug, Default)]
pub struct Listing {
    /// Python files, sorted.
    pub files: Vec<PathBuf>,
    /// What was asked for, or met on the way, and cannot be analysed.
    pub problems: Vec<(PathBuf, io::Error)>,
    /// Stub files met, which hold no code that runs.
    pub stubs: usize,
    /// Notebooks met, which are out of scope.
    pub notebooks: usize,
}

/// State of a file on disk. Two equal stamps mean equal contents, unless the file was changed
/// within the clock's resolution; see [`Stamp::is_settled`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    size: u64,
    /// Nanoseconds since 1970.
    modified: u64,
    /// Nanoseconds since 1970 of the last change of the inode, which nobody can set back.
    changed: u64,
    inode: u64,
}

/// File systems keep times to two seconds at worst.
const RESOLUTION: u64 = 2_000_000_000;

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Option<Self> {
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        #[cfg(unix)]
        let (changed, inode) = {
            use std::os::unix::fs::MetadataExt;
            let changed = metadata
                .ctime()
                .wrapping_mul(1_000_000_000)
                .wrapping_add(metadata.ctime_nsec());
            (changed.cast_unsigned(), metadata.ino())
        };
        #[cfg(not(unix))]
        let (changed, inode) = (0, 0);
        Some(Self {
            size: metadata.len(),
            modified: u64::try_from(modified.as_nanos()).ok()?,
            changed,
            inode,
        })
    }

    /// The last change lies so far before `now` (nanoseconds since 1970) that another one would
    /// show in the stamp.
    pub fn is_settled(&self, now: u64) -> bool {
        self.modified.max(self.changed).saturating_add(RESOLUTION) < now
    }
}

/// The file system.
#[derive(Debug, Clone)]
pub struct Disk {
    selection: Selection,
}

impl Disk {
    /// The files that `selection` selects.
    pub fn new(selection: Selection) -> Self {
        Self { selection }
    }
}

impl Files for Disk {
    fn list(&self) -> Listing {
        discover(&self.selection)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = std::fs::File::open(self.selection.root.join(path))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "is not a regular file",
            ));
        }
        let size = metadata.len();
        let mut bytes = Vec::with_capacity(usize::try_from(size.min(MAX_BYTES) + 1).unwrap_or(0));
        // A file may grow while it is read.
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!(
                    "is larger than {} MB; exclude it if it is data",
                    MAX_BYTES >> 20
                ),
            ));
        }
        Ok(bytes)
    }

    fn stamp(&self, path: &Path) -> Option<Stamp> {
        Stamp::of(&std::fs::metadata(self.selection.root.join(path)).ok()?)
    }
}

/// Files that exist in memory only.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Arc<[u8]>>,
}

impl Memory {
    /// Files by path and contents.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        Self {
            files: files
                .into_iter()
                .map(|(path, bytes)| (PathBuf::from(path), bytes.into()))
                .collect(),
        }
    }
}

impl Files for Memory {
    fn list(&self) -> Listing {
        Listing {
            files: self.files.keys().cloned().collect(),
            ..Listing::default()
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn stamp(&self, _path: &Path) -> Option<Stamp> {
        None
    }
}

/// Texts that replace or join the files below, such as an editor's unsaved buffers.
#[derive(Clone)]
pub struct Overlay {
    below: Arc<dyn Files>,
    texts: Arc<BTreeMap<PathBuf, Arc<str>>>,
}

impl Overlay {
    /// Nothing replaced yet.
    pub fn over(below: Arc<dyn Files>) -> Self {
        Self {
            below,
            texts: Arc::default(),
        }
    }

    /// Takes `text` for the contents of `path` from now on.
    pub fn set(&mut self, path: PathBuf, text: Arc<str>) {
        Arc::make_mut(&mut self.texts).insert(path, text);
    }

    /// Takes the contents of `path` from below again.
    pub fn clear(&mut self, path: &Path) {
        Arc::make_mut(&mut self.texts).remove(path);
    }

    /// The text that stands for `path`.
    pub fn replacement(&self, path: &Path) -> Option<&Arc<str>> {
        self.texts.get(path)
    }

    /// Something is replaced.
    pub fn is_dirty(&self) -> bool {
        !self.texts.is_empty()
    }
}

impl Files for Overlay {
    fn list(&self) -> Listing {
        let mut listing = self.below.list();
        listing.files.extend(self.texts.keys().cloned());
        listing.files.sort();
        listing.files.dedup();
        // A buffer that was never saved is no missing file.
        listing
            .problems
            .retain(|(path, _)| !self.texts.contains_key(path));
        listing
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.texts.get(path) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => self.below.read(path),
        }
    }

    fn text(&self, path: &Path) -> Option<Arc<str>> {
        match self.texts.get(path) {
            Some(text) => Some(Arc::clone(text)),
            None => self.below.text(path),
        }
    }

    fn stamp(&self, path: &Path) -> Option<Stamp> {
        if self.texts.contains_key(path) {
            return None;
        }
        self.below.stamp(path)
    }
}
