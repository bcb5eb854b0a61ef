//! What is known of one line, in words.

use std::io::{self, Write};

use super::Report;
use super::escape::one_line;
use crate::findings::{Finding, outcome::Outcome};
use crate::program::Program;
use crate::program::effect::Action;
use crate::program::explain::{Explanation, PlaceVerdict};
use crate::program::roots::Record;
use crate::rule::{describe, held_words, root_words};

/// Accesses of a place that are listed.
const MAX_OTHERS: usize = 10;

/// Writes what is known of a line. `found` are the findings that have a side on it.
///
/// # Errors
/// Those of `out`.
pub fn write(
    report: &Report<'_>,
    program: &Program,
    line: &Explanation,
    found: &[&Finding],
    out: &mut dyn Write,
) -> io::Result<()> {
    if let Some(function) = line.functions.first() {
        writeln!(out, "function: {}", one_line(function))?;
    }
    if line.roots.is_empty() {
        let who = match line.functions.len() {
            1 => "the one that imports the module, once",
            _ => "none that the analysis knows of reaches this line",
        };
        writeln!(out, "threads:  {who}")?;
    }
    for (index, &root) in line.roots.iter().enumerate() {
        let title = if index == 0 { "threads:" } else { "" };
        let root = &program.roots()[root as usize];
        let mut text = one_line(&root_words(program, root));
        if let Some(at) = root.spawn {
            let address = report.address(program.site(at));
            text = format!("{text}, started at {}", one_line(&address));
        }
        writeln!(out, "{title:<9} {text}")?;
    }
    for (index, &record) in line.records.iter().enumerate() {
        let title = if index == 0 { "does:" } else { "" };
        let record = program.record(record);
        writeln!(out, "{title:<9} {}", action(program, record))?;
    }
    for place in &line.places {
        writeln!(out)?;
        write_place(report, program, place, out)?;
    }
    writeln!(out)?;
    write_findings(report, found, line, out)
}

fn action(program: &Program, record: &Record) -> String {
    let what = match &record.action {
        Action::Access(_) => {
            let done = describe(record).replacen(" here", "", 1);
            let held = match &*record.held {
                [] => ", no lock held",
                _ => "",
            };
            let root = root_words(program, program.root_of(record));
            return one_line(&format!("`{}`: {done}{held}; by {root}", record.words));
        }
        Action::Acquire { .. } => format!("takes `{}`", record.words),
        Action::Unordered { .. } => format!("takes a second `{}` in no fixed order", record.words),
        Action::FreshLock { .. } => "takes a lock that is made for this call".to_owned(),
        Action::Block { what, .. } => format!("waits for {what}"),
        Action::Callback { what } => format!("calls `{what}`, which somebody else supplied"),
        Action::DroppedLock { .. } => format!("removes a lock from `{}`", record.words),
        Action::HalfImported => "takes a module that may still be importing".to_owned(),
        Action::Walk { what, changed_by } => {
            format!("walks `{what}`, which is changed by {changed_by}")
        }
        Action::Upset { .. } => format!("walks `{}` while it changes its size", record.words),
        Action::ProcessWide { what, by, .. } => format!("changes {what} through `{by}`"),
        Action::LoopOnly { method, .. } => format!("calls `{method}`, which belongs to one loop"),
        Action::Signal { .. } => format!("signals `{}`", record.words),
        action if action.notifies() => format!("notifies `{}`", record.words),
        Action::Condition { .. } => format!("waits on `{}`", record.words),
        Action::Unsafe { what, .. } => {
            format!("uses an object that threads must not share: {what}")
        }
        Action::Leak { .. } => format!("leaves `{}` taken on one way out", record.words),
        Action::LocalEscapes { name, .. } => {
            format!("hands `{name}` of a thread-local object to another thread")
        }
        Action::SharedByLocals { .. } => {
            format!(
                "changes `{}`, which thread-local objects share",
                record.words
            )
        }
        Action::Context { store: true, .. } => {
            format!("sets the context variable `{}`", record.words)
        }
        Action::Context { .. } => format!("reads the context variable `{}`", record.words),
        Action::ThreadLocal { name, .. } => format!("uses `{name}` of a thread-local object"),
    };
    let held = held_words(record);
    let held = match held.as_slice() {
        [] => "no lock held".to_owned(),
        held => format!("holding {}", held.join(", ")),
    };
    let root = root_words(program, program.root_of(record));
    one_line(&format!("{what}; {held}; by {root}"))
}

fn write_place(
    report: &Report<'_>,
    program: &Program,
    place: &PlaceVerdict,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "`{}` is accessed at:", one_line(&place.words))?;
    for &other in place.others.iter().take(MAX_OTHERS) {
        let record = program.record(other);
        let address = report.address(program.site(record.at));
        let function = program.function_name(record.at);
        let text = describe(record);
        let place = match function.as_str() {
            "" => text,
            name => format!("{text}, in `{name}`"),
        };
        writeln!(out, "  {}: {}", one_line(&address), one_line(&place))?;
    }
    if let Some(more) = place
        .others
        .len()
        .checked_sub(MAX_OTHERS)
        .filter(|it| *it > 0)
    {
        writeln!(out, "  and {more} more")?;
    }
    for reason in &place.quiet {
        writeln!(out, "  quiet: {reason}")?;
    }
    let conflict = place.conflict.map(|index| &program.conflicts()[index]);
    if let Some(conflict) = conflict.filter(|it| it.is_harmful()) {
        let at = program.record(conflict.primary).at;
        let address = report.address(program.site(at));
        writeln!(
            out,
            "  conflict: threads collide, and {} is where to act",
            one_line(&address)
        )?;
    }
    Ok(())
}

fn write_findings(
    report: &Report<'_>,
    found: &[&Finding],
    line: &Explanation,
    out: &mut dyn Write,
) -> io::Result<()> {
    for finding in found {
        writeln!(
            out,
            "found:    {}: {} ({})",
            one_line(&report.address(finding.primary)),
            one_line(&finding.message),
            finding.rule
        )?;
    }
    if !found.is_empty() {
        return Ok(());
    }
    let why = if line.functions.len() == 1 && line.roots.is_empty() {
        "it runs while the module is imported, before threads can use it"
    } else if line.roots.is_empty() {
        "no thread is known to run it; `raceproof graph` shows which are"
    } else if line.places.iter().any(|place| place.conflict.is_some()) {
        "a conflict on a place of this line is reported elsewhere, suppressed or of a rule that is off"
    } else if line.places.is_empty() {
        "it touches nothing that the analysis takes for shared"
    } else {
        "see what is quiet above"
    };
    writeln!(out, "found:    nothing on this line: {why}")?;
    unresolved(report.outcome, out)
}

fn unresolved(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    if outcome.coverage.unresolved_calls > 0 {
        writeln!(
            out,
            "          {} of {} calls of the project are unresolved; nothing is said about what they do",
            outcome.coverage.unresolved_calls, outcome.coverage.calls
        )?;
    }
    Ok(())
}
