//! Locks held at a point of a function, by intersection over the paths that reach it.
//!
//! A lock that is taken by `acquire` and given back by `release` on some path, but not on
//! another one out of the function, is leaked. "May still be taken" is tracked beside "certainly
//! held" for that: the first joins by union, the second by intersection.

use rustc_hash::FxHashMap;

use super::{Held, ValueId};
use crate::source::span::Range;

/// Interned sets of held locks.
#[derive(Default)]
pub(super) struct HeldSets {
    pub sets: Vec<Vec<Held>>,
    index: FxHashMap<Vec<Held>, u32>,
}

impl HeldSets {
    pub fn new() -> Self {
        let mut sets = Self::default();
        sets.intern(Vec::new());
        sets
    }

    pub fn intern(&mut self, set: Vec<Held>) -> u32 {
        if let Some(&known) = self.index.get(&set) {
            return known;
        }
        let id = u32::try_from(self.sets.len()).unwrap_or(0);
        self.sets.push(set.clone());
        self.index.insert(set, id);
        id
    }
}

/// A lock taken by method that may not have been given back yet.
#[derive(Clone, PartialEq)]
pub(super) struct Taken<'a> {
    pub lock: ValueId,
    /// How the source spells the lock; `finally` clauses are matched by it.
    pub text: &'a str,
    pub region: u32,
    pub acquired: Range,
    /// Some test decides whether it is taken.
    pub conditional: bool,
}

/// The flow-sensitive state at one point.
#[derive(Clone)]
pub(super) struct Flow<'a> {
    /// Values of local variables, by slot.
    pub env: Vec<ValueId>,
    /// Certainly held, an id of [`HeldSets`].
    pub held: u32,
    /// Maybe still taken.
    pub taken: Vec<Taken<'a>>,
    /// Some path reaches this point.
    pub alive: bool,
}
