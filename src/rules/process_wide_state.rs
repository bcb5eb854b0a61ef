//! The check behind `rules/process-wide-state.md`; read that page first.

use super::{exclusive, is_over, one_a_site};
use crate::facts::Value;
use crate::program::Program;
use crate::program::effect::Action;
use crate::program::object::FunctionId;
use crate::program::roots::RootKind;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct ProcessWideState;

impl Rule for ProcessWideState {
    fn name(&self) -> &'static str {
        "process-wide-state"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = one_a_site(program, |record| {
            let Action::ProcessWide {
                until, for_a_while, ..
            } = record.action
            else {
                return false;
            };
            let root = program.root_of(record);
            let thread = root.kind == RootKind::Thread && root.explicit && !root.interrupt;
            // What is undone at the end of a call, callers undo for one another.
            let callers = for_a_while && root.kind == RootKind::Caller && root.many;
            (thread || callers)
                && !is_over(program, until)
                && exclusive(record).next().is_none()
                && !asks_for_main_thread(program, record.at.function)
        });
        for record in wanted {
            let Action::ProcessWide { what, by, .. } = record.action else {
                continue;
            };
            report.record(
                record,
                Text {
                    message: format!("`{by}`, called on a thread, changes {what}"),
                    label: format!("changes {what}"),
                    consequence: "all other threads see the change, in the middle of their work"
                        .to_owned(),
                    advice: "pass the value to what needs it, or set it once before threads start"
                        .to_owned(),
                },
                what.to_string(),
                Vec::new(),
                &[],
            );
        }
    }
}

/// Whether a function, or another method of its class, asks which thread is the main one: it turns
/// other threads away.
fn asks_for_main_thread(program: &Program, id: FunctionId) -> bool {
    let facts = program.links().module(id.module);
    let alone = [id.index];
    let methods = match facts.functions[id.index as usize].class {
        Some(class) => facts.classes[class as usize].methods.as_slice(),
        None => &alone,
    };
    methods.iter().any(|&index| {
        let code = facts.functions[index as usize].glance();
        code.values.iter().any(|value| match value {
            Value::Attribute { name, .. } | Value::Global(name) | Value::Imported { name, .. } => {
                name.as_str() == "main_thread"
            }
            _ => false,
        })
    })
}
