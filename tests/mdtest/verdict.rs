//! Programs through the analysis, and what it says against what is expected.

use std::collections::BTreeSet;

use raceproof::config::{Settings, Table};
use raceproof::engine;
use raceproof::findings::Severity;
use raceproof::source::span::Site;
use raceproof::source::text::SourceText;

use super::expect::{Expectation, Kind, expectations};
use super::fact::Facts;
use super::page::{File, Page, Program, Section};

/// A finding, as far as pages speak of it.
struct Seen {
    /// Index of the file in the program, and line.
    at: (usize, usize),
    rule: String,
    severity: Severity,
    message: String,
    related: Vec<(usize, usize)>,
}

/// Runs the programs of a section. Empty when all is as the page says; otherwise one line for each
/// difference, beginning with its place in the page.
pub fn check(page: &Page, section: &Section) -> Vec<String> {
    let settings = match settings(section) {
        Ok(settings) => settings,
        Err(error) => return vec![format!("{}:{}: {error}", page.path, section.line)],
    };
    section
        .programs
        .iter()
        .flat_map(|program| check_program(page, section, program, &settings))
        .collect()
}

fn settings(section: &Section) -> Result<Settings, String> {
    let Some(config) = &section.config else {
        return Ok(Settings::default());
    };
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("raceproof.toml");
    std::fs::write(&file, config).map_err(|error| error.to_string())?;
    Table::read(&file, raceproof::rule::names())
        .and_then(Settings::resolve)
        .map_err(|error| error.to_string())
}

fn check_program(
    page: &Page,
    section: &Section,
    program: &Program,
    settings: &Settings,
) -> Vec<String> {
    let mut expected: Vec<(usize, Expectation)> = Vec::new();
    for (index, file) in program.files.iter().enumerate() {
        match expectations(&file.text) {
            Ok(found) => expected.extend(found.into_iter().map(|it| (index, it))),
            Err((line, error)) => return vec![format!("{}: {error}", place(page, file, line))],
        }
    }
    let mut failures = misplaced(page, section, program, &expected);

    let files: Vec<(&str, &str)> = program
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.text.as_str()))
        .collect();
    let outcome = engine::check_memory(&files, settings);
    for problem in &outcome.problems {
        let file = program
            .files
            .iter()
            .find(|it| problem.path.ends_with(&it.path));
        let line = problem.position.map_or(1, |it| it.line as usize);
        let here = place(page, file.unwrap_or(&program.files[0]), line);
        failures.push(format!("{here}: {}", problem.message));
    }
    let texts: Vec<SourceText> = program
        .files
        .iter()
        .map(|file| SourceText::new(file.text.clone()))
        .collect();
    let at = |site: &Site| {
        let path = &outcome.files[site.file.0 as usize];
        let index = program
            .files
            .iter()
            .position(|file| path.ends_with(&file.path))
            .unwrap_or(0);
        let line = texts[index].position(site.range.start).line as usize;
        (index, line)
    };
    let seen: Vec<Seen> = outcome
        .findings
        .iter()
        .map(|finding| Seen {
            at: at(&finding.primary),
            rule: finding.rule.clone(),
            severity: finding.severity,
            message: finding.message.clone(),
            related: finding.related.iter().map(|it| at(&it.site)).collect(),
        })
        .collect();

    let is_fact = |it: &Expectation| matches!(it.kind, Kind::Holds | Kind::RunsOn);
    let facts = expected
        .iter()
        .any(|(_, it)| is_fact(it))
        .then(|| Facts::of(program, settings));

    let mut explained = BTreeSet::new();
    for (index, expectation) in &expected {
        let rule = expectation.rule.as_ref().or(page.rule.as_ref());
        let here = (*index, expectation.line);
        let line = place(page, &program.files[*index], expectation.line);
        let of_rule = |it: &&Seen| it.at == here && rule.is_none_or(|rule| it.rule == *rule);
        let named = rule.map_or("a finding".to_owned(), |rule| {
            format!("a finding of `{rule}`")
        });
        match expectation.kind {
            Kind::Holds | Kind::RunsOn => {
                let file = &program.files[*index].path;
                let differs = facts.as_ref().and_then(|it| it.differs(file, expectation));
                failures.extend(differs.map(|it| format!("{line}: {it}")));
            }
            Kind::Related => {
                if !seen.iter().any(|it| it.related.contains(&here)) {
                    failures.push(format!("{line}: no finding names this line as related"));
                }
            }
            Kind::Missed => {
                if let Some(found) = seen.iter().find(of_rule) {
                    failures.push(format!(
                        "{line}: no longer missed, write `# error`: {}",
                        found.message
                    ));
                }
            }
            Kind::Error | Kind::FalseAlarm | Kind::Info => {
                let info = expectation.kind == Kind::Info;
                let matching: Vec<&Seen> = seen
                    .iter()
                    .filter(of_rule)
                    .filter(|it| (it.severity == Severity::Info) == info)
                    .collect();
                if matching.is_empty() {
                    let end = if expectation.kind == Kind::FalseAlarm {
                        " any more: move the example under `Not reported`"
                    } else {
                        ""
                    };
                    failures.push(format!("{line}: there is not {named}{end}"));
                }
                for found in matching {
                    let wanted = expectation.text.as_deref();
                    if let Some(text) = wanted.filter(|it| !found.message.contains(it)) {
                        failures.push(format!(
                            "{line}: the message does not say \"{text}\": {}",
                            found.message
                        ));
                    }
                    explained.insert((found.at, found.rule.clone()));
                }
            }
        }
    }
    for found in &seen {
        if !explained.contains(&(found.at, found.rule.clone())) {
            failures.push(format!(
                "{}: unexpected {} [{}] {}",
                place(page, &program.files[found.at.0], found.at.1),
                format!("{:?}", found.severity).to_lowercase(),
                found.rule,
                found.message
            ));
        }
    }
    failures
}

/// Expectations under a heading that does not want them; pages of `rules/` only.
fn misplaced(
    page: &Page,
    section: &Section,
    program: &Program,
    expected: &[(usize, Expectation)],
) -> Vec<String> {
    let Some(rule) = &page.rule else {
        return Vec::new();
    };
    let own = |it: &Expectation| it.rule.as_ref().is_none_or(|name| name == rule);
    let reports = expected
        .iter()
        .any(|(_, it)| own(it) && matches!(it.kind, Kind::Error | Kind::Info));
    let gap = expected
        .iter()
        .any(|(_, it)| matches!(it.kind, Kind::FalseAlarm | Kind::Missed));
    let wrong = match section.title.as_str() {
        "Reported" if !reports => "expects no finding of this rule",
        "Reported" | "Not reported" | "How to fix" if gap => {
            "has a known gap, which belongs under `Limits`"
        }
        "Not reported" | "How to fix" if reports => "expects a finding of this rule",
        "Limits" if !gap => "has neither `# missed` nor `# false-alarm`",
        _ => return Vec::new(),
    };
    vec![format!(
        "{}: an example under `{}` {wrong}",
        place(page, &program.files[0], 1),
        section.title
    )]
}

/// Where a line of a block stands in its page.
fn place(page: &Page, file: &File, line: usize) -> String {
    format!("{}:{}", page.path, file.line + line - 1)
}
