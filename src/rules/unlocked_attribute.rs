//! The check behind `rules/unlocked-attribute.md`; read that page first.

use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct UnlockedAttribute;

impl Rule for UnlockedAttribute {
    fn name(&self) -> &'static str {
        "unlocked-attribute"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::UnorderedWrite);
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("`{place}` is written and read by different threads with nothing to order them"),
                    label: describe(primary),
                    consequence: "the reader sees the old value, or a mixture of old and new ones".to_owned(),
                    advice: "write before the thread starts or read after it has ended, or hold one lock on both sides".to_owned(),
                },
            );
        }
    }
}
