//! From the words of the command line to a project that can be analysed. Every command that
//! analyses takes the same words.

use std::io::{IsTerminal, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::Failure;
use crate::config::{self, NamedText, Origin, Settings};
use crate::engine::{Cache, Change, Host, Job, Snapshot};
use crate::program::{Callers, Target};
use crate::source::decode::decode;
use crate::source::discover::{Patterns, Selection};
use crate::source::files::{Disk, Files, Memory};
use crate::source::parse::MAX_BYTES;

/// What is analysed, and how.
#[derive(Debug, Args)]
pub(super) struct ProjectArgs {
    /// Files and directories to report on; the project around them is analysed, too. `-` reads a
    /// file from standard input.
    #[arg(default_value = ".")]
    pub paths: Vec<PathBuf>,
    /// Name of the file that `-` reads, such as the path of an editor's buffer.
    #[arg(long, value_name = "PATH")]
    pub stdin_filename: Option<PathBuf>,
    #[command(flatten)]
    pub options: ProjectOptions,
}

/// How it is analysed.
#[derive(Debug, Args)]
pub(super) struct ProjectOptions {
    /// Configuration to use instead of the nearest `raceproof.toml` or `pyproject.toml`.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Interpreter to check for.
    #[arg(long, value_enum, value_name = "VERSION")]
    pub target: Option<TargetArg>,
    /// Who calls public functions.
    #[arg(long, value_enum, value_name = "WHO")]
    pub callers: Option<CallersArg>,
    /// Leave out what matches, as in `.gitignore`; may be repeated.
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Analyse only files that match, as in `.gitignore`; may be repeated.
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    /// Neither read nor write `.raceproof_cache`.
    #[arg(long)]
    pub no_cache: bool,
}

/// Free-threaded interpreters.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum TargetArg {
    /// CPython 3.13t.
    #[value(name = "3.13t")]
    Py313t,
    /// CPython 3.14t.
    #[value(name = "3.14t")]
    Py314t,
    /// CPython 3.15t.
    #[value(name = "3.15t")]
    Py315t,
}

/// Callers of public functions.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum CallersArg {
    /// Any number of threads, as for a library.
    Many,
    /// One thread, as for a script.
    Single,
}

/// A project that can be analysed.
pub(super) struct Project {
    /// What is in force.
    pub settings: Settings,
    /// Root of the project; absolute.
    pub root: PathBuf,
    /// Where the command was given; absolute.
    pub directory: PathBuf,
    /// The files.
    pub host: Host,
}

impl Project {
    /// Finds the project, reads its configuration and puts the arguments over it.
    ///
    /// # Errors
    /// The configuration or the arguments cannot be used.
    pub fn open(args: &ProjectArgs) -> Result<Self, Failure> {
        let directory = std::env::current_dir()
            .map_err(|error| Failure::new(format!("no working directory: {error}")))?;
        let from_stdin = args.reads_stdin();
        if from_stdin && args.paths.len() > 1 {
            return Err(Failure::new("`-` cannot be combined with other paths"));
        }
        if args.stdin_filename.is_some() && !from_stdin {
            return Err(Failure::new("`--stdin-filename` needs the path `-`"));
        }
        let named: Vec<PathBuf> = if from_stdin {
            args.stdin_filename
                .iter()
                .map(|path| absolute(&directory, path))
                .collect()
        } else {
            args.paths
                .iter()
                .map(|path| absolute(&directory, path))
                .collect()
        };
        let anchor = anchor(&named).unwrap_or_else(|| directory.clone());
        let found = config::find(
            &anchor,
            args.options.config.as_deref(),
            crate::rule::names(),
        )?;
        let mut settings = Settings::resolve(found.table)?;
        args.options.put_over(&mut settings)?;

        let root = found.root.clone().unwrap_or(anchor);
        settings.focus = named
            .iter()
            .map(|path| path.strip_prefix(&root).unwrap_or(path).to_path_buf())
            .collect();
        if settings
            .focus
            .iter()
            .any(|path| path.as_os_str().is_empty())
        {
            settings.focus.clear();
        }
        let selection = Selection {
            starts: if found.root.is_some() {
                vec![root.clone()]
            } else {
                named.clone()
            },
            root: root.clone(),
            // A buffer need not exist on disk.
            named: if from_stdin { Vec::new() } else { named },
            exclude: settings.exclude.clone(),
            include: settings.include.clone(),
        };
        let alone = from_stdin && args.stdin_filename.is_none();
        let files: Arc<dyn Files> = if alone || (from_stdin && found.root.is_none()) {
            Arc::new(Memory::default())
        } else {
            Arc::new(Disk::new(selection))
        };
        let mut host = Host::new(files).once();
        if !args.options.no_cache && !from_stdin {
            let beside = found.root.as_deref().unwrap_or(&directory);
            let cache = Cache::new(beside.join(".raceproof_cache"), root.clone());
            host = host.with_cache(cache);
        }
        if from_stdin {
            let path = settings.focus.first().cloned();
            let path = path.unwrap_or_else(|| PathBuf::from("stdin.py"));
            host.apply(Change::Edited(path, read_stdin()?.into()));
        }
        Ok(Self {
            settings,
            root,
            directory,
            host,
        })
    }
}

