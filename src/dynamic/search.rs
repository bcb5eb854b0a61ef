//! The search: strategies choose, agents run, oracles judge.

use std::fmt::Write;
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;

use super::agent_process::{AgentError, Isolation};
use super::fleet::Fleet;
use super::happens_before::Order;
use super::oracle::{self, Failing, Serial};
use super::protocol::{Execution, Plan, Policy, Status};
use super::shrink;
use super::strategy::auto::Auto;
use super::strategy::bounded::Bounded;
use super::strategy::dpor::Dpor;
use super::strategy::seeded::Seeded;
use super::strategy::{Nondeterminism, Strategy};

/// How schedules are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// DPOR and POS in turn.
    Auto,
    /// Everything up to so many preemptions.
    Bounded(u32),
    /// Partial order sampling.
    Pos,
    /// Exhaustive.
    Dpor,
    /// Probabilistic concurrency testing.
    Pct,
    /// Selectively uniform random walk.
    Surw,
    /// Random walk.
    Random,
}

impl Choice {
    fn strategy(self, seed: u32, max_steps: u32) -> Box<dyn Strategy> {
        match self {
            Self::Auto => Box::new(Auto::new(seed, max_steps)),
            Self::Bounded(bound) => Box::new(Bounded::new(bound, max_steps)),
            Self::Dpor => Box::new(Dpor::new(max_steps)),
            Self::Pos => Box::new(Seeded::new(Policy::Pos, seed, max_steps)),
            Self::Pct => Box::new(Seeded::new(Policy::Pct, seed, max_steps)),
            Self::Surw => Box::new(Seeded::new(Policy::Surw, seed, max_steps)),
            Self::Random => Box::new(Seeded::new(Policy::Random, seed, max_steps)),
        }
    }
}

/// How far a search goes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Wall-clock time.
    pub budget: Duration,
    /// Time without a step after which a schedule is taken to hang.
    pub patience: Duration,
    /// Schedules.
    pub max_schedules: u64,
    /// Steps of one schedule.
    pub max_steps: u32,
    /// Agents side by side.
    pub jobs: usize,
    /// Go on after the first failure, to count how many traces fail.
    pub count_all: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            budget: Duration::from_secs(60),
            patience: Duration::from_secs(5),
            max_schedules: u64::MAX,
            max_steps: 20_000,
            jobs: 1,
            count_all: false,
        }
    }
}

/// What a search came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// An interleaving fails.
    Failing,
    /// None fails: every one was covered.
    NoneExists,
    /// None fails within the preemption bound.
    NoneWithinBound,
    /// None was found before the time or the schedules were used up.
    BudgetCut,
    /// The program starts no thread.
    NoThreads,
}

/// A failing execution, as found and as shown.
#[derive(Debug)]
pub struct Found {
    /// What is wrong with it.
    pub failing: Failing,
    /// The shortest one found, with values.
    pub execution: Execution,
    /// Context switches of the execution as found.
    pub switches_found: usize,
    /// Context switches of the one shown.
    pub switches: usize,
    /// Whether every preemption in it may happen with a GIL too.
    pub with_gil: bool,
}

/// What a search did.
#[derive(Debug)]
pub struct Outcome {
    /// Its verdict.
    pub verdict: Verdict,
    /// Schedules executed.
    pub executions: u64,
    /// Distinct traces among them.
    pub traces: u64,
    /// Distinct traces that fail.
    pub failing_traces: u64,
    /// The number of the first failing schedule, from 1.
    pub first_failure: Option<u64>,
    /// The failing interleaving.
    pub found: Option<Found>,
    /// Pairs of sites whose accesses nothing orders, in the executions seen.
    pub data_races: Vec<(u32, u32)>,
    /// Threads of the largest execution, the main one included.
    pub threads: usize,
    /// How long it took.
    pub elapsed: Duration,
    /// Runs were isolated in processes of their own.
    pub forked: bool,
    /// What else should be known.
    pub notes: Vec<String>,
}

