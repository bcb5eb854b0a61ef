//! The check behind `rules/blocking-under-lock.md`; read that page first.

use super::{exclusive, one_a_site};
use crate::program::Program;
use crate::program::effect::Action;
use crate::program::roots::{Held, Record};
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct BlockingUnderLock;

impl Rule for BlockingUnderLock {
    fn name(&self) -> &'static str {
        "blocking-under-lock"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = one_a_site(program, |record| {
            matches!(record.action, Action::Block { .. }) && obstacle(program, record).is_some()
        });
        for record in wanted {
            let Some(obstacle) = obstacle(program, record) else {
                continue;
            };
            let what = record.words;
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
            report.record(
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
fn obstacle<'p>(program: &'p Program, record: &'p Record) -> Option<Obstacle<'p>> {
    let Action::Block { what, on } = record.action else {
        return None;
    };
    if program.links().function(record.at.function).is_async {
        return None;
    }
    // A condition gives its own lock away while it is waited on.
    let mut locks = exclusive(record).filter(|held| held.key != record.key);
    if on.is_some() {
        let needed =
            locks.find_map(|lock| Some(Obstacle::Needed(lock, needs(program, record, lock)?)));
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

/// Where the thread that is waited for, or one that brings about what is waited for, takes the
/// lock.
fn needs<'p>(program: &'p Program, record: &Record, lock: &Held) -> Option<&'p Record> {
    let same_lock = |it: &Record| exclusive(it).any(|held| held.key == lock.key);
    // A thread, task or pool: its own acquisitions.
    let taken = program.records().iter().find(|it| {
        it.key == lock.key
            && it.root != record.root
            && matches!(
                it.action,
                Action::Acquire {
                    may_fail: false,
                    ..
                }
            )
            && program.root_of(it).handles.contains(&record.key)
    });
    if taken.is_some() {
        return taken;
    }
    // An event, a queue, a condition: every place that could end the wait is under the lock. Of
    // callers that are assumed it is not known in which order they come.
    let ends_by_signal =
        !matches!(record.action, Action::Block { what, .. } if what.as_str() == "space in a queue");
    if !ends_by_signal || !program.root_of(record).explicit {
        return None;
    }
    let mut signals = program.records().iter().filter(|it| {
        it.key == record.key
            && matches!(
                it.action,
                Action::Signal { .. } | Action::Condition { notify: true, .. }
            )
    });
    let first = signals.next()?;
    (same_lock(first) && signals.all(same_lock)).then_some(first)
}
