//! The check behind `rules/unlocked-set.md`; read that page first.

use super::container_of;
use crate::models::ContainerKind;
use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

const KINDS: &[ContainerKind] = &[ContainerKind::Set];

/// See the page.
pub struct UnlockedSet;

impl Rule for UnlockedSet {
    fn name(&self) -> &'static str {
        "unlocked-set"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program.conflicts().iter().filter(|conflict| {
            conflict.defect == Defect::LostUpdate
                && container_of(conflict, program).is_some_and(|kind| KINDS.contains(&kind))
        });
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("`{place}` is changed in several steps without a lock"),
                    label: describe(primary),
                    consequence: "threads see the set half changed".to_owned(),
                    advice: "hold one lock around the whole change".to_owned(),
                },
            );
        }
    }
}
