//! Which schedule to run next. One file for each strategy.

pub mod auto;
pub mod bounded;
pub mod dpor;
pub mod seeded;

use super::happens_before::Order;
use super::protocol::{Execution, Plan};

/// Chooses schedules and learns from what they did.
pub trait Strategy {
    /// The next schedule; `None` when there is none now: for good once all that were handed out
    /// have been learned from.
    fn next_plan(&mut self) -> Option<Plan>;

    /// What a schedule did. Called in the order the plans were handed out, once for each.
    ///
    /// # Errors
    /// The same prefix did something else than before: the program's state leaks from one run
    /// into the next, or it depends on something outside our control.
    fn learn(&mut self, execution: &Execution, order: &Order) -> Result<(), Nondeterminism>;

    /// Whether every interleaving has been covered when there is no next plan.
    fn is_exhaustive(&self) -> bool;
}

/// The same schedule did not do the same twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nondeterminism {
    /// The first step that differs.
    pub step: usize,
}
