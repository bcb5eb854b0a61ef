//! The check behind `rules/unlocked-counter.md`; read that page first.

use super::container_of;
use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct UnlockedCounter;

impl Rule for UnlockedCounter {
    fn name(&self) -> &'static str {
        "unlocked-counter"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program.conflicts().iter().filter(|conflict| {
            conflict.defect == Defect::LostUpdate && container_of(conflict, program).is_none()
        });
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("`{place}` is updated in two steps without a lock"),
                    label: describe(primary),
                    consequence: "two threads read the same value and one of the updates is lost"
                        .to_owned(),
                    advice:
                        "hold one lock around the whole update, or let one thread own the value"
                            .to_owned(),
                },
            );
        }
    }
}
