//! Results that no serial order of the threads can produce.
//!
//! The result of an execution is what it printed, as a set of lines, and what its function
//! returned. Without threads that wait for each other, running them one after the other is
//! always a correct execution, so a result outside those of the serial orders is a lost update,
//! a torn read or the like. Programs whose threads wait for one another (events, conditions,
//! queues) have no serial orders of whole threads to compare with and are left alone.

use rustc_hash::FxHashSet;

use super::Failing;
use crate::dynamic::agent_process::AgentError;
use crate::dynamic::event::Kind;
use crate::dynamic::fleet::Fleet;
use crate::dynamic::happens_before::Order;
use crate::dynamic::protocol::{Execution, Status};
use crate::dynamic::search::Limits;
use crate::dynamic::strategy::Strategy;
use crate::dynamic::strategy::bounded::Bounded;

/// Most serial orders that are run for comparison.
const MAX_ORDERS: usize = 720;

/// Compares results with those of the serial orders, which are run on first need.
#[derive(Debug, Default)]
pub struct Serial {
    first: Option<String>,
    /// Results of the serial orders; none when there are no such orders, or too many.
    allowed: Option<Option<FxHashSet<String>>>,
    seen: FxHashSet<String>,
}

fn result_of(execution: &Execution) -> String {
    let mut lines: Vec<&str> = execution.rare.output.lines().collect();
    lines.sort_unstable();
    let mut text = lines.join("\n");
    if let Some(value) = &execution.rare.value {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(value);
    }
    text
}

/// Whether threads wait for more than mutual exclusion and the end of threads.
fn communicates(execution: &Execution) -> bool {
    execution.trace.iter().any(|event| {
        matches!(
            event.kind(),
            Kind::Wait | Kind::Get | Kind::Timeout | Kind::Await | Kind::Select | Kind::Sleep
        )
    })
}

/// Whether each thread but the main one runs in one piece, once started.
fn is_serial(execution: &Execution) -> bool {
    let mut over = FxHashSet::default();
    let mut current = 0;
    for thread in execution.trace.iter().map(|it| it.thread()) {
        if thread == 0 || thread == current {
            continue;
        }
        over.insert(current);
        if over.contains(&thread) {
            return false;
        }
        current = thread;
    }
    true
}

/// Judges by results of serial orders that are known.
pub fn against(serial: &[String], execution: &Execution) -> Option<Failing> {
    let result = result_of(execution);
    (execution.status == Status::Complete && !serial.contains(&result)).then(|| {
        Failing::NotSerial {
            result,
            serial: serial.to_vec(),
        }
    })
}

impl Serial {
    /// Whether this result differs from all judged before.
    pub fn is_new(&mut self, execution: &Execution) -> bool {
        let result = result_of(execution);
        if self.first.is_none() {
            self.first = Some(result.clone());
            self.seen.insert(result);
            // The first execution has no preemption; the serial orders tell when another differs.
            return false;
        }
        !self.seen.contains(&result)
    }

    /// Judges a result that is new; runs the serial orders when this is the first one.
    ///
    /// # Errors
    /// The program cannot be run any more.
    pub fn judge(
        &mut self,
        execution: &Execution,
        fleet: &mut Fleet,
        limits: &Limits,
    ) -> Result<Option<Failing>, AgentError> {
        let result = result_of(execution);
        if communicates(execution) {
            self.seen.insert(result);
            return Ok(None);
        }
        if self.allowed.is_none() {
            self.allowed = Some(serial_results(fleet, limits)?);
        }
        let Some(Some(allowed)) = &self.allowed else {
            self.seen.insert(result);
            return Ok(None);
        };
        if allowed.contains(&result) {
            self.seen.insert(result);
            return Ok(None);
        }
        let mut serial: Vec<String> = allowed.iter().cloned().collect();
        serial.sort();
        Ok(Some(Failing::NotSerial { result, serial }))
    }
}

fn serial_results(
    fleet: &mut Fleet,
    limits: &Limits,
) -> Result<Option<FxHashSet<String>>, AgentError> {
    let mut orders = Bounded::new(0, limits.max_steps);
    let mut results = FxHashSet::default();
    let mut runs = 0;
    while let Some(plan) = orders.next_plan() {
        runs += 1;
        if runs > MAX_ORDERS {
            return Ok(None);
        }
        let execution = fleet.run(plan)?;
        let order = Order::of(&execution);
        if orders.learn(&execution, &order).is_err() || communicates(&execution) {
            return Ok(None);
        }
        if execution.status == Status::Complete && is_serial(&execution) {
            results.insert(result_of(&execution));
        }
    }
    Ok((!results.is_empty()).then_some(results))
}
