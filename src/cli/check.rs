//! `raceproof check`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::fix::{self, FixArgs};
use super::output::{self, Failure};
use super::project::{self, Project, ProjectArgs};
use crate::config::{FailOn, Origin};
use crate::report::{self, Report};

/// Arguments of `raceproof check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  raceproof check                                  the project around the working directory
  raceproof check src/app.py                       findings that touch one file
  raceproof check --output-format sarif --output-file races.sarif
  raceproof check --baseline raceproof-baseline.json --fail-on error
  cat app.py | raceproof check - --stdin-filename src/app.py
  raceproof check --fix                            and correct what can be corrected safely
  raceproof check --unsafe-fixes --diff            show every correction, make none

Exit codes:
  0  nothing at or above --fail-on
  1  findings at or above --fail-on
  2  something could not be analysed, or the invocation or the configuration is wrong")]
pub struct CheckArgs {
    #[command(flatten)]
    project: ProjectArgs,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    output_format: Format,
    /// Write findings to a file instead of standard output.
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
    /// Least severity that makes the exit code 1.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOnArg>,
    /// Leave out the findings that this file accepts; `raceproof baseline` writes it.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    fix: FixArgs,
}

/// Formats of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Both sides of each finding with their code.
    Text,
    /// One line each.
    Concise,
    /// One JSON document with everything the run has to say.
    Json,
    /// One line of JSON each.
    Jsonl,
    /// SARIF 2.1.0, for code scanning services.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
    /// Code quality report of GitLab.
    Gitlab,
}

/// Severities that fail.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum FailOnArg {
    /// Errors only.
    Error,
    /// Warnings and errors.
    Warning,
    /// Every finding.
    Info,
    /// No finding.
    Never,
}

/// Runs `raceproof check`.
pub fn run(args: CheckArgs) -> ExitCode {
    match check(args) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

fn check(args: CheckArgs) -> Result<ExitCode, Failure> {
    let mut project = Project::open(&args.project)?;
    if let Some(fail_on) = args.fail_on {
        project.settings.fail_on = match fail_on {
            FailOnArg::Error => FailOn::Error,
            FailOnArg::Warning => FailOn::Warning,
            FailOnArg::Info => FailOn::Info,
            FailOnArg::Never => FailOn::Never,
        };
        let origin = Origin::Option("--fail-on");
        project.settings.origins.insert("fail-on", origin);
    }
    if let Some(path) = args.baseline {
        project::take_baseline(&mut project.settings, path)?;
    }
    let mut unwritten = Vec::new();
    if let Some(wanted) = args.fix.wanted() {
        if args.project.reads_stdin() {
            return Err(Failure::new("fixes cannot be applied to standard input"));
        }
        let fixed = fix::rounds(&mut project, wanted)?;
        unwritten.extend(fixed.refused.clone());
        let files = fixed.files.len();
        if args.fix.diff {
            output::write_result(args.output_file.as_deref(), |out, _| {
                fix::write_diff(&project, &fixed, out)
            })?;
            output::complain(format_args!("can be fixed: {}", fixed.summary()));
            for (path, reason) in &unwritten {
                output::complain(format_args!("{}: {reason}", path.display()));
            }
            return Ok(ExitCode::from(match (unwritten.is_empty(), files) {
                (false, _) => super::FAILURE,
                (true, 0) => 0,
                (true, _) => 1,
            }));
        }
        unwritten.extend(fix::write(&project, &fixed));
        output::complain(format_args!("fixed: {}", fixed.summary()));
    }
    let snapshot = project.snapshot().last();
    let outcome = project::watch(|job| snapshot.check(&project.settings, job))
        .map_err(|_| Failure::new("cancelled"))?;
    let sources = snapshot.sources(outcome.files.clone());
    // The process ends soon and gives back all memory at once; taking the facts apart one by one
    // would take longer than writing the report.
    std::mem::forget(snapshot);
    let report = Report {
        outcome: &outcome,
        sources: &sources,
        root: &project.root,
        directory: &project.directory,
    };

    let in_text = args.output_format == Format::Text && args.output_file.is_none();
    output::write_result(args.output_file.as_deref(), |out, style| {
        match args.output_format {
            Format::Text => report::text::write(&report, style, out),
            Format::Concise => report::concise::write(&report, out),
            Format::Json => report::json::write(&report, out),
            Format::Jsonl => report::json::write_lines(&report, out),
            Format::Sarif => report::sarif::write(&report, crate::rule::pages(), out),
            Format::Github => report::github::write(&report, out),
            Format::Gitlab => report::gitlab::write(&report, out),
        }
    })?;
    tell_rest(&report, in_text)?;

    for (path, reason) in &unwritten {
        output::complain(format_args!("{}: {reason}", path.display()));
    }
    if !outcome.problems.is_empty() || !unwritten.is_empty() {
        return Ok(ExitCode::from(super::FAILURE));
    }
    let fail_on = project.settings.fail_on;
    let fails = |finding: &crate::findings::Finding| fail_on.fails(finding.severity);
    Ok(ExitCode::from(u8::from(outcome.findings.iter().any(fails))))
}

/// Problems and notices go to standard error; so does the summary, unless findings are read on
/// standard output by people.
fn tell_rest(report: &Report<'_>, in_text: bool) -> Result<(), Failure> {
    let outcome = report.outcome;
    let mut lines = Vec::new();
    for problem in &outcome.problems {
        let line = report::summary::problem(report, problem);
        lines.push(format!("error: {line}"));
    }
    for notice in &outcome.notices {
        let line = report::summary::problem(report, notice);
        lines.push(format!("note: {line}"));
    }
    let summary = report::summary::line(outcome);
    let mut stderr = std::io::stderr().lock();
    for line in lines {
        let _ = writeln!(stderr, "{line}");
    }
    if !in_text {
        let _ = writeln!(stderr, "{summary}");
        return Ok(());
    }
    drop(stderr);
    output::write_result(None, |out, _| writeln!(out, "{summary}"))
}