/// Tells how a search goes on; called after each schedule.
pub trait Progress {
    /// So many schedules, traces, and time since the start.
    fn schedules(&mut self, executions: u64, traces: u64, elapsed: Duration);
}

impl Progress for () {
    fn schedules(&mut self, _executions: u64, _traces: u64, _elapsed: Duration) {}
}

struct Search<'a> {
    fleet: &'a mut Fleet,
    limits: &'a Limits,
    started: Instant,
    executions: u64,
    traces: FxHashSet<u64>,
    failing: FxHashSet<u64>,
    first: Option<(Failing, Execution)>,
    first_at: Option<u64>,
    races: FxHashSet<(u32, u32)>,
    threads: usize,
    notes: Vec<String>,
    serial: Serial,
    /// The operations of the first schedule, when it had no seed.
    baseline: Option<Vec<u64>>,
    /// Some schedule ended before it was cut.
    ended: bool,
    /// The first schedule: names of its threads, and what they did last.
    names: Vec<String>,
    places: Vec<Option<u32>>,
}

/// After so many schedules, and at the end, the first one is run again to see whether it still
/// does the same.
const CHECKED_AFTER: u64 = 4;

/// After so many schedules none of which ended, none is taken to end.
const ENDLESS: u64 = 8;

/// Schedules that are tried after a first one that crashed or hangs.
const TRIES: u32 = 3;

