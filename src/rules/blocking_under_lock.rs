//! The check behind `rules/blocking-under-lock.md`; read that page first.

use rustc_hash::FxHashMap;

use super::{exclusive, one_a_site};
use crate::findings::Severity;
use crate::program::Program;
use crate::program::effect::Action;
use crate::program::roots::{Held, Record};
use crate::rule::{AtMost, Reporter, Rule, Text};

/// See the page.
pub struct BlockingUnderLock;

impl Rule for BlockingUnderLock {
    fn name(&self) -> &'static str {
        "blocking-under-lock"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let ways_on = WaysOn::new(program);
        let wanted = one_a_site(program, |record| {
            matches!(record.action, Action::Block { .. })
                && obstacle(program, &ways_on, record).is_some()
        });
        for record in wanted {
            let Some(obstacle) = obstacle(program, &ways_on, record) else {
                continue;
            };
            let what = record.words;
            // That others wait may be the purpose, and who they are decides what it costs.
            let most = match obstacle {
                Obstacle::Slow(_) => AtMost {
                    assumed: Severity::Info,
                    ..AtMost::default()
                },
                Obstacle::Needed(..) => AtMost::default(),
            };
            let (lock, consequence, related) = match obstacle {
                Obstacle::Slow(lock) => (
                    lock,
                    "every thread that wants the lock waits as well",
                    Vec::new(),
                ),
                Obstacle::Needed(lock, by) => (
                    lock,
                    "what is waited for needs the lock itself: neither goes on",
                    vec![(by.at, format!("`{}` is taken here", lock.words))],
                ),
            };
            let mut related = related;
            related.extend(
                record
                    .under
                    .map(|at| (at, "called under the lock here".to_owned())),
            );
            let lock = lock.words;
            report.record_at_most(
                most,
                record,
                Text {
                    message: format!("this waits for {what} while `{lock}` is held"),
                    label: format!("waits for {what}"),
                    consequence: consequence.to_owned(),
                    advice: "wait outside the lock, and take it for the result only".to_owned(),
                },
                lock.to_string(),
                related,
                &[],
            );
        }
    }
}

/// Why waiting under a lock is wrong.
enum Obstacle<'p> {
    /// It takes long.
    Slow(&'p Held),
    /// The thread that is waited for takes the lock, there.
    Needed(&'p Held, &'p Record),
}

/// A wait under a lock is reported when what is waited for needs the lock, or when it has nothing
/// to do with what the lock guards and takes long for certain. The lock around one connection or
/// one pipe is there to be held while it is used.
fn obstacle<'p>(
    program: &'p Program,
    ways_on: &WaysOn<'p>,
    record: &'p Record,
) -> Option<Obstacle<'p>> {
    let Action::Block { what, on } = record.action else {
        return None;
    };
    if program.links().function(record.at.function).is_async {
        return None;
    }
    // A condition gives its own lock away while it is waited on.
    let mut locks = exclusive(record).filter(|held| held.key != record.key);
    if on.is_some() {
        let needed = locks.find_map(|lock| {
            let by = ways_on.needs(program, record, lock)?;
            Some(Obstacle::Needed(lock, by))
        });
        if needed.is_some() || what.as_str() != "a process to end" {
            return needed;
        }
    }
    let slow = matches!(
        what.as_str(),
        "time to pass" | "a process to end" | "the network" | "the user"
    );
    // What only sounds like a lock may be a file, or several locks.
    let lock = exclusive(record).find(|held| held.key != record.key && held.certain)?;
    slow.then_some(Obstacle::Slow(lock))
}

/// What a wait may depend on, by the key of the lock that is taken or of the object that is signalled.
struct WaysOn<'p> {
    acquired: FxHashMap<u64, Vec<&'p Record>>,
    signals: FxHashMap<u64, Vec<&'p Record>>,
}

impl<'p> WaysOn<'p> {
    fn new(program: &'p Program) -> Self {
        let mut ways = Self {
            acquired: FxHashMap::default(),
            signals: FxHashMap::default(),
        };
        for record in program.records() {
            let by_key = match record.action {
                // Who is not waited for by anybody need not be looked at.
                Action::Acquire {
                    may_fail: false, ..
                } if !program.root_of(record).handles.is_empty() => &mut ways.acquired,
                Action::Signal { .. } => &mut ways.signals,
                ref action if action.notifies() => &mut ways.signals,
                _ => continue,
            };
            by_key.entry(record.key).or_default().push(record);
        }
        ways
    }

    /// Where the thread that is waited for, or one that brings about what is waited for, takes the
    /// lock.
    fn needs(&self, program: &Program, record: &Record, lock: &Held) -> Option<&'p Record> {
        let same_lock = |it: &Record| exclusive(it).any(|held| held.key == lock.key);
        // A thread, task or pool: its own acquisitions.
        let mut acquired = self.acquired.get(&lock.key).into_iter().flatten().copied();
        let taken = acquired
            .find(|it| it.root != record.root && program.root_of(it).handles.contains(&record.key));
        if taken.is_some() {
            return taken;
        }
        // An event, a queue, a condition: every place that could end the wait is under the lock. Of
        // callers that are assumed it is not known in which order they come.
        let ends_by_signal = !matches!(record.action, Action::Block { what, .. } if what.as_str() == "space in a queue");
        if !ends_by_signal || !program.root_of(record).explicit {
            return None;
        }
        let signals = self.signals.get(&record.key)?;
        signals
            .iter()
            .all(|it| same_lock(it))
            .then(|| signals.first().copied())?
    }
}
