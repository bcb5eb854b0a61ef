//! `raceproof graph`.

use std::process::ExitCode;

use clap::Args;

/// Arguments of `raceproof graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {}

/// Runs `raceproof graph`.
pub fn run(_args: GraphArgs) -> ExitCode {
    super::output::complain("`raceproof graph` is not built yet");
    ExitCode::from(super::FAILURE)
}
