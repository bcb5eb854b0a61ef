//! The check behind `rules/wait-without-loop.md`; read that page first.

use rustc_hash::FxHashSet;

use super::{call_of, exclusive, one_a_site};
use crate::facts::{Call, Constant, Function, Look, OpKind, Update, Value, ValueId, Variable};
use crate::findings::Severity;
use crate::models::{ConditionUse, ContainerKind};
use crate::program::Program;
use crate::program::atomicity;
use crate::program::effect::{Action, At};
use crate::program::loaded_from::LoadedFrom;
use crate::program::object::FunctionId;
use crate::program::roots::Record;
use crate::rule::{AtMost, Reporter, Rule, Text};
use crate::source::name::Name;

/// See the page.
pub struct WaitWithoutLoop;

impl Rule for WaitWithoutLoop {
    fn name(&self) -> &'static str {
        "wait-without-loop"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = one_a_site(program, |record| {
            is_use(record, ConditionUse::Wait) && trusts_the_notification(program, record)
        });
        for record in wanted {
            let condition = condition_words(program, record);
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
        let waits = one_a_site(program, |record| is_use(record, ConditionUse::Wait));
        for record in waits {
            let Some((tested, bounded)) = tested_too_early(program, record) else {
                continue;
            };
            let condition = condition_words(program, record);
            let consequence = if bounded {
                "a notification sent between the test and the wait is lost: the thread sleeps until \
                 the timeout ends, and what it waits for is late"
            } else {
                "a notification sent between the test and the wait is lost, and the thread sleeps on"
            };
            // What is late is not wrong.
            let most = AtMost {
                started: if bounded {
                    Severity::Warning
                } else {
                    Severity::Error
                },
                ..AtMost::default()
            };
            report.record_at_most(
                most,
                record,
                Text {
                    message: format!(
                        "`{condition}` is waited on because of a test made before its lock was taken"
                    ),
                    label: "nothing is tested between taking the lock and this".to_owned(),
                    consequence: consequence.to_owned(),
                    advice: "test the state inside the `with` block, before the wait".to_owned(),
                },
                condition.to_string(),
                vec![(tested, "tested here, without the lock".to_owned())],
                &[],
            );
        }
        for record in one_a_site(program, |record| is_use(record, ConditionUse::WaitFor)) {
            let Some(used) = used_unasked(program, record) else {
                continue;
            };
            let condition = condition_words(program, record);
            report.record(
                record,
                Text {
                    message: format!(
                        "`{condition}` is waited on with a timeout, and the result is ignored"
                    ),
                    label: "returns False when the timeout ends first".to_owned(),
                    consequence: "after a timeout the code goes on as if what it waited for were \
                                  there"
                        .to_owned(),
                    advice: "test what `wait_for` returns".to_owned(),
                },
                condition.to_string(),
                vec![(used, "taken to be there".to_owned())],
                &[],
            );
        }
    }
}

fn is_use(record: &Record, wanted: ConditionUse) -> bool {
    matches!(record.action, Action::Condition { by, .. } if by == wanted)
}

/// What a function does behind a `wait_for` that may end without its state, in the belief that the
/// state is there: takes an element out of what the predicate asks about, or counts it on.
fn used_unasked(program: &Program, record: &Record) -> Option<At> {
    let id = record.at.function;
    let function = program.links().function(id);
    let (index, wait, call) = call_of(function, record)?;
    let timeout = function.list(call.arguments).get(1).copied().or_else(|| {
        let mut keywords = call.keywords.iter();
        keywords.find_map(|(name, value)| (name.as_str() == "timeout").then_some(*value))
    })?;
    if !call.statement || *function.value(timeout) == Value::Constant(Constant::None) {
        return None;
    }
    let names = asked_by_predicate(program, id, call)?;
    let holds = |value: ValueId| match *function.value(value) {
        Value::Attribute { name, .. } | Value::Global(name) => names.contains(&name),
        Value::Read(op) => matches!(function.ops.get(op as usize).map(|op| &op.kind),
            Some(OpKind::ReadVariable { variable: Variable::Global(name), .. })
                if names.contains(name)),
        _ => false,
    };
    for op in &function.ops[index + 1..] {
        let asks = match op.kind {
            OpKind::Read { look, .. } | OpKind::ReadVariable { look, .. } => look != Look::Use,
            OpKind::Recall { .. } | OpKind::Truth { .. } | OpKind::Contains { .. } => true,
            _ => false,
        };
        // Asked again, or handled: what follows knows.
        if asks || op.control != wait.control || op.absence_handled {
            return None;
        }
        let relies = match op.kind {
            OpKind::ItemRead { base, key } => key != ValueId::UNKNOWN && holds(base),
            OpKind::ItemDelete { base, slice, .. } => !slice && holds(base),
            OpKind::Write { name, update, .. } => {
                update != Update::Replace && names.contains(&name)
            }
            OpKind::WriteVariable {
                variable: Variable::Global(name),
                update,
                ..
            } => update != Update::Replace && names.contains(&name),
            OpKind::Call(call) => takes_out(function, &function.calls[call as usize], &holds),
            _ => false,
        };
        if relies {
            return Some(At {
                range: op.range,
                ..record.at
            });
        }
    }
    None
}

/// Whether a call takes an element out of a container, and fails when there is none.
fn takes_out(function: &Function, call: &Call, holds: &dyn Fn(ValueId) -> bool) -> bool {
    let Value::Attribute { base, name, .. } = *function.value(call.callee) else {
        return false;
    };
    let fails = match name.as_str() {
        "pop" => call.arguments.len < 2,
        "popleft" | "popitem" | "remove" => true,
        _ => false,
    };
    fails && holds(base)
}

