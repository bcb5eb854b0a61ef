//! What makes an execution a failure. One file for each oracle that needs more than a look.

mod serial;

pub use serial::{Serial, against};

use super::agent_process::AgentError;
use super::protocol::{Blocked, Execution, Status};

/// Results of serial orders that a message shows.
const MAX_SHOWN: usize = 4;

/// What is wrong with an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failing {
    /// An exception that nothing caught, or a failed assertion.
    Raised {
        /// It is an `AssertionError`.
        assertion: bool,
        /// Class of the exception.
        class: String,
        /// Its text.
        message: String,
        /// In which thread.
        thread: u32,
        /// File, line and function of the program's own frames, outermost first.
        frames: Vec<(String, u32, String)>,
    },
    /// The program exits with a status other than 0.
    Exit(String),
    /// Threads wait for each other, or for what nobody will do.
    Deadlock(Vec<Blocked>),
    /// The interpreter died of a signal.
    Crash {
        /// Such as 11 for an invalid memory access.
        signal: i32,
        /// The stacks of its threads, as far as it told them.
        stacks: String,
    },
    /// The run does not end: a thread waits outside the scheduler's control, or never stops.
    Hang {
        /// The thread, when it is known.
        thread: Option<String>,
        /// The stacks of its threads.
        stacks: String,
    },
    /// The result cannot come from any order of running the threads one after the other.
    NotSerial {
        /// The result.
        result: String,
        /// What the serial orders give, in order.
        serial: Vec<String>,
    },
}

impl Failing {
    /// Such as `deadlock`; the word in witness files.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Raised {
                assertion: true, ..
            } => "assertion",
            Self::Raised { .. } => "exception",
            Self::Exit(_) => "exit",
            Self::Deadlock(_) => "deadlock",
            Self::Crash { .. } => "crash",
            Self::Hang { .. } => "hang",
            Self::NotSerial { .. } => "not-serial",
        }
    }

    /// One line for people.
    pub fn message(&self) -> String {
        match self {
            Self::Raised { class, message, .. } if message.is_empty() => class.clone(),
            Self::Raised { class, message, .. } => format!("{class}: {message}"),
            Self::Exit(status) => status.clone(),
            Self::Deadlock(_) => "threads are left and none can go on".to_owned(),
            Self::Crash { signal, .. } => format!("the interpreter died of signal {signal}"),
            Self::Hang { thread, .. } => format!(
                "the run does not end: {} waits outside the scheduler's control, or never stops",
                thread.as_deref().unwrap_or("a thread")
            ),
            Self::NotSerial { result, serial } => {
                let mut orders: Vec<String> = serial
                    .iter()
                    .take(MAX_SHOWN)
                    .map(|it| shortened(it))
                    .collect();
                if serial.len() > MAX_SHOWN {
                    orders.push(format!("one of {} others", serial.len() - MAX_SHOWN));
                }
                format!(
                    "the result {} comes from no serial order of the threads, which give {}",
                    shortened(result),
                    orders.join(" or ")
                )
            }
        }
    }

    /// Whether the other one is the same defect: kind, class and place.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Raised {
                    class: a,
                    frames: f,
                    ..
                },
                Self::Raised {
                    class: b,
                    frames: g,
                    ..
                },
            ) => a == b && f.last().map(|it| (&it.0, it.1)) == g.last().map(|it| (&it.0, it.1)),
            (a, b) => a.kind() == b.kind(),
        }
    }
}

/// What is wrong with an execution, as far as it tells by itself.
pub fn of_execution(execution: &Execution) -> Option<Failing> {
    if let Some(failure) = &execution.rare.failure {
        return Some(match failure.kind.as_str() {
            "deadlock" => Failing::Deadlock(execution.rare.blocked.clone()),
            "exit" => Failing::Exit(failure.message.clone()),
            kind => Failing::Raised {
                assertion: kind == "assertion",
                class: failure.class.clone(),
                message: failure.message.clone(),
                thread: u32::try_from(failure.thread).unwrap_or(0),
                frames: failure.frames.clone(),
            },
        });
    }
    (execution.status == Status::Deadlock)
        .then(|| Failing::Deadlock(execution.rare.blocked.clone()))
}

/// What a run without a result is, given that another one has a result: a crash and a hang are
/// defects of the interleaving; being killed or leaving the process is not ours to judge.
pub fn of_agent_error(error: &AgentError) -> Option<Failing> {
    match error {
        AgentError::Died {
            signal: Some(signal),
            complaint,
            ..
        } if error.is_of_the_run() => Some(Failing::Crash {
            signal: *signal,
            stacks: complaint.clone(),
        }),
        AgentError::Hung { stacks, steps } => Some(Failing::Hang {
            thread: steps.as_ref().and_then(|it| {
                let last = it.trace.last()?.thread();
                it.rare.names.get(last).cloned()
            }),
            stacks: stacks.clone(),
        }),
        _ => None,
    }
}

/// What a run came to and what is wrong with it, when it has a result or its steps are known.
///
/// # Errors
/// There is no result, and that is not the interleaving's doing.
pub fn of_run(
    received: Result<Execution, AgentError>,
) -> Result<(Execution, Option<Failing>), AgentError> {
    match received {
        Ok(execution) => {
            let failing = of_execution(&execution);
            Ok((execution, failing))
        }
        Err(mut error) => match (of_agent_error(&error), error.steps()) {
            (Some(failing), Some(steps)) => {
                let steps = std::mem::replace(steps, Execution::unfinished());
                Ok((steps, Some(failing)))
            }
            _ => Err(error),
        },
    }
}

impl Failing {
    /// Whether the run had no end of its own, so that its process was lost.
    pub fn is_without_end(&self) -> bool {
        matches!(self, Self::Crash { .. } | Self::Hang { .. })
    }
}

fn shortened(result: &str) -> String {
    let text = result.replace('\n', " | ");
    let kept: String = text.chars().take(80).collect();
    if kept.len() < text.len() {
        format!("`{kept}...`")
    } else {
        format!("`{kept}`")
    }
}
