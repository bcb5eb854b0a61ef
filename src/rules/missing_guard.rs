//! The check behind `rules/missing-guard.md`; read that page first.

use crate::program::{Program, guards};
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct MissingGuard;

impl Rule for MissingGuard {
    fn name(&self) -> &'static str {
        "missing-guard"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        for it in guards::unguarded(program) {
            let (what, lock) = (&it.what, &it.lock);
            let (message, label) = if it.is_call {
                (
                    format!("`{what}` is called without `{lock}`, which it requires"),
                    "called without the lock".to_owned(),
                )
            } else {
                (
                    format!("`{what}` is used without `{lock}`, which is declared to guard it"),
                    "used without the lock".to_owned(),
                )
            };
            report.at(
                it.at,
                Text {
                    message,
                    label,
                    consequence: "another thread that holds the lock sees or makes a change in \
                                  the middle of this"
                        .to_owned(),
                    advice: format!("hold `{lock}` here, or correct the declaration"),
                },
                what.clone(),
                vec![(it.declared, "declared here".to_owned())],
            );
        }
    }
}
