//! SARIF 2.1.0, the format of code scanning services.
//!
//! Paths are relative to the working directory (`%SRCROOT%`), lines and columns count from 1 in
//! characters. The two threads of a finding are the thread flows of one code flow. Files that were
//! not analysed are notifications of the invocation, which then was not successful.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Report;
use crate::findings::outcome::Problem;
use crate::findings::{Finding, Related, Root, Severity};
use crate::rule::Page;
use crate::source::span::Site;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Writes the log of one run. `rules` are the pages of the rules.
///
/// # Errors
/// Those of `out`.
pub fn write(report: &Report<'_>, rules: &[Page], out: &mut dyn Write) -> io::Result<()> {
    let outcome = report.outcome;
    let results: Vec<Value> = outcome
        .findings
        .iter()
        .map(|finding| result(report, rules, finding))
        .collect();
    let notifications: Vec<Value> = outcome
        .problems
        .iter()
        .map(|it| notification(report, it, "error"))
        .chain(
            outcome
                .notices
                .iter()
                .map(|it| notification(report, it, "note")),
        )
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "raceproof",
                    "version": env!("CARGO_PKG_VERSION"),
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": rules.iter().map(descriptor).collect::<Vec<_>>(),
                },
            },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": outcome.problems.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn descriptor(page: &Page) -> Value {
    json!({
        "id": page.name,
        "shortDescription": { "text": page.summary },
        "help": { "text": page.body, "markdown": page.body },
        "defaultConfiguration": { "level": level(page.severity), "enabled": !page.optional },
        "properties": { "tags": page.tags },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn result(report: &Report<'_>, rules: &[Page], finding: &Finding) -> Value {
    let parts = [&finding.message, &finding.consequence, &finding.advice];
    let message: Vec<String> = parts.into_iter().filter_map(|it| sentence(it)).collect();
    let message = message.join(" ");
    let related: Vec<Value> = finding
        .related
        .iter()
        .enumerate()
        .map(|(index, related)| {
            let mut location = location(report, related.site, &related.function);
            location["id"] = json!(index + 1);
            location["message"] = json!({ "text": related.message });
            location
        })
        .collect();
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": message },
        "locations": [location(report, finding.primary, &finding.function)],
        "relatedLocations": related,
        "partialFingerprints": { "raceproof/v1": finding.fingerprint },
        "properties": { "evidence": finding.evidence, "state": finding.state },
    });
    if let Some(index) = rules.iter().position(|page| page.name == finding.rule) {
        result["ruleIndex"] = json!(index);
    }
    if let Some(other) = finding.related.first() {
        result["codeFlows"] = json!([code_flow(report, finding, other)]);
    }
    result
}

/// A clause as a sentence; `None` when there is none.
fn sentence(clause: &str) -> Option<String> {
    let mut letters = clause.trim_end_matches('.').chars();
    let first = letters.next()?;
    Some(format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// One thread for each side: where it starts, then what it does.
fn code_flow(report: &Report<'_>, finding: &Finding, other: &Related) -> Value {
    let first = finding.roots.first();
    // Two threads of one root have the same start.
    let second = finding.roots.get(1).or(first);
    json!({
        "message": { "text": format!("two threads meet at `{}`", finding.state) },
        "threadFlows": [
            thread_flow(report, "1", first, finding.primary, &finding.label, &finding.function),
            thread_flow(report, "2", second, other.site, &other.message, &other.function),
        ],
    })
}

fn thread_flow(
    report: &Report<'_>,
    id: &str,
    root: Option<&Root>,
    site: Site,
    what: &str,
    function: &str,
) -> Value {
    let mut steps = Vec::new();
    let description = root.map_or("a thread", |root| root.description.as_str());
    if let Some(spawn) = root.and_then(|root| root.spawn) {
        let mut location = location(report, spawn, "");
        location["message"] = json!({ "text": format!("starts {description}") });
        steps.push(json!({ "location": location }));
    }
    let mut location = location(report, site, function);
    location["message"] = json!({ "text": what });
    steps.push(json!({ "location": location, "importance": "essential" }));
    json!({ "id": id, "message": { "text": description }, "locations": steps })
}

fn location(report: &Report<'_>, site: Site, function: &str) -> Value {
    let place = report.place(site);
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": artifact(&place.path),
            "region": {
                "startLine": place.start.line,
                "startColumn": place.start.column,
                "endLine": place.end.line,
                "endColumn": place.end.column,
            },
        },
    });
    if !function.is_empty() {
        location["logicalLocations"] =
            json!([{ "fullyQualifiedName": function, "kind": "function" }]);
    }
    location
}

fn artifact(path: &str) -> Value {
    if path.starts_with('/') {
        return json!({ "uri": format!("file://{}", uri(path)) });
    }
    json!({ "uri": uri(path), "uriBaseId": "%SRCROOT%" })
}

/// A path as a URI reference: everything but the unreserved characters of RFC 3986 and the slash
/// is percent-encoded.
fn uri(path: &str) -> String {
    use std::fmt::Write;
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

fn notification(report: &Report<'_>, problem: &Problem, level: &str) -> Value {
    let path = report.shown(&problem.path);
    let mut location = json!({ "artifactLocation": artifact(&path) });
    if let Some(position) = problem.position {
        location["region"] = json!({
            "startLine": position.line,
            "startColumn": position.column,
        });
    }
    json!({
        "level": level,
        "message": { "text": problem.message },
        "locations": [{ "physicalLocation": location }],
    })
}
