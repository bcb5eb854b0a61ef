//! An audit, written for people and for machines.

pub mod html;
pub mod json;
pub mod markdown;
pub mod sarif;
pub mod text;
pub mod why;

use std::io::{self, Write};

use super::counted;
use super::outcome::{Audit, Code, Standing};

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

/// Writes `audit` to `out`. `colour` and `width` apply to the terminal's format only.
///
/// # Errors
/// What writing says.
pub fn write(
    audit: &Audit,
    format: Format,
    colour: bool,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Text => text::write(audit, colour, width, out),
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
    let unread = audit.problems.iter().any(|it| it.fatal);
    match summary.readiness {
        Standing::Ready => format!("ready for {target}: nothing audited turns the GIL on"),
        Standing::Unproven if unread && counts(audit).is_none() => {
            format!("no answer for {target}: nothing could be audited")
        }
        Standing::Unproven => {
            let mut open = match &summary.unproven[..] {
                names if names.len() <= 8 => names.join(", "),
                names => format!(
                    "{} of {} are not decided",
                    names.len(),
                    counted(summary.distributions, "distribution")
                ),
            };
            if unread {
                open.push_str(if open.is_empty() { "" } else { "; " });
                open.push_str("not everything could be read");
            }
            format!("ready for {target}, but unproven: {open}")
        }
        Standing::Blocked => format!("blocked for {target} by: {}", summary.blocked_by.join(", ")),
    }
}

/// How many distributions and modules were looked at, and how they fared; `None` without any.
fn counts(audit: &Audit) -> Option<String> {
    let summary = &audit.summary;
    let mut parts = Vec::new();
    if summary.distributions > 0 {
        let ready = audit
            .distributions
            .iter()
            .filter(|it| it.standing == Standing::Ready)
            .count();
        let counted = counted(summary.distributions, "distribution");
        parts.push(format!("{counted}, {ready} of them ready."));
    }
    if summary.modules > 0 {
        let fared: Vec<String> = [
            (summary.re_enables_gil, "re-enable the GIL"),
            (summary.cannot_load, "cannot be loaded"),
            (summary.undecidable, "undecidable"),
            (summary.keeps_gil_off, "keep the GIL off"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        let counted = counted(summary.modules, "extension module");
        parts.push(format!("{counted}: {}.", fared.join(", ")));
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// What is in the project's own code, in a sentence.
fn code_counts(code: &Code) -> String {
    format!(
        "Code: {}; {}, {}, {}; {} of shared module state, {} of process-wide state, {}, {}.",
        counted(code.files, "file"),
        counted(code.errors, "error"),
        counted(code.warnings, "warning"),
        counted(code.infos, "info"),
        counted(code.module_state, "place"),
        counted(code.process_wide, "use"),
        counted(code.thread_starts, "thread start"),
        counted(code.locks, "lock"),
    )
}

/// What the words claim and do not claim; every report for people ends with it.
fn caveat(audit: &Audit) -> &'static str {
    if audit.run_with.is_some() {
        "Modules were imported, which executes their code. That the GIL stays off does not prove a module thread-safe."
    } else {
        "Nothing was executed. What a module declares is its authors' claim, not a proof; --run imports the modules and looks."
    }
}