impl ProjectArgs {
    /// What is analysed comes from standard input.
    pub fn reads_stdin(&self) -> bool {
        self.paths.iter().any(|path| path.as_os_str() == "-")
    }
}

impl ProjectOptions {
    fn put_over(&self, settings: &mut Settings) -> Result<(), Failure> {
        let mut set = |key: &'static str, option: &'static str| {
            settings.origins.insert(key, Origin::Option(option));
        };
        if let Some(target) = self.target {
            set("target", "--target");
            settings.target = match target {
                TargetArg::Py313t => Target::Py313t,
                TargetArg::Py314t => Target::Py314t,
                TargetArg::Py315t => Target::Py315t,
            };
        }
        if let Some(callers) = self.callers {
            set("callers", "--callers");
            settings.callers = match callers {
                CallersArg::Many => Callers::Many,
                CallersArg::Single => Callers::Single,
            };
        }
        for (patterns, key, option) in [
            (&self.exclude, "exclude", "--exclude"),
            (&self.include, "include", "--include"),
        ] {
            Patterns::new(Path::new(""), patterns.iter().map(String::as_str))
                .map_err(|error| Failure::new(format!("{option}: not a pattern: {error}")))?;
            if !patterns.is_empty() {
                set(key, option);
            }
        }
        settings.exclude.extend(self.exclude.iter().cloned());
        if !self.include.is_empty() {
            settings.include.clone_from(&self.include);
        }
        Ok(())
    }
}

/// Takes the baseline that an option names.
///
/// # Errors
/// The file cannot be read.
pub(super) fn take_baseline(settings: &mut Settings, path: PathBuf) -> Result<(), Failure> {
    settings.baseline = Some(NamedText::read(path)?);
    settings
        .origins
        .insert("baseline", Origin::Option("--baseline"));
    Ok(())
}

/// Analyses with a progress bar on standard error, when it is a terminal and the run is long.
pub(super) fn watch<T>(work: impl FnOnce(&Job) -> T) -> T {
    let job = Job::default();
    if !std::io::stderr().is_terminal() {
        return work(&job);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| show_progress(&job, &done));
        let result = work(&job);
        done.store(true, Ordering::Relaxed);
        watcher.thread().unpark();
        result
    })
}

fn show_progress(job: &Job, done: &AtomicBool) {
    const PATIENCE: Duration = Duration::from_millis(500);
    const STEP: Duration = Duration::from_millis(80);
    std::thread::park_timeout(PATIENCE);
    if done.load(Ordering::Relaxed) {
        return;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}") {
        bar.set_style(style);
    }
    while !done.load(Ordering::Relaxed) {
        let (files, total) = job.progress();
        bar.set_length(total as u64);
        bar.set_position(files as u64);
        bar.set_message(match (files, total) {
            (_, 0) => "looking for files",
            (files, total) if files < total => "reading",
            _ => "analysing",
        });
        std::thread::park_timeout(STEP);
    }
    bar.finish_and_clear();
}

/// A snapshot of the project, for commands that ask once.
impl Project {
    /// The files as they are now.
    pub fn snapshot(&self) -> Snapshot {
        self.host.snapshot()
    }
}

fn read_stdin() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format!("standard input cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        let limit = MAX_BYTES >> 20;
        return Err(Failure::new(format!(
            "standard input is larger than {limit} MB"
        )));
    }
    decode(bytes).map_err(|error| Failure::new(format!("standard input {error}")))
}

/// The directory that holds all of the paths.
fn anchor(paths: &[PathBuf]) -> Option<PathBuf> {
    let mut directories = paths.iter().map(|path| {
        if path.is_dir() {
            path.as_path()
        } else {
            path.parent().unwrap_or(path)
        }
    });
    let mut shared = directories.next()?.to_path_buf();
    for directory in directories {
        while !directory.starts_with(&shared) {
            if !shared.pop() {
                break;
            }
        }
    }
    Some(shared)
}

/// The path from the root of the file system, without `.` and `..`.
pub(super) fn absolute(directory: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in directory.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}
