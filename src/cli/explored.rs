//! How the results of `raceproof explore` are written: text, a table, JSON, JUnit.

use std::io::{self, Write};

use serde_json::json;

use crate::dynamic::interpreter::Interpreter;
use crate::dynamic::report;
use crate::dynamic::search::{Outcome, Verdict};

/// What one program came to.
pub(super) struct Explored {
    pub name: String,
    pub outcome: Result<Outcome, String>,
    pub text: String,
    /// The command that replays its failure.
    pub replay: Option<String>,
    /// Why a file that was asked for was not written.
    pub problem: Option<String>,
}

pub(super) fn write_text(
    out: &mut impl Write,
    explored: &[Explored],
    interpreter: &Interpreter,
    counted: bool,
) -> io::Result<()> {
    for it in explored {
        let Ok(outcome) = &it.outcome else { continue };
        writeln!(out, "{}: {}", it.name, report::verdict(outcome))?;
        if !it.text.is_empty() {
            writeln!(out, "\n{}", it.text.trim_end())?;
        }
        if counted && outcome.failing_traces > 0 {
            writeln!(
                out,
                "\n{} of {} fail",
                outcome.failing_traces,
                report::count(outcome.traces, "trace")
            )?;
        }
        let rate = outcome.executions as f64 / outcome.elapsed.as_secs_f64().max(1e-6);
        writeln!(
            out,
            "\n{}, {} in {:.2} s ({rate:.0} a second){}",
            interpreter.describe(),
            report::count(outcome.executions, "schedule"),
            outcome.elapsed.as_secs_f64(),
            if outcome.forked {
                ", each in a process of its own"
            } else {
                ""
            }
        )?;
        if let Some(found) = &outcome.found {
            writeln!(
                out,
                "{} shown; the schedule as found had {}",
                report::count(found.switches as u64, "context switch"),
                found.switches_found
            )?;
        }
        for note in &outcome.notes {
            writeln!(out, "note: {note}")?;
        }
        if outcome.verdict != Verdict::Failing && !outcome.data_races.is_empty() {
            writeln!(
                out,
                "note: {} of accesses that nothing orders; no interleaving of them failed",
                report::count(outcome.data_races.len() as u64, "pair")
            )?;
        }
        if let Some(replay) = &it.replay {
            writeln!(out, "replay: {replay}")?;
        }
    }
    Ok(())
}

pub(super) fn write_table(out: &mut impl Write, explored: &[Explored]) -> io::Result<()> {
    let width = explored
        .iter()
        .map(|it| it.name.len())
        .max()
        .unwrap_or(0)
        .max(7);
    writeln!(
        out,
        "{:width$}  {:>9}  {:>9}  {:>7}  verdict",
        "program", "schedules", "traces", "failing"
    )?;
    for it in explored {
        match &it.outcome {
            Ok(outcome) => {
                let share = 100.0 * outcome.failing_traces as f64 / outcome.traces.max(1) as f64;
                let verdict = match outcome.verdict {
                    Verdict::Failing => format!(
                        "failing: {}",
                        outcome
                            .found
                            .as_ref()
                            .map_or_else(String::new, |it| it.failing.message())
                    ),
                    Verdict::NoneExists => "none exists: every trace explored".to_owned(),
                    Verdict::NoneWithinBound => "none within the bound".to_owned(),
                    Verdict::BudgetCut => "budget cut: nothing proved".to_owned(),
                    Verdict::NoThreads => "starts no thread".to_owned(),
                };
                writeln!(
                    out,
                    "{:width$}  {:>9}  {:>9}  {share:>6.0}%  {verdict}",
                    it.name, outcome.executions, outcome.traces
                )?;
            }
            Err(_) => writeln!(
                out,
                "{:width$}  {:>9}  {:>9}  {:>7}  could not be explored",
                it.name, "", "", ""
            )?,
        }
    }
    Ok(())
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Failing => "failing",
        Verdict::NoneExists => "none-exists",
        Verdict::NoneWithinBound => "none-within-bound",
        Verdict::BudgetCut => "budget-cut",
        Verdict::NoThreads => "no-threads",
    }
}

pub(super) fn write_json(
    out: &mut impl Write,
    explored: &[Explored],
    interpreter: &Interpreter,
) -> io::Result<()> {
    let programs: Vec<_> = explored
        .iter()
        .map(|it| match &it.outcome {
            Ok(outcome) => json!({
                "name": it.name,
                "verdict": word(outcome.verdict),
                "schedules": outcome.executions,
                "traces": outcome.traces,
                "failing_traces": outcome.failing_traces,
                "first_failure": outcome.first_failure,
                "seconds": outcome.elapsed.as_secs_f64(),
                "threads": outcome.threads,
                "forked": outcome.forked,
                "data_races": outcome.data_races.len(),
                "notes": outcome.notes,
                "failure": outcome.found.as_ref().map(|found| json!({
                    "kind": found.failing.kind(),
                    "message": found.failing.message(),
                    "with_gil": found.with_gil,
                    "switches": found.switches,
                    "report": it.text,
                })),
                "replay": it.replay,
            }),
            Err(why) => json!({"name": it.name, "verdict": "error", "error": why}),
        })
        .collect();
    let document = json!({
        "python": interpreter.describe(),
        "programs": programs,
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

pub(super) fn write_junit(out: &mut impl Write, explored: &[Explored]) -> io::Result<()> {
    let failures = explored
        .iter()
        .filter(|it| matches!(&it.outcome, Ok(o) if o.verdict == Verdict::Failing))
        .count();
    let errors = explored.iter().filter(|it| it.outcome.is_err()).count();
    writeln!(out, r#"<?xml version="1.0" encoding="utf-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites><testsuite name="raceproof explore" tests="{}" failures="{failures}" errors="{errors}">"#,
        explored.len()
    )?;
    for it in explored {
        let name = escaped(&it.name);
        match &it.outcome {
            Ok(outcome) => {
                writeln!(
                    out,
                    r#"<testcase classname="raceproof" name="{name}" time="{:.3}">"#,
                    outcome.elapsed.as_secs_f64()
                )?;
                match &outcome.found {
                    Some(found) => writeln!(
                        out,
                        r#"<failure type="{}" message="{}">{}</failure>"#,
                        found.failing.kind(),
                        escaped(&found.failing.message()),
                        escaped(&it.text)
                    )?,
                    None => writeln!(
                        out,
                        "<system-out>{}</system-out>",
                        escaped(&report::verdict(outcome))
                    )?,
                }
            }
            Err(why) => {
                writeln!(out, r#"<testcase classname="raceproof" name="{name}">"#)?;
                writeln!(out, r#"<error message="{}"/>"#, escaped(why))?;
            }
        }
        writeln!(out, "</testcase>")?;
    }
    writeln!(out, "</testsuite></testsuites>")
}

fn escaped(text: &str) -> String {
    text.chars()
        .filter(|it| !it.is_control() || matches!(it, '\n' | '\t'))
        .map(|it| match it {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\n' => "&#10;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}
