//! What is reported, and how sure we are.

pub mod baseline;
pub mod filter;
pub mod fingerprint;
pub mod order;
pub mod outcome;

use serde::{Deserialize, Serialize};

use crate::source::span::Site;

/// How bad it is. `error` is for what we would bet on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, safe as it stands.
    Info,
    /// Likely wrong: rests on an assumption about who calls.
    Warning,
    /// Wrong: threads that the program itself starts collide.
    Error,
}

/// Why we believe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// At least one side runs on a thread we only assume.
    Possible,
    /// Both sides run on threads the program starts, or a guard other accesses hold is missing.
    Likely,
    /// An interleaving that fails was executed.
    Witnessed,
}

/// Another place that belongs to a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// Where.
    pub site: Site,
    /// What happens there, in a short clause.
    pub message: String,
    /// Qualified name of the function around it; empty at module level.
    pub function: String,
    /// Locks certainly held there, in words such as `self._lock`.
    pub held: Vec<String>,
}

/// A thread that takes part in a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Such as ``thread running `worker` `` or ``any caller of `Cache.get` ``.
    pub description: String,
    /// Where the thread is started; `None` when the caller of a library is meant.
    pub spawn: Option<Site>,
    /// More than one thread may run it at a time.
    pub many: bool,
    /// The program itself starts it.
    pub explicit: bool,
}

/// A connected group of conflicts on one place, reported where the programmer must act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the rule, such as `unlocked-counter`.
    pub rule: String,
    /// How bad it is, after configuration.
    pub severity: Severity,
    /// Why we believe it.
    pub evidence: Evidence,
    /// What is wrong, in one line, without a final full stop.
    pub message: String,
    /// What goes wrong on the target version: lost update, skipped element, crash.
    pub consequence: String,
    /// What to do about it.
    pub advice: String,
    /// Where the programmer must act.
    pub primary: Site,
    /// Short label for the primary place, such as "read, incremented and stored here".
    pub label: String,
    /// Qualified name of the function around `primary`; empty at module level.
    pub function: String,
    /// The place in words, such as `self._cache`, `Counter.total` or a lock.
    pub state: String,
    /// Locks certainly held at `primary`.
    pub held: Vec<String>,
    /// The other sides.
    pub related: Vec<Related>,
    /// The threads that collide.
    pub roots: Vec<Root>,
    /// Identity that survives line shifts: 16 hexadecimal digits.
    pub fingerprint: String,
}
