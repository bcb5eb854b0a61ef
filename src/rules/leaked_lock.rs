//! The check behind `rules/leaked-lock.md`; read that page first.

use super::one_a_site;
use crate::findings::Severity;
use crate::program::Program;
use crate::program::effect::{Action, At, Escape};
use crate::rule::{AtMost, Reporter, Rule, Text};

/// See the page.
pub struct LeakedLock;

impl Rule for LeakedLock {
    fn name(&self) -> &'static str {
        "leaked-lock"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        for record in one_a_site(program, |it| matches!(it.action, Action::Leak { .. })) {
            let Action::Leak { exit, by, .. } = record.action else {
                continue;
            };
            let lock = record.words;
            let exit = At {
                function: record.at.function,
                range: exit,
            };
            let name = program.links().function(record.at.function).name;
            let advice = if matches!(name.as_str(), "__enter__" | "__aenter__") {
                "`__exit__` is not called when this fails: release the lock before that, or take it \
                 last"
                    .to_owned()
            } else {
                format!("use `with {lock}:`, or release it in a `finally`")
            };
            let leaves = match by {
                Escape::Statement => "leaves with the lock taken".to_owned(),
                Escape::Raise => "raises with the lock taken".to_owned(),
                Escape::Thrown => {
                    "what the caller's block raises comes in here, with the lock taken".to_owned()
                }
                Escape::Raised(what) => format!("{what}, with the lock taken"),
            };
            report.record_at_most(
                AtMost {
                    // That the exception does come is likely, and no more.
                    started: match by {
                        Escape::Statement | Escape::Raise => Severity::Error,
                        Escape::Thrown | Escape::Raised(_) => Severity::Warning,
                    },
                    ..AtMost::default()
                },
                record,
                Text {
                    message: format!("`{lock}` is not released on every way out"),
                    label: "taken here".to_owned(),
                    consequence: "the lock stays taken, and the next thread that wants it waits \
                                  for ever"
                        .to_owned(),
                    advice,
                },
                lock.to_string(),
                vec![(exit, leaves)],
                &[],
            );
        }
    }
}
