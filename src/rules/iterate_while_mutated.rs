//! The check behind `rules/iterate-while-mutated.md`; read that page first.

use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct IterateWhileMutated;

impl Rule for IterateWhileMutated {
    fn name(&self) -> &'static str {
        "iterate-while-mutated"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::BrokenWalk);
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("`{place}` is iterated while another thread changes its size"),
                    label: describe(primary),
                    consequence: "the walk skips or repeats elements, or raises RuntimeError".to_owned(),
                    advice: "iterate over a copy made in one step (`list(x)`) or hold the lock of the writers".to_owned(),
                },
            );
        }
    }
}
