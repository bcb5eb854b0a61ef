//! Findings to text, one file for each format. All of them show a [`Report`] and write through
//! [`std::io::Write`], so that a closed pipe is an error to the caller and not a panic.

pub mod concise;
pub mod escape;
pub mod github;
pub mod gitlab;
pub mod graph;
pub mod json;
pub mod line;
pub mod sarif;
pub mod summary;
pub mod text;

use std::path::{Component, Path, PathBuf};

use crate::findings::outcome::Outcome;
use crate::source::span::{FileId, Position, Site};
use crate::source::text::Sources;

/// An outcome with what is needed to show it.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// What to show.
    pub outcome: &'a Outcome,
    /// The texts of its files.
    pub sources: &'a Sources,
    /// Root of the project; absolute.
    pub root: &'a Path,
    /// Directory that shown paths are relative to; absolute.
    pub directory: &'a Path,
}

/// A site for people and tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Path relative to [`Report::directory`], `/` between its parts.
    pub path: String,
    /// First character.
    pub start: Position,
    /// One past the last character.
    pub end: Position,
}

impl Report<'_> {
    /// Path of a file as it is shown.
    pub fn path(&self, file: FileId) -> String {
        self.shown(self.sources.path(file))
    }

    /// A path relative to the root as it is shown.
    pub fn shown(&self, path: &Path) -> String {
        let path = relative(&self.root.join(path), self.directory);
        let text = path.to_string_lossy();
        if std::path::MAIN_SEPARATOR == '/' {
            return text.into_owned();
        }
        text.replace(std::path::MAIN_SEPARATOR, "/")
    }

    /// Where a site is.
    pub fn place(&self, site: Site) -> Place {
        let text = self.sources.text(site.file);
        Place {
            path: self.path(site.file),
            start: text.position(site.range.start),
            end: text.position(site.range.end),
        }
    }

    /// `path:line:column` of a site.
    pub fn address(&self, site: Site) -> String {
        let place = self.place(site);
        format!("{}:{}:{}", place.path, place.start.line, place.start.column)
    }
}

/// `path` seen from `directory`; both absolute.
fn relative(path: &Path, directory: &Path) -> PathBuf {
    if let Ok(below) = path.strip_prefix(directory) {
        return if below.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            below.to_path_buf()
        };
    }
    let shared = path
        .components()
        .zip(directory.components())
        .take_while(|(a, b)| a == b)
        .count();
    // Nothing but the root in common (or another drive): an absolute path says it better.
    if shared <= 1 {
        return path.to_path_buf();
    }
    let up = directory
        .components()
        .skip(shared)
        .map(|_| Component::ParentDir);
    up.chain(path.components().skip(shared)).collect()
}
