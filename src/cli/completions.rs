//! `raceproof completions`.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output;

/// Arguments of `raceproof completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  raceproof completions bash > ~/.local/share/bash-completion/completions/raceproof
  raceproof completions zsh > ~/.zfunc/_raceproof
  raceproof completions fish > ~/.config/fish/completions/raceproof.fish")]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Runs `raceproof completions`.
pub fn run(args: CompletionsArgs) -> ExitCode {
    // The generator panics when it cannot write, so it writes to memory.
    let mut script = Vec::new();
    let mut command = super::args::Args::command();
    clap_complete::generate(args.shell, &mut command, "raceproof", &mut script);
    match output::write_result(None, |out, _| out.write_all(&script)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}
