//! `raceproof baseline`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output::{self, Failure, complain};
use super::project::{self, Project, ProjectArgs};
use crate::findings::baseline::Baseline;
use crate::report::summary::{count, problem};
use crate::report::{Report, summary};

/// Where the baseline goes unless told otherwise.
const DEFAULT: &str = "raceproof-baseline.json";

/// Arguments of `raceproof baseline`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  raceproof baseline                        accept what is found today
  raceproof check --baseline raceproof-baseline.json
  raceproof baseline src --output-file ci/accepted.json

Commit the file. With `baseline = \"raceproof-baseline.json\"` in the configuration, `check` needs no
option. Entries whose finding is gone are reported, so that the file shrinks.")]
pub struct BaselineArgs {
    #[command(flatten)]
    project: ProjectArgs,
    /// The file to write; the `baseline` of the configuration, or else `raceproof-baseline.json`.
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
}

/// Runs `raceproof baseline`.
pub fn run(args: BaselineArgs) -> ExitCode {
    match write(args) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

fn write(args: BaselineArgs) -> Result<ExitCode, Failure> {
    let mut project = Project::open(&args.project)?;
    // What is accepted already is still found, and accepted again.
    let configured = project
        .settings
        .baseline
        .take()
        .map(|baseline| baseline.path);
    let path = args
        .output_file
        .or(configured)
        .unwrap_or_else(|| PathBuf::from(DEFAULT));
    let snapshot = project.snapshot();
    let outcome = project::watch(|job| snapshot.check(&project.settings, job))
        .map_err(|_| Failure::new("cancelled"))?;
    let sources = snapshot.sources(outcome.files.clone());
    let baseline = Baseline::of(&outcome.findings, &sources);
    output::write_result(Some(&path), |out, _| {
        out.write_all(baseline.write().as_bytes())
    })?;
    let report = Report {
        outcome: &outcome,
        sources: &sources,
        root: &project.root,
        directory: &project.directory,
    };
    for it in &outcome.problems {
        complain(problem(&report, it));
    }
    complain(summary::line(&outcome));
    let accepted = count(baseline.len(), "finding");
    complain(format!("{} accepts {accepted}", path.display()));
    Ok(ExitCode::from(if outcome.problems.is_empty() {
        0
    } else {
        super::FAILURE
    }))
}
