//! The line that ends every run: what was found, what is hidden, what was analysed and what not.

use std::fmt::Write;

use super::Report;
use super::escape::one_line;
use crate::findings::Severity;
use crate::findings::outcome::{Outcome, Problem};

/// The summary, without a line feed.
pub fn line(outcome: &Outcome) -> String {
    let mut text = findings(outcome);
    let coverage = &outcome.coverage;
    let _ = write!(
        text,
        ". Analysed {}, {}, {}",
        count(coverage.files, "file"),
        count(coverage.lines, "line"),
        count(coverage.functions, "function"),
    );
    if coverage.calls > 0 {
        let _ = write!(
            text,
            "; {} of {} unresolved",
            grouped(coverage.unresolved_calls),
            count(coverage.calls, "call"),
        );
    }
    if coverage.limits > 0 {
        let _ = write!(
            text,
            "; {} of the analysis hit",
            count(coverage.limits, "limit")
        );
    }
    let left_out: Vec<String> = [(coverage.stubs, "stub"), (coverage.notebooks, "notebook")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| count(number, word))
        .collect();
    if !left_out.is_empty() {
        let _ = write!(text, "; {} left out", left_out.join(" and "));
    }
    match outcome.problems.len() {
        0 => {}
        1 => text.push_str("; 1 path could not be analysed as it should, see above"),
        n => {
            let _ = write!(
                text,
                "; {} paths could not be analysed as they should, see above",
                grouped(n)
            );
        }
    }
    text.push('.');
    text
}

fn findings(outcome: &Outcome) -> String {
    let of = |severity| {
        let matching = outcome.findings.iter().filter(|it| it.severity == severity);
        matching.count()
    };
    let mut text = match outcome.findings.len() {
        0 => "Nothing found".to_owned(),
        _ => {
            let parts: Vec<String> = [
                (of(Severity::Error), "error"),
                (of(Severity::Warning), "warning"),
                (of(Severity::Info), "info"),
            ]
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| match word {
                "info" => format!("{} info", grouped(number)),
                _ => count(number, word),
            })
            .collect();
            format!("Found {}", parts.join(", "))
        }
    };
    let hidden = &outcome.hidden;
    let parts: Vec<String> = [
        (hidden.suppressed, "suppressed"),
        (hidden.baseline, "in the baseline"),
        (hidden.off, "of rules that are off"),
        (hidden.elsewhere, "outside the given paths"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, why)| format!("{} {why}", grouped(number)))
    .collect();
    if !parts.is_empty() {
        let _ = write!(text, " ({})", parts.join(", "));
    }
    text
}

/// `path:line:column: message`, for what is said about files.
pub fn problem(report: &Report<'_>, problem: &Problem) -> String {
    let mut text = one_line(&report.shown(&problem.path));
    if let Some(position) = problem.position {
        let _ = write!(text, ":{}:{}", position.line, position.column);
    }
    let _ = write!(text, ": {}", one_line(&problem.message));
    text
}

/// `1 file`, `2,000 files`.
pub fn count(number: usize, word: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {word}{plural}", grouped(number))
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
