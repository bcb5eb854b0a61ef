//! The witness: a failing interleaving in a file. `docs/schedule-format.md` describes the format.
//!
//! Positions are counted in operations at the program's own sites, and in operations of library
//! code after the last of these, so a witness replays on other interpreters as well. It names the
//! program by a path below the project's root, and nothing else is ever run because of it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::agent_process::Target;
use super::fleet::{Fleet, Sites};
use super::oracle::{self, Failing};
use super::protocol::{Execution, Plan, Policy};
use super::search::Found;

/// Version of the format this binary writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// Largest witness that is read.
const MAX_SIZE: u64 = 64 << 20;

/// A failing interleaving and what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// Version of the format.
    pub format: u32,
    /// Version of raceproof that wrote it.
    pub raceproof: String,
    /// What is run.
    pub program: Program,
    /// Source files, relative to the project, and the hashes of their bytes.
    pub sources: BTreeMap<String, String>,
    /// The interpreter that found it; any other may replay it.
    pub python: String,
    /// What goes wrong.
    pub failure: Failure,
    /// Names of the threads; their numbers are their order of creation.
    pub threads: Vec<String>,
    /// Which thread runs until where.
    pub schedule: Vec<Stretch>,
    /// The operations at the program's own sites in their order, to notice a divergence.
    pub steps: Vec<Step>,
}

/// What is run, as `raceproof explore` was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// `script`, `module`, `function` or `pytest`.
    pub kind: String,
    /// File below the project, module name, or pytest node.
    pub target: String,
    /// Function of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Arguments of the program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// Directory below the project that it runs in; the project's root when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub directory: String,
    /// Names that are bound once were instrumented, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_accesses: bool,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `exception`, `assertion`, `exit`, `deadlock`, `not-serial`, `crash` or `hang`.
    pub kind: String,
    /// In one line.
    pub message: String,
    /// For `not-serial`: the results that serial orders of the threads give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serial: Vec<String>,
}

/// A thread runs until it has done so much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The thread.
    pub thread: u32,
    /// Its operations at the program's own sites, since its beginning.
    pub own: u32,
    /// Its operations in library code since the last of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub library: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// One operation at a site of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The thread.
    pub thread: u32,
    /// What it did.
    pub operation: String,
    /// File and line, such as `src/cache.py:14`.
    pub site: String,
}

impl Step {
    /// Whether it is the same operation. Interpreters differ in the line they give to a call that
    /// the syntax implies, such as the release at the end of a `with` block, so for calls the line
    /// does not count.
    fn is_like(&self, other: &Self) -> bool {
        let access = matches!(
            self.operation.as_str(),
            "read" | "write" | "insert" | "update"
        );
        let file = |step: &Self| {
            step.site
                .rsplit_once(':')
                .map_or_else(String::new, |it| it.0.to_owned())
        };
        self.thread == other.thread
            && self.operation == other.operation
            && if access {
                self.site == other.site
            } else {
                file(self) == file(other)
            }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "thread {} {} at {}",
            self.thread, self.operation, self.site
        )
    }
}

/// Why a witness is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read: in words.
    Unreadable(String),
    /// It was written by a newer raceproof.
    Newer(u32),
    /// It names something outside the project.
    Outside(String),
    /// Sources changed or are gone.
    Changed(Vec<String>),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => f.write_str(why),
            Self::Newer(format) => write!(
                f,
                "it has format {format}, this raceproof reads up to {FORMAT}: update raceproof"
            ),
            Self::Outside(what) => write!(
                f,
                "it names `{what}`, which is not below the project's root; nothing was run"
            ),
            Self::Changed(files) => write!(
                f,
                "{} changed since it was written; explore again",
                files.join(", ")
            ),
        }
    }
}

impl Witness {
    /// The witness of a failing interleaving.
    pub fn of(found: &Found, fleet: &Fleet) -> Self {
        let target = fleet.target();
        let root = &target.root;
        let (schedule, steps) = positions(&found.execution, &fleet.sites, root);
        let sources = fleet
            .files
            .iter()
            .filter_map(|file| {
                let bytes = fs::read(file).ok()?;
                Some((relative(Path::new(file), root), hash(&bytes)))
            })
            .collect();
        let mut threads = found.execution.rare.names.clone();
        threads.resize(found.execution.parents.len(), String::new());
        Self {
            format: FORMAT,
            raceproof: env!("CARGO_PKG_VERSION").to_owned(),
            program: Program {
                kind: target.kind.to_owned(),
                target: match target.kind {
                    "script" | "function" => relative(Path::new(&target.target), root),
                    "pytest" => {
                        let (file, test) = split_node(&target.target);
                        relative(&target.directory.join(file), root) + test
                    }
                    _ => target.target.clone(),
                },
                function: target.function.clone(),
                argv: target.argv.clone(),
                directory: match target.directory.strip_prefix(root) {
                    Ok(_) => relative(&target.directory, root),
                    // From elsewhere: it is replayed in the root.
                    Err(_) => String::new(),
                },
                all_accesses: target.all_accesses,
            },
            sources,
            python: fleet.interpreter().describe(),
            failure: Failure {
                kind: found.failing.kind().to_owned(),
                message: found.failing.message(),
                serial: match &found.failing {
                    Failing::NotSerial { serial, .. } => serial.clone(),
                    _ => Vec::new(),
                },
            },
            threads,
            schedule,
            steps,
        }
    }

