//! The check behind `rules/gil-reliance.md`; read that page first.

use crate::facts::ShapeKind;
use crate::program::Program;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct GilReliance;

impl Rule for GilReliance {
    fn name(&self) -> &'static str {
        "gil-reliance"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        for (at, kind) in program.shapes() {
            if kind != ShapeKind::SwitchInterval {
                continue;
            }
            let text = Text {
                message: "`sys.setswitchinterval` tunes a GIL that may not be there".to_owned(),
                label: "set here".to_owned(),
                consequence: "without a GIL threads run in parallel whatever the interval is"
                    .to_owned(),
                advice: "take a lock around what must not be split, and remove the call".to_owned(),
            };
            report.at(at, text, "the switch interval".to_owned(), Vec::new());
        }
    }
}
