//! The check behind `rules/thread-local-at-import.md`; read that page first.

use rustc_hash::FxHashSet;

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
            matches!(record.action, Action::ThreadLocal { store: true, .. }) && is_once(record)
        });
        let mut told = FxHashSet::default();
        for record in stores {
            let uses = || program.records().iter().filter(|it| it.key == record.key);
            // Code that copes with its absence, or sets it in each thread, knows.
            let copes = uses().any(|it| match it.action {
                Action::ThreadLocal { store: true, .. } => !is_once(it),
                Action::ThreadLocal { tested, .. } => {
                    tested && !at_import(it) || record.in_constructor && is_caught(program, it)
                }
                _ => false,
            });
            // An object that each thread makes for itself is filled there too.
            let fills = |root: u32| uses().any(|it| it.in_constructor && it.root == root);
            let mut reads: Vec<&Record> = uses()
                .filter(|it| {
                    matches!(it.action, Action::ThreadLocal { store: false, .. })
                        && !is_once(it)
                        && !it.own
                        && is_other_thread(program.root_of(it))
                        && !fills(it.root)
                })
                .collect();
            reads.sort_by_key(|it| (!program.root_of(it).explicit, it.at));
            let Some(read) = reads.first().filter(|_| !copes) else {
                continue;
            };
            // One constructor fills many attributes, and one of them tells.
            if !at_import(record) && !told.insert(record.at.function) {
                continue;
            }
            let name = record.words;
            let mut shown = record.clone();
            shown.root = read.root;
            let (thread, label) = if at_import(record) {
                (
                    "importing",
                    "runs once, in the thread that imports the module",
                )
            } else {
                ("creating", "runs once, in the thread that makes the object")
            };
            report.record(
                &shown,
                Text {
                    message: format!("`{name}` is set for the {thread} thread only"),
                    label: label.to_owned(),
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

/// Code that runs in one thread alone, whoever comes later: the body of a module, or the constructor
/// of the object that keeps the thread-local one.
fn is_once(record: &Record) -> bool {
    at_import(record) || record.in_constructor
}

fn at_import(record: &Record) -> bool {
    record.at.function.index == 0
}

/// Whether its absence is caught where it is used.
fn is_caught(program: &Program, record: &Record) -> bool {
    let mut ops = program.links().function(record.at.function).ops.iter();
    ops.any(|op| op.range == record.at.range && op.absence_handled)
}

/// Not the thread that imports, or makes the objects.
fn is_other_thread(root: &Root) -> bool {
    !root.interrupt && (root.kind == RootKind::Thread || root.callers == Callers::Many)
}
