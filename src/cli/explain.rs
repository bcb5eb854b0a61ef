//! `raceproof explain`.

use std::process::ExitCode;

use clap::Args;

/// Arguments of `raceproof explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {}

/// Runs `raceproof explain`.
pub fn run(_args: ExplainArgs) -> ExitCode {
    super::output::complain("`raceproof explain` is not built yet");
    ExitCode::from(super::FAILURE)
}
