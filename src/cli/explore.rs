//! `raceproof explore` and `raceproof replay`.

use std::env;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::output::complain;
use crate::dynamic::agent_process::{AgentError, Isolation, Target};
use crate::dynamic::emit_test;
use crate::dynamic::fleet::Fleet;
use crate::dynamic::interpreter::{self, Interpreter};
use crate::dynamic::oracle::Serial;
use crate::dynamic::report;
use crate::dynamic::search::{self, Choice, Limits, Outcome, Progress, Verdict};
use crate::dynamic::shrink;
use crate::dynamic::witness::{Witness, relative};

/// Exit code when a failing interleaving was found.
const FOUND: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StrategyName {
    /// DPOR in turn with POS samples.
    Auto,
    /// Every schedule with at most --preemptions preemptions.
    Bounded,
    /// Partial order sampling.
    Pos,
    /// Exhaustive: one execution for each distinct trace.
    Dpor,
    /// Probabilistic concurrency testing.
    Pct,
    /// Selectively uniform random walk.
    Surw,
    /// Random walk.
    Random,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IsolateName {
    Auto,
    Process,
    Fork,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Junit,
}

/// Arguments of `raceproof explore`.
#[derive(Debug, Args)]
#[command(after_help = "Runs the program, many times, with your rights.

Examples:
  raceproof explore program.py                     schedules of a whole program
  raceproof explore tests/race.py::two_threads     one function without arguments
  raceproof explore --pytest tests/test_cache.py   each test of a file
  raceproof explore --strategy dpor program.py     every interleaving that differs

Exit codes:
  0  nothing found
  1  a failing interleaving
  2  the program could not be explored")]
pub struct ExploreArgs {
    /// A script, FILE::FUNCTION for a function without arguments, or a directory of scripts.
    #[arg(value_name = "SCRIPT", required_unless_present_any = ["module", "pytest"])]
    target: Option<String>,
    /// Arguments of the program.
    #[arg(
        value_name = "ARGS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    argv: Vec<String>,
    /// Run a module, as `python -m` does.
    #[arg(short = 'm', long, value_name = "MODULE", conflicts_with = "pytest")]
    module: Option<String>,
    /// Run a test, or each test of a file, under pytest.
    #[arg(long, value_name = "NODEID")]
    pytest: Option<String>,
    /// How schedules are chosen.
    #[arg(long, value_enum, default_value = "auto")]
    strategy: StrategyName,
    /// Most preemptions of a schedule; for the strategy `bounded`, which it implies.
    #[arg(long, value_name = "N")]
    preemptions: Option<u32>,
    /// Seconds to search.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    budget: f64,
    /// Schedules to run.
    #[arg(long, value_name = "N")]
    max_schedules: Option<u64>,
    /// Seed of the drawing strategies.
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// The interpreter [default: RACEPROOF_PYTHON, the active virtual environment, python3.14t,
    /// python3].
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Instrument every name, those too that are bound once and cannot change.
    #[arg(long)]
    all_accesses: bool,
    /// Keep runs apart: in one process, in a child for each, or in a child once state was seen to
    /// leak.
    #[arg(long, value_enum, default_value = "auto")]
    isolate: IsolateName,
    /// Interpreters side by side [default: one for each processor, at most 4].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Go on after a failure and tell how many interleavings fail.
    #[arg(long)]
    count: bool,
    /// Write the failing interleaving here [default: .raceproof_cache/witnesses of the project].
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
    /// Write a pytest file that fails as long as the failing interleaving does.
    #[arg(long, value_name = "FILE")]
    emit_test: Option<PathBuf>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    output_format: Format,
}

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
    /// Enter the debugger where the exception is raised.
    #[arg(long, conflicts_with = "times")]
    pdb: bool,
}

/// The nearest directory above `start` that looks like a project; `start` when none does.
fn project_root(start: &Path) -> PathBuf {
    start
        .ancestors()
        .find(|it| {
            ["pyproject.toml", "setup.py", "setup.cfg", ".git"]
                .iter()
                .any(|name| it.join(name).exists())
        })
        .unwrap_or(start)
        .to_owned()
}

