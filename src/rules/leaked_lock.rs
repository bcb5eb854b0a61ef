//! The check behind `rules/leaked-lock.md`; read that page first.

use crate::program::Program;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct LeakedLock;

impl Rule for LeakedLock {
    fn name(&self) -> &'static str {
        "leaked-lock"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        for leak in program.leaks() {
            let lock = leak.lock;
            let text = Text {
                message: format!("`{lock}` is not released on every way out"),
                label: "acquired here".to_owned(),
                consequence: "the next thread that wants the lock waits for ever".to_owned(),
                advice: "use `with`, or release it in a `finally` block".to_owned(),
            };
            let exit = (leak.exit, "this way out leaves it taken".to_owned());
            report.at(leak.acquired, text, lock, vec![exit]);
        }
    }
}
