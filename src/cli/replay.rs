//! `raceproof replay`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;

use super::explore::{FOUND, current_directory, project_root, told};
use super::output::{complain, style};
use crate::dynamic::agent_process::Isolation;
use crate::dynamic::emit_test;
use crate::dynamic::fleet::Fleet;
use crate::dynamic::interpreter::{self, Interpreter};
use crate::dynamic::oracle;
use crate::dynamic::report;
use crate::dynamic::search::Limits;
use crate::dynamic::shrink;
use crate::dynamic::witness::Witness;

/// Arguments of `raceproof replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Runs the program, once, with your rights. The program must lie in the project; a witness cannot make anything else run.

Examples:
  raceproof replay .raceproof_cache/witnesses/program-py.json

Exit codes:
  0  no failure
  1  the failure came out again
  2  it could not be replayed"
)]
pub struct ReplayArgs {
    /// The witness that `raceproof explore` wrote.
    witness: PathBuf,
    /// The interpreter [default: as `raceproof explore`].
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// The project's root [default: that of the current directory].
    #[arg(long, value_name = "DIRECTORY")]
    root: Option<PathBuf>,
    /// Replay so many times.
    #[arg(long, value_name = "N", default_value_t = 1)]
    times: u32,
    /// Stop in the debugger: where the exception was raised, where threads wait for ever, or before
    /// the last step of a run that crashes, hangs, or comes to a wrong result.
    #[arg(long, conflicts_with = "times")]
    pdb: bool,
}

/// Runs `raceproof replay`.
pub fn replay(args: ReplayArgs) -> ExitCode {
    match replayed(&args) {
        Ok(code) => code,
        Err(why) => {
            complain(why);
            ExitCode::from(super::FAILURE)
        }
    }
}

/// Replays with the debugger on the terminal: this process becomes the interpreter.
fn debug(witness: &Witness, interpreter: &Interpreter, root: &Path) -> Result<ExitCode, String> {
    let told = |error: io::Error| format!("the debugger's script: {error}");
    // A directory of its own: Python imports what lies beside a script.
    let directory = tempfile::Builder::new()
        .prefix("raceproof-replay-")
        .tempdir()
        .map_err(told)?;
    let script = directory.path().join("replay.py");
    fs::write(&script, emit_test::debugger(witness, root)).map_err(told)?;
    // The script removes itself and the directory; here they go when no interpreter runs it.
    let mut command = Command::new(&interpreter.path);
    command
        .arg(&script)
        .env("PYTHONHASHSEED", "0")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    #[cfg(unix)]
    let why = std::os::unix::process::CommandExt::exec(&mut command);
    #[cfg(not(unix))]
    let why = "the debugger needs a system with `exec`";
    Err(format!("{}: {why}", interpreter.path.display()))
}

fn replayed(args: &ReplayArgs) -> Result<ExitCode, String> {
    let directory = current_directory()?;
    let root = match &args.root {
        Some(root) => {
            fs::canonicalize(root).map_err(|error| format!("{}: {error}", root.display()))?
        }
        None => project_root(&directory),
    };
    let witness = Witness::load(&args.witness, &root)
        .map_err(|why| format!("{} is refused: {why}", args.witness.display()))?;
    let interpreter = interpreter::find(args.python.as_deref())?;
    if args.pdb {
        return debug(&witness, &interpreter, &root);
    }
    let target = witness.target(&root);
    let limits = Limits::default();
    let mut fleet = Fleet::start(
        interpreter.clone(),
        target,
        Isolation::Process,
        limits.patience,
    )
    .map_err(|error| told(&error))?;
    let mut failed = None;
    for time in 1..=args.times.max(1) {
        let received = fleet.run(witness.plan(limits.max_steps));
        let (execution, failing) = oracle::of_run(received).map_err(|error| told(&error))?;
        if let Some((step, expected, came)) = witness.divergence(&execution, &fleet.sites, &root) {
            let shown = |it: Option<String>| it.unwrap_or_else(|| "the end".to_owned());
            return Err(format!(
                "replay {time} of {} diverges at step {}: expected {}, got {}",
                args.times,
                step + 1,
                shown(expected.map(|it| it.to_string())),
                shown(came.map(|it| it.to_string()))
            ));
        }
        failed = witness
            .judged(&execution, failing)
            .map(|failing| (failing, execution));
        if failed.is_none() {
            break;
        }
    }
    let mut out = io::stdout().lock();
    let Some((failing, execution)) = failed else {
        let _ = writeln!(
            out,
            "the schedule was followed to its end, and `{}` did not happen",
            witness.failure.message
        );
        return Ok(ExitCode::SUCCESS);
    };
    let found = shrink::shown(&fleet, failing, execution);
    let text = report::failing(&found, &fleet.sites, &root, style(&io::stdout()).width);
    let _ = writeln!(
        out,
        "{}\n{}, replayed {} of {}",
        text,
        interpreter.describe(),
        args.times.max(1),
        report::count(u64::from(args.times.max(1)), "time")
    );
    Ok(ExitCode::from(FOUND))
}