fn current_directory() -> Result<PathBuf, String> {
    env::current_dir().map_err(|error| format!("the current directory: {error}"))
}

fn file_target(name: &str, argv: &[String], all_accesses: bool) -> Result<Target, String> {
    let (file, function) = match name.split_once("::") {
        Some((file, function)) => (file, Some(function.to_owned())),
        None => (name, None),
    };
    let path = fs::canonicalize(file).map_err(|error| format!("{file}: {error}"))?;
    if !path.is_file() {
        return Err(format!("{file} is no file"));
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    Ok(Target {
        kind: if function.is_some() {
            "function"
        } else {
            "script"
        },
        root: project_root(parent),
        target: path.to_string_lossy().into_owned(),
        function,
        argv: argv.to_vec(),
        directory: current_directory()?,
        all_accesses,
    })
}

impl ExploreArgs {
    fn choice(&self) -> Choice {
        match self.strategy {
            StrategyName::Bounded => Choice::Bounded(self.preemptions.unwrap_or(2)),
            _ if self.preemptions.is_some() => Choice::Bounded(self.preemptions.unwrap_or(2)),
            StrategyName::Auto => Choice::Auto,
            StrategyName::Pos => Choice::Pos,
            StrategyName::Dpor => Choice::Dpor,
            StrategyName::Pct => Choice::Pct,
            StrategyName::Surw => Choice::Surw,
            StrategyName::Random => Choice::Random,
        }
    }

    fn limits(&self) -> Result<Limits, String> {
        if !self.budget.is_finite() || self.budget <= 0.0 || self.budget > 1e9 {
            return Err(format!("--budget {}: not a time to search", self.budget));
        }
        Ok(Limits {
            budget: Duration::from_secs_f64(self.budget),
            max_schedules: self.max_schedules.unwrap_or(u64::MAX),
            jobs: self
                .jobs
                .unwrap_or_else(|| available_parallelism().map_or(1, |it| it.get().min(4)))
                .clamp(1, 64),
            count_all: self.count,
            ..Limits::default()
        })
    }

    fn isolation(&self) -> Isolation {
        match self.isolate {
            IsolateName::Auto => Isolation::Auto,
            IsolateName::Process => Isolation::Process,
            IsolateName::Fork => Isolation::Fork,
        }
    }

    fn targets(&self) -> Result<Vec<Target>, String> {
        if let Some(module) = &self.module {
            let directory = current_directory()?;
            let mut argv: Vec<String> = self.target.iter().cloned().collect();
            argv.extend(self.argv.iter().cloned());
            return Ok(vec![Target {
                kind: "module",
                target: module.clone(),
                function: None,
                argv,
                root: project_root(&directory),
                directory,
                all_accesses: self.all_accesses,
            }]);
        }
        if let Some(node) = &self.pytest {
            let directory = current_directory()?;
            return Ok(vec![Target {
                kind: "pytest",
                target: node.clone(),
                function: None,
                argv: Vec::new(),
                root: project_root(&directory),
                directory,
                all_accesses: self.all_accesses,
            }]);
        }
        let name = self.target.as_deref().unwrap_or_default();
        let path = Path::new(name);
        if !path.is_dir() {
            return Ok(vec![file_target(name, &self.argv, self.all_accesses)?]);
        }
        let mut scripts: Vec<PathBuf> = fs::read_dir(path)
            .map_err(|error| format!("{name}: {error}"))?
            .filter_map(|it| Some(it.ok()?.path()))
            .filter(|it| it.extension().is_some_and(|it| it == "py"))
            .collect();
        scripts.sort();
        if scripts.is_empty() {
            return Err(format!("{name} holds no Python file"));
        }
        scripts
            .iter()
            .map(|it| file_target(&it.to_string_lossy(), &self.argv, self.all_accesses))
            .collect()
    }
}

/// A line on a terminal.
struct Line {
    bar: ProgressBar,
    budget: Duration,
}

impl Line {
    fn new(budget: Duration) -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Some(Self { bar, budget })
    }
}

