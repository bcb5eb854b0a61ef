//! An audit, written for people and for machines.

pub mod html;
pub mod json;
pub mod markdown;
pub mod sarif;
pub mod text;
pub mod why;

use std::io::{self, Write};

use super::outcome::{Audit, Standing};

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table for the terminal.
    Text,
    /// For programs.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// For a pull request or an issue.
    Markdown,
    /// One self-contained page.
    Html,
}

/// Writes `audit` to `out`. `colour` applies to the terminal's format only.
///
/// # Errors
/// What writing says.
pub fn write(audit: &Audit, format: Format, colour: bool, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Text => text::write(audit, colour, out),
        Format::Json => json::write(audit, out),
        Format::Sarif => sarif::write(audit, out),
        Format::Markdown => markdown::write(audit, out),
        Format::Html => html::write(audit, out),
    }
}

/// The answer, in a sentence.
fn headline(audit: &Audit) -> String {
    let summary = &audit.summary;
    let target = audit.target;
    match summary.readiness {
        Standing::Ready => format!("ready for {target}: nothing audited turns the GIL on"),
        Standing::Unproven => match &summary.unproven[..] {
            [] => format!("ready for {target}, but unproven: not everything could be read"),
            names if names.len() <= 8 => {
                format!("ready for {target}, but unproven: {}", names.join(", "))
            }
            names => format!(
                "ready for {target}, but unproven: {} of {} distributions are not decided",
                names.len(),
                summary.distributions
            ),
        },
        Standing::Blocked => format!("blocked for {target} by: {}", summary.blocked_by.join(", ")),
    }
}

/// What the words claim and do not claim; every report for people ends with it.
fn caveat(audit: &Audit) -> &'static str {
    if audit.run_with.is_some() {
        "Modules were imported, which executes their code. That the GIL stays off does not prove a module thread-safe."
    } else {
        "Nothing was executed. What a module declares is its authors' claim, not a proof; `--run` imports the modules and looks."
    }
}
