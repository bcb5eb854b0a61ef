//! The check behind `rules/mismatched-locks.md`; read that page first.

use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct MismatchedLocks;

impl Rule for MismatchedLocks {
    fn name(&self) -> &'static str {
        "mismatched-locks"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::MismatchedLocks);
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("`{place}` is protected by different locks in different places"),
                    label: describe(primary),
                    consequence: "two threads that hold different locks do not exclude each other: updates are lost".to_owned(),
                    advice: "agree on one lock for all accesses".to_owned(),
                },
            );
        }
    }
}
