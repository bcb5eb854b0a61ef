//! The check behind `rules/self-deadlock.md`; read that page first.

use super::{exclusive, made_at, one_a_site, seen_from};
use crate::program::Program;
use crate::program::effect::Action;
use crate::program::roots::Record;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct SelfDeadlock;

impl Rule for SelfDeadlock {
    fn name(&self) -> &'static str {
        "self-deadlock"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        for record in one_a_site(program, takes_again) {
            let lock = record.words;
            let (shown, mut related) = seen_from(record, "taken again here");
            let (label, advice) = if related.is_empty() {
                (
                    "taken a second time here".to_owned(),
                    "take it once, around both".to_owned(),
                )
            } else {
                let inner = program.links().qualified_name(record.at.function);
                (
                    format!("`{inner}` takes it again"),
                    format!(
                        "split `{inner}` into a part that locks and one that expects the lock to \
                         be held"
                    ),
                )
            };
            related.extend(made_at(record));
            report.record(
                &shown,
                Text {
                    message: format!("`{lock}` is taken again by the thread that holds it"),
                    label,
                    consequence: "the thread waits for itself for ever".to_owned(),
                    advice,
                },
                lock.to_string(),
                related,
                &[],
            );
        }
    }
}

/// A lock that is not re-entrant is waited for while the same one is held.
fn takes_again(record: &Record) -> bool {
    let waits = matches!(
        record.action,
        Action::Acquire {
            reentrant: false,
            may_fail: false,
            ..
        }
    );
    waits && !record.many && exclusive(record).any(|held| held.key == record.key && held.unique)
}
