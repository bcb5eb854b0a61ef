//! One Python process with the agent in it: start, plans in, results out, and a certain end.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

#[cfg(unix)]
use rustix::process::Signal;

use super::interpreter::Interpreter;
use super::protocol::{self, Answer, Execution, Plan};

/// The agent's modules, by name.
const MODULES: &[(&str, &str)] = &[
    ("__init__", include_str!("agent/__init__.py")),
    ("access", include_str!("agent/access.py")),
    ("cache", include_str!("agent/cache.py")),
    ("clock", include_str!("agent/clock.py")),
    ("core", include_str!("agent/core.py")),
    ("debug", include_str!("agent/debug.py")),
    ("detail", include_str!("agent/detail.py")),
    ("direct", include_str!("agent/direct.py")),
    ("event", include_str!("agent/event.py")),
    ("future", include_str!("agent/future.py")),
    ("journal", include_str!("agent/journal.py")),
    ("lock", include_str!("agent/lock.py")),
    ("patch", include_str!("agent/patch.py")),
    ("program", include_str!("agent/program.py")),
    ("project", include_str!("agent/project.py")),
    ("pytest_items", include_str!("agent/pytest_items.py")),
    ("rewrite", include_str!("agent/rewrite.py")),
    ("selector", include_str!("agent/selector.py")),
    ("serve", include_str!("agent/serve.py")),
    ("simple_queue", include_str!("agent/simple_queue.py")),
    ("thread", include_str!("agent/thread.py")),
];
const BOOT: &str = include_str!("agent/boot.py");
const MAX_COMPLAINT: usize = 1 << 16;
const STARTUP: Duration = Duration::from_secs(60);

/// The agent's modules by name, for a test file that carries them along.
pub fn modules() -> BTreeMap<&'static str, &'static str> {
    MODULES.iter().copied().collect()
}

/// How the program is kept from seeing what an earlier run left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In one process; a child for each run once state was seen to leak.
    #[default]
    Auto,
    /// In one process.
    Process,
    /// A forked child for each run.
    Fork,
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// `script`, `module`, `function` or `pytest`.
    pub kind: &'static str,
    /// The file, module or node.
    pub target: String,
    /// The function of the file.
    pub function: Option<String>,
    /// Arguments of the program.
    pub argv: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// Files below are the program's own and are instrumented.
    pub root: PathBuf,
    /// Instrument names that are bound once, too.
    pub all_accesses: bool,
}

#[derive(Serialize)]
struct Options<'a> {
    #[serde(flatten)]
    target: &'a Target,
    isolate: &'static str,
    cpu: usize,
}

#[derive(Serialize)]
struct Bundle<'a> {
    modules: BTreeMap<&'static str, &'static str>,
    options: Options<'a>,
}

/// What the agent says first.
#[derive(Debug, Clone, Deserialize)]
pub struct Hello {
    /// Version of the messages.
    pub format: u32,
    /// Why the program cannot be run.
    #[serde(default)]
    pub error: Option<String>,
    /// Pytest items found.
    #[serde(default)]
    pub items: Vec<String>,
}

/// Why there is no result.
#[derive(Debug)]
pub enum AgentError {
    /// The process could not be started, or does not answer: in words.
    Start(String),
    /// The program cannot be run: in words.
    Program(String),
    /// The process ended during a run.
    Died {
        /// The signal that ended it, if one did.
        signal: Option<i32>,
        /// Exit status, if it exited.
        code: Option<i32>,
        /// The last it said.
        complaint: String,
        /// The steps until then, when the plan had a journal.
        steps: Option<Box<Execution>>,
    },
    /// A run took no step for as long as it was given.
    Hung {
        /// The stacks of its threads.
        stacks: String,
        /// The steps until then, when the plan had a journal.
        steps: Option<Box<Execution>>,
    },
}

/// Signals that end a process because of what it did itself.
#[cfg(unix)]
const CRASHES: [Signal; 5] = [
    Signal::ILL,
    Signal::ABORT,
    Signal::BUS,
    Signal::FPE,
    Signal::SEGV,
];

impl AgentError {
    /// Whether the run itself crashed or hangs, rather than that its process was killed, was left,
    /// or could not be started.
    pub fn is_of_the_run(&self) -> bool {
        match self {
            #[cfg(unix)]
            Self::Died {
                signal: Some(signal),
                ..
            } => CRASHES.iter().any(|it| it.as_raw() == *signal),
            Self::Hung { .. } => true,
            _ => false,
        }
    }

    /// The steps until then.
    pub fn steps(&mut self) -> Option<&mut Execution> {
        match self {
            Self::Died { steps, .. } | Self::Hung { steps, .. } => steps.as_deref_mut(),
            Self::Start(_) | Self::Program(_) => None,
        }
    }
}

