//! The check behind `rules/check-then-act.md`; read that page first.

use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct CheckThenAct;

impl Rule for CheckThenAct {
    fn name(&self) -> &'static str {
        "check-then-act"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::StaleTest);
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("`{place}` may change between the test and the act that relies on it"),
                    label: describe(primary),
                    consequence: "another thread acts on the same test: work is done twice, or the act fails with KeyError, IndexError or AttributeError".to_owned(),
                    advice: "hold one lock around the test and the act, or use one atomic operation (`setdefault`, `pop(key, default)`) and handle its outcome".to_owned(),
                },
            );
        }
    }
}
