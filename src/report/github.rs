//! Workflow commands that GitHub Actions shows beside the code.

use std::io::{self, Write};

use super::Report;
use crate::findings::Severity;

/// Writes a command for each finding and for each file that was not analysed.
///
/// # Errors
/// Those of `out`.
pub fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    for finding in &report.outcome.findings {
        let level = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let place = report.place(finding.primary);
        write!(
            out,
            "::{level} file={},line={},endLine={}",
            property(&place.path),
            place.start.line,
            place.end.line
        )?;
        // Columns are shown only for a place on one line.
        if place.start.line == place.end.line {
            write!(
                out,
                ",col={},endColumn={}",
                place.start.column, place.end.column
            )?;
        }
        let mut message = finding.message.clone();
        for related in &finding.related {
            let address = report.address(related.site);
            message.push_str(&format!("\n{address}: {}", related.message));
        }
        for part in [&finding.consequence, &finding.advice] {
            if !part.is_empty() {
                message.push('\n');
                message.push_str(part);
            }
        }
        let title = format!("raceproof: {}", finding.rule);
        writeln!(out, ",title={}::{}", property(&title), data(&message))?;
    }
    for problem in &report.outcome.problems {
        let path = property(&report.shown(&problem.path));
        let line = problem.position.map_or(1, |position| position.line);
        let message = data(&problem.message);
        writeln!(
            out,
            "::error file={path},line={line},title=raceproof::{message}"
        )?;
    }
    Ok(())
}

/// Escapes as the runner's command parser undoes it (`actions/toolkit`, `command.ts`).
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
