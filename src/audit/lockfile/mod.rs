//! Lock files: what an installer would install, without asking an index.
//!
//! One reader per format fills the same [`Lock`]; `needed.rs` follows markers, extras and groups
//! through it.

pub mod needed;
mod pdm;
mod pipfile;
mod poetry;
mod pylock;
mod requirements;
mod table;
mod uv;

use std::path::Path;

/// A lock file is text; more than this is not one.
pub const MAX_SIZE: u64 = 256 << 20;

/// The formats we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `uv.lock`.
    Uv,
    /// `pylock.toml`, `pylock.<name>.toml` (PEP 751).
    Pylock,
    /// `poetry.lock`.
    Poetry,
    /// `pdm.lock`.
    Pdm,
    /// `requirements*.txt`.
    Requirements,
    /// `Pipfile.lock`.
    Pipfile,
}

/// Where a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A package index, or files named outright.
    Index,
    /// The project itself, or a member of its workspace.
    Project,
    /// A source tree: a folder, an archive or a repository.
    Source,
}

/// When a dependency counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Always.
    Always,
    /// With an extra of the package that requires it.
    Extra(String),
    /// With a dependency group of the project.
    Group(String),
}

/// A dependency of a locked package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Normal form of the name.
    pub name: String,
    /// The version, where the lock tells several apart.
    pub version: Option<String>,
    /// Its marker.
    pub marker: Option<String>,
    /// Extras of it that are required.
    pub extras: Vec<String>,
    /// When it counts.
    pub scope: Scope,
}

/// A locked package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Normal form of the name.
    pub name: String,
    /// Version; empty when the lock has none.
    pub version: String,
    /// Where it comes from.
    pub origin: Origin,
    /// File names of its wheels.
    pub wheels: Vec<String>,
    /// It has a source distribution.
    pub sdist: bool,
    /// The format names files (so that none means none).
    pub lists_files: bool,
    /// What it requires.
    pub requires: Vec<Requirement>,
    /// A marker on the package itself.
    pub marker: Option<String>,
    /// Groups it belongs to, in formats that say so.
    pub groups: Vec<String>,
    /// Only with an extra.
    pub optional: bool,
    /// Line of its entry, from 1.
    pub line: usize,
}

impl Package {
    fn new(name: &str, version: &str) -> Self {
        Self {
            name: super::tag::normal_name(name),
            version: version.to_owned(),
            origin: Origin::Index,
            wheels: Vec::new(),
            sdist: false,
            lists_files: true,
            requires: Vec::new(),
            marker: None,
            groups: Vec::new(),
            optional: false,
            line: 1,
        }
    }

    /// Notes a file by its name or URL.
    fn add_file(&mut self, url: &str) {
        let url = url.split(['#', '?']).next().unwrap_or(url);
        let name =
            super::environment::percent_decoded(url.rsplit(['/', '\\']).next().unwrap_or(url));
        if name.ends_with(".whl") {
            self.wheels.push(name);
        } else if [".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".tar"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
        {
            self.sdist = true;
        }
    }
}

/// A lock file as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Its packages.
    pub packages: Vec<Package>,
    /// What could not be read: line (0 for the whole file), message, and whether packages may be
    /// missing because of it.
    pub problems: Vec<(usize, String, bool)>,
}

impl Lock {
    fn problem(&mut self, line: usize, message: impl Into<String>) {
        self.problems.push((line, message.into(), true));
    }

    fn note(&mut self, line: usize, message: impl Into<String>) {
        self.problems.push((line, message.into(), false));
    }
}

/// The format of a file, by its name.
pub fn format_of(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?;
    Some(match name {
        "uv.lock" => Format::Uv,
        "poetry.lock" => Format::Poetry,
        "pdm.lock" => Format::Pdm,
        "Pipfile.lock" => Format::Pipfile,
        "pylock.toml" => Format::Pylock,
        _ if name.starts_with("pylock.") && name.ends_with(".toml") => Format::Pylock,
        _ if name.contains("requirements")
            && (name.ends_with(".txt") || name.ends_with(".lock")) =>
        {
            Format::Requirements
        }
        _ => return None,
    })
}

/// Reads a lock file's text. `include` gives the text of a file that a requirements file refers
/// to; it is not called for other formats. What cannot be read is in [`Lock::problems`].
pub fn read(format: Format, text: &str, include: &dyn Fn(&str) -> Result<String, String>) -> Lock {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lock = match format {
        Format::Uv => uv::read(text),
        Format::Pylock => pylock::read(text),
        Format::Poetry => poetry::read(text),
        Format::Pdm => pdm::read(text),
        Format::Requirements => requirements::read(text, include),
        Format::Pipfile => pipfile::read(text),
    };
    note_duplicates(&mut lock);
    lock
}

/// One package locked twice for the same environment is a merge gone wrong.
fn note_duplicates(lock: &mut Lock) {
    let mut seen = rustc_hash::FxHashMap::default();
    let mut notes = Vec::new();
    for package in &lock.packages {
        let key = (
            &package.name,
            &package.version,
            &package.marker,
            &package.groups,
        );
        if let Some(first) = seen.insert(key, package.line) {
            notes.push((
                package.line,
                format!(
                    "`{} {}` is locked twice, first in line {first}; lock again",
                    package.name, package.version
                ),
            ));
        }
    }
    for (line, message) in notes {
        lock.note(line, message);
    }
}
