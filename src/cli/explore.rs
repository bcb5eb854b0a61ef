//! `raceproof explore`.

use std::env;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::explored::{Explored, write_json, write_junit, write_table, write_text};
use super::output::{complain, style};
use crate::dynamic::agent_process::{AgentError, Isolation, Target};
use crate::dynamic::emit_test;
use crate::dynamic::fleet::Fleet;
use crate::dynamic::interpreter::{self, Interpreter};
use crate::dynamic::report;
use crate::dynamic::search::{self, Choice, Limits, Progress, Verdict};
use crate::dynamic::witness::{Witness, relative};

/// Columns of a report that is part of a document.
const REPORT_WIDTH: usize = 120;

/// Exit code when a failing interleaving was found.
pub(super) const FOUND: u8 = 1;

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
  1  a failing interleaving; a crash or a hang is one if another schedule is without it
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
    /// Seconds a run may go without a step of any thread before it is taken to hang.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    patience: f64,
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

/// The nearest directory above `start` that looks like a project; `start` when none does.
pub(super) fn project_root(start: &Path) -> PathBuf {
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

pub(super) fn current_directory() -> Result<PathBuf, String> {
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
        let is_time = |it: f64| it.is_finite() && it > 0.0 && it <= 1e9;
        if !is_time(self.budget) {
            return Err(format!("--budget {}: not a time to search", self.budget));
        }
        if !is_time(self.patience) {
            return Err(format!("--patience {}: not a time to wait", self.patience));
        }
        Ok(Limits {
            budget: Duration::from_secs_f64(self.budget),
            patience: Duration::from_secs_f64(self.patience),
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
    name: String,
    budget: Duration,
    drawn: Duration,
}

impl Line {
    fn new(name: &str, budget: Duration) -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        Some(Self {
            bar,
            name: name.to_owned(),
            budget,
            drawn: Duration::ZERO,
        })
    }
}

impl Progress for Line {
    fn schedules(&mut self, executions: u64, traces: u64, elapsed: Duration) {
        if elapsed - self.drawn >= Duration::from_millis(100) {
            self.drawn = elapsed;
            let seconds = elapsed.as_secs_f64().max(0.001);
            let left = self.budget.saturating_sub(elapsed).as_secs();
            self.bar.set_message(format!(
                "{executions} schedules, {:.0}/s, {traces} traces, {left} s left: {}",
                executions as f64 / seconds,
                self.name
            ));
            self.bar.tick();
        }
    }
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
        targets = each_test(&interpreter, targets, limits.patience)?;
    }
    if targets.len() > 1 && (args.witness.is_some() || args.emit_test.is_some()) {
        return Err(format!(
            "--witness and --emit-test name one file, but {} programs are explored; name one",
            targets.len()
        ));
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
    let failed = explored
        .iter()
        .any(|it| it.outcome.is_err() || it.problem.is_some());
    let found = explored
        .iter()
        .any(|it| matches!(&it.outcome, Ok(outcome) if outcome.verdict == Verdict::Failing));
    for it in &explored {
        if let Some(why) = it.outcome.as_ref().err().or(it.problem.as_ref()) {
            complain(format_args!("{}: {}", it.name, why.trim_end()));
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
fn each_test(
    interpreter: &Interpreter,
    targets: Vec<Target>,
    patience: Duration,
) -> Result<Vec<Target>, String> {
    let mut tests = Vec::new();
    for target in targets {
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
        problem: None,
    };
    let root = target.root.clone();
    // pytest keeps modules and fixtures alive, so the state of one run would reach the next.
    let isolation = match args.isolation() {
        Isolation::Auto if target.kind == "pytest" => Isolation::Fork,
        other => other,
    };
    let mut fleet = match Fleet::start(interpreter.clone(), target, isolation, limits.patience) {
        Ok(fleet) => fleet,
        Err(error) => return failed(told(&error)),
    };
    let mut line = Line::new(&name, limits.budget);
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
    let (mut replay, mut problem) = (None, None);
    if let Some(found) = &outcome.found {
        text = report::failing(
            found,
            &fleet.sites,
            &root,
            match args.output_format {
                Format::Text => style(&io::stdout()).width,
                Format::Json | Format::Junit => REPORT_WIDTH,
            },
        );
        match save(args, found, &fleet, &root) {
            Ok(command) => replay = command,
            Err(why) => problem = Some(why),
        }
    }
    Explored {
        name,
        outcome: Ok(outcome),
        text,
        replay,
        problem,
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

pub(super) fn told(error: &AgentError) -> String {
    match error {
        AgentError::Start(why) | AgentError::Program(why) => why.clone(),
        AgentError::Died {
            signal: Some(signal),
            complaint,
            ..
        } => format!(
            "the program's interpreter died of signal {signal}{}\n{complaint}",
            if error.is_of_the_run() {
                ", whatever the schedule"
            } else {
                ""
            }
        ),
        AgentError::Died {
            code, complaint, ..
        } => format!(
            "the program ended its interpreter (status {})\n{complaint}",
            code.map_or_else(|| "unknown".to_owned(), |it| it.to_string())
        ),
        AgentError::Hung { stacks, .. } => format!(
            "the program does not end, whatever the schedule: a thread waits outside \
             the scheduler's control, never stops, or needs more time between two steps than \
             --patience gives it\n{stacks}"
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
        return match &args.emit_test {
            Some(_) => Err(
                "--emit-test: the steps of this run are not known, so there is no test to write"
                    .to_owned(),
            ),
            None => Ok(None),
        };
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
        let text = emit_test::text(&witness, &way(&parent, root));
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
