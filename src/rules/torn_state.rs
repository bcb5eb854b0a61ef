//! The check behind `rules/torn-state.md`; read that page first.

use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct TornState;

impl Rule for TornState {
    fn name(&self) -> &'static str {
        "torn-state"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::TornState);
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            let (guard, _, _) = conflict.guard.map_or_else(
                || ("the lock".to_owned(), 0, 0),
                |(words, held, total)| (words.to_string(), held, total),
            );
            report.conflict(
                conflict,
                Text {
                    message: format!("`{place}` is read without the lock under which it changes together with others"),
                    label: describe(primary),
                    consequence: "the reader sees one field from before and another one from after a change".to_owned(),
                    advice: format!("hold `{guard}` while reading them"),
                },
            );
        }
    }
}
