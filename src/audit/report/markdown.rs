//! The audit as Markdown, for a pull request or an issue.

use std::io::{self, Write};

use super::super::outcome::{Audit, Standing};
use super::{caveat, code_counts, counts, headline};

/// Writes it.
///
/// # Errors
/// What writing says.
pub fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# Free-threading audit for {}\n", audit.target)?;
    writeln!(out, "**{}**\n", cell(&headline(audit)))?;
    if let Some(counts) = counts(audit) {
        writeln!(out, "{counts}\n")?;
    }
    let open = audit
        .distributions
        .iter()
        .filter(|it| it.standing != Standing::Ready);
    let mut any = false;
    for distribution in open {
        if !any {
            writeln!(out, "| standing | distribution | supply | why | advice |")?;
            writeln!(out, "|---|---|---|---|---|")?;
            any = true;
        }
        writeln!(
            out,
            "| {} | {} {} | {} | {} | {} |",
            distribution.standing.as_str(),
            cell(&distribution.name),
            cell(&distribution.version),
            distribution.supply.as_str(),
            cell(&distribution.reason),
            cell(&distribution.advice)
        )?;
    }
    if any {
        writeln!(out)?;
    }
    if !audit.modules.is_empty() {
        writeln!(
            out,
            "| verdict | module | built with | why |\n|---|---|---|---|"
        )?;
        for module in &audit.modules {
            let built = module.toolchain.as_ref().map(ToString::to_string);
            writeln!(
                out,
                "| {} | {} | {} | {} |",
                module.verdict.as_str(),
                cell(&module.module),
                cell(&built.unwrap_or_default()),
                cell(&module.reason)
            )?;
        }
        writeln!(out)?;
    }
    if let Some(code) = &audit.code {
        writeln!(out, "{}\n", code_counts(code))?;
        if !code.remark.is_empty() {
            writeln!(out, "Code: {}.\n", cell(&code.remark))?;
        }
    }
    for problem in &audit.problems {
        writeln!(
            out,
            "- {} {}: {}",
            if problem.fatal { "not read:" } else { "note:" },
            cell(&problem.path),
            cell(&problem.message)
        )?;
    }
    if !audit.problems.is_empty() {
        writeln!(out)?;
    }
    writeln!(out, "{}", caveat(audit))
}

/// Text in a table cell: names come from files, and must not end the cell or become markup.
fn cell(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '<' | '>' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '&' => {
                escaped.push('\\');
                escaped.push(character);
            }
            _ if character.is_control() => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}
