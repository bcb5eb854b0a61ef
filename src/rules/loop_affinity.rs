//! The check behind `rules/loop-affinity.md`; read that page first.

use rustc_hash::FxHashSet;

use super::one_a_site;
use crate::program::Program;
use crate::program::effect::Action;
use crate::program::roots::{Record, RootKind};
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct LoopAffinity;

impl Rule for LoopAffinity {
    fn name(&self) -> &'static str {
        "loop-affinity"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        // A thread that waits for an event loop runs it.
        let runs_a_loop: FxHashSet<u32> = program
            .records()
            .iter()
            .filter(|it| matches!(it.action, Action::Block { what, .. } if what.as_str() == "an event loop"))
            .map(|it| it.root)
            .collect();
        let wanted = one_a_site(program, |record| {
            matches!(record.action, Action::LoopOnly { .. })
                && is_elsewhere(program, record)
                && !runs_a_loop.contains(&record.root)
        });
        for record in wanted {
            let Action::LoopOnly { method, .. } = record.action else {
                continue;
            };
            let object = record.words;
            report.record(
                record,
                Text {
                    message: format!(
                        "`{object}` belongs to an event loop, and `{method}` is called on another thread"
                    ),
                    label: "not the thread of the loop".to_owned(),
                    consequence: "the loop is not woken and sleeps on, or its state is corrupted"
                        .to_owned(),
                    advice: format!(
                        "hand it to the loop: `loop.call_soon_threadsafe(….{method}, …)`, or \
                         `asyncio.run_coroutine_threadsafe` for a coroutine"
                    ),
                },
                object.to_string(),
                Vec::new(),
                &[],
            );
        }
    }
}

/// On a thread that does not run the loop: one that is started, runs no coroutine, and did not
/// make the object itself.
fn is_elsewhere(program: &Program, record: &Record) -> bool {
    let root = program.root_of(record);
    if root.kind != RootKind::Thread || root.interrupt || root.on_loop || record.own {
        return false;
    }
    // The method is itself what the thread runs: `Timer(1, task.cancel)`.
    if root.spawn == Some(record.at) {
        return true;
    }
    !program.links().function(root.function).is_async
        && !program.links().function(record.at.function).is_async
}
