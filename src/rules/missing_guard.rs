//! The check behind `rules/missing-guard.md`; read that page first.

use rustc_hash::FxHashSet;

use crate::program::Program;
use crate::program::effect::Action;
use crate::program::queries::Declared;
use crate::program::roots::Record;
use crate::rule::{Reporter, Rule, Text};

/// See the page.
pub struct MissingGuard;

impl Rule for MissingGuard {
    fn name(&self) -> &'static str {
        "missing-guard"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        for declared in program.declared_guards() {
            guarded(program, &declared, report);
        }
        for declared in program.declared_requirements() {
            required(program, &declared, report);
        }
    }
}

/// `# guarded-by:`: every access but those of the constructor holds the lock.
fn guarded(program: &Program, declared: &Declared, report: &mut Reporter<'_>) {
    let places: FxHashSet<u64> = program
        .records()
        .iter()
        .filter(|it| is_access(it) && it.at.function == declared.function)
        .filter(|it| {
            declared.line.start <= it.at.range.start && it.at.range.end <= declared.line.end
        })
        .map(|it| it.key)
        .collect();
    for record in program.records() {
        let initialises = record.in_constructor || record.at.function == declared.function;
        if !places.contains(&record.key)
            || !is_access(record)
            || initialises
            || holds(record, &declared.lock)
        {
            continue;
        }
        let place = record.words;
        let text = Text {
            message: format!(
                "`{place}` is used without `{}`, its declared guard",
                declared.lock
            ),
            label: "used here".to_owned(),
            consequence: "another thread that holds the lock may be in the middle of a change"
                .to_owned(),
            advice: format!("hold `{}` here, or correct the declaration", declared.lock),
        };
        let related = vec![(declared.at(), "the guard is declared here".to_owned())];
        report.record(record, text, place.to_string(), related, &[]);
    }
}

/// `# requires:`: every call from outside holds the lock.
fn required(program: &Program, declared: &Declared, report: &mut Reporter<'_>) {
    let name = program.links().qualified_name(declared.function);
    let mut seen = FxHashSet::default();
    for record in program.records() {
        let direct = record.via.function == declared.function;
        if record.at.function != declared.function
            || direct
            || holds(record, &declared.lock)
            || !seen.insert(record.via)
        {
            continue;
        }
        let text = Text {
            message: format!(
                "`{name}` requires `{}`, which is not held here",
                declared.lock
            ),
            label: "called without the lock".to_owned(),
            consequence: "what the function changes is not protected".to_owned(),
            advice: format!("call it inside `with {}:`", declared.lock),
        };
        let related = vec![(declared.at(), "the requirement is declared here".to_owned())];
        report.at(record.via, text, name.clone(), related);
    }
}

fn is_access(record: &Record) -> bool {
    matches!(record.action, Action::Access(_))
}

/// Whether a lock of this spelling is held: `self._lock` stands for the `_lock` of any class.
fn holds(record: &Record, lock: &str) -> bool {
    let last = |text: &str| text.rsplit('.').next().map(str::to_owned);
    record
        .held
        .iter()
        .any(|held| held.covers && last(held.words.as_str()) == last(lock))
}
