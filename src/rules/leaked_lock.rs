//! The check behind `rules/leaked-lock.md`; read that page first.

use super::one_a_site;
use crate::program::Program;
use crate::program::effect::{Action, At};
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct LeakedLock;

impl Rule for LeakedLock {
    fn name(&self) -> &'static str {
        "leaked-lock"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        for record in one_a_site(program, |it| matches!(it.action, Action::Leak { .. })) {
            let Action::Leak { exit, .. } = record.action else {
                continue;
            };
            let lock = record.words;
            let exit = At {
                function: record.at.function,
                range: exit,
            };
            report.record(
                record,
                Text {
                    message: format!("`{lock}` is not released on every way out"),
                    label: "taken here".to_owned(),
                    consequence: "the lock stays taken, and the next thread that wants it waits \
                                  for ever"
                        .to_owned(),
                    advice: format!("use `with {lock}:`, or release it in a `finally`"),
                },
                lock.to_string(),
                vec![(exit, "leaves with the lock taken".to_owned())],
                &[],
            );
        }
    }
}
