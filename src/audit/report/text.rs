//! The table for the terminal: worst first, ready distributions counted, not listed.

use std::io::{self, Write};

use super::super::outcome::{Audit, Distribution, Observation, Standing};
use super::super::run::contradicts;
use super::{caveat, headline};

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

/// Writes the table.
///
/// # Errors
/// What writing says.
pub fn write(audit: &Audit, colour: bool, out: &mut dyn Write) -> io::Result<()> {
    let paint = |code: &str, text: &str| {
        if colour {
            format!("{code}{text}{RESET}")
        } else {
            text.to_owned()
        }
    };
    let standing_colour = |standing| match standing {
        Standing::Ready => GREEN,
        Standing::Unproven => YELLOW,
        Standing::Blocked => RED,
    };

    let listed: Vec<&Distribution> = audit
        .distributions
        .iter()
        .filter(|it| it.standing != Standing::Ready)
        .collect();
    let orphans: Vec<_> = audit
        .modules
        .iter()
        .filter(|it| {
            it.distribution.is_empty()
                && super::super::readiness::standing_of(it) != Standing::Ready
        })
        .collect();
    let label = |distribution: &Distribution| {
        format!("{} {}", distribution.name, distribution.version)
            .trim_end()
            .to_owned()
    };
    // Distributions that differ in nothing but their name share a line.
    let mut groups: Vec<(&Distribution, Vec<String>)> = Vec::new();
    for distribution in &listed {
        let same = |it: &&mut (&Distribution, Vec<String>)| {
            it.0.standing == distribution.standing
                && it.0.reason == distribution.reason
                && (it.0.advice == distribution.advice || it.0.modules > 0)
                && (it.0.modules == 0) == (distribution.modules == 0)
        };
        match groups.iter_mut().find(same) {
            Some((_, labels)) if labels.contains(&label(distribution)) => {}
            Some((_, labels)) => labels.push(label(distribution)),
            None => groups.push((distribution, vec![label(distribution)])),
        }
    }
    let width = groups
        .iter()
        .filter(|(_, labels)| labels.len() == 1)
        .map(|(_, labels)| labels[0].chars().count())
        .chain(orphans.iter().map(|it| it.module.chars().count()))
        .max()
        .unwrap_or(0)
        .min(48);
    let row = |out: &mut dyn Write,
               standing: Standing,
               label: &str,
               reason: &str,
               advice: &str|
     -> io::Result<()> {
        let word = paint(
            standing_colour(standing),
            &format!("{:8}", standing.as_str()),
        );
        writeln!(out, "{word}  {label:width$}  {}", printable(reason))?;
        if !advice.is_empty() {
            writeln!(out, "{:8}  {:width$}  -> {advice}", "", "")?;
        }
        Ok(())
    };
    for (distribution, labels) in &groups {
        let label = match &labels[..] {
            [one] => one.clone(),
            several => format!("{} distributions", several.len()),
        };
        row(
            out,
            distribution.standing,
            &printable(&label),
            &distribution.reason,
            &distribution.advice,
        )?;
        if labels.len() > 1 {
            for line in wrapped(labels, 88) {
                writeln!(out, "{:8}    {}", "", printable(&line))?;
            }
        }
    }
    for module in &orphans {
        let standing = super::super::readiness::standing_of(module);
        row(
            out,
            standing,
            &printable(&module.module),
            &module.reason,
            "",
        )?;
    }
    if !listed.is_empty() || !orphans.is_empty() {
        writeln!(out)?;
    }

    for module in audit.modules.iter().filter(|it| contradicts(it)) {
        writeln!(
            out,
            "{}: the file says {}, importing it says otherwise; please report this",
            printable(&module.module),
            module.verdict.as_str()
        )?;
    }
    let failed: Vec<_> = audit
        .modules
        .iter()
        .filter_map(|it| match &it.observed {
            Some(Observation::Failed { error }) => Some((it, error.as_str())),
            Some(Observation::TimedOut) => Some((it, "the import did not end in time")),
            _ => None,
        })
        .collect();
    for (module, error) in &failed {
        writeln!(
            out,
            "{}: could not be imported: {}",
            printable(&module.module),
            printable(error)
        )?;
    }
    for problem in &audit.problems {
        let word = if problem.fatal {
            paint(RED, "not read")
        } else {
            "note".to_owned()
        };
        writeln!(
            out,
            "{word}: {}: {}",
            printable(&problem.path),
            printable(&problem.message)
        )?;
    }
    if !audit.problems.is_empty() || !failed.is_empty() {
        writeln!(out)?;
    }

    let summary = &audit.summary;
    if let Some(code) = &audit.code {
        writeln!(
            out,
            "code: {} files; findings: {} errors, {} warnings, {} infos; {} places of shared module \
             state, {} uses of process-wide state, {} thread starts, {} locks",
            code.files,
            code.errors,
            code.warnings,
            code.infos,
            code.module_state,
            code.process_wide,
            code.thread_starts,
            code.locks
        )?;
        if !code.remark.is_empty() {
            writeln!(out, "code: {}", printable(&code.remark))?;
        }
    }
    let ready = audit.distributions.len() - listed.len();
    writeln!(
        out,
        "{} distributions ({ready} ready), {} extension modules: {} keep the GIL off, {} re-enable \
         it, {} cannot be loaded, {} undecidable",
        summary.distributions,
        summary.modules,
        summary.keeps_gil_off,
        summary.re_enables_gil,
        summary.cannot_load,
        summary.undecidable
    )?;
    writeln!(out, "{}", caveat(audit))?;
    writeln!(
        out,
        "{}",
        paint(
            &format!("{BOLD}{}", standing_colour(summary.readiness)),
            &printable(&headline(audit))
        )
    )
}

/// Joins names with commas into lines of about `width` characters.
fn wrapped(names: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut() {
            Some(line) if line.chars().count() + name.chars().count() + 2 <= width => {
                line.push_str(", ");
                line.push_str(name);
            }
            Some(line) => {
                line.push(',');
                lines.push(name.clone());
            }
            None => lines.push(name.clone()),
        }
    }
    lines
}

/// Names come from files: control characters must not reach the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|it| if it.is_control() { '\u{fffd}' } else { it })
        .collect()
}
