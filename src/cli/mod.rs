//! The command line: arguments to settings, outcome to exit code.
//!
//! `args.rs` names the commands; every command has a file of its own with its arguments and what
//! it does. Exit codes: 0 clean, 1 findings at or above `--fail-on`, 2 something could not be
//! analysed or the invocation was wrong.

mod args;
mod audit;
mod audit_code;
mod baseline;
mod check;
mod completions;
mod config;
mod debug;
mod explain;
mod explore;
mod explored;
mod fix;
mod graph;
mod output;
mod project;
mod replay;
mod rules;
mod server;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

/// Exit code when something could not be analysed or the invocation was wrong.
const FAILURE: u8 = 2;

/// Runs the command named by the process arguments and returns its exit code:
/// 0 clean, 1 findings, 2 something could not be analysed or the invocation was wrong.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are asked for and succeed; a closed pipe is not our failure.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { FAILURE } else { 0 });
        }
    };
    // Nobody looks at what a command that failed has left behind.
    catch_unwind(AssertUnwindSafe(|| run(args.command))).unwrap_or_else(|_| {
        output::complain("this is a defect of raceproof: please report it with the lines above");
        ExitCode::from(FAILURE)
    })
}

fn run(command: Command) -> ExitCode {
    match command {
        Command::Check(args) => check::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Rules(args) => rules::run(args),
        Command::Graph(args) => graph::run(args),
        Command::Baseline(args) => baseline::run(args),
        Command::Config(args) => config::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Explore(args) => explore::explore(args),
        Command::Replay(args) => replay::replay(args),
        Command::Audit(args) => audit::run(args),
        Command::Server(args) => server::run(args),
        Command::Debug(args) => debug::run(args),
    }
}
