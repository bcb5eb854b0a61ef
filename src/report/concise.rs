//! One line a finding: `path:line:column: severity[rule] message`.

use std::io::{self, Write};

use super::Report;
use super::escape::one_line;
use crate::findings::Severity;

/// Writes the findings.
///
/// # Errors
/// Those of `out`.
pub fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    for finding in &report.outcome.findings {
        writeln!(
            out,
            "{}: {}[{}] {}",
            one_line(&report.address(finding.primary)),
            severity(finding.severity),
            finding.rule,
            one_line(&finding.message)
        )?;
    }
    Ok(())
}

/// The word for a severity.
pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}
