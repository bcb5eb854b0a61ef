//! Where a test and an act meet that lie in two callees: each may be one step under a lock of its own,
//! and the function that calls one after the other is where to act.

#[allow(clippy::wildcard_imports)]
use super::*;

use std::sync::Arc;

use super::checks::{is_same, reports};

impl Summaries<'_> {
    /// The calls through which a test, made by an op, and the act of another one meet, if both lie in
    /// callees.
    pub(super) fn meeting(
        &self,
        walk: &Walk<'_>,
        index: u32,
        tester: u32,
        tested_at: At,
        acted_at: At,
    ) -> Option<Arc<Meeting>> {
        let (asks, acts) = (self.at(walk, tester), self.at(walk, index));
        (tested_at != asks && acted_at != acts).then(|| Arc::new(Meeting { asks, acts }))
    }
}

/// Whether what a test said that decides about an op is told to the callers of the function, or decides
/// about more than the op.
pub(super) fn tells(function: &Function, index: u32) -> bool {
    is_told(function, index) || decides_about_more(function, index)
}

/// Whether a function tells its callers by a constant which way a test went: that the act was done, or
/// that it was not.
fn is_told(function: &Function, index: u32) -> bool {
    let control = function.ops[index as usize].control;
    let returned = |within: bool| {
        let returns = function.ops.iter().filter_map(move |op| match op.kind {
            OpKind::Return { value } => ((op.control == control) == within).then_some(value),
            _ => None,
        });
        returns.map(|it| (it, function.value(it)))
    };
    let is_constant = |value: &Value| matches!(value, Value::Constant(_));
    let mut done = returned(true);
    done.any(|(told, value)| {
        let mut others = returned(false).peekable();
        if others.peek().is_none() {
            return is_constant(value) && *value != Value::Constant(Constant::None);
        }
        others.any(|(other, other_value)| {
            !is_same(function, told, other) && (is_constant(value) || is_constant(other_value))
        })
    })
}

/// Whether more that stays is done by the branch that an op is in.
fn decides_about_more(function: &Function, index: u32) -> bool {
    let control = function.ops[index as usize].control;
    let others = (0..).zip(&function.ops);
    others
        .filter(|(at, op)| *at != index && op.control == control)
        .any(|(_, op)| match op.kind {
            OpKind::Write { .. }
            | OpKind::WriteVariable { .. }
            | OpKind::ItemWrite { .. }
            | OpKind::ItemDelete { .. }
            | OpKind::Delete { .. } => true,
            OpKind::Call(call) => {
                let call = &function.calls[call as usize];
                call.statement && !reports(function, call)
            }
            _ => false,
        })
}
