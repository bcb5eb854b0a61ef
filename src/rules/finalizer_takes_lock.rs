//! The check behind `rules/finalizer-takes-lock.md`; read that page first.

use rustc_hash::FxHashMap;

use super::{made_at, one_a_site};
use crate::program::Program;
use crate::program::effect::{Action, At};
use crate::program::roots::Record;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct FinalizerTakesLock;

impl Rule for FinalizerTakesLock {
    fn name(&self) -> &'static str {
        "finalizer-takes-lock"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let mut elsewhere: FxHashMap<u64, &Record> = FxHashMap::default();
        for record in program.records() {
            if matches!(record.action, Action::Acquire { .. }) && !program.root_of(record).interrupt
            {
                elsewhere.entry(record.key).or_insert(record);
            }
        }
        // The lock of the object that is finalized is free: whoever held it would keep the object
        // alive.
        let wanted = one_a_site(program, |record| {
            matches!(
                record.action,
                Action::Acquire {
                    reentrant: false,
                    may_fail: false,
                    ..
                }
            ) && program.root_of(record).interrupt
                && !record.distinct
        });
        for record in wanted {
            let Some(&interrupted) = elsewhere.get(&record.key) else {
                continue;
            };
            let lock = record.words;
            let who = program.root_of(record).runs_as;
            let article = if who.as_str().starts_with(['a', 'e', 'i', 'o', 'u']) {
                "an"
            } else {
                "a"
            };
            report.record(
                record,
                Text {
                    message: format!("{article} {who} takes `{lock}`, which the code it interrupts may hold"),
                    label: "waits for the lock here".to_owned(),
                    consequence: "it runs on the thread that holds the lock, which waits for itself for ever"
                        .to_owned(),
                    advice: "put a note into a `queue.SimpleQueue` or a deque, or set a flag, and let a normal thread act on it"
                        .to_owned(),
                },
                lock.to_string(),
                std::iter::once((interrupted.at, "interrupted while it holds the lock".to_owned()))
                    .chain(made_at(record))
                    .chain(registered_at(program, record))
                    .collect(),
                &[interrupted],
            );
        }
    }
}

/// Where the program asks for being interrupted, as a related place; a `__del__` needs nobody to.
fn registered_at(program: &Program, record: &Record) -> Option<(At, String)> {
    let root = program.root_of(record);
    let function = program.links().function(root.function);
    let spawn = root.spawn?;
    (function.name.as_str() != "__del__")
        .then(|| (spawn, format!("the {} is registered here", root.runs_as)))
}
