//! The check behind `rules/unordered-changes.md`; read that page first.

use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct UnorderedChanges;

impl Rule for UnorderedChanges {
    fn name(&self) -> &'static str {
        "unordered-changes"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::Atomic);
        for conflict in wanted {
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("several threads change `{place}`, each in one atomic step"),
                    label: describe(program.record(conflict.primary)),
                    consequence: "nothing is lost; in which order the changes come is up to the \
                                  threads"
                        .to_owned(),
                    advice: "nothing, unless code relies on the order or on several changes at \
                             once"
                        .to_owned(),
                },
            );
        }
    }
}
