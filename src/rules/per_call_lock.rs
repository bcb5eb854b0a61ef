//! The check behind `rules/per-call-lock.md`; read that page first.

use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct PerCallLock;

impl Rule for PerCallLock {
    fn name(&self) -> &'static str {
        "per-call-lock"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::PerCallLock);
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("the lock around `{place}` is made anew for each call"),
                    label: describe(primary),
                    consequence:
                        "every thread holds a lock of its own, so nobody waits: updates are lost"
                            .to_owned(),
                    advice: "make the lock once, beside what it protects".to_owned(),
                },
            );
        }
    }
}
