//! The check behind `rules/wait-without-loop.md`; read that page first.

use super::one_a_site;
use crate::facts::{Function, Op, OpKind};
use crate::program::Program;
use crate::program::effect::Action;
use crate::program::roots::Record;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct WaitWithoutLoop;

impl Rule for WaitWithoutLoop {
    fn name(&self) -> &'static str {
        "wait-without-loop"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = one_a_site(program, |record| {
            matches!(record.action, Action::Condition { notify: false, .. })
                && trusts_the_notification(program, record)
        });
        for record in wanted {
            let condition = record.words;
            report.record(
                record,
                Text {
                    message: format!("`{condition}` is waited on outside a loop"),
                    label: "nothing is tested again after this".to_owned(),
                    consequence: "when the wait ends, another thread may have taken what was \
                                  waited for; a notification sent before it is lost"
                        .to_owned(),
                    advice: "test the state in a `while` loop around the wait, or use `wait_for`"
                        .to_owned(),
                },
                condition.to_string(),
                Vec::new(),
                &[],
            );
        }
    }
}

/// Whether the code after a wait takes what it waited for as given.
///
/// A wait with a timeout that no test guards is a sleep that can be cut short; a wait that a
/// caller repeats is left to that loop, unless its own function tests first.
fn trusts_the_notification(program: &Program, record: &Record) -> bool {
    let function = program.links().function(record.at.function);
    let calls = || {
        function
            .ops
            .iter()
            .filter(|op| op.range == record.at.range)
            .filter_map(|op| match op.kind {
                OpKind::Call(call) => Some((op, call)),
                _ => None,
            })
    };
    let Some((op, call)) = calls().next() else {
        return false;
    };
    if op.in_loop {
        return false;
    }
    let call = &function.calls[call as usize];
    let bounded = call.arguments.len > 0 || !call.keywords.is_empty();
    if is_tested(function, op) {
        return true;
    }
    !bounded && !record.in_loop && call.statement
}

/// Whether a test in its own function decides that an op runs.
fn is_tested(function: &Function, op: &Op) -> bool {
    let _ = function;
    op.control != 0
}
