//! Messages between the search and the agent; `agent/serve.py` is the other side.
//!
//! A plan is a length and 32-bit words. A result is a header of eight 32-bit words, the trace as
//! 64-bit words, more 32-bit words, and JSON text for what is rare. With a journal, each step comes
//! in a message of the same form at the moment it is taken, so that the steps of a run that kills
//! its process are known. All little-endian, as both ends run on one machine.

use std::io::{self, Read, Write};
use std::sync::Arc;

use serde::Deserialize;

use super::event::Event;

/// Version of the messages; agent and search are one binary, the handshake still compares.
pub const FORMAT: u32 = 1;

/// Longest text a result may carry.
const MAX_TEXT: usize = 64 << 20;
const MAX_EVENTS: usize = 1 << 24;

/// In the place of a status: a message of a journal.
const STEP: u32 = 6;
const CORRECTION: u32 = 7;

/// How the agent goes on after the forced prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub enum Policy {
    /// The running thread goes on until it blocks.
    #[default]
    GoOn = 0,
    /// Any enabled thread at each step.
    Random = 1,
    /// Partial order sampling.
    Pos = 2,
    /// Probabilistic concurrency testing.
    Pct = 3,
    /// Selectively uniform random walk.
    Surw = 4,
}

/// A schedule to run: a forced prefix and a policy for the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Thread and the step before which it stops running.
    pub segments: Vec<(u32, u32)>,
    /// From this depth on, this thread sleeps until a conflicting operation is executed.
    pub naps: Vec<(u32, u32)>,
    /// What follows the prefix.
    pub policy: Policy,
    /// Seed of the policy.
    pub seed: u32,
    /// Most steps before the run is given up.
    pub max_steps: u32,
    /// Record values and locks.
    pub detail: bool,
    /// Skip segments whose thread cannot run, instead of giving up.
    pub lenient: bool,
    /// Record the enabled threads at each step.
    pub log_enabled: bool,
    /// Tell each step at once.
    pub journal: bool,
    /// `segments` holds positions of threads instead of steps: see [`Plan::positions`].
    pub positions: Vec<(u32, u32, u32)>,
    /// Sites at which a seeded policy may switch; all when absent.
    pub hot: Option<Arc<[u32]>>,
    /// For SURW: operations each thread has left.
    pub counts: Vec<u32>,
    /// For PCT: steps at which the running thread's priority drops.
    pub change_points: Vec<u32>,
}

impl Plan {
    /// A plan without prefix.
    pub fn free(policy: Policy, seed: u32, max_steps: u32) -> Self {
        Self {
            policy,
            seed,
            max_steps,
            ..Self::default()
        }
    }

    /// Forces the threads of `steps`, one each step.
    pub fn force(&mut self, steps: impl IntoIterator<Item = u32>) {
        self.segments.clear();
        for (step, thread) in steps.into_iter().enumerate() {
            let end = step as u32 + 1;
            match self.segments.last_mut() {
                Some((last, until)) if *last == thread => *until = end,
                _ => self.segments.push((thread, end)),
            }
        }
    }

    /// The words of the message, length first.
    pub fn encode(&self) -> Vec<u8> {
        let flags = u32::from(self.detail)
            | u32::from(self.lenient) << 1
            | u32::from(self.log_enabled) << 2
            | u32::from(!self.positions.is_empty()) << 3
            | u32::from(self.journal) << 4;
        let by_position = !self.positions.is_empty();
        let segments = if by_position {
            self.positions.len()
        } else {
            self.segments.len()
        };
        let mut words = vec![
            0,
            self.policy as u32,
            self.seed,
            flags,
            self.max_steps,
            segments as u32,
            self.naps.len() as u32,
            self.hot.as_ref().map_or(u32::MAX, |hot| hot.len() as u32),
            self.counts.len() as u32,
            self.change_points.len() as u32,
        ];
        if by_position {
            words.extend(self.positions.iter().map(|it| it.0));
            words.extend(self.positions.iter().map(|it| it.1));
            words.extend(self.positions.iter().map(|it| it.2));
        } else {
            words.extend(self.segments.iter().map(|it| it.0));
            words.extend(self.segments.iter().map(|it| it.1));
        }
        words.extend(self.naps.iter().map(|it| it.0));
        words.extend(self.naps.iter().map(|it| it.1));
        if let Some(hot) = &self.hot {
            words.extend(hot.iter());
        }
        words.extend(&self.counts);
        words.extend(&self.change_points);
        words[0] = words.len() as u32 - 1;
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All threads ended.
    Complete,
    /// Threads are left and none can go on.
    Deadlock,
    /// Only sleeping threads were left: another run covers this one.
    SleepBlocked,
    /// The plan's thread could not run at its step.
    Diverged,
    /// More steps than the plan allows.
    TooLong,
    /// The program ended its process.
    Ended,
    /// The process died, or had to be ended, before the run was over.
    Unfinished,
}

/// Why a run is a failure, in the agent's words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Failure {
    /// `exception`, `assertion`, `exit` or `deadlock`.
    pub kind: String,
    /// Class of the exception.
    #[serde(default, rename = "type")]
    pub class: String,
    /// Its text.
    pub message: String,
    /// The thread, or -1.
    pub thread: i32,
    /// File, line and function of the program's own frames, outermost first.
    #[serde(default)]
    pub frames: Vec<(String, u32, String)>,
}

