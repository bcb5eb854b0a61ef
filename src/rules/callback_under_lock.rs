//! The check behind `rules/callback-under-lock.md`; read that page first.

use rustc_hash::FxHashMap;

use super::{call_of, exclusive, made_at, one_a_site};
use crate::facts::{Function, Value, ValueId};
use crate::program::Program;
use crate::program::effect::{Action, At};
use crate::program::link::Home;
use crate::program::loaded_from::LoadedFrom;
use crate::program::object::ClassId;
use crate::program::roots::Record;
use crate::rule::{Reporter, Rule, Text, held_words};

/// See the page.
pub struct CallbackUnderLock;

impl Rule for CallbackUnderLock {
    fn name(&self) -> &'static str {
        "callback-under-lock"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let taken_once = taken_once(program);
        let wanted = one_a_site(program, |record| {
            // Whoever holds a lock while it calls a function far away may not know that callbacks
            // run there; it does no harm that they come back, where the lock can be taken again.
            let is_far = record.under.is_some();
            matches!(record.action, Action::Callback { .. })
                && exclusive(record)
                    .any(|held| held.certain && (!is_far || taken_once.contains_key(&held.key)))
                && !program.links().function(record.at.function).is_async
                && if is_far {
                    is_registered(program, record)
                } else {
                    !is_argument(program, record)
                }
        });
        for record in wanted {
            let Action::Callback { what } = record.action else {
                continue;
            };
            let locks = held_words(record).join("`, `");
            let under = record
                .under
                .map(|at| (at, "called under the lock here".to_owned()));
            let made = exclusive(record).find_map(|held| taken_once.get(&held.key)?.clone());
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
                under.into_iter().chain(made).collect(),
                &[],
            );
        }
    }
}

/// The locks that a thread which holds them cannot take again, by key, with where they are made.
fn taken_once(program: &Program) -> FxHashMap<u64, Option<(At, String)>> {
    let records = program.records().iter();
    let taken = records.filter(|record| {
        matches!(
            record.action,
            Action::Acquire {
                reentrant: false,
                ..
            }
        )
    });
    taken.map(|record| (record.key, made_at(record))).collect()
}

/// Whether what is called was put into a collection by somebody who had been handed it: a listener
/// that was registered. What code puts there itself, its author knows.
fn is_registered(program: &Program, record: &Record) -> bool {
    let links = program.links();
    let function = links.function(record.at.function);
    let Some((_, _, call)) = call_of(function, record) else {
        return false;
    };
    let collection = match *function.value(call.callee) {
        Value::Element(of) | Value::Item { base: of, .. } => of,
        _ => return false,
    };
    let mut from = LoadedFrom::new(links, record.at.function);
    from.add_value(collection);
    let module = record.at.function.module;
    let classes = (0..).zip(&links.module(module).classes);
    let classes: Vec<ClassId> = classes
        .map(|(index, _)| ClassId { module, index })
        .collect();
    from.names.iter().any(|&name| {
        let of_objects = classes.iter().map(|&class| Home::Attribute(class, name));
        of_objects
            .chain([Home::Global(module, name)])
            .filter_map(|home| links.elements(home))
            .flatten()
            .any(|stored| is_handed_in(links.function(stored.function), stored.value, 0))
    })
}

/// Whether a value is, or is made of, what the caller of a function passed.
fn is_handed_in(function: &Function, value: ValueId, depth: u32) -> bool {
    let any = |parts: &[ValueId]| {
        let mut parts = parts.iter();
        depth < 4 && parts.any(|&part| is_handed_in(function, part, depth + 1))
    };
    match *function.value(value) {
        Value::Parameter(position) => position > 0 || function.class.is_none(),
        Value::Join(parts) => any(function.list(parts)),
        Value::Container { elements, .. } => any(function.list(elements)),
        Value::Call(call) => any(function.list(function.calls[call as usize].arguments)),
        _ => false,
    }
}

/// What the caller passed: the caller knows what it does.
fn is_argument(program: &Program, record: &Record) -> bool {
    let function = program.links().function(record.at.function);
    call_of(function, record)
        .is_some_and(|(_, _, call)| matches!(function.value(call.callee), Value::Parameter(_)))
}
