//! The check behind `rules/thread-local-escapes.md`; read that page first.

use super::one_a_site;
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
    }
}
