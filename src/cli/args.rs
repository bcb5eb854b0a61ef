//! The commands and the words that introduce them. What each takes stands in its own file.

use clap::{Parser, Subcommand};

/// Finds the data races that Python code gets when the GIL is gone, and proves them.
#[derive(Debug, Parser)]
#[command(
    name = "raceproof",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  raceproof check .                      where will this project break?\n  raceproof explain check-then-act       what does a finding mean?\n  raceproof explore tests/test_cache.py  is it real? search for a failing interleaving\n  raceproof audit                        will my dependencies keep the GIL off?"
)]
pub(super) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Find races and lock mistakes in Python sources, without running them.
    Check(super::check::CheckArgs),
    /// Tell what a rule means, or what the analysis knows about one line.
    Explain(super::explain::ExplainArgs),
    /// List the rules.
    Rules(super::rules::RulesArgs),
    /// Print the call graph with thread roots and shared places.
    Graph(super::graph::GraphArgs),
    /// Accept today's findings, so that `check --baseline` reports new ones only.
    Baseline(super::baseline::BaselineArgs),
    /// Print the configuration in force and where each value comes from.
    Config(super::config::ConfigArgs),
    /// Print a completion script for a shell.
    Completions(super::completions::CompletionsArgs),
    /// Search the thread interleavings of a program for one that fails. Runs the program.
    Explore(super::explore::ExploreArgs),
    /// Run a program again under the schedule of a witness file. Runs the program.
    Replay(super::replay::ReplayArgs),
    /// Tell which installed packages turn the GIL back on.
    Audit(super::audit::AuditArgs),
    /// Speak the language server protocol on standard input and output.
    Server(super::server::ServerArgs),
    /// Tools for raceproof's own developers.
    #[command(hide = true)]
    Debug(super::debug::DebugArgs),
}
