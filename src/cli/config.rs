//! `raceproof config`.

use std::process::ExitCode;

use clap::Args;

/// Arguments of `raceproof config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {}

/// Runs `raceproof config`.
pub fn run(_args: ConfigArgs) -> ExitCode {
    super::output::complain("`raceproof config` is not built yet");
    ExitCode::from(super::FAILURE)
}
