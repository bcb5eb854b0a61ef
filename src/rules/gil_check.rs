//! The check behind `rules/gil-check.md`; read that page first.

use crate::facts::ShapeKind;
use crate::program::Program;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct GilCheck;

impl Rule for GilCheck {
    fn name(&self) -> &'static str {
        "gil-check"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let mut known = Vec::new();
        for used in program.gil_uses().iter().filter(|it| it.asks) {
            known.push(used.at);
            let called = used.called;
            let text = Text {
                message: format!("`{called}` is no test for a free-threaded Python"),
                label: "asked here".to_owned(),
                consequence: "the answer is wrong, or there is none".to_owned(),
                advice: used.advice.to_string(),
            };
            report.at(used.at, text, called.to_string(), Vec::new());
        }
        for (at, kind) in program.shapes() {
            let (message, consequence) = match kind {
                ShapeKind::NoSuchFreeThreadedTest => (
                    "`sys._is_free_threaded` exists in no Python",
                    "the test raises AttributeError",
                ),
                ShapeKind::BuildFlagComparedWithText => (
                    "`Py_GIL_DISABLED` is a number and never equals a string",
                    "the test is false on every build",
                ),
            };
            if known.contains(&at) {
                continue;
            }
            let text = Text {
                message: message.to_owned(),
                label: "tested here".to_owned(),
                consequence: consequence.to_owned(),
                advice: "ask `sys._is_gil_enabled()` (3.13 and later) for the running process, and `sysconfig.get_config_var(\"Py_GIL_DISABLED\") == 1` for the build; take locks on both".to_owned(),
            };
            let state = program.function_name(at);
            report.at(at, text, state, Vec::new());
        }
    }
}
