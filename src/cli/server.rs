//! `raceproof server`.

use std::io::{BufReader, BufWriter};
use std::process::ExitCode;

use clap::Args;

use crate::lsp::{self, Ended};

/// Arguments of `raceproof server`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  raceproof server                                 editors start this command themselves;
                                                   docs/editors.md has the settings for each")]
pub struct ServerArgs {
    /// Accepted because some clients add it; standard input and output are all there is.
    #[arg(long, hide = true)]
    stdio: bool,
}

/// Runs `raceproof server`: 0 after `shutdown` and `exit`, 1 when the client has gone otherwise.
pub fn run(_args: ServerArgs) -> ExitCode {
    let input = BufReader::new(std::io::stdin());
    let output = BufWriter::new(std::io::stdout());
    match lsp::serve(input, output) {
        Ended::Orderly => ExitCode::SUCCESS,
        Ended::Abrupt => ExitCode::FAILURE,
    }
}
