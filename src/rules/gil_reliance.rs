//! The check behind `rules/gil-reliance.md`; read that page first.

use crate::program::Program;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct GilReliance;

impl Rule for GilReliance {
    fn name(&self) -> &'static str {
        "gil-reliance"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        for used in program.gil_uses().iter().filter(|it| !it.asks) {
            let called = used.called;
            let text = Text {
                message: format!("`{called}` counts on a GIL that may not be there"),
                label: "has no effect without a GIL".to_owned(),
                consequence: "without a GIL threads run in parallel, and what it kept apart \
                              collides"
                    .to_owned(),
                advice: used.advice.to_string(),
            };
            report.at(used.at, text, called.to_string(), Vec::new());
        }
    }
}
