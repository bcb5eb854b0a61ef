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

fn obstacle<'p>(program: &'p Program, record: &'p Record) -> Option<Obstacle<'p>> {
    // A condition gives its own lock away while it is waited on.
    let lock = exclusive(record).find(|held| held.key != record.key)?;
    Some(Obstacle::Slow(lock))
}
