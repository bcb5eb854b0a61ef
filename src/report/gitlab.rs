//! GitLab's code quality report: an array of issues as Code Climate defined them.

use std::io::{self, Write};

use serde_json::json;

use super::Report;
use crate::findings::Severity;

/// Writes the report.
///
/// # Errors
/// Those of `out`.
pub fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let issues: Vec<_> = report
        .outcome
        .findings
        .iter()
        .map(|finding| {
            let place = report.place(finding.primary);
            json!({
                "description": format!("{}: {}", finding.rule, finding.message),
                "check_name": finding.rule,
                "fingerprint": finding.fingerprint,
                "severity": match finding.severity {
                    Severity::Error => "critical",
                    Severity::Warning => "major",
                    Severity::Info => "info",
                },
                "location": {
                    "path": place.path,
                    "lines": { "begin": place.start.line, "end": place.end.line },
                },
            })
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    writeln!(out)
}