/// Searches the interleavings of a program.
///
/// # Errors
/// The program cannot be run: whatever the schedule, it ends its process or does not end.
pub fn search(
    fleet: &mut Fleet,
    choice: Choice,
    seed: u32,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<Outcome, AgentError> {
    let mut search = Search {
        fleet,
        limits,
        started: Instant::now(),
        executions: 0,
        traces: FxHashSet::default(),
        failing: FxHashSet::default(),
        first: None,
        first_at: None,
        races: FxHashSet::default(),
        threads: 1,
        notes: Vec::new(),
        serial: Serial::default(),
        baseline: None,
        ended: false,
        names: Vec::new(),
        places: Vec::new(),
    };
    let exhausted = loop {
        let mut strategy = choice.strategy(seed, limits.max_steps);
        let driven = match search.drive(strategy.as_mut(), progress)? {
            Ok(exhausted) => match search.changed()? {
                Some(difference) => Err(difference),
                None => Ok(exhausted),
            },
            Err(difference) => Err(difference),
        };
        match driven {
            Ok(exhausted) => break exhausted,
            Err(difference) => {
                while search.fleet.under_way() > 0 {
                    let _ = search.fleet.receive();
                }
                if search.fleet.isolation() == Isolation::Auto {
                    search.notes.push(format!(
                        "state leaks from one run into the next (the same schedule differed at \
                         step {}), so each run had a process of its own",
                        difference.step
                    ));
                    search.fleet.isolate_by_fork()?;
                    search.restart();
                    continue;
                }
                search.notes.push(format!(
                    "the program is not deterministic under one schedule (step {}): it depends on \
                     something outside the scheduler's control, so nothing was certified",
                    difference.step
                ));
                break false;
            }
        }
    };
    search.finish(choice, exhausted)
}

impl Search<'_> {
    fn restart(&mut self) {
        self.traces.clear();
        self.failing.clear();
        self.races.clear();
        self.serial = Serial::default();
        self.baseline = None;
        self.first = None;
        self.first_at = None;
    }

    /// Runs the first schedule again. Where it does something else than before, an earlier run
    /// left something behind, or the program depends on something outside our control.
    fn changed(&mut self) -> Result<Option<Nondeterminism>, AgentError> {
        let Some(expected) = &self.baseline else {
            return Ok(None);
        };
        let plan = Plan::free(Policy::GoOn, 0, self.limits.max_steps);
        let execution = self.fleet.run(plan)?;
        let length = expected.len().max(execution.trace.len());
        let step = (0..length).find(|&step| {
            expected.get(step).copied() != execution.trace.get(step).map(|it| it.identity())
        });
        Ok(step.map(|step| Nondeterminism { step }))
    }

    /// Runs a strategy to its end or to the limits. Says whether it ended by itself.
    fn drive(
        &mut self,
        strategy: &mut dyn Strategy,
        progress: &mut dyn Progress,
    ) -> Result<Result<bool, Nondeterminism>, AgentError> {
        let mut handed_out = 0u64;
        let mut received = 0u64;
        loop {
            let over = self.started.elapsed() >= self.limits.budget
                || handed_out >= self.limits.max_schedules;
            // More agents only once there is work for them: starting one takes longer than
            // exploring a small program.
            if self.executions == 256 {
                while self.fleet.len() < self.limits.jobs {
                    if self.fleet.add().is_err() {
                        break;
                    }
                }
            }
            while !over && self.fleet.under_way() < 2 * self.fleet.len() {
                let Some(mut plan) = strategy.next_plan() else {
                    break;
                };
                // Where the first schedule ends the process, all of them may.
                plan.journal = handed_out == 0;
                handed_out += 1;
                self.fleet.submit(plan);
                if handed_out >= self.limits.max_schedules {
                    break;
                }
            }
            if !self.ended && (received >= ENDLESS || self.fleet.under_way() == 0) {
                return Err(AgentError::Program(self.endless()));
            }
            if self.fleet.under_way() == 0 {
                return Ok(Ok(!over && strategy.is_exhaustive()));
            }
            let execution = match self.fleet.receive() {
                Ok((plan, execution)) => {
                    received += 1;
                    if received == 1 && plan.policy == Policy::GoOn {
                        let trace = &execution.trace;
                        self.baseline = Some(trace.iter().map(|it| it.identity()).collect());
                    }
                    if received == 1 {
                        self.names.clone_from(&execution.rare.names);
                        let threads = 0..execution.parents.len();
                        self.places = threads.map(|it| last_site(&execution, it)).collect();
                    }
                    execution
                }
                Err(lost) => {
                    let (_, mut error) = *lost;
                    self.executions += 1;
                    if let Some(failing) = oracle::of_agent_error(&error)
                        && (received > 0 || self.ends_otherwise(&mut error))
                    {
                        let steps = error.steps().cloned();
                        let execution = steps.unwrap_or_else(Execution::unfinished);
                        let fingerprint = Order::of(&execution).fingerprint;
                        self.traces.insert(fingerprint);
                        self.failing.insert(fingerprint);
                        self.threads = self.threads.max(execution.parents.len());
                        self.first_at = Some(self.executions);
                        self.first = Some((failing, execution));
                        return Ok(Ok(false));
                    }
                    return Err(error);
                }
            };
            self.executions += 1;
            let order = Order::of(&execution);
            self.note(&execution, &order);
            if let Err(difference) = strategy.learn(&execution, &order) {
                return Ok(Err(difference));
            }
            self.ended |= execution.status != Status::TooLong;
            if let Some(failing) = self.judge(&execution)? {
                self.failing.insert(order.fingerprint);
                if self.first.is_none() {
                    self.first_at = Some(self.executions);
                    self.first = Some((failing, execution));
                }
                if !self.limits.count_all {
                    return Ok(Ok(false));
                }
            }
            if received == CHECKED_AFTER
                && let Some(difference) = self.changed()?
            {
                return Ok(Err(difference));
            }
            progress.schedules(
                self.executions,
                self.traces.len() as u64,
                self.started.elapsed(),
            );
            if self.threads == 1 {
                return Ok(Ok(true));
            }
        }
    }

    /// After a first schedule without a result: whether the program has one under some other.
    /// Otherwise it is not the interleaving that makes it crash or hang.
    fn ends_otherwise(&mut self, error: &mut AgentError) -> bool {
        if error.steps().is_none_or(|it| it.parents.len() == 1) {
            return false;
        }
        let patience = self.fleet.patience();
        // The first schedule was given the time that it takes to load everything.
        self.fleet.set_patience(patience / 2);
        let found = (1..=TRIES).any(|seed| {
            let mut plan = Plan::free(Policy::Random, seed, self.limits.max_steps);
            plan.journal = true;
            self.executions += 1;
            self.fleet.run(plan).is_ok()
        });
        self.fleet.set_patience(patience);
        found
    }

    /// That no schedule ends, and where the threads were when the first one was cut.
    fn endless(&self) -> String {
        let mut text = format!(
            "the program does not end: {} took {} steps without coming to an end",
            match self.executions {
                1 => "its only schedule".to_owned(),
                tried => format!("each of {tried} schedules"),
            },
            self.limits.max_steps
        );
        for (name, site) in self.names.iter().zip(&self.places) {
            if let Some(site) = site.and_then(|it| self.fleet.sites.get(it)) {
                let _ = write!(text, "\n  {name} was at {}:{}", site.file, site.line);
            }
        }
        text
    }

    fn note(&mut self, execution: &Execution, order: &Order) {
        if matches!(
            execution.status,
            Status::Complete | Status::Deadlock | Status::Ended
        ) {
            self.traces.insert(order.fingerprint);
        }
        self.threads = self.threads.max(execution.parents.len());
        for &(first, second) in &order.data_races {
            let pair = (
                execution.trace[first].site(),
                execution.trace[second].site(),
            );
            self.races.insert((pair.0.min(pair.1), pair.0.max(pair.1)));
        }
        for note in &execution.rare.notes {
            if !self.notes.contains(note) {
                self.notes.push(note.clone());
            }
        }
        if execution.status == Status::TooLong {
            let note = format!(
                "some schedules were cut after {} steps: a thread may wait in a loop",
                self.limits.max_steps
            );
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    /// Asks the oracles about one execution.
    fn judge(&mut self, execution: &Execution) -> Result<Option<Failing>, AgentError> {
        if let Some(failing) = oracle::of_execution(execution) {
            return Ok(Some(failing));
        }
        if execution.status != Status::Complete || !self.serial.is_new(execution) {
            return Ok(None);
        }
        self.serial.judge(execution, self.fleet, self.limits)
    }

    fn finish(mut self, choice: Choice, exhausted: bool) -> Result<Outcome, AgentError> {
        while self.fleet.under_way() > 0 {
            let _ = self.fleet.receive();
        }
        let elapsed = self.started.elapsed();
        let found = match self.first.take() {
            Some((failing, execution)) => Some(shrink::shortest(
                self.fleet,
                &mut self.serial,
                failing,
                execution,
                self.limits,
            )),
            None => None,
        };
        let verdict = if found.is_some() {
            Verdict::Failing
        } else if self.threads == 1 {
            Verdict::NoThreads
        } else if exhausted {
            Verdict::NoneExists
        } else if matches!(choice, Choice::Bounded(_)) && elapsed < self.limits.budget {
            Verdict::NoneWithinBound
        } else {
            Verdict::BudgetCut
        };
        let mut data_races: Vec<_> = self.races.into_iter().collect();
        data_races.sort_unstable();
        Ok(Outcome {
            verdict,
            executions: self.executions,
            traces: self.traces.len() as u64,
            failing_traces: self.failing.len() as u64,
            first_failure: self.first_at,
            found,
            data_races,
            threads: self.threads,
            elapsed,
            forked: self.fleet.isolation() == Isolation::Fork,
            notes: self.notes,
        })
    }
}

/// The site of the last operation of a thread.
fn last_site(execution: &Execution, thread: usize) -> Option<u32> {
    let mut events = execution.trace.iter().rev();
    let last = events.find(|it| it.thread() == thread && it.site() != 0)?;
    Some(last.site())
}
