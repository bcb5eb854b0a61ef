//! Every schedule with at most so many preemptions, fewest first (Musuvathi and Qadeer, "Iterative
//! context bounding", PLDI 2007). Switches at a blocked or ended thread are free.

use std::collections::VecDeque;

use super::{Nondeterminism, Strategy};
use crate::dynamic::happens_before::Order;
use crate::dynamic::protocol::{Execution, Plan, Policy, Status};

/// Schedules by number of preemptions.
pub struct Bounded {
    bound: u32,
    max_steps: u32,
    /// Forced prefixes by the number of preemptions in them.
    queues: Vec<VecDeque<Vec<u32>>>,
    running: VecDeque<Vec<u32>>,
    complete: bool,
    /// Something lies beyond the bound.
    beyond: bool,
}

impl Bounded {
    /// Everything up to `bound` preemptions.
    pub fn new(bound: u32, max_steps: u32) -> Self {
        let mut queues = vec![VecDeque::new(); bound as usize + 1];
        queues[0].push_back(Vec::new());
        Self {
            bound,
            max_steps,
            queues,
            running: VecDeque::new(),
            complete: true,
            beyond: false,
        }
    }
}

impl Strategy for Bounded {
    fn next_plan(&mut self) -> Option<Plan> {
        let prefix = self.queues.iter_mut().find_map(VecDeque::pop_front)?;
        let mut plan = Plan::free(Policy::GoOn, 0, self.max_steps);
        plan.force(prefix.iter().copied());
        plan.log_enabled = true;
        self.running.push_back(prefix);
        Some(plan)
    }

    fn learn(&mut self, execution: &Execution, _order: &Order) -> Result<(), Nondeterminism> {
        let Some(prefix) = self.running.pop_front() else {
            return Ok(());
        };
        if execution.status == Status::Diverged {
            return Err(Nondeterminism {
                step: execution.diverged.unwrap_or(0) as usize,
            });
        }
        self.complete &= execution.status != Status::TooLong && !execution.cut;
        let mut enabled = vec![0u64; execution.trace.len() + 1];
        for &(step, mask) in &execution.enabled {
            if let Some(slot) = enabled.get_mut(step as usize) {
                *slot = mask;
            }
        }
        let chosen: Vec<u32> = execution
            .trace
            .iter()
            .map(|it| it.thread() as u32)
            .collect();
        let mut preemptions = 0;
        let mut previous = None;
        for (step, &thread) in chosen.iter().enumerate() {
            let could_go_on = previous.is_some_and(|it: u32| enabled[step] >> it & 1 == 1);
            if step >= prefix.len() {
                for other in 0..64u32 {
                    if enabled[step] >> other & 1 == 0 || other == thread {
                        continue;
                    }
                    let cost = preemptions + u32::from(could_go_on && previous != Some(other));
                    if cost > self.bound {
                        self.beyond = true;
                        continue;
                    }
                    let mut next = chosen[..step].to_vec();
                    next.push(other);
                    self.queues[cost as usize].push_back(next);
                }
            }
            if could_go_on && previous != Some(thread) {
                preemptions += 1;
            }
            previous = Some(thread);
        }
        Ok(())
    }

    fn is_exhaustive(&self) -> bool {
        self.complete
            && !self.beyond
            && self.running.is_empty()
            && self.queues.iter().all(VecDeque::is_empty)
    }
}
