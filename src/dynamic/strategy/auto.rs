//! The default: exhaustive search by DPOR, whose first execution has no preemption, in turn with
//! samples drawn by POS, which reach deep bugs long before an exhaustive search does. Samples, and
//! executions that only repeat a trace, stay within the number of distinct traces found so far, so
//! that a certificate costs at most twice the executions it needs.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;

use super::dpor::Dpor;
use super::seeded::Seeded;
use super::{Nondeterminism, Strategy};
use crate::dynamic::happens_before::Order;
use crate::dynamic::protocol::{Execution, Plan, Policy, Status};

/// DPOR and POS in turn.
pub struct Auto {
    dpor: Dpor,
    pos: Seeded,
    /// Who asked for the executions under way.
    running: VecDeque<Origin>,
    traces: FxHashSet<u64>,
    handed_out: usize,
    sample_next: bool,
    sampled: bool,
}

/// Executions kept back from sampling.
const RESERVE: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Dpor,
    Pos,
}

impl Auto {
    /// A search that has everything before it.
    pub fn new(seed: u32, max_steps: u32) -> Self {
        Self {
            dpor: Dpor::new(max_steps),
            pos: Seeded::new(Policy::Pos, seed, max_steps),
            running: VecDeque::new(),
            traces: FxHashSet::default(),
            handed_out: 0,
            sample_next: false,
            sampled: false,
        }
    }

    fn hand_out(&mut self, plan: Plan, origin: Origin) -> Plan {
        self.running.push_back(origin);
        self.handed_out += 1;
        self.sample_next = origin == Origin::Dpor;
        plan
    }
}

impl Strategy for Auto {
    fn next_plan(&mut self) -> Option<Plan> {
        // The first sample comes at once. Later ones leave room for what the exhaustive search
        // repeats after the last sample.
        let spare = if self.sampled { RESERVE } else { 0 };
        let may_sample = self.handed_out + spare < 2 * self.traces.len() && !self.dpor.is_done();
        if self.sample_next
            && may_sample
            && let Some(plan) = self.pos.next_plan()
        {
            self.sampled = true;
            return Some(self.hand_out(plan, Origin::Pos));
        }
        let plan = self.dpor.next_plan()?;
        Some(self.hand_out(plan, Origin::Dpor))
    }

    fn learn(&mut self, execution: &Execution, order: &Order) -> Result<(), Nondeterminism> {
        if matches!(execution.status, Status::Complete | Status::Deadlock) {
            self.traces.insert(order.fingerprint);
        }
        self.pos.observe(execution, order);
        match self.running.pop_front() {
            Some(Origin::Dpor) => self.dpor.learn(execution, order),
            _ => Ok(()),
        }
    }

    fn is_exhaustive(&self) -> bool {
        self.dpor.is_exhaustive()
    }
}
