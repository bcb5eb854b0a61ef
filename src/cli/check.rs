//! `raceproof check`.

use std::process::ExitCode;

use clap::Args;

/// Arguments of `raceproof check`.
#[derive(Debug, Args)]
pub struct CheckArgs {}

/// Runs `raceproof check`.
pub fn run(_args: CheckArgs) -> ExitCode {
    super::output::complain("`raceproof check` is not built yet");
    ExitCode::from(super::FAILURE)
}
