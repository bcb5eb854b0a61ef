//! The check behind `rules/notify-without-lock.md`; read that page first.

use super::{exclusive, one_a_site};
use crate::models::ConditionUse;
use crate::program::Program;
use crate::program::effect::Action;
use crate::program::roots::Record;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct NotifyWithoutLock;

impl Rule for NotifyWithoutLock {
    fn name(&self) -> &'static str {
        "notify-without-lock"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        // Any lock that is held may be the condition's own under a name that is not followed.
        let wanted = one_a_site(program, |record| {
            // Where its state is there already, `wait_for` does not wait.
            matches!(record.action, Action::Condition { by, .. } if by != ConditionUse::WaitFor)
                && exclusive(record).next().is_none()
                && !is_wrapper(program, record)
                && !is_decorated(program, record)
        });
        for record in wanted {
            let condition = record.words;
            let call = if record.action.notifies() {
                "notified"
            } else {
                "waited on"
            };
            report.record(
                record,
                Text {
                    message: format!("`{condition}` is {call} without its lock"),
                    label: "the lock is not held here".to_owned(),
                    consequence: "the call raises RuntimeError: cannot notify or wait on \
                                  un-acquired lock"
                        .to_owned(),
                    advice: format!(
                        "call it inside `with {condition}:`, in the block that changes the state"
                    ),
                },
                condition.to_string(),
                Vec::new(),
                &[],
            );
        }
    }
}

/// A class that offers the lock too: whoever calls its `notify` has called its `acquire`.
fn is_wrapper(program: &Program, record: &Record) -> bool {
    let links = program.links();
    let Some(class) = links.enclosing_class(record.at.function) else {
        return false;
    };
    let facts = links.module(class.module);
    links.class(class).methods.iter().any(|&method| {
        matches!(
            facts.functions[method as usize].name.as_str(),
            "acquire" | "__enter__"
        )
    })
}

/// A decorator may hold the lock around the function.
fn is_decorated(program: &Program, record: &Record) -> bool {
    !program
        .links()
        .function(record.at.function)
        .decorators
        .is_empty()
}
