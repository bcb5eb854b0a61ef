//! The check behind `rules/thread-started-in-init.md`; read that page first.

use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct ThreadStartedInInit;

impl Rule for ThreadStartedInInit {
    fn name(&self) -> &'static str {
        "thread-started-in-init"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::PublishedBeforeInit);
        let mut reported = Vec::new();
        for conflict in wanted {
            let Some(start) = program.start_in_constructor(conflict) else {
                continue;
            };
            if reported.contains(&start) {
                continue;
            }
            reported.push(start);
            let field = program.record(conflict.primary);
            let reader = program.record(conflict.other);
            let place = conflict.place;
            let text = Text {
                message: format!(
                    "a thread that uses `{place}` is started before the constructor sets it"
                ),
                label: "started here".to_owned(),
                consequence: "the thread finds the attribute missing, or those of a subclass"
                    .to_owned(),
                advice: "start it at the end of the constructor, or better in a method of its own"
                    .to_owned(),
            };
            let related = vec![
                (field.at, "set here, after the start".to_owned()),
                (reader.at, "used here by the new thread".to_owned()),
            ];
            let mut shown = field.clone();
            shown.at = start;
            if !conflict.explicit {
                shown.root = reader.root;
            }
            report.record(&shown, text, place.to_string(), related, &[reader]);
        }
    }
}
