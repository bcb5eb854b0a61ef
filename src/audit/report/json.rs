//! The audit as JSON: `modules`, `distributions`, `summary` and what surrounds them.

use std::io::{self, Write};

use super::super::outcome::Audit;

/// Writes it, indented, with a final line break.
///
/// # Errors
/// What writing says.
pub fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, audit)?;
    writeln!(out)
}
