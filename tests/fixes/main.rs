//! Every kind of fix, on findings of the real analysis: the text afterwards, and that analysing it
//! again finds neither the defect nor a new one.
#![allow(clippy::unwrap_used, missing_docs)]

mod cases;
mod command;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use raceproof::config::Settings;
use raceproof::engine::{Host, Job};
use raceproof::findings::outcome::Outcome;
use raceproof::findings::{Finding, Severity};
use raceproof::fixes::{Fix, Safety, Source, apply, fixes, remove_ignore};
use raceproof::source::files::Memory;
use raceproof::source::parse::{errors, parse};
use raceproof::source::text::Sources;

fn analyse(text: &str) -> (Outcome, Sources) {
    let files = Memory::new([("module.py", text.as_bytes())]);
    let snapshot = Host::new(Arc::new(files)).snapshot();
    let outcome = snapshot
        .check(&Settings::default(), &Job::default())
        .unwrap();
    let sources = snapshot.sources(outcome.files.clone());
    (outcome, sources)
}

/// What is found, without places, which fixes move.
fn found(outcome: &Outcome) -> BTreeSet<(String, String, String)> {
    outcome
        .findings
        .iter()
        .filter(|it| it.severity >= Severity::Warning)
        .map(|it| (it.rule.clone(), it.state.clone(), it.function.clone()))
        .collect()
}

/// The fixes of each finding of a rule.
fn proposals(text: &str, rule: &str) -> Vec<(Finding, Vec<Fix>)> {
    let (outcome, sources) = analyse(text);
    outcome
        .findings
        .iter()
        .filter(|it| it.rule == rule)
        .map(|finding| {
            let text = sources.text(finding.primary.file);
            let parsed = parse(&text.text).unwrap();
            let source = Source {
                file: finding.primary.file,
                text: &text.text,
                parsed: &parsed,
            };
            (finding.clone(), fixes(&source, finding))
        })
        .collect()
}

/// The one fix of a rule whose title has `words` in it does what it should.
#[track_caller]
fn check(rule: &str, words: &str, safety: Safety, before: &str, after: &str) {
    let proposals = proposals(before, rule);
    let all = format!("{:#?}", analyse(before).0.findings);
    assert!(!proposals.is_empty(), "no `{rule}` in\n{before}\n{all}");
    let fitting: Vec<&Fix> = proposals
        .iter()
        .flat_map(|(_, fixes)| fixes)
        .filter(|it| it.title.contains(words))
        .collect();
    let [fix] = fitting.as_slice() else {
        panic!("{} fixes fit: {proposals:#?}", fitting.len());
    };
    assert_eq!(fix.safety, safety);
    let (text, applied) = apply(before, [*fix]);
    assert_eq!(applied, [0]);
    assert_eq!(text, after, "\n--- got\n{text}\n--- wanted\n{after}");

    let parsed = parse(&text).unwrap();
    assert_eq!(errors(&parsed).next().map(|it| it.message), None, "{text}");
    let (finding, _) = proposals
        .iter()
        .find(|(_, fixes)| fixes.iter().any(|it| it == *fix))
        .unwrap();
    let known_as = |rule: &str| {
        (
            rule.to_owned(),
            finding.state.clone(),
            finding.function.clone(),
        )
    };
    let (outcome, _) = analyse(&text);
    let (was, mut is) = (found(&analyse(before).0), found(&outcome));
    if words == "Declare" {
        // The guard is checked strictly from now on, here too.
        assert!(is.remove(&known_as("missing-guard")), "{is:#?}\n{text}");
    }
    let new: Vec<_> = is.difference(&was).collect();
    assert!(new.is_empty(), "new: {new:#?}\n{text}");
    let gone = known_as(&finding.rule);
    assert!(!is.contains(&gone), "still there: {gone:?}\n{text}");
    let notices: Vec<_> = outcome.notices.iter().map(|it| &it.message).collect();
    assert!(notices.is_empty(), "{notices:?}\n{text}");
}

/// No finding of the rule, of which there must be one, has a fix with `words` in its title.
#[track_caller]
fn check_none(rule: &str, words: &str, text: &str) {
    let proposals = proposals(text, rule);
    let all = format!("{:#?}", analyse(text).0.findings);
    assert!(!proposals.is_empty(), "no `{rule}` in\n{text}\n{all}");
    for (_, fixes) in proposals {
        let fitting: Vec<Fix> = fixes
            .into_iter()
            .filter(|it| it.title.contains(words))
            .collect();
        assert!(fitting.is_empty(), "{fitting:#?}");
    }
}

/// Removing what the notices about ignore comments name gives `after`.
#[track_caller]
fn check_ignores(before: &str, after: &str) {
    let mut text = before.to_owned();
    for _ in 0..10 {
        let (outcome, sources) = analyse(&text);
        let Some(notice) = outcome.notices.iter().find(|it| it.ignore.is_some()) else {
            break;
        };
        assert_eq!(notice.path, Path::new("module.py"));
        let ignore = notice.ignore.as_ref().unwrap();
        let parsed = parse(&text).unwrap();
        let source = Source {
            file: raceproof::source::span::FileId(0),
            text: &sources.text(raceproof::source::span::FileId(0)).text,
            parsed: &parsed,
        };
        let fix = remove_ignore(&source, ignore.comment, ignore.rule.as_deref()).unwrap();
        text = apply(&text, [&fix]).0;
    }
    assert_eq!(text, after);
}
