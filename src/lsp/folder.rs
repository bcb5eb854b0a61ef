//! One project that is kept analysed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_server::ResponseError;
use rustc_hash::{FxHashMap, FxHashSet};

use super::analyst::{Analysis, Task};
use super::session::Features;
use crate::config::{self, Settings};
use crate::engine::{Cache, Change, Host, Job};
use crate::rule;
use crate::source::discover::Selection;
use crate::source::files::{Disk, Files, Memory};

/// A project, or the files of a directory without one.
pub(super) struct Folder {
    root: PathBuf,
    /// There is no project: only what is open is analysed, each file for itself as far as the
    /// others are not open. A home directory is not searched because one file in it is opened.
    loose: bool,
    selection: Selection,
    settings: Arc<Settings>,
    host: Host,
    /// What the editor has, instead of what the disk has.
    texts: BTreeMap<PathBuf, Arc<str>>,
    /// Documents that have changed since their text was handed over.
    touched: FxHashSet<PathBuf>,
    /// Counts changes.
    revision: u64,
    /// The change up to which everything is analysed, or could not be.
    done: Option<u64>,
    analysis: Option<Arc<Analysis>>,
    running: Option<Arc<Job>>,
    /// What the client was told, by file.
    published: FxHashMap<PathBuf, String>,
    /// Files whose diagnostics the client waits for, whether they change or not: those of the
    /// version it has sent.
    awaited: FxHashSet<PathBuf>,
}

impl Folder {
    /// The project around a directory, or the directory itself, and what is wrong with the
    /// configuration.
    pub(super) fn around(directory: &Path) -> (Self, Option<String>) {
        let (root, settings, complaint) = configuration(directory);
        let root = root.unwrap_or_else(|| directory.to_path_buf());
        (Self::new(root, settings, false), complaint)
    }

    /// The project around a file; the file's directory, without what is not open, when there is
    /// none.
    pub(super) fn of_file(path: &Path) -> Option<(Self, Option<String>)> {
        let directory = path.parent()?;
        let (root, settings, complaint) = configuration(directory);
        let loose = root.is_none();
        let root = root.unwrap_or_else(|| directory.to_path_buf());
        Some((Self::new(root, settings, loose), complaint))
    }

