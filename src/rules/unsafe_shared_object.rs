//! The check behind `rules/unsafe-shared-object.md`; read that page first.

use super::is_over;
use crate::program::Program;
use crate::program::effect::Action;
use crate::program::roots::Record;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct UnsafeSharedObject;

impl Rule for UnsafeSharedObject {
    fn name(&self) -> &'static str {
        "unsafe-shared-object"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let pairs = program.unprotected_pairs(
            |it| matches!(it.action, Action::Unsafe { until, .. } if !is_over(program, until)),
        );
        for (record, other) in pairs {
            let Action::Unsafe { what, .. } = record.action else {
                continue;
            };
            let object = record.words;
            let explicit = program.root_of(record).explicit && program.root_of(other).explicit;
            // Of a library's own objects it is not known that callers share them; of what its
            // modules hold it is.
            if !explicit && !is_module_level(program, record) {
                continue;
            }
            let mut related = Vec::new();
            if other.at != record.at {
                related.push((other.at, "another thread uses it here".to_owned()));
            }
            let mut shown = record.clone();
            if program.root_of(record).explicit && !program.root_of(other).explicit {
                shown.root = other.root;
            }
            report.record(
                &shown,
                Text {
                    message: format!("`{object}` is used by several threads without a lock"),
                    label: "used here".to_owned(),
                    consequence: what.to_string(),
                    advice: "make one for each thread, or hold one lock around every use"
                        .to_owned(),
                },
                object.to_string(),
                related,
                &[other],
            );
        }
    }
}

fn is_module_level(program: &Program, record: &Record) -> bool {
    let links = program.links();
    links
        .global(record.at.function.module, record.words)
        .is_some()
}