/// A thread that waits in a deadlock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Blocked {
    /// Which.
    pub thread: u32,
    /// Where.
    pub site: u32,
    /// For what, in words.
    pub waits: String,
    /// The thread that would have to act, or -1.
    pub owner: i32,
    /// The waiting operation.
    pub operation: String,
}

/// A place in the program's source that operations come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Site {
    /// File, as the interpreter named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 0.
    pub column: u32,
    /// Last column.
    pub end: u32,
    /// Function, for calls into synchronisation.
    pub function: String,
    /// The expression, such as `self.count`; empty for calls into synchronisation.
    pub label: String,
    /// Whether a switch may come just before it even with a GIL.
    pub breaks: bool,
    /// The call comes from library code that the program called here.
    pub inner: bool,
}

/// What one step read or wrote, recorded on request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Detail {
    /// Which step.
    pub step: u32,
    /// The value, shortened.
    pub value: String,
    /// The sites at which the locks were taken that the thread held.
    pub held: Vec<u32>,
}

/// The rare part of a result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Rare {
    /// Why the run failed.
    pub failure: Option<Failure>,
    /// Who waits for what.
    pub blocked: Vec<Blocked>,
    /// Number of the first of `sites`.
    pub first_site: usize,
    /// Sites met for the first time.
    pub sites: Vec<Site>,
    /// Source files executed for the first time.
    pub files: Vec<String>,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
    /// What the function returned, if anything.
    pub value: Option<String>,
    /// What the agent has to say.
    pub notes: Vec<String>,
    /// Values, when the plan asked for them.
    pub detail: Vec<Detail>,
    /// Names of the threads, when the plan asked for details or a journal.
    pub names: Vec<String>,
    /// How the operating system identifies the threads, in a journal.
    pub idents: Vec<u64>,
}

/// What one run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// How it ended.
    pub status: Status,
    /// Its operations, in order.
    pub trace: Vec<Event>,
    /// Steps at which a sleeping thread was woken.
    pub wakes: Vec<(u32, u32)>,
    /// The thread that started each thread.
    pub parents: Vec<i32>,
    /// The operations that threads were waiting to do at the end.
    pub pending: Vec<Event>,
    /// Enabled threads by step, when the plan asked for them.
    pub enabled: Vec<(u32, u64)>,
    /// The first step the plan could not be followed at.
    pub diverged: Option<u32>,
    /// Threads were stopped by the end of the process while they had more to do.
    pub cut: bool,
    /// The agent can run more plans.
    pub reusable: bool,
    /// What is rare.
    pub rare: Rare,
}

/// What an agent says about a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The run is over.
    Over(Execution),
    /// A step was taken, with what is new since the last message.
    Step(Execution),
    /// The last step turned out to be another one.
    Correction(Execution),
}

impl Execution {
    /// An execution of which nothing is known.
    pub fn unfinished() -> Self {
        Self {
            status: Status::Unfinished,
            trace: Vec::new(),
            wakes: Vec::new(),
            parents: vec![-1],
            pending: Vec::new(),
            enabled: Vec::new(),
            diverged: None,
            cut: false,
            reusable: false,
            rare: Rare::default(),
        }
    }