/// So many times five milliseconds an agent is waited for when it is told to end.
const FAREWELL: u32 = 400;

/// A run with a journal may take so many times as long as one without a step may.
const LONGEST: u32 = 12;

/// A running agent. Dropping it ends the process and all the program started.
pub struct AgentProcess {
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<io::Result<Answer>>,
    complaint: Arc<Mutex<Vec<u8>>>,
    /// Pytest items found.
    pub items: Vec<String>,
}

impl AgentProcess {
    /// Starts an interpreter, gives it the agent, and waits until the program is ready to run.
    ///
    /// # Errors
    /// [`AgentError::Start`] or [`AgentError::Program`].
    pub fn start(
        interpreter: &Interpreter,
        target: &Target,
        isolate: Isolation,
        cpu: usize,
    ) -> Result<Self, AgentError> {
        let failed = |error: io::Error| {
            AgentError::Start(format!(
                "{} cannot be started: {error}",
                interpreter.path.display()
            ))
        };
        let mut command = Command::new(&interpreter.path);
        command
            .args(["-c", BOOT])
            .current_dir(&target.directory)
            .env("PYTHONHASHSEED", "0")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(failed)?;
        let (Some(mut input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(AgentError::Start("the agent has no pipes".to_owned()));
        };
        let complaint = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&complaint);
        thread::spawn(move || keep_last(errors, &kept));

        let (send_hello, hello) = mpsc::channel();
        let (send, answers) = mpsc::channel();
        thread::spawn(move || {
            let mut output = BufReader::with_capacity(1 << 16, output);
            let greeting = protocol::read_text(&mut output);
            let greeted = greeting.is_ok();
            if send_hello.send(greeting).is_err() || !greeted {
                return;
            }
            loop {
                let answer = protocol::read_answer(&mut output);
                let ended = answer.is_err();
                if send.send(answer).is_err() || ended {
                    return;
                }
            }
        });
        let bundle = Bundle {
            modules: modules(),
            options: Options {
                target,
                isolate: if isolate == Isolation::Fork {
                    "fork"
                } else {
                    "process"
                },
                cpu,
            },
        };
        let text =
            serde_json::to_vec(&bundle).map_err(|error| AgentError::Start(error.to_string()))?;
        let written = protocol::write_text(&mut input, &text);
        let mut agent = Self {
            child,
            input: Some(input),
            answers,
            complaint,
            items: Vec::new(),
        };
        if let Err(error) = written {
            return Err(AgentError::Start(format!(
                "the agent ended at once ({error}): {}",
                agent.last_words()
            )));
        }
        let greeting = match hello.recv_timeout(STARTUP) {
            Ok(Ok(text)) => serde_json::from_slice::<Hello>(&text).map_err(|error| {
                AgentError::Start(format!("the agent says something else: {error}"))
            })?,
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => {
                return Err(AgentError::Start(format!(
                    "the program ended the interpreter before it could be explored: {}",
                    agent.last_words()
                )));
            }
            Err(RecvTimeoutError::Timeout) => {
                return Err(AgentError::Start(
                    "the program's modules did not load within a minute".to_owned(),
                ));
            }
        };
        if let Some(error) = greeting.error {
            return Err(AgentError::Program(error));
        }
        if greeting.format != protocol::FORMAT {
            return Err(AgentError::Start(
                "the agent is of another version".to_owned(),
            ));
        }
        agent.items = greeting.items;
        Ok(agent)
    }

