//! `raceproof baseline`.

use std::process::ExitCode;

use clap::Args;

/// Arguments of `raceproof baseline`.
#[derive(Debug, Args)]
pub struct BaselineArgs {}

/// Runs `raceproof baseline`.
pub fn run(_args: BaselineArgs) -> ExitCode {
    super::output::complain("`raceproof baseline` is not built yet");
    ExitCode::from(super::FAILURE)
}
