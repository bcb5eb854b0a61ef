//! Findings as JSON: one document, or one line for each finding.

use std::io::{self, Write};

use serde::Serialize;

use super::Report;
use crate::findings::outcome::{Coverage, Hidden, Problem};
use crate::findings::{Evidence, Finding, Severity};

#[derive(Serialize)]
struct Record<'a> {
    rule: &'a str,
    severity: Severity,
    evidence: Evidence,
    message: &'a str,
    path: String,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    function: &'a str,
    state: &'a str,
    related: Vec<RelatedRecord<'a>>,
    roots: Vec<RootRecord<'a>>,
    fingerprint: &'a str,
}

#[derive(Serialize)]
struct RelatedRecord<'a> {
    path: String,
    line: u32,
    column: u32,
    message: &'a str,
}

#[derive(Serialize)]
struct RootRecord<'a> {
    description: &'a str,
    many: bool,
    explicit: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
}

#[derive(Serialize)]
struct ProblemRecord<'a> {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    message: &'a str,
}

#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    findings: Vec<Record<'a>>,
    problems: Vec<ProblemRecord<'a>>,
    notices: Vec<ProblemRecord<'a>>,
    coverage: Coverage,
    hidden: Hidden,
}

/// Writes one document with the findings and everything else the run has to say.
///
/// # Errors
/// Those of `out`.
pub fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let outcome = report.outcome;
    let document = Document {
        version: env!("CARGO_PKG_VERSION"),
        findings: outcome
            .findings
            .iter()
            .map(|finding| record(report, finding))
            .collect(),
        problems: outcome
            .problems
            .iter()
            .map(|it| problem(report, it))
            .collect(),
        notices: outcome
            .notices
            .iter()
            .map(|it| problem(report, it))
            .collect(),
        coverage: outcome.coverage,
        hidden: outcome.hidden,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// Writes one line for each finding.
///
/// # Errors
/// Those of `out`.
pub fn write_lines(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    for finding in &report.outcome.findings {
        serde_json::to_writer(&mut *out, &record(report, finding))?;
        writeln!(out)?;
    }
    Ok(())
}

fn record<'a>(report: &Report<'_>, finding: &'a Finding) -> Record<'a> {
    let place = report.place(finding.primary);
    let related = finding.related.iter().map(|related| {
        let place = report.place(related.site);
        RelatedRecord {
            path: place.path,
            line: place.start.line,
            column: place.start.column,
            message: &related.message,
        }
    });
    let roots = finding.roots.iter().map(|root| {
        let spawn = root.spawn.map(|site| report.place(site));
        RootRecord {
            description: &root.description,
            many: root.many,
            explicit: root.explicit,
            line: spawn.as_ref().map(|place| place.start.line),
            column: spawn.as_ref().map(|place| place.start.column),
            path: spawn.map(|place| place.path),
        }
    });
    Record {
        rule: &finding.rule,
        severity: finding.severity,
        evidence: finding.evidence,
        message: &finding.message,
        line: place.start.line,
        column: place.start.column,
        end_line: place.end.line,
        end_column: place.end.column,
        path: place.path,
        function: &finding.function,
        state: &finding.state,
        related: related.collect(),
        roots: roots.collect(),
        fingerprint: &finding.fingerprint,
    }
}

fn problem<'a>(report: &Report<'_>, problem: &'a Problem) -> ProblemRecord<'a> {
    ProblemRecord {
        path: report.shown(&problem.path),
        line: problem.position.map(|position| position.line),
        column: problem.position.map(|position| position.column),
        message: &problem.message,
    }
}
