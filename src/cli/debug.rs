//! `raceproof debug`, for raceproof's own developers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::output::{self, Failure};
use super::project::absolute;
use crate::engine;
use crate::source::discover::Selection;
use crate::source::files::Disk;

/// Arguments of `raceproof debug`.
#[derive(Debug, Args)]
pub struct DebugArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Walk, read and parse, and nothing more: the floor that `check` is measured against.
    Parse {
        /// Where to look.
        #[arg(default_value = ".")]
        path: PathBuf,
    },
}

/// Runs `raceproof debug`.
pub fn run(args: DebugArgs) -> ExitCode {
    let What::Parse { path } = args.what;
    match parse(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn parse(path: &std::path::Path) -> Result<(), Failure> {
    let directory = std::env::current_dir()
        .map_err(|error| Failure::new(format!("no working directory: {error}")))?;
    let files = Disk::new(Selection::all(absolute(&directory, path)));
    let (count, lines, bytes) = engine::floor(&files);
    output::write_result(None, |out, _| {
        writeln!(out, "{count} files, {lines} lines, {bytes} bytes")
    })
}
