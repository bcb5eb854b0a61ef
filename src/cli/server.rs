//! `raceproof server`.

use std::process::ExitCode;

use clap::Args;

/// Arguments of `raceproof server`.
#[derive(Debug, Args)]
pub struct ServerArgs {}

/// Runs `raceproof server`.
pub fn run(_args: ServerArgs) -> ExitCode {
    super::output::complain("`raceproof server` is not built yet");
    ExitCode::from(super::FAILURE)
}
