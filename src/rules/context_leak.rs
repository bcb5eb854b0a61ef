//! The check behind `rules/context-leak.md`; read that page first.

use super::one_a_site;
use crate::program::effect::Action;
use crate::program::roots::{Record, Root, RootKind};
use crate::program::{Program, Target};
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct ContextLeak;

impl Rule for ContextLeak {
    fn name(&self) -> &'static str {
        "context-leak"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        if program.options().target < Target::Py314t {
            return;
        }
        let reads = one_a_site(program, |record| {
            matches!(record.action, Action::Context { store: false, .. })
                && is_worker(program.root_of(record))
        });
        for read in reads {
            let Some(spawn) = program.root_of(read).spawn else {
                continue;
            };
            // A value that differs between callers: set, by a function that is called often.
            let set = program.records().iter().find(|it| {
                it.key == read.key
                    && matches!(it.action, Action::Context { store: true, .. })
                    && !is_worker(program.root_of(it))
                    && it.at.function.index != 0
            });
            let sets_itself = program.records().iter().any(|it| {
                it.key == read.key
                    && it.root == read.root
                    && matches!(it.action, Action::Context { store: true, .. })
            });
            let Some(set) = set.filter(|_| !sets_itself) else {
                continue;
            };
            let variable = read.words;
            let mut shown: Record = read.clone();
            shown.at = spawn;
            report.record(
                &shown,
                Text {
                    message: format!(
                        "the pool worker started here reads `{variable}` of whichever caller made the pool grow"
                    ),
                    label: "runs in the context of the worker, not of this caller".to_owned(),
                    consequence: "one caller's value is used for another one's work".to_owned(),
                    advice: "submit `contextvars.copy_context().run` with the function, or pass the value"
                        .to_owned(),
                },
                variable.to_string(),
                vec![
                    (read.at, "read here, in the worker".to_owned()),
                    (set.at, "set here, by the caller".to_owned()),
                ],
                &[set],
            );
        }
    }
}

fn is_worker(root: &Root) -> bool {
    root.kind == RootKind::Thread && root.runs_as.as_str() == "pool worker"
}
