//! The check behind `rules/shared-iterator.md`; read that page first.

use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct SharedIterator;

impl Rule for SharedIterator {
    fn name(&self) -> &'static str {
        "shared-iterator"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::SharedIterator);
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("iterator `{place}` is advanced by several threads"),
                    label: describe(primary),
                    consequence: "elements are skipped or repeated; a generator raises ValueError or crashes the interpreter".to_owned(),
                    advice: "let one thread advance it and hand the elements over through a queue, or guard `next` with a lock".to_owned(),
                },
            );
        }
    }
}