/// The names that the predicate of a `wait_for` loads: of a lambda, a nested function, or a method of
/// the same class.
fn asked_by_predicate(program: &Program, id: FunctionId, call: &Call) -> Option<FxHashSet<Name>> {
    let function = program.links().function(id);
    let functions = &program.links().module(id.module).functions;
    let predicate = match *function.value(*function.list(call.arguments).first()?) {
        Value::Function(index) => functions.get(index as usize)?,
        Value::Attribute { base, name, .. } if *function.value(base) == Value::Parameter(0) => {
            functions
                .iter()
                .find(|it| it.name == name && it.class.is_some() && it.class == function.class)?
        }
        _ => return None,
    };
    let names = predicate.ops.iter().filter_map(|op| match op.kind {
        OpKind::Read { name, .. }
        | OpKind::ReadVariable {
            variable: Variable::Global(name),
            ..
        } => Some(name),
        _ => None,
    });
    Some(names.collect())
}

/// The test that decides on a wait before the lock is taken, and whether the wait has a timeout:
/// where the section tests nothing before it waits, and the test asks for what a notifier changes.
fn tested_too_early(program: &Program, record: &Record) -> Option<(At, bool)> {
    let function = program.links().function(record.at.function);
    let (index, wait, call) = call_of(function, record)?;
    let regions = &function.held[wait.held as usize];
    // Under a lock of a caller, or a second one of its own, the test may be made in time.
    if exclusive(record).count() > 1 || regions.len() != 1 {
        return None;
    }
    let region = regions[0].region;
    let entered = function.ops[..index]
        .iter()
        .rposition(|op| matches!(op.kind, OpKind::Enter { region: it, .. } if it == region))?;
    let control = function.ops[entered].control;
    let looks = function.ops[entered + 1..index].iter().any(|op| {
        !matches!(
            op.kind,
            OpKind::Read {
                look: Look::Use,
                ..
            } | OpKind::ReadVariable {
                look: Look::Use,
                ..
            }
        )
    });
    if looks || control == 0 || control != wait.control {
        return None;
    }
    let test = function.controls[control as usize];
    let mut asked = LoadedFrom::new(program.links(), record.at.function);
    for op in test.first..test.end {
        asked.add_op(op);
    }
    let mut notifiers = program
        .records()
        .iter()
        .filter(|it| it.key == record.key && is_use(it, ConditionUse::Notify));
    let changes =
        notifiers.any(|it| changes_any(program.links().function(it.at.function), &asked.names));
    let tested = At {
        range: function.ops.get(test.first as usize)?.range,
        ..record.at
    };
    changes.then_some((tested, is_bounded(call)))
}

/// Whether a function stores under one of these names, or changes the container that one holds.
fn changes_any(function: &Function, names: &FxHashSet<Name>) -> bool {
    let holds = |value: ValueId| match function.value(value) {
        Value::Attribute { name, .. } | Value::Global(name) => names.contains(name),
        _ => false,
    };
    function.ops.iter().any(|op| match op.kind {
        OpKind::Write { name, .. }
        | OpKind::WriteVariable {
            variable: Variable::Global(name),
            ..
        } => names.contains(&name),
        OpKind::ItemWrite { base, .. } | OpKind::ItemDelete { base, .. } => holds(base),
        OpKind::Call(call) => match *function.value(function.calls[call as usize].callee) {
            Value::Attribute { base, name, .. } => {
                let changes = atomicity::method(ContainerKind::Deque, name.as_str());
                holds(base) && changes.is_some_and(atomicity::Access::writes)
            }
            _ => false,
        },
        _ => false,
    })
}

/// The condition variable as the code spells it, where only the lock in it has a name for others.
fn condition_words(program: &Program, record: &Record) -> Name {
    let function = program.links().function(record.at.function);
    let receiver =
        call_of(function, record).and_then(|(_, _, call)| match *function.value(call.callee) {
            Value::Attribute { base, .. } => Some(function.value(base)),
            _ => None,
        });
    match receiver {
        Some(Value::Attribute { name, .. }) if !record.words.as_str().contains('.') => *name,
        _ => record.words,
    }
}

/// Whether a wait has a timeout.
fn is_bounded(call: &Call) -> bool {
    call.arguments.len > 0 || !call.keywords.is_empty()
}

/// Whether the code after a wait takes what it waited for as given.
///
/// A wait with a timeout is a sleep that can be cut short, unless a result depends on it. Code that
/// tests again, or returns at once, expects nothing. A wait that a caller repeats is left to that loop, unless its own
/// function tests first.
fn trusts_the_notification(program: &Program, record: &Record) -> bool {
    let function = program.links().function(record.at.function);
    let Some((index, op, call)) = call_of(function, record) else {
        return false;
    };
    let bounded = is_bounded(call);
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
    // A test in its own function decides that it waits, of more than what it was given.
    let mut control = function.controls[op.control as usize];
    while control.first == control.end && control.parent != 0 {
        control = function.controls[control.parent as usize];
    }
    let tested = control.first != control.end;
    if bounded {
        let gives_a_result = function.ops[index + 1..].iter().any(|later| {
            matches!(later.kind, OpKind::Return { value }
                if !matches!(function.value(value), Value::Constant(_) | Value::Unknown))
        });
        return tested && gives_a_result && !tests_again;
    }
    !tests_again && (tested || !record.in_loop)
}
