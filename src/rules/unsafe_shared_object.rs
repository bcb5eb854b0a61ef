//! The check behind `rules/unsafe-shared-object.md`; read that page first.

use crate::program::Program;
use crate::program::effect::Action;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct UnsafeSharedObject;

impl Rule for UnsafeSharedObject {
    fn name(&self) -> &'static str {
        "unsafe-shared-object"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let pairs = program.unprotected_pairs(|it| {
            matches!(it.action, Action::Unsafe { until, .. }
                if until.is_none_or(|until| program.options().target < until))
        });
        for (record, other) in pairs {
            let Action::Unsafe { what, .. } = record.action else {
                continue;
            };
            let object = record.words;
            let text = Text {
                message: format!("`{object}` is used by several threads without a lock"),
                label: "used here".to_owned(),
                consequence: what.to_string(),
                advice: "give each thread an object of its own, or hold one lock around every use"
                    .to_owned(),
            };
            let mut related = Vec::new();
            if other.at != record.at {
                related.push((other.at, "used here by another thread".to_owned()));
            }
            report.record(record, text, object.to_string(), related, &[other]);
        }
    }
}
