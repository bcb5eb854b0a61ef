//! `raceproof audit`.

use std::process::ExitCode;

use clap::Args;

/// Arguments of `raceproof audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {}

/// Runs `raceproof audit`.
pub fn run(_args: AuditArgs) -> ExitCode {
    super::output::complain("`raceproof audit` is not built yet");
    ExitCode::from(super::FAILURE)
}
