//! The check behind `rules/thread-local-at-import.md`; read that page first.

use rustc_hash::FxHashSet;

use crate::program::Program;
use crate::program::effect::Action;
use crate::program::roots::Record;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct ThreadLocalAtImport;

impl Rule for ThreadLocalAtImport {
    fn name(&self) -> &'static str {
        "thread-local-at-import"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let uses = |store: bool| {
            program.records().iter().filter(
                move |it| matches!(it.action, Action::ThreadLocal { store: is, .. } if is == store),
            )
        };
        let at_import = |it: &&Record| it.at.function.index == 0;
        let set_in_threads: FxHashSet<u64> = uses(true)
            .filter(|it| !at_import(it))
            .map(|it| it.key)
            .collect();
        for record in uses(true).filter(at_import) {
            if set_in_threads.contains(&record.key) {
                continue;
            }
            let Some(read) = uses(false).find(|it| it.key == record.key && !at_import(it)) else {
                continue;
            };
            let place = record.words;
            let text = Text {
                message: format!("`{place}` is set at import, where only the importing thread sees it"),
                label: "set for one thread".to_owned(),
                consequence: "reading it in any other thread raises AttributeError".to_owned(),
                advice: "subclass `threading.local` and set it in `__init__`, or read it with `getattr` and a default".to_owned(),
            };
            let related = vec![(read.at, "read here by other threads".to_owned())];
            report.record(record, text, place.to_string(), related, &[read]);
        }
    }
}