impl Progress for Line {
    fn schedules(&mut self, executions: u64, traces: u64, elapsed: Duration) {
        if executions.is_multiple_of(50) {
            let seconds = elapsed.as_secs_f64().max(0.001);
            let left = self.budget.saturating_sub(elapsed).as_secs();
            self.bar.set_message(format!(
                "{executions} schedules, {:.0} a second, {traces} traces, {left} s left",
                executions as f64 / seconds
            ));
            self.bar.tick();
        }
    }
}

/// What one program came to.
struct Explored {
    name: String,
    outcome: Result<Outcome, String>,
    text: String,
    replay: Option<String>,
}

/// Runs `raceproof explore`.
pub fn explore(args: ExploreArgs) -> ExitCode {
    match explore_all(&args) {
        Ok(code) => code,
        Err(why) => {
            complain(why);
            ExitCode::from(super::FAILURE)
        }
    }
}

fn explore_all(args: &ExploreArgs) -> Result<ExitCode, String> {
    let limits = args.limits()?;
    let interpreter = interpreter::find(args.python.as_deref())?;
    let mut targets = args.targets()?;
    if args.pytest.is_some() {
        targets = each_test(&interpreter, targets)?;
    }
    let table = args
        .target
        .as_ref()
        .is_some_and(|it| Path::new(it).is_dir());
    let limits = Limits {
        count_all: limits.count_all || table,
        ..limits
    };
    let explored: Vec<Explored> = targets
        .into_iter()
        .map(|target| explore_one(args, &interpreter, target, &limits))
        .collect();
    let mut out = io::stdout().lock();
    let written = match args.output_format {
        Format::Text if table => write_table(&mut out, &explored),
        Format::Text => write_text(&mut out, &explored, &interpreter, limits.count_all),
        Format::Json => write_json(&mut out, &explored, &interpreter),
        Format::Junit => write_junit(&mut out, &explored),
    };
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(format!("standard output: {error}"));
    }
    let failed = explored.iter().any(|it| it.outcome.is_err());
    let found = explored
        .iter()
        .any(|it| matches!(&it.outcome, Ok(outcome) if outcome.verdict == Verdict::Failing));
    for it in &explored {
        if let Err(why) = &it.outcome {
            complain(format_args!("{}: {why}", it.name));
        }
    }
    Ok(ExitCode::from(if failed {
        super::FAILURE
    } else if found {
        FOUND
    } else {
        0
    }))
}

/// The tests that a pytest node names, each as a target of its own.
fn each_test(interpreter: &Interpreter, targets: Vec<Target>) -> Result<Vec<Target>, String> {
    let mut tests = Vec::new();
    for target in targets {
        let patience = Duration::from_secs(20);
        let fleet = Fleet::start(
            interpreter.clone(),
            target.clone(),
            Isolation::Fork,
            patience,
        )
        .map_err(|error| told(&error))?;
        tests.extend(fleet.items().iter().map(|item| Target {
            target: item.clone(),
            ..target.clone()
        }));
    }
    Ok(tests)
}

fn explore_one(
    args: &ExploreArgs,
    interpreter: &Interpreter,
    target: Target,
    limits: &Limits,
) -> Explored {
    let name = shown_name(&target);
    let failed = |why: String| Explored {
        name: name.clone(),
        outcome: Err(why),
        text: String::new(),
        replay: None,
    };
    let patience = limits
        .budget
        .clamp(Duration::from_secs(2), Duration::from_secs(20));
    let root = target.root.clone();
    // pytest keeps modules and fixtures alive, so the state of one run would reach the next.
    let isolation = match args.isolation() {
        Isolation::Auto if target.kind == "pytest" => Isolation::Fork,
        other => other,
    };
    let mut fleet = match Fleet::start(interpreter.clone(), target, isolation, patience) {
        Ok(fleet) => fleet,
        Err(error) => return failed(told(&error)),
    };
    let mut line = Line::new(limits.budget);
    let mut nobody = ();
    let progress: &mut dyn Progress = match &mut line {
        Some(line) => line,
        None => &mut nobody,
    };
    let outcome = match search::search(&mut fleet, args.choice(), args.seed, limits, progress) {
        Ok(outcome) => outcome,
        Err(error) => return failed(told(&error)),
    };
    if let Some(line) = &line {
        line.bar.finish_and_clear();
    }
    let mut text = String::new();
    let mut replay = None;
    if let Some(found) = &outcome.found {
        text = report::failing(found, &fleet.sites, &root);
        match save(args, found, &fleet, &root) {
            Ok(command) => replay = command,
            Err(why) => return failed(why),
        }
    }
    Explored {
        name,
        outcome: Ok(outcome),
        text,
        replay,
    }
}

