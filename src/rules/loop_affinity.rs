//! The check behind `rules/loop-affinity.md`; read that page first.

use crate::program::Program;
use crate::program::effect::Action;
use crate::program::roots::RootKind;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct LoopAffinity;

impl Rule for LoopAffinity {
    fn name(&self) -> &'static str {
        "loop-affinity"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        for record in program.records() {
            let Action::LoopOnly { method, .. } = record.action else {
                continue;
            };
            // `own`: a loop that this thread made for itself. A serial root is the loop's thread.
            let root = program.root_of(record);
            if root.kind != RootKind::Thread || root.serial || root.interrupt || record.own {
                continue;
            }
            let object = record.words;
            let text = Text {
                message: format!("`{object}` belongs to an event loop and is used from another thread by `{method}`"),
                label: "runs outside the loop's thread".to_owned(),
                consequence: "the loop is not woken, or its state is corrupted".to_owned(),
                advice: "hand the call to the loop with `loop.call_soon_threadsafe`, or a coroutine with `asyncio.run_coroutine_threadsafe`".to_owned(),
            };
            let mut related = Vec::new();
            if let Some(spawn) = root.spawn.filter(|it| *it != record.at) {
                related.push((spawn, "the thread is started here".to_owned()));
            }
            report.record(record, text, object.to_string(), related, &[]);
        }
    }
}
