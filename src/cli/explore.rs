//! `raceproof explore` and `raceproof replay`.

use std::process::ExitCode;

use clap::Args;

/// Arguments of `raceproof explore`.
#[derive(Debug, Args)]
pub struct ExploreArgs {}

/// Runs `raceproof explore`.
pub fn explore(_args: ExploreArgs) -> ExitCode {
    super::output::complain("`raceproof explore` is not built yet");
    ExitCode::from(super::FAILURE)
}

/// Arguments of `raceproof replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {}

/// Runs `raceproof replay`.
pub fn replay(_args: ReplayArgs) -> ExitCode {
    super::output::complain("`raceproof replay` is not built yet");
    ExitCode::from(super::FAILURE)
}