fn shown_name(target: &Target) -> String {
    let name = match target.kind {
        "script" | "function" => relative(Path::new(&target.target), &target.directory),
        _ => target.target.clone(),
    };
    match &target.function {
        Some(function) => format!("{name}::{function}"),
        None => name,
    }
}

fn told(error: &AgentError) -> String {
    match error {
        AgentError::Start(why) | AgentError::Program(why) => why.clone(),
        AgentError::Died {
            signal: Some(signal),
            complaint,
            ..
        } => format!("the program's interpreter died of signal {signal} {complaint}"),
        AgentError::Died {
            code, complaint, ..
        } => format!(
            "the program ended its interpreter (status {}) {complaint}",
            code.map_or_else(|| "unknown".to_owned(), |it| it.to_string())
        ),
        AgentError::Hung { stacks } => format!(
            "a run did not end in time: a thread waits outside the scheduler's control, or never \
             stops\n{stacks}"
        ),
    }
}

/// Writes the witness; returns the command that replays it. None for what cannot be replayed.
fn save(
    args: &ExploreArgs,
    found: &search::Found,
    fleet: &Fleet,
    root: &Path,
) -> Result<Option<String>, String> {
    if found.execution.trace.is_empty() {
        return Ok(None);
    }
    let witness = Witness::of(found, fleet);
    let text = witness.text();
    let path = match &args.witness {
        Some(path) => path.clone(),
        None => {
            let stem: String = shown_name(fleet.target())
                .chars()
                .map(|it| if it.is_ascii_alphanumeric() { it } else { '-' })
                .collect();
            project_root(&current_directory()?)
                .join(".raceproof_cache/witnesses")
                .join(format!("{}.json", stem.trim_matches('-')))
        }
    };
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    if args.witness.is_none()
        && let Some(parent) = path.parent()
    {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(&path, text).map_err(failed)?;
    let directory = current_directory()?;
    if let Some(file) = &args.emit_test {
        let told = |error: io::Error| format!("{}: {error}", file.display());
        let parent = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let parent = fs::canonicalize(parent).map_err(told)?;
        let text = emit_test::text(&witness, &way(&parent, root))?;
        fs::write(file, text).map_err(told)?;
    }
    let shown = path.strip_prefix(&directory).unwrap_or(&path);
    let mut command = format!("raceproof replay {}", shown.display());
    if project_root(&directory) != root {
        command.push_str(&format!(" --root {}", root.display()));
    }
    Ok(Some(command))
}

/// The relative path from one directory to another; both absolute.
fn way(from: &Path, to: &Path) -> PathBuf {
    let common = from
        .components()
        .zip(to.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = from.components().skip(common).map(|_| "..");
    let mut path: PathBuf = up.collect();
    path.extend(to.components().skip(common));
    if path.as_os_str().is_empty() {
        path.push(".");
    }
    path
}

fn write_text(
    out: &mut impl Write,
    explored: &[Explored],
    interpreter: &Interpreter,
    counted: bool,
) -> io::Result<()> {
    for it in explored {
        let Ok(outcome) = &it.outcome else { continue };
        writeln!(out, "{}: {}", it.name, report::verdict(outcome))?;
        if !it.text.is_empty() {
            writeln!(out, "\n{}", it.text.trim_end())?;
        }
        if counted && outcome.failing_traces > 0 {
            writeln!(
                out,
                "\n{} of {} fail",
                outcome.failing_traces,
                report::count(outcome.traces, "trace")
            )?;
        }
        let rate = outcome.executions as f64 / outcome.elapsed.as_secs_f64().max(1e-6);
        writeln!(
            out,
            "\n{}, {} in {:.2} s ({rate:.0} a second){}",
            interpreter.describe(),
            report::count(outcome.executions, "schedule"),
            outcome.elapsed.as_secs_f64(),
            if outcome.forked {
                ", each in a process of its own"
            } else {
                ""
            }
        )?;
        if let Some(found) = &outcome.found {
            writeln!(
                out,
                "{} shown; the schedule as found had {}",
                report::count(found.switches as u64, "context switch"),
                found.switches_found
            )?;
        }
        for note in &outcome.notes {
            writeln!(out, "note: {note}")?;
        }
        if outcome.verdict != Verdict::Failing && !outcome.data_races.is_empty() {
            writeln!(
                out,
                "note: {} of accesses that nothing orders; no interleaving of them failed",
                report::count(outcome.data_races.len() as u64, "pair")
            )?;
        }
        if let Some(replay) = &it.replay {
            writeln!(out, "replay: {replay}")?;
        }
    }
    Ok(())
}

fn write_table(out: &mut impl Write, explored: &[Explored]) -> io::Result<()> {
    let width = explored
        .iter()
        .map(|it| it.name.len())
        .max()
        .unwrap_or(0)
        .max(7);
    writeln!(
        out,
        "{:width$}  {:>9}  {:>9}  {:>7}  verdict",
        "program", "schedules", "traces", "failing"
    )?;
    for it in explored {
        match &it.outcome {
            Ok(outcome) => {
                let share = 100.0 * outcome.failing_traces as f64 / outcome.traces.max(1) as f64;
                let verdict = match outcome.verdict {
                    Verdict::Failing => format!(
                        "failing: {}",
                        outcome
                            .found
                            .as_ref()
                            .map_or_else(String::new, |it| it.failing.message())
                    ),
                    Verdict::NoneExists => "none exists: every trace explored".to_owned(),
                    Verdict::NoneWithinBound => "none within the bound".to_owned(),
                    Verdict::BudgetCut => "budget cut: nothing proved".to_owned(),
                    Verdict::NoThreads => "starts no thread".to_owned(),
                };
                writeln!(
                    out,
                    "{:width$}  {:>9}  {:>9}  {share:>6.0}%  {verdict}",
                    it.name, outcome.executions, outcome.traces
                )?;
            }
            Err(_) => writeln!(
                out,
                "{:width$}  {:>9}  {:>9}  {:>7}  could not be explored",
                it.name, "", "", ""
            )?,
        }
    }
    Ok(())
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Failing => "failing",
        Verdict::NoneExists => "none-exists",
        Verdict::NoneWithinBound => "none-within-bound",
        Verdict::BudgetCut => "budget-cut",
        Verdict::NoThreads => "no-threads",
    }
}

fn write_json(
    out: &mut impl Write,
    explored: &[Explored],
    interpreter: &Interpreter,
) -> io::Result<()> {
    let programs: Vec<_> = explored
        .iter()
        .map(|it| match &it.outcome {
            Ok(outcome) => json!({
                "name": it.name,
                "verdict": word(outcome.verdict),
                "schedules": outcome.executions,
                "traces": outcome.traces,
                "failing_traces": outcome.failing_traces,
                "first_failure": outcome.first_failure,
                "seconds": outcome.elapsed.as_secs_f64(),
                "threads": outcome.threads,
                "forked": outcome.forked,
                "data_races": outcome.data_races.len(),
                "notes": outcome.notes,
                "failure": outcome.found.as_ref().map(|found| json!({
                    "kind": found.failing.kind(),
                    "message": found.failing.message(),
                    "with_gil": found.with_gil,
                    "switches": found.switches,
                    "report": it.text,
                })),
                "replay": it.replay,
            }),
            Err(why) => json!({"name": it.name, "verdict": "error", "error": why}),
        })
        .collect();
    let document = json!({
        "python": interpreter.describe(),
        "programs": programs,
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn write_junit(out: &mut impl Write, explored: &[Explored]) -> io::Result<()> {
    let failures = explored
        .iter()
        .filter(|it| matches!(&it.outcome, Ok(o) if o.verdict == Verdict::Failing))
        .count();
    let errors = explored.iter().filter(|it| it.outcome.is_err()).count();
    writeln!(out, r#"<?xml version="1.0" encoding="utf-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites><testsuite name="raceproof explore" tests="{}" failures="{failures}" errors="{errors}">"#,
        explored.len()
    )?;
    for it in explored {
        let name = escaped(&it.name);
        match &it.outcome {
            Ok(outcome) => {
                writeln!(
                    out,
                    r#"<testcase classname="raceproof" name="{name}" time="{:.3}">"#,
                    outcome.elapsed.as_secs_f64()
                )?;
                match &outcome.found {
                    Some(found) => writeln!(
                        out,
                        r#"<failure type="{}" message="{}">{}</failure>"#,
                        found.failing.kind(),
                        escaped(&found.failing.message()),
                        escaped(&it.text)
                    )?,
                    None => writeln!(
                        out,
                        "<system-out>{}</system-out>",
                        escaped(&report::verdict(outcome))
                    )?,
                }
            }
            Err(why) => {
                writeln!(out, r#"<testcase classname="raceproof" name="{name}">"#)?;
                writeln!(out, r#"<error message="{}"/>"#, escaped(why))?;
            }
        }
        writeln!(out, "</testcase>")?;
    }
    writeln!(out, "</testsuite></testsuites>")
}

fn escaped(text: &str) -> String {
    text.chars()
        .filter(|it| !it.is_control() || matches!(it, '\n' | '\t'))
        .map(|it| match it {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\n' => "&#10;".to_owned(),
            other => other.to_string(),
        })
        .collect()
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

/// Replays with the debugger on the terminal.
fn debug(witness: &Witness, interpreter: &Interpreter, root: &Path) -> Result<ExitCode, String> {
    let text = emit_test::text(witness, Path::new("/").join(root).as_path())?;
    let script = env::temp_dir().join(format!("raceproof-replay-{}.py", std::process::id()));
    let told = |error: io::Error| format!("{}: {error}", script.display());
    let mut file = fs::File::create_new(&script).map_err(told)?;
    let outcome = file
        .write_all(text.as_bytes())
        .and_then(|()| {
            std::process::Command::new(&interpreter.path)
                .arg(&script)
                .arg("--pdb")
                .env("PYTHONHASHSEED", "0")
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .status()
        })
        .map_err(told);
    let removed = fs::remove_file(&script).map_err(told);
    let status = outcome?;
    removed?;
    Ok(match status.code() {
        Some(0) => ExitCode::SUCCESS,
        Some(1) => ExitCode::from(FOUND),
        _ => ExitCode::from(super::FAILURE),
    })
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
    let target = witness.target(&root, &directory);
    let mut fleet = Fleet::start(
        interpreter.clone(),
        target,
        Isolation::Process,
        Duration::from_secs(20),
    )
    .map_err(|error| told(&error))?;
    let limits = Limits::default();
    let mut failed = None;
    for time in 1..=args.times.max(1) {
        let execution = fleet
            .run(witness.plan(limits.max_steps))
            .map_err(|error| told(&error))?;
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
        let mut serial = Serial::default();
        failed = if witness.failure.kind == "not-serial" {
            // Judged against the serial orders, the first of which has to come first.
            let first = fleet
                .run(crate::dynamic::protocol::Plan::free(
                    crate::dynamic::protocol::Policy::GoOn,
                    0,
                    limits.max_steps,
                ))
                .map_err(|error| told(&error))?;
            serial.is_new(&first);
            shrink::judged(&mut fleet, &mut serial, &execution, &limits)
        } else {
            shrink::judged(&mut fleet, &mut serial, &execution, &limits)
        }
        .filter(|it| witness.is_of(it))
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
    let text = report::failing(&found, &fleet.sites, &root);
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
