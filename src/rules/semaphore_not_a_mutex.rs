//! The check behind `rules/semaphore-not-a-mutex.md`; read that page first.

use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct SemaphoreNotAMutex;

impl Rule for SemaphoreNotAMutex {
    fn name(&self) -> &'static str {
        "semaphore-not-a-mutex"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::SemaphoreNotAMutex);
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("the lock around `{place}` lets several threads in"),
                    label: describe(primary),
                    consequence: "threads that hold it together lose updates".to_owned(),
                    advice: "use a Lock, or the exclusive side of the reader-writer lock"
                        .to_owned(),
                },
            );
        }
    }
}
