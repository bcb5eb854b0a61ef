//! The check behind `rules/torn-state.md`; read that page first.

use crate::program::Program;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct TornState;

impl Rule for TornState {
    fn name(&self) -> &'static str {
        "torn-state"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        for torn in program.torn() {
            let [first, second] = torn.reads.map(|it| program.record(it));
            let [write, _] = torn.writes.map(|it| program.record(it));
            let lock = torn.lock;
            let mut related = vec![(
                write.at,
                format!("changed together with the other under `{lock}`"),
            )];
            if second.at != first.at {
                related.push((second.at, "the other is read here".to_owned()));
            }
            let state = format!("{} {}", first.words, second.words);
            report.record(
                first,
                Text {
                    message: format!(
                        "`{}` and `{}` are read without `{lock}`, under which they change together",
                        first.words, second.words
                    ),
                    label: "read without the lock".to_owned(),
                    consequence:
                        "the reader sees one field from before and the other from after a change"
                            .to_owned(),
                    advice: format!("hold `{lock}` while reading both"),
                },
                state,
                related,
                &[write],
            );
        }
    }
}
