//! The check behind `rules/wait-without-loop.md`; read that page first.

use super::one_a_site;
use crate::facts::{Look, OpKind, Value};
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
/// A wait with a timeout is a sleep that can be cut short, unless a result depends on it. Code that
/// tests again, or returns at once, expects nothing. A wait that a caller repeats is left to that loop, unless its own
/// function tests first.
fn trusts_the_notification(program: &Program, record: &Record) -> bool {
    let function = program.links().function(record.at.function);
    let found = function
        .ops
        .iter()
        .enumerate()
        .find_map(|(index, op)| match op.kind {
            OpKind::Call(call) if op.range == record.at.range => Some((index, op, call)),
            _ => None,
        });
    let Some((index, op, call)) = found else {
        return false;
    };
    let call = &function.calls[call as usize];
    let bounded = call.arguments.len > 0 || !call.keywords.is_empty();
    if op.in_loop || !call.statement {
        return false;
    }
    let tests_again = function.ops[index + 1..].first().is_some_and(|next| {
        matches!(
            next.kind,
            OpKind::Read { look, .. } | OpKind::ReadVariable { look, .. } if look != Look::Use
        ) || matches!(next.kind, OpKind::Return { value }
            if matches!(function.value(value), Value::Constant(_) | Value::Unknown))
    });
    // A test in its own function decides that it waits.
    let tested = op.control != 0;
    if bounded {
        let gives_a_result = function.ops[index + 1..].iter().any(|later| {
            matches!(later.kind, OpKind::Return { value }
                if !matches!(function.value(value), Value::Constant(_) | Value::Unknown))
        });
        return tested && gives_a_result && !tests_again;
    }
    !tests_again && (tested || !record.in_loop)
}
