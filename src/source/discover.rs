//! Which files of a directory tree are analysed.
//!
//! What `.gitignore` and friends leave out is left out, and so are the directories that tools fill
//! ([`DEFAULT_EXCLUDES`]). A path that is named outright is analysed whatever those say. Symbolic
//! links are followed, except where they lead back into the project, whose files are met anyway.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{DirEntry, WalkBuilder, WalkState};

use super::files::Listing;

/// Directories that hold no code of the project.
pub const DEFAULT_EXCLUDES: &[&str] = &[
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pants.d",
    ".pyenv",
    ".pytest_cache",
    ".pytype",
    ".raceproof_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    ".vscode",
    "__pycache__",
    "__pypackages__",
    "_build",
    "buck-out",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
];

/// What is to be analysed.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Root of the project; absolute.
    pub root: PathBuf,
    /// Where to look, absolute: the root when there is a project, else the paths that were named.
    pub starts: Vec<PathBuf>,
    /// Paths that were named and must be there whatever the rules about the rest say; absolute.
    pub named: Vec<PathBuf>,
    /// Patterns of what is left out, as in `.gitignore`.
    pub exclude: Vec<String>,
    /// When not empty, only files that match one of these patterns are analysed.
    pub include: Vec<String>,
}

impl Selection {
    /// Everything below `root`.
    pub fn all(root: PathBuf) -> Self {
        Self {
            starts: vec![root.clone()],
            root,
            named: Vec::new(),
            exclude: Vec::new(),
            include: Vec::new(),
        }
    }

    /// A file, relative to the root, is one that [`discover`] would list if it met it. What
    /// `.gitignore` says is not looked at.
    pub fn selects(&self, path: &Path) -> bool {
        let exclude = DEFAULT_EXCLUDES.iter().copied().chain(strs(&self.exclude));
        let excluded = Patterns::new(&self.root, exclude).is_ok_and(|it| it.match_file(path));
        let included = self.include.is_empty()
            || Patterns::new(&self.root, strs(&self.include)).is_ok_and(|it| it.match_file(path));
        matches!(Kind::of(path), Kind::Python) && included && !excluded
    }
}

/// What a file name says about its contents.
enum Kind {
    Python,
    Stub,
    Notebook,
    Other,
}

impl Kind {
    fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("py" | "pyw") => Self::Python,
            Some("pyi") => Self::Stub,
            Some("ipynb") => Self::Notebook,
            _ => Self::Other,
        }
    }
}

/// Patterns as in `.gitignore`, for paths relative to the root of the project.
#[derive(Debug, Clone)]
pub struct Patterns(Gitignore);

