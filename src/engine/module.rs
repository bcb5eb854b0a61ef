//! One file to facts: read, decode, parse, extract; or remembered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::last_good::{LastGood, Shift};
use super::{Cache, Versions, on_pool};
use crate::facts::{ModuleFacts, module_facts};
use crate::program::link::{Names, Table};
use crate::source::decode::{DecodeError, decode};
use crate::source::files::{Files, Overlay, Stamp};
use crate::source::parse::{MAX_BYTES, errors, parse};
use crate::source::span::Position;
use crate::source::text::SourceText;

/// What is known of one file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Module {
    /// Its facts; `None` when it could not be analysed at all.
    pub facts: Option<Arc<ModuleFacts>>,
    /// What is wrong with it.
    pub problem: Option<(Option<Position>, String)>,
}

/// A file of an earlier run.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    /// State of the file when it was read, where that tells that it is unchanged.
    pub stamp: Option<Stamp>,
    /// Identity of path, contents and analyser.
    pub key: u128,
    /// The host's count of its changes when it was read.
    pub version: u64,
    /// What was found.
    pub module: Module,
    /// Its last state that parsed, while it is edited.
    pub good: Option<LastGood>,
}

impl Remembered {
    /// The facts to link: those of the last state that parsed, where there is one, with how far
    /// they are off.
    pub fn into_facts(
        self,
        edited: Option<&Arc<str>>,
    ) -> Option<(Arc<ModuleFacts>, Option<Shift>)> {
        match (self.good, edited) {
            (Some(good), Some(text)) if self.module.problem.is_some() => {
                Some((good.facts, Some(Shift::between(&good.text, text))))
            }
            _ => Some((self.module.facts?, None)),
        }
    }
}

/// A file of this run.
pub(super) struct Extracted {
    /// What is remembered of it.
    pub file: Remembered,
    /// What its facts store where, if they were made or read in this run.
    pub table: Option<Arc<Table>>,
}

impl From<Remembered> for Extracted {
    fn from(file: Remembered) -> Self {
        Self { file, table: None }
    }
}

/// What facts of all files depend on.
pub(super) struct Extractor<'a> {
    pub names: &'a Names,
    pub files: &'a Overlay,
    pub cache: Option<&'a Cache>,
    /// Where files count as unchanged that no change has named.
    pub versions: Option<&'a Versions>,
    /// Nanoseconds since 1970 when the run began.
    pub now: u64,
    pub recomputed: &'a AtomicUsize,
}

impl Extractor<'_> {
    /// What is known of the file with this index, from `before` or the cache where they have its
    /// contents.
    pub fn module(&self, index: usize, path: &Path, before: Option<&Remembered>) -> Extracted {
        let version = self.versions.map_or(0, |it| it.of(path));
        if let Some(before) = before
            && self.versions.is_some()
            && before.version == version
        {
            return before.clone().into();
        }
        let edited = self.files.replacement(path);
        let mut extracted = self.look(index, path, before, edited);
        let remembered = &mut extracted.file;
        remembered.version = version;
        remembered.good = edited.and_then(|text| match &remembered.module {
            Module {
                facts: Some(facts),
                problem: None,
            } => Some(LastGood {
                facts: Arc::clone(facts),
                text: Arc::clone(text),
            }),
            _ => before?.good.clone(),
        });
        extracted
    }

    fn look(
        &self,
        index: usize,
        path: &Path,
        before: Option<&Remembered>,
        edited: Option<&Arc<str>>,
    ) -> Extracted {
        let stamp = self
            .files
            .stamp(path)
            .filter(|stamp| stamp.is_settled(self.now));
        let name = slashed(path);
        if let Some(before) = before
            && stamp.is_some()
            && before.stamp == stamp
        {
            return before.clone().into();
        }
        let fresh = |key, module| Remembered {
            stamp,
            key,
            version: 0,
            module,
            good: None,
        };
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let module = Module {
                    facts: None,
                    problem: Some((None, unreadable(&error))),
                };
                return Extracted::from(Remembered {
                    stamp: None,
                    ..fresh(0, module)
                });
            }
        };
        let key = key(&name, &bytes);
        if let Some(before) = before
            && before.key == key
        {
            return Extracted::from(Remembered {
                stamp,
                ..before.clone()
            });
        }
        // What is typed changes too fast to be worth a place on disk.
        let cache = self.cache.filter(|_| edited.is_none());
        let known = cache.and_then(|cache| cache.module(key));
        let is_known = known.is_some();
        let module = known.unwrap_or_else(|| {
            self.recomputed.fetch_add(1, Ordering::Relaxed);
            match edited {
                Some(text) => accepted(&name, text),
                None => decoded(&name, bytes),
            }
        });
        if let Some(cache) = cache.filter(|_| !is_known) {
            cache.keep_module(key, &module);
        }
        let (module, table) = self.packed(index, module);
        Extracted {
            file: fresh(key, module),
            table,
        }
    }

    /// Looks through facts while the code of their functions is at hand, then keeps it packed.
    fn packed(&self, index: usize, module: Module) -> (Module, Option<Arc<Table>>) {
        let Module {
            facts: Some(facts),
            problem,
        } = module
        else {
            return (module, None);
        };
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let table = Arc::new(Table::new(index, &facts, self.names));
        // The facts outlive the tree, between whose nodes they were allocated. Copied to where the
        // tree was, they take a third less memory, and the next tree finds whole pages.
        let facts = Some(Arc::new(ModuleFacts::clone(&facts)));
        (Module { facts, problem }, Some(table))
    }
}