    /// Sends a plan; its result comes in the order of the plans.
    ///
    /// # Errors
    /// The process is gone; [`Self::receive`] tells why.
    pub fn send(&mut self, plan: &Plan) -> io::Result<()> {
        match &mut self.input {
            Some(input) => input.write_all(&plan.encode()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Waits for the next result: for so long, or with a journal for so long after each step.
    ///
    /// # Errors
    /// [`AgentError::Died`], or [`AgentError::Hung`] when there is none in time.
    pub fn receive(&mut self, patience: Duration) -> Result<Execution, AgentError> {
        let latest = Instant::now() + patience * LONGEST;
        let mut journal: Option<Box<Execution>> = None;
        loop {
            let left = latest.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(patience.min(left)) {
                Ok(Ok(Answer::Over(mut execution))) => {
                    if let Some(journal) = journal {
                        execution.complete(*journal);
                    }
                    return Ok(execution);
                }
                Ok(Ok(Answer::Step(step))) => journal
                    .get_or_insert_with(|| Box::new(Execution::unfinished()))
                    .go_on(step),
                Ok(Ok(Answer::Correction(step))) => {
                    let known = journal.get_or_insert_with(|| Box::new(Execution::unfinished()));
                    known.trace.pop();
                    known.go_on(step);
                }
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => {
                    let status = self.end();
                    return Err(AgentError::Died {
                        signal: signal_of(status),
                        code: status.and_then(|it| it.code()),
                        complaint: named(&self.last_words(), journal.as_deref()),
                        steps: journal,
                    });
                }
                Err(RecvTimeoutError::Timeout) => {
                    let stacks = named(&self.stacks(), journal.as_deref());
                    self.end();
                    return Err(AgentError::Hung {
                        stacks,
                        steps: journal,
                    });
                }
            }
        }
    }

    /// The stacks of the program's threads, through `faulthandler`.
    fn stacks(&self) -> String {
        #[cfg(unix)]
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            // To all: with a child for each run, it is the child that hangs.
            let _ = rustix::process::kill_process_group(pid, Signal::USR2);
            thread::sleep(Duration::from_millis(200));
        }
        self.last_words()
    }

    /// Ends the process and all it started, and waits for it.
    fn end(&mut self) -> Option<ExitStatus> {
        self.input = None;
        // A process that is ending on its own tells more by its status.
        for _ in 0..20 {
            if let Ok(Some(status)) = self.child.try_wait() {
                self.kill_group();
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.kill_group();
        let _ = self.child.kill();
        self.child.wait().ok()
    }

    fn kill_group(&self) {
        #[cfg(unix)]
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
    }

    /// The last the process wrote to its standard error.
    fn last_words(&self) -> String {
        thread::sleep(Duration::from_millis(20));
        match self.complaint.lock() {
            Ok(kept) => of_the_program(&String::from_utf8_lossy(&kept)),
            Err(_) => String::new(),
        }
    }
}

/// What `faulthandler` wrote, without the frames of the agent, the threads that run nothing else,
/// and the frames of the interpreter.
fn of_the_program(text: &str) -> String {
    let is_frame = |line: &str| line.starts_with("  File ") || line.starts_with("  Binary file ");
    let is_foreign = |line: &str| {
        line.starts_with("  File \"<raceproof_agent>")
            || line.starts_with("  File \"<string>\"")
            || line.starts_with("  Binary file ")
            || line.starts_with("  <truncated")
            || line.starts_with("<Cannot show all threads")
    };
    let paragraphs: Vec<String> = text
        .trim()
        .split("\n\n")
        .filter_map(|paragraph| {
            let kept: Vec<&str> = paragraph.lines().filter(|it| !is_foreign(it)).collect();
            let had_frames = paragraph.lines().any(is_frame);
            let has_frames = kept.iter().copied().any(is_frame);
            (has_frames || !had_frames).then(|| kept.join("\n"))
        })
        .collect();
    paragraphs.join("\n")
}

/// Stacks with the names of the threads.
fn named(stacks: &str, journal: Option<&Execution>) -> String {
    let mut text = stacks.to_owned();
    let Some(journal) = journal else {
        // Without a step there is one thread.
        if let Some((at, _)) = text.match_indices("hread 0x").next() {
            let from = text[..at].rfind('\n').map_or(0, |it| it + 1);
            let to = text[at..].find(" (").map_or(text.len(), |it| at + it);
            text.replace_range(from..to, "MainThread");
        }
        return text;
    };
    let threads = journal.rare.idents.iter().zip(&journal.rare.names);
    for (ident, name) in threads.filter(|it| *it.0 != 0) {
        for title in ["Current thread", "Thread"] {
            text = text.replace(&format!("{title} 0x{ident:016x}"), name);
        }
    }
    text
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        // Asked to end, it lets the program's objects die, and with them their temporary files.
        if let Some(mut input) = self.input.take()
            && protocol::write_text(&mut input, &[]).is_ok()
        {
            for _ in 0..FAREWELL {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        self.kill_group();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep_last(mut errors: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0u8; 4096];
    while let Ok(size) = errors.read(&mut buffer) {
        if size == 0 {
            return;
        }
        if let Ok(mut kept) = kept.lock() {
            kept.extend_from_slice(&buffer[..size]);
            if kept.len() > MAX_COMPLAINT {
                let excess = kept.len() - MAX_COMPLAINT;
                kept.drain(..excess);
            }
        }
    }
}

#[cfg(unix)]
fn signal_of(status: Option<ExitStatus>) -> Option<i32> {
    status.and_then(|it| std::os::unix::process::ExitStatusExt::signal(&it))
}

#[cfg(not(unix))]
fn signal_of(_status: Option<ExitStatus>) -> Option<i32> {
    None
}
