//! Drives the one path from files to findings, for every front end.
//!
//! A [`Host`] holds what changes (the files, the texts that replace them); a [`Snapshot`] of it
//! answers. Facts are computed for each file on its own and remembered by content, so an edit in
//! one file never recomputes another file's facts; linking and the rules run anew.

mod cache;
mod last_good;
mod module;
mod run;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use rustc_hash::FxHashMap;

use crate::config::Settings;
use crate::findings::outcome::Outcome;
use crate::models::Models;
use crate::source::files::{Files, Listing, Memory, Overlay};
use crate::source::span::FileId;
use crate::source::text::{SourceText, Sources};

pub use cache::Cache;
pub use module::floor;

use module::Remembered;

/// A run was cancelled before it came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

/// One run while it goes on: others may cancel it and ask how far it is.
#[derive(Debug, Default)]
pub struct Job {
    cancelled: AtomicBool,
    done: AtomicUsize,
    total: AtomicUsize,
    recomputed: AtomicUsize,
    relinked: AtomicUsize,
}

impl Job {
    /// Asks the run to stop soon.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// The run was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Files done and files there are.
    pub fn progress(&self) -> (usize, usize) {
        let done = self.done.load(Ordering::Relaxed);
        (done, self.total.load(Ordering::Relaxed))
    }

    /// Files whose facts had to be computed because no cache had them.
    pub fn recomputed(&self) -> usize {
        self.recomputed.load(Ordering::Relaxed)
    }

    /// Modules that were looked through for thread roots, because nothing known of them still held.
    pub fn relinked(&self) -> usize {
        self.relinked.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() {
            return Err(Cancelled);
        }
        Ok(())
    }
}

/// What may happen to the files of a host.
#[derive(Debug, Clone)]
pub enum Change {
    /// The text of a file is this from now on, whatever the disk says.
    Edited(PathBuf, Arc<str>),
    /// The text on disk counts again.
    Closed(PathBuf),
    /// A file was changed on disk.
    Touched(PathBuf),
    /// Files were created, removed or changed on disk.
    Rescan,
}

/// The files of a project and what is remembered of them.
pub struct Host {
    files: Overlay,
    listing: Arc<OnceLock<Listing>>,
    memory: Arc<Memo>,
    cache: Option<Arc<Cache>>,
    versions: Option<Versions>,
}

/// What outlives a run, in memory.
#[derive(Default)]
struct Memo {
    modules: Mutex<FxHashMap<PathBuf, Remembered>>,
    /// Texts that were shown, each of a version of its file.
    texts: Mutex<FxHashMap<PathBuf, (u64, Arc<SourceText>)>>,
    models: Mutex<Option<(u64, Arc<Models>)>>,
    program: crate::program::Memory,
}

impl Host {
    /// A host over files. Paths in changes and outcomes are those of `files`.
    pub fn new(files: Arc<dyn Files>) -> Self {
        Self {
            files: Overlay::over(files),
            listing: Arc::default(),
            memory: Arc::default(),
            cache: None,
            versions: None,
        }
    }

    /// Takes files for unchanged unless a change names them, and neither reads them again nor asks
    /// for their state: for whoever is told about every change.
    #[must_use]
    pub fn watched(mut self) -> Self {
        self.versions = Some(Versions::default());
        self
    }

    /// Keeps nothing of a linking for the next one: for processes that answer once.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.memory = Arc::new(Memo {
            program: crate::program::Memory::forgetful(),
            ..Memo::default()
        });
        self
    }

    /// Keeps facts and outcomes on disk, too.
    #[must_use]
    pub fn with_cache(mut self, cache: Cache) -> Self {
        self.cache = Some(Arc::new(cache));
        self
    }

    /// Takes a change.
    pub fn apply(&mut self, change: Change) {
        if let Some(versions) = &mut self.versions {
            match &change {
                Change::Edited(path, _) | Change::Closed(path) | Change::Touched(path) => {
                    versions.one(path);
                }
                Change::Rescan => versions.all(),
            }
        }
        match change {
            Change::Edited(path, text) => {
                let is_listed = |it: &Listing| it.files.binary_search(&path).is_ok();
                if !self.listing.get().is_some_and(is_listed) {
                    self.listing = Arc::default();
                }
                self.files.set(path, text);
            }
            Change::Closed(path) => {
                self.files.clear(&path);
                self.listing = Arc::default();
            }
            // Whoever reads the file next looks at its state on disk.
            Change::Touched(_) => {}
            Change::Rescan => self.listing = Arc::default(),
        }
    }

    /// The state of now, which later changes leave alone.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            files: Arc::new(self.files.clone()),
            dirty: self.files.is_dirty(),
            listing: Arc::clone(&self.listing),
            memory: Arc::clone(&self.memory),
            cache: self.cache.clone(),
            versions: self.versions.clone(),
            is_last: false,
        }
    }
}

/// How often each file has changed, counted over all files.
#[derive(Debug, Clone, Default)]
struct Versions {
    now: u64,
    /// When all files may have changed.
    all: u64,
    files: Arc<FxHashMap<PathBuf, u64>>,
}

impl Versions {
    fn one(&mut self, path: &Path) {
        self.now += 1;
        Arc::make_mut(&mut self.files).insert(path.to_path_buf(), self.now);
    }

