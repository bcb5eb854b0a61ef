//! The check behind `rules/unlocked-attribute.md`; read that page first.

use super::exclusive;
use crate::facts::OpKind;
use crate::program::Program;
use crate::program::conflicts::{Conflict, Defect};
use crate::program::effect::Action;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct UnlockedAttribute;

impl Rule for UnlockedAttribute {
    fn name(&self) -> &'static str {
        "unlocked-attribute"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::UnorderedWrite)
            .filter(|conflict| !is_read_once_stored(program, conflict));
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("`{place}` is written and read by different threads with nothing to order them"),
                    label: describe(primary),
                    consequence: "the reader sees the old value, or a mixture of old and new ones".to_owned(),
                    advice: "write before the thread starts or read after it has ended, or hold one lock on both sides".to_owned(),
                },
            );
        }
    }
}

/// Whether a store happens once, in a critical section that tests a flag and sets it in the end, and
/// every reader has come through that section before: the store is over by then, by whichever thread.
fn is_read_once_stored(program: &Program, conflict: &Conflict) -> bool {
    let store = program.record(conflict.primary);
    let section = store.under.unwrap_or(store.at);
    let function = program.links().function(section.function);
    let mut ops = function.ops.iter();
    let Some(op) = ops.find(|op| op.range == section.range && op.control != 0 && op.held != 0)
    else {
        return false;
    };
    let later = ops.as_slice();
    let test = function.controls[op.control as usize];
    let asked = function.ops.get(test.first as usize..test.end as usize);
    let decides = asked.into_iter().flatten().any(|asked| {
        let OpKind::Read { name: flag, .. } = asked.kind else {
            return false;
        };
        let sets = |op: &OpKind| matches!(op, OpKind::Write { name, .. } if *name == flag);
        asked.held != 0
            && later
                .iter()
                .any(|it| sets(&it.kind) && it.held != 0 && it.control == op.control)
    });
    // The records of a root are in the order of what it does.
    let comes_through = |reader: u32| {
        let root = program.record(reader).root;
        program.records()[..reader as usize].iter().any(|it| {
            it.root == root
                && it.at.function == section.function
                && matches!(
                    it.action,
                    Action::Acquire {
                        may_fail: false,
                        ..
                    }
                )
                && exclusive(store).any(|lock| lock.key == it.key)
        })
    };
    decides && comes_through(conflict.other) && conflict.more.iter().all(|&it| comes_through(it))
}
