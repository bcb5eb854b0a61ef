//! The check behind `rules/callback-under-lock.md`; read that page first.

use super::{exclusive, one_a_site};
use crate::facts::{OpKind, Value};
use crate::program::Program;
use crate::program::effect::Action;
use crate::program::roots::Record;
use crate::rule::{Reporter, Rule, Text, held_words};

/// See the page.
pub struct CallbackUnderLock;

impl Rule for CallbackUnderLock {
    fn name(&self) -> &'static str {
        "callback-under-lock"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = one_a_site(program, |record| {
            matches!(record.action, Action::Callback { .. })
                && exclusive(record).any(|held| held.certain)
                && !program.links().function(record.at.function).is_async
                && !is_argument(program, record)
        });
        for record in wanted {
            let Action::Callback { what } = record.action else {
                continue;
            };
            let locks = held_words(record).join("`, `");
            report.record(
                record,
                Text {
                    message: format!("`{what}` is called while `{locks}` is held"),
                    label: "the callback runs under the lock".to_owned(),
                    consequence: "it may take long, call back into this object, or wait for a \
                                  thread that needs the lock"
                        .to_owned(),
                    advice: "copy what is to be called under the lock, and call it outside"
                        .to_owned(),
                },
                what.to_string(),
                record
                    .under
                    .map(|at| (at, "called under the lock here".to_owned()))
                    .into_iter()
                    .collect(),
                &[],
            );
        }
    }
}

/// What the caller passed: the caller knows what it does.
fn is_argument(program: &Program, record: &Record) -> bool {
    let function = program.links().function(record.at.function);
    function
        .ops
        .iter()
        .filter(|op| op.range == record.at.range)
        .any(|op| match op.kind {
            OpKind::Call(call) => matches!(
                function.value(function.calls[call as usize].callee),
                Value::Parameter(_)
            ),
            _ => false,
        })
}
