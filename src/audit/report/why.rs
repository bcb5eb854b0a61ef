//! `--why NAME`: the path by which a distribution is required, and what is known about it.

use std::io::{self, Write};

use super::super::outcome::Audit;
use super::super::tag::normal_name;
use super::text::printable;

/// Writes what is known about `name`; returns whether anything is.
///
/// # Errors
/// What writing says.
pub fn write(audit: &Audit, name: &str, out: &mut dyn Write) -> io::Result<bool> {
    let name = normal_name(name);
    let mut known = false;
    for distribution in audit.distributions.iter().filter(|it| it.name == name) {
        known = true;
        writeln!(
            out,
            "{} {} ({}, {}): {}",
            printable(&distribution.name),
            printable(&distribution.version),
            distribution.standing.as_str(),
            distribution.supply.as_str(),
            printable(&distribution.reason)
        )?;
        writeln!(out, "  in {}", printable(&distribution.source))?;
        if !distribution.required_by.is_empty() {
            writeln!(
                out,
                "  required by {}",
                printable(&distribution.required_by.join(" -> "))
            )?;
        }
        if let Some(stage) = &distribution.classifier {
            writeln!(out, "  classifier Free Threading :: {}", printable(stage))?;
        }
        if !distribution.advice.is_empty() {
            writeln!(out, "  -> {}", distribution.advice)?;
        }
    }
    for module in audit.modules.iter().filter(|it| it.distribution == name) {
        known = true;
        let built = module
            .toolchain
            .as_ref()
            .map(|it| format!(" [{it}]"))
            .unwrap_or_default();
        writeln!(
            out,
            "  {} {}{built}: {}",
            module.verdict.as_str(),
            printable(&module.module),
            printable(&module.reason)
        )?;
    }
    Ok(known)
}
