//! Where a test and an act meet that lie in two callees: each may be one step under a lock of its own,
//! and the function that calls one after the other is where to act.

#[allow(clippy::wildcard_imports)]
use super::*;

use super::checks::{is_same, reports};

impl Summaries<'_> {
    /// The act of a callee, at `at`, that relies on a test, with the calls through which the two meet
    /// if both lie in callees.
    pub(super) fn meeting(
        &self,
        walk: &Walk<'_>,
        index: u32,
        tested: &Tested,
        act: PlaceAccess,
        at: At,
    ) -> PlaceAccess {
        let (asks, acts) = (self.at(walk, tested.op), self.at(walk, index));
        if tested.at == asks || at == acts {
            return act;
        }
        PlaceAccess {
            meets: Some((asks, acts)),
            tells: is_told(walk.function, index) || decides_about_more(walk.function, index),
            ..act
        }
    }
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
