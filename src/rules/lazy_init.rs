//! The check behind `rules/lazy-init.md`; read that page first.

use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct LazyInit;

impl Rule for LazyInit {
    fn name(&self) -> &'static str {
        "lazy-init"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::LazyInit);
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("`{place}` may be initialised by several threads at once"),
                    label: describe(primary),
                    consequence: "each thread makes an object of its own, and all but the last one are lost with what was stored in them".to_owned(),
                    advice: "test again under a lock before making the object, or make it before threads start".to_owned(),
                },
            );
        }
    }
}
