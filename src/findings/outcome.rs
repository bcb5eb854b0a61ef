//! What one run says: findings, what is hidden and why, and what was and was not analysed.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Finding;
use crate::source::span::{Position, Range};

/// Everything a run has to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The files analysed, relative to the root of the project; the index is the file identifier.
    pub files: Arc<[PathBuf]>,
    /// What is reported, in the order of [`super::order`].
    pub findings: Vec<Finding>,
    /// What is not reported, and why.
    pub hidden: Hidden,
    /// How much was analysed.
    pub coverage: Coverage,
    /// Files that were not analysed, or only in part: the run has failed.
    pub problems: Vec<Problem>,
    /// What the user should know and what fails nothing: ignore comments and baseline entries
    /// that match no finding.
    pub notices: Vec<Problem>,
}

/// Findings that are not shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden {
    /// By an ignore comment.
    pub suppressed: usize,
    /// By the baseline.
    pub baseline: usize,
    /// By the configuration.
    pub off: usize,
    /// Because they lie outside the paths that were asked for.
    pub elsewhere: usize,
}

/// How much was analysed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Files.
    pub files: usize,
    /// Lines in them.
    pub lines: usize,
    /// Functions in them.
    pub functions: usize,
    /// Calls in them.
    pub calls: usize,
    /// Calls whose callee is not known, so that nothing is said about what it does.
    pub unresolved_calls: usize,
    /// Times a bound of the analysis cut something off.
    pub limits: usize,
    /// Stub files that were met and left out.
    pub stubs: usize,
    /// Notebooks that were met and left out.
    pub notebooks: usize,
}

/// Something to say about a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// The file or directory, relative to the root of the project; empty for the run as a whole.
    pub path: PathBuf,
    /// Where in it.
    pub position: Option<Position>,
    /// What is wrong and what to do.
    pub message: String,
    /// The ignore comment it is about.
    pub ignore: Option<IdleIgnore>,
}

/// An ignore comment, or a name in one, that can go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdleIgnore {
    /// The comment.
    pub comment: Range,
    /// The name that is there in vain; `None` for the whole comment.
    pub rule: Option<String>,
}
