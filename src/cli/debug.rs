//! `raceproof debug`.

use std::process::ExitCode;

use clap::Args;

/// Arguments of `raceproof debug`.
#[derive(Debug, Args)]
pub struct DebugArgs {}

/// Runs `raceproof debug`.
pub fn run(_args: DebugArgs) -> ExitCode {
    super::output::complain("`raceproof debug` is not built yet");
    ExitCode::from(super::FAILURE)
}
