//! The check behind `rules/inconsistent-lock.md`; read that page first.

use crate::program::Program;
use crate::program::atomicity::Access;
use crate::program::conflicts::Defect;
use crate::program::effect::Action;
use crate::program::roots::Record;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct InconsistentLock;

impl Rule for InconsistentLock {
    fn name(&self) -> &'static str {
        "inconsistent-lock"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::UnguardedWrite);
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            let (guard, held, total) = conflict.guard.map_or_else(
                || ("the lock".to_owned(), 0, 0),
                |(words, held, total)| (words.to_string(), held, total),
            );
            let verb = verb(primary);
            report.conflict(
                conflict,
                Text {
                    message: format!("`{place}` is {verb} without `{guard}`, which {held} of its {total} accesses hold"),
                    label: describe(primary),
                    consequence: "the critical sections of the other threads see it change in their middle, and updates are lost".to_owned(),
                    advice: format!("hold `{guard}` here too"),
                },
            );
        }
    }
}

fn verb(record: &Record) -> &'static str {
    let Action::Access(access) = record.action else {
        return "changed";
    };
    match access.access {
        Access::Update => "updated",
        Access::Write => "written",
        Access::Delete => "deleted",
        Access::Iterate => "iterated",
        _ => "changed",
    }
}
