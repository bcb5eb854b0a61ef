//! What one execution orders: vector clocks, reversible races, and the identity of its trace.
//!
//! Two executions with the same partial order of conflicting operations are the same trace
//! (Mazurkiewicz); one of them is enough. Races here are *reversible* ones in the sense of Abdulla
//! et al., "Source sets" (JACM 2017): two conflicting operations with nothing ordered between
//! them, where the second could have come first. A blocking operation could not have come before
//! the one that enabled it, so an acquire races with the acquire before it, not with the release.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::event::{Event, Kind, Mode};
use super::protocol::{Execution, Status};

/// A reversible race between two steps of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Race {
    /// Step of the first operation.
    pub first: usize,
    /// The thread of the second.
    pub thread: usize,
    /// Step of the second; the length of the trace for an operation that still waits.
    pub second: usize,
}

/// The partial order of one execution.
#[derive(Debug, Default)]
pub struct Order {
    threads: usize,
    /// For each step, how many steps of each thread are ordered before it, itself included.
    clocks: Vec<u32>,
    /// Position of each step within its thread, from 1.
    local: Vec<u32>,
    /// Reversible races, by their second step.
    pub races: Vec<Race>,
    /// Sites of operations that conflict with another thread's, and are not ordered by joins or
    /// starts alone.
    pub conflicting_sites: Vec<u32>,
    /// Conflicting accesses to data that nothing but chance orders: first and second step.
    pub data_races: Vec<(usize, usize)>,
    /// Equal for equal traces.
    pub fingerprint: u64,
}

#[derive(Default)]
struct Object {
    /// Steps that a later operation on the object may depend on directly.
    recent: Vec<usize>,
    /// Steps that wrote it, for blocking operations.
    writes: Vec<usize>,
    /// Puts into it whose item has not been taken, when it is a queue.
    items: VecDeque<usize>,
}

impl Order {
    /// Computes the order of an execution.
    pub fn of(execution: &Execution) -> Self {
        let trace = &execution.trace;
        let threads = execution
            .parents
            .len()
            .max(trace.iter().map(|it| it.thread() + 1).max().unwrap_or(1));
        let mut order = Self {
            threads,
            clocks: vec![0; trace.len() * threads],
            local: Vec::with_capacity(trace.len()),
            ..Self::default()
        };
        let mut objects: FxHashMap<u64, Object> = FxHashMap::default();
        let mut last: Vec<Option<usize>> = vec![None; threads];
        let mut barrier: Option<usize> = None;
        let mut direct: Vec<usize> = Vec::new();
        for (step, &event) in trace.iter().enumerate() {
            let thread = event.thread();
            let previous = last[thread];
            direct.clear();
            direct.extend(barrier);
            if event.kind().mode() == Mode::Everything {
                direct.extend(last.iter().flatten());
                barrier = Some(step);
            }
            let object = (event.object() != 0).then(|| objects.entry(event.object()).or_default());
            let mut object = object;
            if let Some(object) = &mut object {
                match event.kind() {
                    Kind::Put => object.items.push_back(step),
                    // First in, first out: this item's put comes before.
                    Kind::Get | Kind::TryOk => direct.extend(object.items.pop_front()),
                    _ => {}
                }
                direct.extend(
                    object
                        .recent
                        .iter()
                        .copied()
                        .filter(|&it| trace[it].conflicts(event)),
                );
            }
            let local = previous.map_or(1, |it| order.local[it] + 1);
            order.local.push(local);
            let at = step * threads;
            if let Some(previous) = previous {
                order
                    .clocks
                    .copy_within(previous * threads..(previous + 1) * threads, at);
            }
            order.find_races(trace, step, event, previous, &direct, object.as_deref());
            for &before in &direct {
                for thread in 0..threads {
                    let value = order.clocks[before * threads + thread];
                    if value > order.clocks[at + thread] {
                        order.clocks[at + thread] = value;
                    }
                }
            }
            order.clocks[at + thread] = local;
            if let Some(object) = object {
                remember(object, trace, step, event);
            }
            last[thread] = Some(step);
        }
        // Threads that wait at the end: in a deadlock, or when the process ends without them.
        if matches!(
            execution.status,
            Status::Deadlock | Status::Complete | Status::Ended
        ) {
            for &event in &execution.pending {
                let object = objects.get(&event.object());
                let previous = last.get(event.thread()).copied().flatten();
                if event.kind().blocks() {
                    order.blocking_race(trace, trace.len(), event, previous, object);
                }
            }
        }
        order.fingerprint = order.hash(execution);
        order.conflicting_sites.sort_unstable();
        order.conflicting_sites.dedup();
        order
    }

    /// Whether the step `first` is ordered before the later step `second`.
    pub fn before(&self, trace: &[Event], first: usize, second: usize) -> bool {
        self.clocks[second * self.threads + trace[first].thread()] >= self.local[first]
    }

    fn find_races(
        &mut self,
        trace: &[Event],
        step: usize,
        event: Event,
        previous: Option<usize>,
        direct: &[usize],
        object: Option<&Object>,
    ) {
        let thread = event.thread();
        if event.kind().mode() == Mode::Everything {
            return;
        }
        if event.kind().blocks() {
            self.blocking_race(trace, step, event, previous, object);
            return;
        }
        for &first in direct {
            let other = trace[first];
            if other.thread() == thread || other.kind().mode() == Mode::Everything {
                continue;
            }
            let between = previous
                .into_iter()
                .chain(direct.iter().copied())
                .any(|it| it != first && it > first && self.before(trace, first, it));
            if between {
                continue;
            }
            self.add(trace, first, step, event);
            if event.kind().is_access() && other.kind().is_access() {
                self.data_races.push((first, step));
            }
        }
    }

