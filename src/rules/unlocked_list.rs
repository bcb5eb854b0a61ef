//! The check behind `rules/unlocked-list.md`; read that page first.

use super::{container_of, lost_update};
use crate::models::ContainerKind;
use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

const KINDS: &[ContainerKind] = &[
    ContainerKind::List,
    ContainerKind::Deque,
    ContainerKind::Bytearray,
];

/// See the page.
pub struct UnlockedList;

impl Rule for UnlockedList {
    fn name(&self) -> &'static str {
        "unlocked-list"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let sorted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::HalfDone);
        for conflict in sorted {
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("`{place}` is put in order while other threads use it"),
                    label: describe(program.record(conflict.primary)),
                    consequence: "the others see it empty or out of order meanwhile, and an index that was valid raises IndexError".to_owned(),
                    advice: "hold one lock around this and the other accesses, or sort a copy".to_owned(),
                },
            );
        }
        let wanted = program.conflicts().iter().filter(|conflict| {
            conflict.defect == Defect::LostUpdate
                && container_of(conflict, program).is_some_and(|kind| KINDS.contains(&kind))
        });
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let (message, consequence) = lost_update(conflict, program, "element");
            report.conflict(
                conflict,
                Text {
                    message,
                    label: describe(primary),
                    consequence,
                    advice: "hold one lock around the whole update".to_owned(),
                },
            );
        }
    }
}
