//! One file to facts: read, decode, parse, extract; or remembered.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::{Cache, on_pool};
use crate::facts::{ModuleFacts, module_facts};
use crate::source::decode::decode;
use crate::source::files::{Files, Stamp};
use crate::source::parse::{errors, parse};
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
    /// What was found.
    pub module: Module,
}

/// What facts of all files depend on.
pub(super) struct Extractor<'a> {
    pub files: &'a dyn Files,
    pub cache: Option<&'a Cache>,
    /// Nanoseconds since 1970 when the run began.
    pub now: u64,
    pub recomputed: &'a AtomicUsize,
}

impl Extractor<'_> {
    /// What is known of the file, from `before` or the cache where they have its contents.
    pub fn module(&self, path: &Path, before: Option<&Remembered>) -> Remembered {
        let stamp = self
            .files
            .stamp(path)
            .filter(|stamp| stamp.is_settled(self.now));
        let name = slashed(path);
        if let Some(before) = before
            && stamp.is_some()
            && before.stamp == stamp
        {
            return before.clone();
        }
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                return Remembered {
                    stamp: None,
                    key: 0,
                    module: Module {
                        facts: None,
                        problem: Some((None, unreadable(&error))),
                    },
                };
            }
        };
        let key = key(&name, &bytes);
        if let Some(before) = before
            && before.key == key
        {
            return Remembered {
                stamp,
                ..before.clone()
            };
        }
        if let Some(module) = self.cache.and_then(|cache| cache.module(key)) {
            return Remembered { stamp, key, module };
        }
        self.recomputed.fetch_add(1, Ordering::Relaxed);
        let module = extract(&name, bytes);
        if let Some(cache) = self.cache {
            cache.keep_module(key, &module);
        }
        Remembered { stamp, key, module }
    }
}

/// Identity of a file's facts: what they are made of, and what makes them.
fn key(name: &str, bytes: &[u8]) -> u128 {
    let seed = xxh3_64_with_seed(name.as_bytes(), super::cache::analyser());
    xxh3_128_with_seed(bytes, seed)
}

/// Decodes, parses and extracts. Text and tree are dropped here.
fn extract(name: &str, bytes: Vec<u8>) -> Module {
    let refused = |position, message| Module {
        facts: None,
        problem: Some((position, message)),
    };
    let text = match decode(bytes) {
        Ok(text) => text,
        Err(error) => return refused(None, error.to_string()),
    };
    let parsed = match parse(&text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let offset = error.offset.and_then(|offset| u32::try_from(offset).ok());
            let position = offset.map(|offset| SourceText::new(text).position(offset));
            return refused(position, error.to_string());
        }
    };
    let facts = module_facts(name, &text, &parsed);
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
        let position = SourceText::new(text).position(offset);
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