    /// The race of an operation that had to wait until its place allowed it: with the latest
    /// write before which it was allowed too, and with what only looked since.
    fn blocking_race(
        &mut self,
        trace: &[Event],
        step: usize,
        event: Event,
        previous: Option<usize>,
        object: Option<&Object>,
    ) {
        let Some(object) = object else { return };
        let thread = event.thread();
        let unordered = |order: &Self, first: usize| {
            trace[first].thread() != thread
                && !previous.is_some_and(|it| it > first && order.before(trace, first, it))
                && previous != Some(first)
        };
        let enabling = object.writes.iter().rev().copied().find(|&it| {
            trace[it].available() && (event.kind() != Kind::Get || trace[it].kind() != Kind::Put)
        });
        if let Some(first) = enabling
            && unordered(self, first)
        {
            self.add(trace, first, step, event);
        }
        if event.kind().mode() == Mode::Writes && step < trace.len() {
            let last_write = object.writes.last().copied();
            let looks: Vec<usize> = object
                .recent
                .iter()
                .copied()
                .filter(|&it| {
                    trace[it].kind().mode() == Mode::Reads
                        && last_write.is_none_or(|write| it > write)
                        && unordered(self, it)
                })
                .collect();
            for first in looks {
                self.add(trace, first, step, event);
            }
        }
    }

    fn add(&mut self, trace: &[Event], first: usize, step: usize, event: Event) {
        self.races.push(Race {
            first,
            thread: event.thread(),
            second: step,
        });
        self.conflicting_sites.push(trace[first].site());
        self.conflicting_sites.push(event.site());
    }

    /// The threads that can do their part first when a race is reversed: those with an operation
    /// between the two that is not ordered after the first one nor after another such operation
    /// (the initials of `notdep(first).second`).
    pub fn initials(&self, trace: &[Event], race: Race) -> Vec<usize> {
        let mut firsts: Vec<usize> = Vec::new();
        let mut initials: Vec<usize> = Vec::new();
        let mut seen = vec![false; self.threads];
        let last = race.second.min(trace.len());
        for step in race.first + 1..last {
            let thread = trace[step].thread();
            if self.before(trace, race.first, step) || seen[thread] {
                continue;
            }
            seen[thread] = true;
            if !firsts.iter().any(|&it| self.before(trace, it, step)) {
                initials.push(thread);
            }
            firsts.push(step);
        }
        if !seen[race.thread] {
            // The second operation is its thread's only one between the two.
            let ordered = race.second < trace.len()
                && firsts.iter().any(|&it| self.before(trace, it, race.second));
            if !ordered {
                initials.push(race.thread);
            }
        }
        initials
    }

    /// A number that is equal for executions of the same trace: the sum over all steps of a hash
    /// of the thread (by the path of its creation), its position, and what is ordered before it.
    fn hash(&self, execution: &Execution) -> u64 {
        let mut names: Vec<u64> = Vec::with_capacity(self.threads);
        let mut children = vec![0u64; self.threads];
        for thread in 0..self.threads {
            let parent = execution.parents.get(thread).copied().unwrap_or(-1);
            let name = match usize::try_from(parent) {
                Ok(parent) if parent < names.len() => {
                    children[parent] += 1;
                    mix(names[parent] ^ children[parent])
                }
                _ => mix(0x5eed),
            };
            names.push(name);
        }
        let mut sum = 0u64;
        for (step, event) in execution.trace.iter().enumerate() {
            let mut value = mix(names[event.thread()] ^ u64::from(self.local[step]) << 32);
            value ^= mix(event.0 >> 48 & 63 | u64::from(event.site()) << 8);
            let clock = &self.clocks[step * self.threads..][..self.threads];
            for (name, &count) in names.iter().zip(clock) {
                if count > 0 {
                    value = value.wrapping_add(mix(name ^ u64::from(count)));
                }
            }
            sum = sum.wrapping_add(mix(value));
        }
        sum
    }
}

fn remember(object: &mut Object, trace: &[Event], step: usize, event: Event) {
    match event.kind().mode() {
        Mode::Writes => {
            object.recent.retain(|&it| {
                let old = trace[it];
                // The two ends of a queue do not order each other.
                if matches!(
                    (old.kind(), event.kind()),
                    (Kind::Put, Kind::Get) | (Kind::Get, Kind::Put)
                ) {
                    return true;
                }
                let covered = event.part() == super::event::WHOLE
                    || (old.part() == event.part()
                        && (old.kind() != Kind::Insert || event.kind() == Kind::Insert));
                !covered
            });
            object.recent.push(step);
            object.writes.push(step);
        }
        Mode::Reads => {
            object.recent.retain(|&it| {
                let old = trace[it];
                !(old.thread() == event.thread()
                    && old.part() == event.part()
                    && old.kind().mode() == Mode::Reads)
            });
            object.recent.push(step);
        }
        Mode::Nothing | Mode::Everything => {}
    }
}

/// SplitMix64's finaliser.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