impl Patterns {
    /// Reads the patterns.
    ///
    /// # Errors
    /// The first pattern that cannot be read, with what is wrong.
    pub fn new<'a>(
        root: &Path,
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, String> {
        let mut builder = GitignoreBuilder::new(root);
        for pattern in patterns {
            builder
                .add_line(None, pattern)
                .map_err(|error| format!("`{pattern}`: {error}"))?;
        }
        match builder.build() {
            Ok(matcher) => Ok(Self(matcher)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// A file matches itself or through a directory around it.
    pub fn match_file(&self, path: &Path) -> bool {
        if path.is_absolute() {
            // Outside the root the patterns have no parents to look at.
            return self.0.matched(path, false).is_ignore();
        }
        self.0.matched_path_or_any_parents(path, false).is_ignore()
    }

    fn match_entry(&self, entry: &DirEntry) -> bool {
        let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
        self.0.matched(entry.path(), is_directory).is_ignore()
    }
}

/// Lists the files of a selection: sorted, each once, relative to the root where they lie below it.
pub fn discover(selection: &Selection) -> Listing {
    let mut listing = Listing::default();
    walk(selection, &selection.starts, &mut listing);
    listing.files.sort_unstable();
    let missing: Vec<PathBuf> = selection
        .named
        .iter()
        .filter(|path| {
            let relative = relative_to(&selection.root, path);
            let at = listing.files.partition_point(|file| *file < relative);
            !listing
                .files
                .get(at)
                .is_some_and(|file| file.starts_with(&relative))
        })
        .cloned()
        .collect();
    if !missing.is_empty() {
        for path in &missing {
            let before = listing.files.len() + listing.problems.len();
            walk(selection, std::slice::from_ref(path), &mut listing);
            if before == listing.files.len() + listing.problems.len() {
                let error = "has no Python files: nothing to analyse";
                let path = relative_to(&selection.root, path);
                listing.problems.push((path, io::Error::other(error)));
            }
        }
        listing.files.sort_unstable();
    }
    listing.files.dedup();
    listing.problems.sort_by(|a, b| a.0.cmp(&b.0));
    listing
        .problems
        .dedup_by(|a, b| a.0 == b.0 && a.1.to_string() == b.1.to_string());
    listing
}

fn walk(selection: &Selection, starts: &[PathBuf], listing: &mut Listing) {
    let root = &selection.root;
    let mut directories = Vec::new();
    for start in starts {
        match std::fs::metadata(start) {
            Ok(metadata) if metadata.is_dir() => directories.push(start),
            Ok(metadata) => {
                let path = relative_to(root, start);
                let refusal = match Kind::of(start) {
                    _ if !metadata.is_file() => "is not a regular file",
                    Kind::Python => {
                        listing.files.push(path);
                        continue;
                    }
                    Kind::Stub => "is a stub file, which holds no code that runs: not analysed",
                    Kind::Notebook => "is a notebook: not analysed; export it as a Python file",
                    Kind::Other => "is not a Python file (`.py` or `.pyw`)",
                };
                let error = io::Error::new(io::ErrorKind::InvalidInput, refusal);
                listing.problems.push((path, error));
            }
            Err(error) => listing.problems.push((relative_to(root, start), error)),
        }
    }
    let Some((first, rest)) = directories.split_first() else {
        return;
    };
    let exclude = DEFAULT_EXCLUDES
        .iter()
        .copied()
        .chain(strs(&selection.exclude));
    let patterns = Patterns::new(root, exclude).and_then(|exclude| {
        let include = (!selection.include.is_empty())
            .then(|| Patterns::new(root, strs(&selection.include)))
            .transpose()?;
        Ok((exclude, include))
    });
    let (exclude, include) = match patterns {
        Ok(patterns) => patterns,
        Err(error) => {
            listing
                .problems
                .push((PathBuf::new(), io::Error::other(error)));
            return;
        }
    };
    let canonical_root = root.canonicalize().unwrap_or_else(|_| root.clone());

    let mut builder = WalkBuilder::new(first);
    for start in rest {
        builder.add(start);
    }
    builder
        .hidden(false)
        .require_git(false)
        .follow_links(true)
        .threads(std::thread::available_parallelism().map_or(1, usize::from))
        .filter_entry(move |entry| {
            entry.depth() == 0
                || !(exclude.match_entry(entry) || leads_back(entry, &canonical_root))
        });
    let collected = Mutex::new(listing);
    builder.build_parallel().run(|| {
        let mut found = Found {
            listing: Listing::default(),
            all: &collected,
        };
        let include = include.as_ref();
        Box::new(move |entry| {
            found.take(root, include, entry);
            WalkState::Continue
        })
    });
}

/// What one thread of the walk has found; joins the rest when the thread is done.
struct Found<'a, 'b> {
    listing: Listing,
    all: &'a Mutex<&'b mut Listing>,
}

impl Found<'_, '_> {
    fn take(
        &mut self,
        root: &Path,
        include: Option<&Patterns>,
        entry: Result<DirEntry, ignore::Error>,
    ) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let (path, error) = problem(root, error);
                // A dangling link is a missing file only where it is named like a Python file.
                if error.kind() != io::ErrorKind::NotFound
                    || matches!(Kind::of(&path), Kind::Python)
                {
                    self.listing.problems.push((path, error));
                }
                return;
            }
        };
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            return;
        }
        match Kind::of(entry.path()) {
            Kind::Python => {
                if include.is_none_or(|include| include.match_file(within(root, entry.path()))) {
                    self.listing.files.push(relative_to(root, entry.path()));
                }
            }
            Kind::Stub => self.listing.stubs += 1,
            Kind::Notebook => self.listing.notebooks += 1,
            Kind::Other => {}
        }
    }
}

impl Drop for Found<'_, '_> {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.files.append(&mut self.listing.files);
        all.problems.append(&mut self.listing.problems);
        all.stubs += self.listing.stubs;
        all.notebooks += self.listing.notebooks;
    }
}

fn strs(patterns: &[String]) -> impl Iterator<Item = &str> {
    patterns.iter().map(String::as_str)
}

/// A symbolic link to something below the root, which is met without it.
fn leads_back(entry: &DirEntry, canonical_root: &Path) -> bool {
    entry.path_is_symlink()
        && entry
            .path()
            .canonicalize()
            .is_ok_and(|target| target.starts_with(canonical_root))
}

fn problem(root: &Path, error: ignore::Error) -> (PathBuf, io::Error) {
    match error {
        ignore::Error::WithPath { path, err } => (relative_to(root, &path), problem(root, *err).1),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            problem(root, *err)
        }
        ignore::Error::Loop { ancestor, child } => {
            let ancestor = relative_to(root, &ancestor);
            let ancestor = if ancestor.as_os_str().is_empty() {
                ".".into()
            } else {
                ancestor
            };
            let error = format!(
                "is a symbolic link to its own parent `{}`",
                ancestor.display()
            );
            (relative_to(root, &child), io::Error::other(error))
        }
        ignore::Error::Io(error) => (PathBuf::new(), error),
        other => (PathBuf::new(), io::Error::other(other.to_string())),
    }
}

fn within<'a>(root: &Path, path: &'a Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}

/// `path` relative to `root` where it lies below it, else as it is.
fn relative_to(root: &Path, path: &Path) -> PathBuf {
    within(root, path).to_path_buf()
}
