//! The check behind `rules/lock-order.md`; read that page first.

use super::seen_from;
use crate::program::Program;
use crate::program::effect::{Action, At};
use crate::program::roots::Record;
use crate::rule::{Reporter, Rule, Text};

const TAKEN: &str = "taken inside the call, here";

/// See the page.
pub struct LockOrder;

impl Rule for LockOrder {
    fn name(&self) -> &'static str {
        "lock-order"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        for cycle in program.cycles() {
            let records: Vec<&Record> = cycle
                .acquisitions
                .iter()
                .map(|&it| program.record(it))
                .collect();
            let Some((&first, others)) = records.split_first() else {
                continue;
            };
            // Each acquisition waits for its own lock and holds that of the one before.
            let held_at = |position: usize| {
                let before = (position + records.len() - 1) % records.len();
                records[before].words
            };
            let (mut shown, mut related) = seen_from(first, TAKEN);
            for (position, record) in records.iter().enumerate().skip(1) {
                let (other, more) = seen_from(record, TAKEN);
                related.push((
                    other.at,
                    format!(
                        "here `{}` is taken while `{}` is held",
                        record.words,
                        held_at(position)
                    ),
                ));
                related.extend(more);
            }
            // Implicit where any side is.
            if let Some(assumed) = others.iter().find(|it| !program.root_of(it).explicit) {
                shown.root = assumed.root;
            }
            if let Action::Unordered { .. } = first.action {
                report_unordered(report, &shown, first, related, &records);
                continue;
            }
            let circle: Vec<String> = records.iter().map(|it| format!("`{}`", it.words)).collect();
            report.record(
                &shown,
                Text {
                    message: format!("{} are taken in different orders", circle.join(" and ")),
                    label: format!(
                        "`{}` is taken here while `{}` is held",
                        first.words,
                        held_at(0)
                    ),
                    consequence:
                        "each thread holds the lock that the other waits for, and both wait for ever"
                            .to_owned(),
                    advice: "take them in one order everywhere, or release the first before taking the second"
                        .to_owned(),
                },
                circle.join(" "),
                related,
                &records,
            );
        }
    }
}

/// Two of a kind, each taken first by some thread.
fn report_unordered(
    report: &mut Reporter<'_>,
    shown: &Record,
    first: &Record,
    related: Vec<(At, String)>,
    records: &[&Record],
) {
    let lock = first.words;
    report.record(
        shown,
        Text {
            message: format!("two of `{lock}` are taken in no fixed order"),
            label: format!("a second `{lock}` is taken here while one is held"),
            consequence: "two threads that start from opposite sides each hold the lock that the other \
                          waits for, for ever"
                .to_owned(),
            advice: "sort the two, by `id()` or a number of their own, and take the smaller one first; or \
                     hold one lock around both"
                .to_owned(),
        },
        lock.to_string(),
        related,
        records,
    );
}