    /// Adds what one message of a journal says.
    pub fn go_on(&mut self, step: Self) {
        self.trace.extend(step.trace);
        self.parents = step.parents;
        let (rare, later) = (&mut self.rare, step.rare);
        if rare.sites.is_empty() {
            rare.first_site = later.first_site;
        }
        rare.sites.extend(later.sites);
        rare.files.extend(later.files);
        rare.detail.extend(later.detail);
        if !later.names.is_empty() {
            (rare.names, rare.idents) = (later.names, later.idents);
        }
    }

    /// Adds what the journal told of before the run was over, once for all: sites, files, names.
    pub fn complete(&mut self, journal: Self) {
        let (rare, mut earlier) = (&mut self.rare, journal.rare);
        if !earlier.sites.is_empty() {
            rare.first_site = earlier.first_site;
        }
        earlier.sites.append(&mut rare.sites);
        earlier.files.append(&mut rare.files);
        (rare.sites, rare.files) = (earlier.sites, earlier.files);
        if rare.names.is_empty() {
            rare.names = earlier.names;
        }
    }
}

/// Reads one message about a plan.
///
/// # Errors
/// The stream ended, or holds something else.
pub fn read_answer(stream: &mut impl Read) -> io::Result<Answer> {
    let mut header = [0u8; 32];
    stream.read_exact(&mut header)?;
    let word = |at: usize| {
        u32::from_le_bytes([
            header[4 * at],
            header[4 * at + 1],
            header[4 * at + 2],
            header[4 * at + 3],
        ])
    };
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let status = match word(0) & 255 {
        0 => Status::Complete,
        1 => Status::Deadlock,
        2 => Status::SleepBlocked,
        3 => Status::Diverged,
        4 => Status::TooLong,
        5 => Status::Ended,
        STEP | CORRECTION => Status::Unfinished,
        _ => return Err(bad("unknown status")),
    };
    let [events, wakes, threads, pending, enabled, text] =
        [1, 2, 3, 4, 5, 6].map(|at| word(at) as usize);
    if events > MAX_EVENTS || text > MAX_TEXT || threads > 4096 || wakes.max(enabled) > MAX_EVENTS {
        return Err(bad("a count is out of range"));
    }
    let mut bytes = vec![0u8; 8 * events];
    stream.read_exact(&mut bytes)?;
    let trace = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|it| Event(u64::from_le_bytes(*it)))
        .collect();
    let mut bytes = vec![0u8; 4 * (2 * wakes + threads + 3 * pending + 3 * enabled)];
    stream.read_exact(&mut bytes)?;
    let words: Vec<u32> = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|it| u32::from_le_bytes(*it))
        .collect();
    let (wake_words, rest) = words.split_at(2 * wakes);
    let (parent_words, rest) = rest.split_at(threads);
    let (pending_words, enabled_words) = rest.split_at(3 * pending);
    let mut body = vec![0u8; text];
    stream.read_exact(&mut body)?;
    let rare = if text == 0 {
        Rare::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| bad(&error.to_string()))?
    };
    let execution = Execution {
        status,
        trace,
        wakes: wake_words
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[step, thread]| (*step, *thread))
            .collect(),
        parents: parent_words.iter().map(|it| *it as i32).collect(),
        pending: pending_words
            .as_chunks::<3>()
            .0
            .iter()
            .map(|[thread, low, high]| {
                Event(u64::from(*low) | u64::from(*high) << 32).by(*thread as usize)
            })
            .collect(),
        enabled: enabled_words
            .as_chunks::<3>()
            .0
            .iter()
            .map(|[step, low, high]| (*step, u64::from(*low) | u64::from(*high) << 32))
            .collect(),
        diverged: (word(7) != u32::MAX).then(|| word(7)),
        cut: word(0) & 512 != 0,
        reusable: word(0) & 256 == 0,
        rare,
    };
    Ok(match word(0) & 255 {
        STEP => Answer::Step(execution),
        CORRECTION => Answer::Correction(execution),
        _ => Answer::Over(execution),
    })
}

/// Writes a length and text.
///
/// # Errors
/// Whatever the stream says.
pub fn write_text(stream: &mut impl Write, text: &[u8]) -> io::Result<()> {
    stream.write_all(&(text.len() as u32).to_le_bytes())?;
    stream.write_all(text)?;
    stream.flush()
}

/// Reads a length and text.
///
/// # Errors
/// The stream ended, or the length is absurd.
pub fn read_text(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0u8; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_TEXT {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "text is too long",
        ));
    }
    let mut text = vec![0u8; length];
    stream.read_exact(&mut text)?;
    Ok(text)
}
