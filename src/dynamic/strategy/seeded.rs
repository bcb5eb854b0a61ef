//! Strategies that draw schedules at random: partial order sampling (Yuan, Yang, Gu; CAV 2018),
//! probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010), selectively uniform random
//! walk (Zhao et al., ASPLOS 2025) and a plain random walk. The drawing happens in the agent;
//! here is what it needs to know beforehand: where switching matters, and how long threads are.

use std::sync::Arc;

use super::{Nondeterminism, Strategy};
use crate::dynamic::happens_before::Order;
use crate::dynamic::protocol::{Execution, Plan, Policy};

/// Draws schedules until told to stop.
pub struct Seeded {
    policy: Policy,
    seed: u32,
    max_steps: u32,
    drawn: u32,
    /// Sites of operations that conflicted in some execution so far.
    hot: Vec<u32>,
    shared: Option<Arc<[u32]>>,
    /// Those among them at which data is accessed.
    hot_data: Vec<u32>,
    shared_data: Option<Arc<[u32]>>,
    /// Operations of each thread at such sites, the longest seen.
    counts: Vec<u32>,
    /// All operations at such sites, the longest seen.
    length: u32,
    /// Where switching makes no difference, switching is not considered.
    learned: bool,
}

/// Change points of a PCT schedule: the depth of the bugs looked for, less one.
const CHANGE_POINTS: u32 = 2;

impl Seeded {
    /// Draws with this policy from this seed on.
    pub fn new(policy: Policy, seed: u32, max_steps: u32) -> Self {
        Self {
            policy,
            seed,
            max_steps,
            drawn: 0,
            hot: Vec::new(),
            shared: None,
            hot_data: Vec::new(),
            shared_data: None,
            counts: Vec::new(),
            length: 0,
            learned: false,
        }
    }

    /// Learns where operations conflict, and how long threads are, from any execution.
    pub fn observe(&mut self, execution: &Execution, order: &Order) {
        let before = self.hot.len();
        add(&mut self.hot, &order.conflicting_sites);
        if self.hot.len() != before || !self.learned {
            self.shared = Some(self.hot.clone().into());
        }
        let before = self.hot_data.len();
        for &(first, second) in &order.data_races {
            let sites = [first, second].map(|it| execution.trace[it].site());
            add(&mut self.hot_data, &sites);
        }
        if self.hot_data.len() != before {
            self.shared_data = Some(self.hot_data.clone().into());
        }
        self.learned = true;
        if matches!(self.policy, Policy::Pct | Policy::Surw) {
            let mut counts = vec![0u32; execution.parents.len()];
            for event in &execution.trace {
                if self.hot.binary_search(&event.site()).is_ok() {
                    counts[event.thread()] += 1;
                }
            }
            // A thread that was not created yet counts for the one that will create it.
            for (thread, &parent) in execution.parents.iter().enumerate().rev() {
                if let Ok(parent) = usize::try_from(parent) {
                    counts[parent] += counts[thread];
                }
            }
            self.length = self.length.max(counts.first().copied().unwrap_or(0));
            self.counts.resize(self.counts.len().max(counts.len()), 0);
            for (kept, count) in self.counts.iter_mut().zip(counts) {
                *kept = (*kept).max(count);
            }
        }
    }
}

fn add(sorted: &mut Vec<u32>, sites: &[u32]) {
    for site in sites {
        if let Err(at) = sorted.binary_search(site) {
            sorted.insert(at, *site);
        }
    }
}

impl Strategy for Seeded {
    fn next_plan(&mut self) -> Option<Plan> {
        let seed = self.seed.wrapping_mul(0x9e37_79b1).wrapping_add(self.drawn);
        self.drawn += 1;
        let mut plan = Plan::free(self.policy, seed, self.max_steps);
        // Every other sample switches at accesses to data only: between them lie the operations
        // of queues, pools and conditions, far more than there are accesses.
        plan.hot = match &self.shared_data {
            Some(data) if self.drawn % 2 == 1 => Some(Arc::clone(data)),
            _ => self.shared.clone(),
        };
        if self.policy == Policy::Surw {
            plan.counts = self.counts.clone();
        }
        if self.policy == Policy::Pct {
            let mut state = u64::from(seed) << 20 | 1;
            for _ in 0..CHANGE_POINTS {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let length = u64::from(self.length.max(1));
                plan.change_points.push(1 + ((state >> 33) % length) as u32);
            }
            plan.change_points.sort_unstable();
        }
        Some(plan)
    }

    fn learn(&mut self, execution: &Execution, order: &Order) -> Result<(), Nondeterminism> {
        self.observe(execution, order);
        Ok(())
    }

    fn is_exhaustive(&self) -> bool {
        false
    }
}
