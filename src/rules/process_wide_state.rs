//! The check behind `rules/process-wide-state.md`; read that page first.

use crate::program::Program;
use crate::program::effect::Action;
use crate::program::roots::RootKind;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct ProcessWideState;

impl Rule for ProcessWideState {
    fn name(&self) -> &'static str {
        "process-wide-state"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        for record in program.records() {
            let Action::ProcessWide { what, by, until } = record.action else {
                continue;
            };
            if until.is_some_and(|until| program.options().target >= until) {
                continue;
            }
            // The main thread sets such state once, before others start, more often than not; so
            // does a caller of a library. A thread of the program never has it to itself.
            let root = program.root_of(record);
            if root.kind != RootKind::Thread || root.interrupt {
                continue;
            }
            let text = Text {
                message: format!("`{by}` changes {what}"),
                label: "changed by one of several threads".to_owned(),
                consequence: "another thread sees the change in the middle of its work, and two that put it back may restore the wrong value".to_owned(),
                advice: "pass the value to the call that needs it, or set it once before threads start".to_owned(),
            };
            report.record(record, text, by.to_string(), Vec::new(), &[]);
        }
    }
}
