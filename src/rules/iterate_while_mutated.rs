//! The check behind `rules/iterate-while-mutated.md`; read that page first.

use super::{exclusive, may_run_beside_others, one_a_site};
use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::program::effect::{Action, At};
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
        let upset = one_a_site(program, |record| {
            matches!(record.action, Action::Upset { .. })
        });
        for record in upset {
            let Action::Upset { change, .. } = record.action else {
                continue;
            };
            let place = record.words;
            let change = At {
                range: change,
                ..record.at
            };
            report.record(
                record,
                Text {
                    message: format!("`{place}` is changed in size by the loop that walks it"),
                    label: "walked step by step here".to_owned(),
                    consequence:
                        "the walk raises RuntimeError at its next step, whatever other threads do"
                            .to_owned(),
                    advice: "iterate over a copy: `list(x)`".to_owned(),
                },
                place.to_string(),
                vec![(change, "changed here".to_owned())],
                &[],
            );
        }
        // What changes it needs no lock of the program's.
        let walks = one_a_site(program, |record| {
            matches!(record.action, Action::Walk { .. })
                && exclusive(record).next().is_none()
                && may_run_beside_others(program.root_of(record))
        });
        for record in walks {
            let Action::Walk { what, changed_by } = record.action else {
                continue;
            };
            report.record(
                record,
                Text {
                    message: format!("`{what}` is iterated while {changed_by} may change its size"),
                    label: "walked step by step here".to_owned(),
                    consequence: "the walk raises RuntimeError, now and then".to_owned(),
                    advice: format!("iterate over a copy made in one step: `list({what})`"),
                },
                what.to_string(),
                Vec::new(),
                &[],
            );
        }
    }
}
