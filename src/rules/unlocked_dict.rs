//! The check behind `rules/unlocked-dict.md`; read that page first.

use super::{container_of, lost_update};
use crate::models::ContainerKind;
use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

const KINDS: &[ContainerKind] = &[
    ContainerKind::Dict,
    ContainerKind::DefaultDict,
    ContainerKind::OrderedDict,
    ContainerKind::Counter,
];

/// See the page.
pub struct UnlockedDict;

impl Rule for UnlockedDict {
    fn name(&self) -> &'static str {
        "unlocked-dict"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program.conflicts().iter().filter(|conflict| {
            conflict.defect == Defect::LostUpdate
                && container_of(conflict, program).is_some_and(|kind| KINDS.contains(&kind))
        });
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let (message, consequence) = lost_update(conflict, program, "value");
            report.conflict(
                conflict,
                Text {
                    message,
                    label: describe(primary),
                    consequence,
                    advice: "hold one lock around the whole update, or give each thread a dict of its own and merge them".to_owned(),
                },
            );
        }
    }
}
