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
                ShapeKind::BuildFlagDecidesLocking => (
                    "how Python was built decides whether a lock is taken",
                    "a free-threaded build may run with a GIL, and code was never safe without a lock under one",
                ),
                ShapeKind::SwitchInterval => continue,
            };
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
