//! `raceproof rules`.

use std::process::ExitCode;

use clap::Args;

/// Arguments of `raceproof rules`.
#[derive(Debug, Args)]
pub struct RulesArgs {}

/// Runs `raceproof rules`.
pub fn run(_args: RulesArgs) -> ExitCode {
    super::output::complain("`raceproof rules` is not built yet");
    ExitCode::from(super::FAILURE)
}
