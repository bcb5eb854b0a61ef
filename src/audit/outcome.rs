//! The result of an audit: what every report is written from.

use std::path::PathBuf;

use serde::Serialize;

use super::binary::toolchain::Toolchain;
use super::tag::Platform;
use super::target::Target;

/// What an extension module does to the GIL of a free-threaded interpreter. Worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It declares that it does not need the GIL. A claim, not a proof.
    KeepsGilOff,
    /// The file does not tell.
    Undecidable,
    /// It cannot be loaded by the target, or crashes it.
    CannotLoad,
    /// Importing it turns the GIL on for the whole process.
    #[serde(rename = "re-enables-gil")]
    ReEnablesGil,
}

impl Verdict {
    /// The name in JSON and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeepsGilOff => "keeps-gil-off",
            Self::Undecidable => "undecidable",
            Self::CannotLoad => "cannot-load",
            Self::ReEnablesGil => "re-enables-gil",
        }
    }
}

/// What importing a module under the target showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Observation {
    /// The GIL stayed off, as far as this module goes.
    KeepsGilOff,
    /// The interpreter turned the GIL on to load it.
    #[serde(rename = "re-enables-gil")]
    ReEnablesGil,
    /// The import raised; the last line of the traceback.
    Failed {
        /// Such as `ImportError: libtbb.so.12: cannot open shared object file`.
        error: String,
    },
    /// The interpreter died.
    Crashed {
        /// The signal or exit code.
        how: String,
    },
    /// The import did not end in time.
    TimedOut,
}

/// One extension module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Module {
    /// The distribution it belongs to; empty when no RECORD names it.
    pub distribution: String,
    /// That distribution's version; empty when unknown.
    pub version: String,
    /// Dotted name to import it by.
    pub module: String,
    /// Where it lies; for a member of a wheel, the wheel and the member.
    pub path: String,
    /// What it does to the GIL.
    pub verdict: Verdict,
    /// Why we say so, in a clause.
    pub reason: String,
    /// What it was built with.
    pub toolchain: Option<Toolchain>,
    /// How it is initialised: `single-phase`, `multi-phase`, `slots export`.
    pub initialisation: Option<&'static str>,
    /// The target never looks at this file, and its distribution is made for the target all the
    /// same: it stands in nobody's way.
    pub ignored: bool,
    /// What `--run` saw.
    pub observed: Option<Observation>,
    /// The audited environment, wheel or file it was found in.
    #[serde(skip)]
    pub source: String,
    /// Site-packages folder it is imported from, for `--run`; a wheel has none until it is unpacked.
    #[serde(skip)]
    pub site: Option<PathBuf>,
}

impl Module {
    /// Why it stands where it stands, in a clause: what importing it showed, or the verdict's reason.
    pub fn why(&self) -> String {
        match &self.observed {
            Some(Observation::ReEnablesGil) => "turned the GIL on when imported".to_owned(),
            Some(Observation::Crashed { how }) => format!("crashed when imported ({how})"),
            _ => self.reason.clone(),
        }
    }
}

/// How a distribution reaches the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Supply {
    /// Nothing compiled.
    Pure,
    /// A wheel for exactly the target.
    FreeThreadedWheel,
    /// A wheel for the stable free-threaded ABI.
    Abi3tWheel,
    /// Compiled, but against no interpreter's ABI: a program or a `ctypes` library.
    NativeWheel,
    /// Installed, with extension modules that are judged one by one.
    Installed,
    /// Only a source distribution: built at install time.
    SdistOnly,
    /// Neither a wheel nor a source distribution is named for it.
    Unknown,
    /// Wheels, but none for this platform, and no source distribution.
    OtherPlatform,
    /// Wheels for builds with a GIL only.
    GilOnly,
}

impl Supply {
    /// The name in JSON and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::FreeThreadedWheel => "free-threaded-wheel",
            Self::Abi3tWheel => "abi3t-wheel",
            Self::NativeWheel => "native-wheel",
            Self::Installed => "installed",
            Self::SdistOnly => "sdist-only",
            Self::Unknown => "unknown",
            Self::OtherPlatform => "other-platform",
            Self::GilOnly => "gil-only",
        }
    }
}

/// Whether a distribution stands in the way. Worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Nothing speaks against it.
    Ready,
    /// Nothing was found against it, but not everything could be decided.
    Unproven,
    /// It re-enables the GIL, cannot be loaded, or has no file for the target.
    Blocked,
}

impl Standing {
    /// The name in JSON and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unproven => "unproven",
            Self::Blocked => "blocked",
        }
    }
}

/// One distribution, locked or installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Distribution {
    /// Normal form of its name.
    pub name: String,
    /// Version; empty when unknown.
    pub version: String,
    /// The lock file, environment or wheel it was found in.
    pub source: String,
    /// How it reaches the target.
    pub supply: Supply,
    /// Whether it stands in the way.
    pub standing: Standing,
    /// Why, in a clause.
    pub reason: String,
    /// What to do, in a line; empty when nothing is to be done.
    pub advice: String,
    /// The path by which a locked distribution is required, from the project on.
    pub required_by: Vec<String>,
    /// The stage its `Free Threading` classifier names, such as `3 - Stable`.
    pub classifier: Option<String>,
    /// Its extension modules, counted.
    pub modules: usize,
}

/// Something that could not be read, or is worth a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where.
    pub path: String,
    /// What happened, and what to do about it.
    pub message: String,
    /// It could not be analysed: the exit code is 2.
    pub fatal: bool,
}

/// The project's own code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Code {
    /// Python files analysed.
    pub files: usize,
    /// Findings of `check`, by severity.
    pub errors: usize,
    /// Findings that rest on an assumption about callers.
    pub warnings: usize,
    /// Findings worth knowing.
    pub infos: usize,
    /// Module-level and class-level state that is written after import.
    pub module_state: usize,
    /// Uses of state that belongs to the whole process.
    pub process_wide: usize,
    /// Places that start threads.
    pub thread_starts: usize,
    /// Locks created.
    pub locks: usize,
    /// The stage the project's own classifier names.
    pub classifier: Option<String>,
    /// What classifier and findings together say, in a line.
    pub remark: String,
}

/// Counts and the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The answer.
    pub readiness: Standing,
    /// Distributions that block, `name version`.
    pub blocked_by: Vec<String>,
    /// Distributions that are not decided.
    pub unproven: Vec<String>,
    /// Distributions looked at.
    pub distributions: usize,
    /// Extension modules looked at.
    pub modules: usize,
    /// Modules by verdict.
    pub keeps_gil_off: usize,
    /// Modules by verdict.
    pub re_enables_gil: usize,
    /// Modules by verdict.
    pub cannot_load: usize,
    /// Modules by verdict.
    pub undecidable: usize,
    /// Shared libraries that are not extension modules.
    pub libraries: usize,
}

/// Everything an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// The build asked about.
    pub target: Target,
    /// The platforms whose wheels were considered in lock files.
    pub platforms: Vec<Platform>,
    /// What was audited: lock files, environments, wheels, modules.
    pub sources: Vec<String>,
    /// Whether modules were imported (`--run`), and with which interpreter.
    pub run_with: Option<String>,
    /// Extension modules, worst first.
    pub modules: Vec<Module>,
    /// Distributions, worst first.
    pub distributions: Vec<Distribution>,
    /// The project's own code, when a project was audited.
    pub code: Option<Code>,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// Counts and the answer.
    pub summary: Summary,
}