    fn all(&mut self) {
        self.now += 1;
        self.all = self.now;
        self.files = Arc::default();
    }

    fn of(&self, path: &Path) -> u64 {
        self.files.get(path).copied().unwrap_or(self.all)
    }
}

/// The files at one moment.
#[derive(Clone)]
pub struct Snapshot {
    files: Arc<Overlay>,
    dirty: bool,
    listing: Arc<OnceLock<Listing>>,
    memory: Arc<Memo>,
    cache: Option<Arc<Cache>>,
    versions: Option<Versions>,
    /// See [`Snapshot::last`].
    is_last: bool,
}

impl Snapshot {
    /// Keeps no facts for the next question: for whoever has just one.
    #[must_use]
    pub fn last(mut self) -> Self {
        self.is_last = true;
        self
    }

    /// Analyses the files and says what there is to say.
    ///
    /// # Errors
    /// The job was cancelled.
    pub fn check(&self, settings: &Settings, job: &Job) -> Result<Outcome, Cancelled> {
        run::check(self, settings, job)
    }

    /// The linked program, for whoever asks other questions than the rules do, with the files in
    /// it; the index is the file identifier.
    ///
    /// # Errors
    /// The job was cancelled.
    pub fn program(
        &self,
        settings: &Settings,
        job: &Job,
    ) -> Result<(crate::program::Program, Arc<[PathBuf]>), Cancelled> {
        run::program(self, settings, job)
    }

    /// The texts of the files of an outcome.
    pub fn sources(&self, files: Arc<[PathBuf]>) -> Sources {
        let sources = Sources::new(
            Arc::clone(&self.files) as Arc<dyn Files>,
            Arc::clone(&files),
        );
        let Some(versions) = &self.versions else {
            return sources;
        };
        let known = self
            .memory
            .texts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (path, (version, text)) in known.iter() {
            if versions.of(path) == *version
                && let Ok(index) = files.binary_search(path)
                && let Ok(index) = u32::try_from(index)
            {
                sources.give(FileId(index), Arc::clone(text));
            }
        }
        sources
    }

    /// Remembers the texts that were read, so that the next run need not read them.
    fn keep_texts(&self, sources: &Sources) {
        let Some(versions) = &self.versions else {
            return;
        };
        *self
            .memory
            .texts
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = sources
            .texts()
            .into_iter()
            .map(|(file, text)| {
                let path = sources.path(file);
                (path.to_path_buf(), (versions.of(path), text))
            })
            .collect();
    }

    /// The text that stands for a file, where a change has brought one.
    pub fn text(&self, path: &Path) -> Option<Arc<str>> {
        self.files.replacement(path).cloned()
    }

    /// Bytes of a file as this snapshot sees them.
    ///
    /// # Errors
    /// As [`Files::read`].
    pub fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        self.files.read(path)
    }

    fn listing(&self) -> &Listing {
        self.listing.get_or_init(|| self.files.list())
    }

    /// The built-in models and those of the settings.
    fn models(&self, settings: &Settings) -> Arc<Models> {
        /// Read once in a process: they take longer to read than a small project to analyse.
        static BUILTIN: LazyLock<Arc<Models>> = LazyLock::new(|| Arc::new(Models::builtin()));
        if settings.models.is_empty() {
            return Arc::clone(&BUILTIN);
        }
        let key = settings.models.iter().fold(0, |seed, model| {
            xxhash_rust::xxh3::xxh3_64_with_seed(model.text.as_bytes(), seed)
        });
        let mut known = self
            .memory
            .models
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, models)) = known.as_ref().filter(|(of, _)| *of == key) {
            return Arc::clone(models);
        }
        let mut models = Models::clone(&BUILTIN);
        for model in &settings.models {
            // `Settings::resolve` refused files that do not load.
            let _ = models.load(&model.text);
        }
        let models = Arc::new(models);
        *known = Some((key, Arc::clone(&models)));
        models
    }
}

/// Analyses files that exist in memory only, by path and contents.
pub fn check_memory(files: &[(&str, &str)], settings: &Settings) -> Outcome {
    let files = Memory::new(files.iter().map(|(path, text)| (*path, text.as_bytes())));
    let snapshot = Host::new(Arc::new(files)).snapshot();
    // Nobody else has the job, so nobody cancels it.
    snapshot
        .check(settings, &Job::default())
        .unwrap_or_default()
}

/// Stack of the threads that walk syntax trees; `source::depth` bounds what they meet.
const STACK: usize = 16 * 1024 * 1024;

/// The threads of the analysis, started when first needed.
fn pool() -> Option<&'static rayon::ThreadPool> {
    static POOL: OnceLock<Option<rayon::ThreadPool>> = OnceLock::new();
    POOL.get_or_init(|| {
        let builder = rayon::ThreadPoolBuilder::new()
            .stack_size(STACK)
            .thread_name(|index| format!("raceproof-{index}"));
        builder.build().ok()
    })
    .as_ref()
}

/// Runs `work` on the threads of the analysis. Where the system grants none, it runs on one
/// thread of its own, and where it grants not even that, here.
fn on_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match pool() {
        Some(pool) => pool.install(work),
        None => stacker::grow(STACK, work),
    }
}
