//! The check behind `rules/publish-before-init.md`; read that page first.

use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct PublishBeforeInit;

impl Rule for PublishBeforeInit {
    fn name(&self) -> &'static str {
        "publish-before-init"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::PublishedBeforeInit)
            // Those are for `thread-started-in-init`.
            .filter(|conflict| program.start_in_constructor(conflict).is_none());
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("`{place}` is set after another thread can already see the object"),
                    label: describe(primary),
                    consequence: "the other thread finds the attribute missing or half built".to_owned(),
                    advice: "finish the object first, then hand it to the thread or store it where others look".to_owned(),
                },
            );
        }
    }
}