    /// Reads a witness and checks that it may be replayed below `root`.
    ///
    /// # Errors
    /// Why it may not.
    pub fn load(path: &Path, root: &Path) -> Result<Self, Refusal> {
        let unreadable = |why: String| Refusal::Unreadable(why);
        let size = fs::metadata(path)
            .map_err(|error| unreadable(format!("{}: {error}", path.display())))?
            .len();
        if size > MAX_SIZE {
            return Err(unreadable(format!("{} is too large", path.display())));
        }
        let bytes =
            fs::read(path).map_err(|error| unreadable(format!("{}: {error}", path.display())))?;
        let value: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|error| unreadable(format!("{} is no witness: {error}", path.display())))?;
        // The version comes first: a newer format may have other fields.
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format > u64::from(FORMAT) => {
                return Err(Refusal::Newer(u32::try_from(format).unwrap_or(u32::MAX)));
            }
            Some(_) => {}
            None => return Err(unreadable(format!("{} is no witness", path.display()))),
        }
        let witness: Self = serde_json::from_value(value)
            .map_err(|error| unreadable(format!("{} is no witness: {error}", path.display())))?;
        witness.check(root)?;
        Ok(witness)
    }

    fn check(&self, root: &Path) -> Result<(), Refusal> {
        let root = fs::canonicalize(root)
            .map_err(|error| Refusal::Unreadable(format!("{}: {error}", root.display())))?;
        let program_file = match self.program.kind.as_str() {
            "script" | "function" => Some(self.program.target.as_str()),
            "pytest" => Some(split_node(&self.program.target).0),
            "module" => None,
            other => return Err(Refusal::Outside(format!("a program of kind {other}"))),
        };
        if self.sources.is_empty() {
            return Err(Refusal::Unreadable("it names no sources".to_owned()));
        }
        // What is run must be among the files whose contents are known.
        if let Some(file) = program_file
            && !self.sources.contains_key(file)
        {
            return Err(Refusal::Outside(file.to_owned()));
        }
        let directory = &self.program.directory;
        if !directory.is_empty() && inside(&root, directory).is_none() {
            return Err(Refusal::Outside(directory.clone()));
        }
        if self.program.kind == "module" && !self.names_module() {
            return Err(Refusal::Outside(self.program.target.clone()));
        }
        let mut changed = Vec::new();
        for (file, expected) in &self.sources {
            let path = inside(&root, file).ok_or_else(|| Refusal::Outside(file.clone()))?;
            match fs::read(&path) {
                Ok(bytes) if hash(&bytes) == *expected => {}
                Ok(_) => changed.push(file.clone()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    changed.push(format!("{file} (gone)"));
                }
                Err(error) => return Err(Refusal::Unreadable(format!("{file}: {error}"))),
            }
        }
        if changed.is_empty() {
            Ok(())
        } else {
            Err(Refusal::Changed(changed))
        }
    }

    /// Whether the module to be run is one of the sources.
    fn names_module(&self) -> bool {
        let path = self.program.target.replace('.', "/");
        self.sources.keys().any(|file| {
            [format!("{path}.py"), format!("{path}/__main__.py")]
                .iter()
                .any(|it| file == it || file.ends_with(&format!("/{it}")))
        })
    }

    /// What to run, below this root.
    pub fn target(&self, root: &Path) -> Target {
        let kind = match self.program.kind.as_str() {
            "module" => "module",
            "function" => "function",
            "pytest" => "pytest",
            _ => "script",
        };
        Target {
            kind,
            target: match kind {
                "script" | "function" | "pytest" => root
                    .join(&self.program.target)
                    .to_string_lossy()
                    .into_owned(),
                _ => self.program.target.clone(),
            },
            function: self.program.function.clone(),
            argv: self.program.argv.clone(),
            directory: root.join(&self.program.directory),
            root: root.to_owned(),
            all_accesses: self.program.all_accesses,
        }
    }

    /// The plan that follows the schedule.
    pub fn plan(&self, max_steps: u32) -> Plan {
        let mut plan = Plan::free(Policy::GoOn, 0, max_steps);
        plan.positions = self
            .schedule
            .iter()
            .map(|it| (it.thread, it.own, it.library))
            .collect();
        plan.lenient = true;
        plan.detail = true;
        plan.journal = self.is_without_end();
        plan
    }

    /// Whether the process of a run is lost.
    fn is_without_end(&self) -> bool {
        matches!(self.failure.kind.as_str(), "crash" | "hang")
    }

    /// The step before which a debugger stops, when neither an exception nor threads that wait show
    /// a place to stop at: the last one of a run that is lost, and where a thread was resumed last
    /// when it is the result that is wrong.
    pub fn decisive(&self) -> Option<usize> {
        let last = self.steps.len().checked_sub(1);
        let resumed = |at: &usize| {
            let thread = self.steps[*at].thread;
            thread != 0
                && self.steps[at - 1].thread != thread
                && self.steps[..*at].iter().any(|it| it.thread == thread)
        };
        match self.failure.kind.as_str() {
            "crash" | "hang" => last,
            "not-serial" => (1..self.steps.len()).rev().find(resumed).or(last),
            _ => None,
        }
    }

    /// What is wrong with an execution that followed the schedule.
    pub fn judged(&self, execution: &Execution, failing: Option<Failing>) -> Option<Failing> {
        failing
            .or_else(|| {
                let serial = &self.failure.serial;
                (!serial.is_empty()).then(|| oracle::against(serial, execution))?
            })
            .filter(|it| it.kind() == self.failure.kind)
    }

    /// The first own step at which an execution differs: its number, what was expected, what came.
    pub fn divergence(
        &self,
        execution: &Execution,
        sites: &Sites,
        root: &Path,
    ) -> Option<(usize, Option<Step>, Option<Step>)> {
        let (_, mut steps) = positions(execution, sites, root);
        if self.is_without_end() {
            // Where nothing was lost, the run goes on.
            steps.truncate(self.steps.len());
        }
        let length = self.steps.len().max(steps.len());
        (0..length).find_map(|at| {
            let (expected, came) = (self.steps.get(at), steps.get(at));
            let same = match (expected, came) {
                (Some(expected), Some(came)) => expected.is_like(came),
                _ => false,
            };
            (!same).then(|| (at, expected.cloned(), came.cloned()))
        })
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// A file below `root` by its relative name; nothing else.
fn inside(root: &Path, name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    let plain = path
        .components()
        .all(|it| matches!(it, Component::Normal(_)));
    if !plain || name.is_empty() {
        return None;
    }
    let joined = root.join(path);
    match fs::canonicalize(&joined) {
        Ok(real) => real.starts_with(root).then_some(real),
        // A missing file is reported as such.
        Err(_) => Some(joined),
    }
}

/// The file of a pytest node, and the rest of it.
fn split_node(node: &str) -> (&str, &str) {
    node.split_at(node.find("::").unwrap_or(node.len()))
}

/// A path below the root, with `/`.
pub fn relative(path: &Path, root: &Path) -> String {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let Ok(path) = real.strip_prefix(&root) else {
        return real.to_string_lossy().into_owned();
    };
    path.components()
        .map(|it| it.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

fn hash(bytes: &[u8]) -> String {
    format!("xxh3:{:016x}", xxh3_64(bytes))
}

/// The schedule and the own steps of an execution.
fn positions(execution: &Execution, sites: &Sites, root: &Path) -> (Vec<Stretch>, Vec<Step>) {
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    let mut counts: Vec<(u32, u32)> = vec![(0, 0); execution.parents.len().max(1)];
    let mut schedule: Vec<Stretch> = Vec::new();
    let mut steps = Vec::new();
    for event in &execution.trace {
        let thread = event.thread();
        if thread >= counts.len() {
            counts.resize(thread + 1, (0, 0));
        }
        match sites.get(event.site()).filter(|site| !site.inner) {
            Some(site) => {
                counts[thread] = (counts[thread].0 + 1, 0);
                let file = names
                    .entry(&site.file)
                    .or_insert_with(|| relative(Path::new(&site.file), root));
                steps.push(Step {
                    thread: thread as u32,
                    operation: event.kind().name().to_owned(),
                    site: format!("{file}:{}", site.line),
                });
            }
            None => counts[thread].1 += 1,
        }
        let stretch = Stretch {
            thread: thread as u32,
            own: counts[thread].0,
            library: counts[thread].1,
        };
        match schedule.last_mut() {
            Some(last) if last.thread == stretch.thread => *last = stretch,
            _ => schedule.push(stretch),
        }
    }
    (schedule, steps)
}