/// Identity of a file's facts: what they are made of, and what makes them.
fn key(name: &str, bytes: &[u8]) -> u128 {
    let seed = xxh3_64_with_seed(name.as_bytes(), super::cache::analyser());
    xxh3_128_with_seed(bytes, seed)
}

fn decoded(name: &str, bytes: Vec<u8>) -> Module {
    match decode(bytes) {
        Ok(text) => extract(name, &text),
        Err(error) => refused(None, error.to_string()),
    }
}

/// Holds an editor's text to what files on disk are held to.
fn accepted(name: &str, text: &str) -> Module {
    if text.len() as u64 > MAX_BYTES {
        let message = format!("is larger than {} MB: not analysed", MAX_BYTES >> 20);
        return refused(None, message);
    }
    match memchr::memchr(0, text.as_bytes()) {
        Some(offset) => refused(None, DecodeError::Nul { offset }.to_string()),
        None => extract(name, text),
    }
}

fn refused(position: Option<Position>, message: String) -> Module {
    Module {
        facts: None,
        problem: Some((position, message)),
    }
}

/// Parses and extracts. The tree is dropped here.
fn extract(name: &str, text: &str) -> Module {
    let parsed = match parse(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let offset = error.offset.and_then(|offset| u32::try_from(offset).ok());
            let position = offset.map(|offset| SourceText::new(text.to_owned()).position(offset));
            return refused(position, error.to_string());
        }
    };
    // A defect of ours in one file is no reason to say nothing of the others.
    let extract = AssertUnwindSafe(|| module_facts(name, text, &parsed));
    let Ok(facts) = catch_unwind(extract) else {
        let message =
            "raceproof failed on this file, which is a defect of raceproof: please report it";
        return refused(None, message.to_owned());
    };
    let mut errors = errors(&parsed);
    let more = match errors.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let problem = errors.next().map(|error| {
        let message = format!(
            "syntax error: {}{more}; the rest of the file was analysed",
            error.message
        );
        (error.offset, message)
    });
    drop(errors);
    drop(parsed);
    let problem = problem.map(|(offset, message)| {
        let position = SourceText::new(text.to_owned()).position(offset);
        (Some(position), message)
    });
    Module {
        facts: Some(Arc::new(facts)),
        problem,
    }
}

/// What a run takes when it only walks, reads and parses: the number of files, lines and bytes.
/// Benchmarks compare with it.
pub fn floor(files: &dyn Files) -> (usize, usize, usize) {
    let listing = files.list();
    on_pool(|| {
        listing
            .files
            .par_iter()
            .filter_map(|path| decode(files.read(path).ok()?).ok())
            .map(|text| {
                // Dropping the tree is part of parsing it.
                drop(parse(&text));
                (
                    1,
                    memchr::memchr_iter(b'\n', text.as_bytes()).count(),
                    text.len(),
                )
            })
            .reduce(|| (0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2))
    })
}

/// The path as module names are made of it, whatever the separator of this machine.
pub(super) fn slashed(path: &Path) -> String {
    let text = path.to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' {
        return text.into_owned();
    }
    text.replace(std::path::MAIN_SEPARATOR, "/")
}

fn unreadable(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::FileTooLarge => error.to_string(),
        _ => format!("cannot be read: {error}"),
    }
}
