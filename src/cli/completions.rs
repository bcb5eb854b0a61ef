//! `raceproof completions`.

use std::process::ExitCode;

use clap::Args;

/// Arguments of `raceproof completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {}

/// Runs `raceproof completions`.
pub fn run(_args: CompletionsArgs) -> ExitCode {
    super::output::complain("`raceproof completions` is not built yet");
    ExitCode::from(super::FAILURE)
}