    fn new(root: PathBuf, settings: Settings, loose: bool) -> Self {
        let selection = selection(&root, &settings);
        Self {
            host: host(&root, &selection, loose),
            root,
            loose,
            selection,
            settings: Arc::new(settings),
            texts: BTreeMap::new(),
            touched: FxHashSet::default(),
            revision: 0,
            done: None,
            analysis: None,
            running: None,
            published: FxHashMap::default(),
            awaited: FxHashSet::default(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn is_loose(&self) -> bool {
        self.loose
    }

    /// The folder analyses what a client opened as `directory`.
    pub(super) fn serves(&self, directory: &Path) -> bool {
        !self.loose && directory.starts_with(&self.root)
    }

    /// The project does not leave the file out. The path is relative to the root.
    pub(super) fn analyses(&self, path: &Path) -> bool {
        self.selection.selects(path)
    }

    /// The editor has this text for the file.
    pub(super) fn edit(&mut self, path: PathBuf, text: Arc<str>) {
        self.touched.remove(&path);
        self.texts.insert(path.clone(), Arc::clone(&text));
        self.host.apply(Change::Edited(path, text));
        self.changed();
    }

    /// The client waits for the diagnostics of a file, whether they change or not.
    pub(super) fn expect(&mut self, path: &Path) {
        self.awaited.insert(path.to_path_buf());
    }

    /// The editor has another text, which [`Folder::edit`] will bring.
    pub(super) fn touch(&mut self, path: &Path) {
        self.touched.insert(path.to_path_buf());
        self.changed();
    }

    pub(super) fn is_touched(&self, path: &Path) -> bool {
        self.touched.contains(path)
    }

    /// The text on disk counts again.
    pub(super) fn close(&mut self, path: &Path) {
        self.touched.remove(path);
        self.texts.remove(path);
        self.host.apply(Change::Closed(path.to_path_buf()));
        self.changed();
    }

    /// A file was changed on disk, or appeared or went when `listed`.
    pub(super) fn disk_changed(&mut self, path: &Path, listed: bool) {
        let inside = path.strip_prefix(&self.root).unwrap_or(path);
        if self.loose || (!listed && self.texts.contains_key(inside)) {
            return;
        }
        self.host.apply(if listed {
            Change::Rescan
        } else {
            Change::Touched(inside.to_path_buf())
        });
        self.changed();
    }

    /// Reads the configuration anew; what was in force stays so when it cannot be read.
    pub(super) fn reload(&mut self) -> Option<String> {
        let settings = match config::find(&self.root, None, rule::names())
            .and_then(|project| Settings::resolve(project.table))
        {
            Ok(settings) => settings,
            Err(error) => return Some(error.to_string()),
        };
        self.selection = selection(&self.root, &settings);
        self.settings = Arc::new(settings);
        self.host = host(&self.root, &self.selection, self.loose);
        for (path, text) in &self.texts {
            self.host
                .apply(Change::Edited(path.clone(), Arc::clone(text)));
        }
        self.changed();
        None
    }

    fn changed(&mut self) {
        self.revision += 1;
        self.cancel();
    }

    /// Stops the analysis that runs.
    pub(super) fn cancel(&self) {
        if let Some(job) = &self.running {
            job.cancel();
        }
    }

    /// The analysis to start, when the last one is outdated and none runs.
    pub(super) fn task(&mut self, features: &Arc<Features>) -> Option<Task> {
        if self.running.is_some() || self.is_current() {
            return None;
        }
        let job = Arc::new(Job::default());
        self.running = Some(Arc::clone(&job));
        Some(Task {
            root: self.root.clone(),
            revision: self.revision,
            snapshot: self.host.snapshot(),
            settings: Arc::clone(&self.settings),
            features: Arc::clone(features),
            job,
        })
    }

    /// Takes in an analysis that has ended; returns it when it is of the current state.
    ///
    /// # Errors
    /// Passes on why there is none.
    pub(super) fn checked(
        &mut self,
        revision: u64,
        result: Result<Option<Arc<Analysis>>, ResponseError>,
    ) -> Result<Option<Arc<Analysis>>, ResponseError> {
        self.running = None;
        if revision != self.revision {
            return Ok(None);
        }
        match result {
            Ok(Some(analysis)) => {
                self.done = Some(revision);
                self.analysis = Some(Arc::clone(&analysis));
                Ok(Some(analysis))
            }
            // Cancelled, and not by a change: the server shuts down.
            Ok(None) => Ok(None),
            Err(error) => {
                // The same state would fail again.
                self.done = Some(revision);
                Err(error)
            }
        }
    }

    pub(super) fn is_current(&self) -> bool {
        self.done == Some(self.revision)
    }

    pub(super) fn analysis(&self) -> Option<Arc<Analysis>> {
        self.analysis.clone()
    }

    /// The files whose diagnostics the client does not know yet, and notes that it will.
    pub(super) fn take_changes(&mut self, analysis: &Analysis) -> Changes {
        let mut files: Vec<PathBuf> = analysis
            .reports
            .iter()
            .filter(|(path, report)| self.published.get(*path) != Some(&report.id))
            .map(|(path, _)| path.clone())
            .collect();
        let gone = |path: &&PathBuf| !analysis.reports.contains_key(*path);
        files.extend(self.published.keys().filter(gone).cloned());
        let unexpected = files.iter().any(|path| !self.awaited.contains(path));
        files.extend(std::mem::take(&mut self.awaited));
        files.sort();
        files.dedup();
        self.published = analysis
            .reports
            .iter()
            .map(|(path, report)| (path.clone(), report.id.clone()))
            .collect();
        Changes { files, unexpected }
    }

    /// The files the client was told about.
    pub(super) fn published(&self) -> Vec<PathBuf> {
        self.published.keys().cloned().collect()
    }
}

/// What a client has to learn after an analysis.
pub(super) struct Changes {
    /// Files whose diagnostics have changed, and those it waits for.
    pub files: Vec<PathBuf>,
    /// The diagnostics of a file have changed that the client does not wait for.
    pub unexpected: bool,
}

/// Root and settings of the project around a directory, and what is wrong with them.
fn configuration(directory: &Path) -> (Option<PathBuf>, Settings, Option<String>) {
    let project = match config::find(directory, None, rule::names()) {
        Ok(project) => project,
        Err(error) => return (None, Settings::default(), Some(error.to_string())),
    };
    match Settings::resolve(project.table) {
        Ok(settings) => (project.root, settings, None),
        Err(error) => (project.root, Settings::default(), Some(error.to_string())),
    }
}

fn selection(root: &Path, settings: &Settings) -> Selection {
    Selection {
        exclude: settings.exclude.clone(),
        include: settings.include.clone(),
        ..Selection::all(root.to_path_buf())
    }
}

fn host(root: &Path, selection: &Selection, loose: bool) -> Host {
    let files: Arc<dyn Files> = if loose {
        Arc::new(Memory::default())
    } else {
        Arc::new(Disk::new(selection.clone()))
    };
    let host = Host::new(files).watched();
    if loose {
        return host;
    }
    host.with_cache(Cache::new(
        root.join(".raceproof_cache"),
        root.to_path_buf(),
    ))
}
