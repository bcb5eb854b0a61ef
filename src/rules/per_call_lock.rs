//! The check behind `rules/per-call-lock.md`; read that page first.

use rustc_hash::FxHashSet;

use super::{may_run_beside_others, one_a_site};
use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::program::effect::Action;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct PerCallLock;

impl Rule for PerCallLock {
    fn name(&self) -> &'static str {
        "per-call-lock"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::PerCallLock);
        let mut told = FxHashSet::default();
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            told.insert(primary.at.function);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("the lock around `{place}` is made anew for each call"),
                    label: describe(primary),
                    consequence:
                        "every thread holds a lock of its own, so nobody waits: updates are lost"
                            .to_owned(),
                    advice: "make the lock once, beside what it protects".to_owned(),
                },
            );
        }
        // Whatever is done under such a lock, it keeps nobody out.
        let fresh = one_a_site(program, |record| {
            matches!(record.action, Action::FreshLock { .. }) && !told.contains(&record.at.function)
        });
        for record in fresh {
            report.record(
                record,
                Text {
                    message: "this lock is made anew for each call".to_owned(),
                    label: "nobody else can have the lock that is taken here".to_owned(),
                    consequence: "every thread holds a lock of its own, so nobody waits".to_owned(),
                    advice: "make the lock once, beside what it protects".to_owned(),
                },
                record.words.to_string(),
                Vec::new(),
                &[],
            );
        }
        let dropped = one_a_site(program, |record| {
            matches!(record.action, Action::DroppedLock { .. })
                && may_run_beside_others(program.root_of(record))
        });
        for record in dropped {
            let table = record.words;
            report.record(
                record,
                Text {
                    message: format!("a lock is removed from `{table}` while it may be held"),
                    label: "whoever asks next makes another lock".to_owned(),
                    consequence: "two threads hold two locks for one thing, so neither waits"
                        .to_owned(),
                    advice: "take the lock before removing it, or keep it".to_owned(),
                },
                table.to_string(),
                Vec::new(),
                &[],
            );
        }
    }
}
