//! The four patterns of free-threading folklore: `check` reports the first two and is silent on the
//! last two. The README shows the same table.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "mdtest/expect.rs"]
#[allow(dead_code)]
mod expect;

use std::path::Path;

use expect::expectations;
use raceproof::config::Settings;
use raceproof::engine;
use raceproof::findings::Severity;
use raceproof::source::text::SourceText;

/// Lines with the rule that reports them, sorted.
type Lines = Vec<(usize, String)>;

/// What is reported at `warning` or above, and what the comments expect.
fn reported(name: &str) -> (Lines, Lines) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/patterns")
        .join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let outcome = engine::check_memory(&[(name, &text)], &Settings::default());
    assert!(outcome.problems.is_empty(), "{:?}", outcome.problems);
    let source = SourceText::new(text.clone());
    let mut found: Vec<_> = outcome
        .findings
        .iter()
        .filter(|it| it.severity > Severity::Info)
        .map(|it| {
            let line = source.position(it.primary.range.start).line as usize;
            (line, it.rule.clone())
        })
        .collect();
    found.sort();
    let mut expected: Vec<_> = expectations(&text)
        .unwrap()
        .into_iter()
        .map(|it| (it.line, it.rule.unwrap()))
        .collect();
    expected.sort();
    (found, expected)
}

#[test]
fn an_unlocked_shared_counter_is_reported() {
    let (found, expected) = reported("unlocked_counter.py");
    assert_eq!(expected.len(), 1);
    assert_eq!(found, expected);
}

#[test]
fn an_unlocked_shared_list_and_dict_are_reported() {
    let (found, expected) = reported("unlocked_containers.py");
    assert_eq!(expected.len(), 2);
    assert_eq!(found, expected);
}

#[test]
fn isolated_tasks_are_silent() {
    assert_eq!(reported("isolated_tasks.py"), (vec![], vec![]));
}

#[test]
fn proper_locking_is_silent() {
    assert_eq!(reported("proper_locking.py"), (vec![], vec![]));
}
