//! The check behind `rules/thread-local-at-import.md`; read that page first.

use super::one_a_site;
use crate::program::Callers;
use crate::program::Program;
use crate::program::effect::Action;
use crate::program::roots::{Record, Root, RootKind};
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct ThreadLocalAtImport;

impl Rule for ThreadLocalAtImport {
    fn name(&self) -> &'static str {
        "thread-local-at-import"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let stores = one_a_site(program, |record| {
            matches!(record.action, Action::ThreadLocal { store: true, .. })
                && record.at.function.index == 0
        });
        for record in stores {
            // Code that copes with its absence, or sets it in each thread, knows.
            let uses = || {
                program
                    .records()
                    .iter()
                    .filter(|it| it.key == record.key && it.at.function.index != 0)
            };
            let copes = uses().any(|it| {
                matches!(
                    it.action,
                    Action::ThreadLocal { store: true, .. }
                        | Action::ThreadLocal { tested: true, .. }
                )
            });
            let mut reads: Vec<&Record> = uses()
                .filter(|it| {
                    matches!(it.action, Action::ThreadLocal { store: false, .. })
                        && is_other_thread(program.root_of(it))
                })
                .collect();
            reads.sort_by_key(|it| (!program.root_of(it).explicit, it.at));
            let Some(read) = reads.first().filter(|_| !copes) else {
                continue;
            };
            let name = record.words;
            let mut shown = record.clone();
            shown.root = read.root;
            report.record(
                &shown,
                Text {
                    message: format!("`{name}` is set for the importing thread only"),
                    label: "runs once, in the thread that imports the module".to_owned(),
                    consequence: "in every other thread the attribute does not exist, and reading \
                                  it raises AttributeError"
                        .to_owned(),
                    advice: "subclass `threading.local` and set it in `__init__`, or read it with \
                             `getattr` and a default"
                        .to_owned(),
                },
                name.to_string(),
                vec![(read.at, "read by another thread".to_owned())],
                &[read],
            );
        }
    }
}

/// Not the thread that imports.
fn is_other_thread(root: &Root) -> bool {
    !root.interrupt && (root.kind == RootKind::Thread || root.callers == Callers::Many)
}
