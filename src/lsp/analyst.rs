//! The thread that analyses.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender, SyncSender};
use std::sync::{Arc, OnceLock};

use lsp_server::ResponseError;
use rustc_hash::FxHashMap;

use super::diagnostics::{self, Report};
use super::main_loop::{Event, contained};
use super::session::Features;
use crate::config::Settings;
use crate::engine::{Job, Snapshot};
use crate::findings::Finding;
use crate::findings::outcome::Outcome;
use crate::program::Program;
use crate::source::span::FileId;
use crate::source::text::Sources;

/// One analysis to do.
pub(super) struct Task {
    /// Root of the folder, which names it.
    pub root: PathBuf,
    /// The folder's state that is analysed.
    pub revision: u64,
    /// Its files.
    pub snapshot: Snapshot,
    /// What is in force.
    pub settings: Arc<Settings>,
    /// How the client wants results.
    pub features: Arc<Features>,
    /// To cancel it.
    pub job: Arc<Job>,
}

/// An analysis that has ended.
pub(super) struct Checked {
    /// Root of the folder.
    pub root: PathBuf,
    /// The state that was analysed.
    pub revision: u64,
    /// `None` when it was cancelled.
    pub result: Result<Option<Arc<Analysis>>, ResponseError>,
}

/// What is known of one state of a folder.
pub(super) struct Analysis {
    /// Root of the folder; paths below are relative to it.
    pub root: PathBuf,
    /// Findings and problems.
    pub outcome: Outcome,
    /// Texts of the files.
    pub sources: Sources,
    /// The files it was made from.
    pub snapshot: Snapshot,
    /// What was in force.
    pub settings: Arc<Settings>,
    /// What the client gets to see, by file; files without any are left out.
    pub reports: FxHashMap<PathBuf, Arc<Report>>,
    files: FxHashMap<PathBuf, FileId>,
    /// What was linked, made when somebody asks more than the rules do.
    program: OnceLock<Option<Program>>,
}

impl Analysis {
    /// The identifier of a file in this analysis.
    pub(super) fn file(&self, path: &Path) -> Option<FileId> {
        self.files.get(path).copied()
    }

    /// The linked program.
    pub(super) fn program(&self) -> Option<&Program> {
        self.program
            .get_or_init(|| {
                let job = Job::default();
                let linked = self.snapshot.program(&self.settings, &job).ok()?;
                Some(linked.0)
            })
            .as_ref()
    }

    /// The findings whose primary place is in the file.
    pub(super) fn findings(&self, file: FileId) -> impl Iterator<Item = &Finding> {
        self.outcome
            .findings
            .iter()
            .filter(move |it| it.primary.file == file)
    }
}

/// Starts the thread. It ends when the returned sender is dropped.
pub(super) fn start(events: SyncSender<Event>) -> Sender<Task> {
    let (sender, tasks) = mpsc::channel::<Task>();
    std::thread::spawn(move || {
        for task in tasks {
            let result = contained(|| analyse(&task));
            let checked = Checked {
                root: task.root,
                revision: task.revision,
                result,
            };
            if events.send(Event::Checked(checked)).is_err() {
                return;
            }
        }
    });
    sender
}

fn analyse(task: &Task) -> Option<Arc<Analysis>> {
    let outcome = task.snapshot.check(&task.settings, &task.job).ok()?;
    let sources = task.snapshot.sources(Arc::clone(&outcome.files));
    let reports = diagnostics::reports(&task.root, &outcome, &sources, &task.features);
    let files = outcome
        .files
        .iter()
        .enumerate()
        .filter_map(|(index, path)| Some((path.clone(), FileId(u32::try_from(index).ok()?))))
        .collect();
    Some(Arc::new(Analysis {
        root: task.root.clone(),
        outcome,
        sources,
        snapshot: task.snapshot.clone(),
        settings: Arc::clone(&task.settings),
        reports,
        files,
        program: OnceLock::new(),
    }))
}
