//! The check behind `rules/thread-local-escapes.md`; read that page first.

use rustc_hash::FxHashSet;

use super::{exclusive, may_run_beside_others, one_a_site};
use crate::program::Program;
use crate::program::effect::Action;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct ThreadLocalEscapes;

impl Rule for ThreadLocalEscapes {
    fn name(&self) -> &'static str {
        "thread-local-escapes"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        for record in one_a_site(program, |it| {
            matches!(it.action, Action::LocalEscapes { .. })
        }) {
            let name = record.words;
            report.record(
                record,
                Text {
                    message: format!("`{name}` belongs to this thread and is handed to another"),
                    label: "leaves its thread here".to_owned(),
                    consequence: "two threads use one object that is guarded by being one \
                                  thread's own"
                        .to_owned(),
                    advice: "hand over a copy, or share it in name too, with a lock".to_owned(),
                },
                name.to_string(),
                Vec::new(),
                &[],
            );
        }
        let mut told = FxHashSet::default();
        for record in one_a_site(program, |it| {
            matches!(it.action, Action::SharedByLocals { .. })
                && may_run_beside_others(program.root_of(it))
                && exclusive(it).next().is_none()
        }) {
            if !told.insert(record.key) {
                continue;
            }
            let name = record.words;
            report.record(
                record,
                Text {
                    message: format!("`{name}` is one object for all threads"),
                    label: "changes what every thread sees".to_owned(),
                    consequence: "the class is thread-local, the object in its body is made once: \
                                  threads mix what they put into it"
                        .to_owned(),
                    advice: "make it in `__init__`, which runs once in each thread".to_owned(),
                },
                name.to_string(),
                Vec::new(),
                &[],
            );
        }
    }
}
