//! The check behind `rules/asyncio-lock-across-threads.md`; read that page first.

use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct AsyncioLockAcrossThreads;

impl Rule for AsyncioLockAcrossThreads {
    fn name(&self) -> &'static str {
        "asyncio-lock-across-threads"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::AsyncLock);
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!(
                        "the lock around `{place}` excludes tasks of one event loop, not threads"
                    ),
                    label: describe(primary),
                    consequence: "threads enter together, and a waiter may never be woken"
                        .to_owned(),
                    advice: "use threading.Lock for what threads share".to_owned(),
                },
            );
        }
    }
}
