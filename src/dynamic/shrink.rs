//! The shortest failing schedule: fewest context switches, by moving later parts of a thread up to
//! its earlier ones for as long as the same failure comes out.

use super::agent_process::AgentError;
use super::event::Event;
use super::fleet::Fleet;
use super::oracle::{self, Failing, Serial};
use super::protocol::{Execution, Plan, Policy, Status};
use super::search::{Found, Limits};

/// Most schedules that are run to shorten one.
const MAX_RUNS: usize = 300;
/// When each run that still fails costs a process.
const MAX_CRASHING_RUNS: usize = 24;
/// When each run that still fails costs the patience with it, too.
const MAX_HANGING_RUNS: usize = 6;

/// Runs of steps by one thread: thread and number of steps.
fn segments(trace: &[Event]) -> Vec<(u32, u32)> {
    let mut found: Vec<(u32, u32)> = Vec::new();
    for event in trace {
        let thread = event.thread() as u32;
        match found.last_mut() {
            Some((last, steps)) if *last == thread => *steps += 1,
            _ => found.push((thread, 1)),
        }
    }
    found
}

fn plan_of(segments: &[(u32, u32)], limits: &Limits) -> Plan {
    let mut plan = Plan::free(Policy::GoOn, 0, limits.max_steps);
    let mut end = 0;
    for &(thread, steps) in segments {
        end += steps;
        match plan.segments.last_mut() {
            Some((last, until)) if *last == thread => *until = end,
            _ => plan.segments.push((thread, end)),
        }
    }
    plan.lenient = true;
    plan
}

/// The steps at which a thread that could have gone on did not: each one is a preemption.
pub fn preemptions(execution: &Execution) -> Vec<usize> {
    let trace = &execution.trace;
    let mut found = Vec::new();
    for step in 1..trace.len() {
        let thread = trace[step - 1].thread();
        if trace[step].thread() == thread {
            continue;
        }
        // The next operation of the thread that stopped; a blocking one may have had to wait.
        let next = trace[step..].iter().find(|it| it.thread() == thread);
        if next.is_some_and(|it| !it.kind().blocks()) {
            found.push(step);
        }
    }
    found
}

/// Shortens a failing execution and runs it once more for its values.
pub fn shortest(
    fleet: &mut Fleet,
    serial: &mut Serial,
    failing: Failing,
    execution: Execution,
    limits: &Limits,
) -> Found {
    let switches_found = segments(&execution.trace).len().saturating_sub(1);
    if execution.trace.is_empty() {
        return Found {
            failing,
            execution,
            switches_found,
            switches: switches_found,
            with_gil: false,
        };
    }
    let lost = failing.is_without_end();
    let max_runs = match failing {
        Failing::Hang { .. } => MAX_HANGING_RUNS,
        Failing::Crash { .. } => MAX_CRASHING_RUNS,
        _ => MAX_RUNS,
    };
    let mut failing = failing;
    let mut best = execution;
    let mut parts = segments(&best.trace);
    let mut runs = 0;
    'again: loop {
        for at in (0..parts.len()).rev() {
            let thread = parts[at].0;
            let Some(next) = (at + 1..parts.len()).find(|&it| parts[it].0 == thread) else {
                continue;
            };
            if runs >= max_runs {
                break 'again;
            }
            runs += 1;
            let mut candidate = parts.clone();
            let moved = candidate.remove(next);
            candidate.insert(at + 1, moved);
            let mut plan = plan_of(&candidate, limits);
            plan.journal = lost;
            let Ok((tried, Some(again))) = judged(fleet, serial, plan, limits) else {
                continue;
            };
            let shorter = segments(&tried.trace);
            if shorter.len() < parts.len() && again.is_like(&failing) {
                failing = again;
                best = tried;
                parts = shorter;
                continue 'again;
            }
        }
        break;
    }
    let mut plan = Plan::free(Policy::GoOn, 0, limits.max_steps);
    plan.force(best.trace.iter().map(|it| it.thread() as u32));
    plan.detail = true;
    plan.journal = lost;
    if let Ok((detailed, Some(again))) = judged(fleet, serial, plan, limits)
        && detailed.status != Status::Diverged
        && again.is_like(&failing)
    {
        best = detailed;
    }
    Found {
        switches_found,
        ..shown(fleet, failing, best)
    }
}

/// A failing execution as it is shown.
pub fn shown(fleet: &Fleet, failing: Failing, execution: Execution) -> Found {
    let with_gil = preemptions(&execution).iter().all(|&step| {
        let thread = execution.trace[step - 1].thread();
        execution.trace[step..]
            .iter()
            .find(|it| it.thread() == thread)
            .and_then(|it| fleet.sites.get(it.site()))
            .is_none_or(|site| site.breaks)
    });
    let switches = segments(&execution.trace).len().saturating_sub(1);
    Found {
        failing,
        switches,
        switches_found: switches,
        execution,
        with_gil,
    }
}

/// Runs a plan and asks the oracles about it.
///
/// # Errors
/// There is no result, and that is not the interleaving's doing.
pub fn judged(
    fleet: &mut Fleet,
    serial: &mut Serial,
    plan: Plan,
    limits: &Limits,
) -> Result<(Execution, Option<Failing>), AgentError> {
    let (execution, mut failing) = oracle::of_run(fleet.run(plan))?;
    if failing.is_none() && execution.status == Status::Complete && serial.is_new(&execution) {
        failing = serial.judge(&execution, fleet, limits)?;
    }
    Ok((execution, failing))
}
