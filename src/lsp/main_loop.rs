//! The event loop.
//!
//! One thread owns all state and never waits for anything but the next event. Analysis runs on a
//! second thread over a snapshot and is cancelled by the next change; requests that only read are
//! answered on a few further threads over the last analysis. Everything that has arrived is taken in before work
//! is started, so a burst of edits is analysed once.

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::time::Duration;

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response, ResponseError};
use serde_json::Value;

use super::analyst::{self, Checked};
use super::session::Session;
use super::transport::{self, Incoming, Outgoing};
use super::workers;

/// Messages that wait in memory before the reader is slowed down.
const QUEUE: usize = 1024;

/// How often the editor's process is looked for.
const PARENT_POLL: Duration = Duration::from_secs(2);

/// What the loop waits for.
pub(super) enum Event {
    /// The client says something.
    Incoming(Incoming),
    /// The client says nothing more.
    Closed,
    /// An analysis has ended.
    Checked(Checked),
    /// A request has been answered.
    Answered(RequestId, Result<Value, ResponseError>),
    /// The editor's process has ended without saying so.
    Orphaned,
}

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By `shutdown` and `exit`.
    Orderly,
    /// Otherwise: `exit` without `shutdown`, or the client has gone.
    Abrupt,
}

/// Serves one client until it ends the connection.
///
/// Reads messages from `input`, writes messages to `output`; both are left to threads that end
/// with their stream.
pub fn serve(input: impl BufRead + Send + 'static, output: impl Write + Send + 'static) -> Ended {
    let (events, receiver) = mpsc::sync_channel(QUEUE);
    let (outgoing, to_write) = mpsc::channel();
    let writer = std::thread::spawn(move || write_all(&to_write, output));
    let from_client = events.clone();
    std::thread::spawn(move || read_all(input, &from_client));

    let client = Client { outgoing };
    let tasks = analyst::start(events.clone());
    let workers = match workers::start(&events) {
        Ok(workers) => workers,
        Err(error) => {
            client.show(&format!("raceproof cannot start: {error}"));
            drop(client);
            let _ = writer.join();
            return Ended::Abrupt;
        }
    };
    let mut session = Session::new(client, tasks, workers, events);
    let ended = run(&mut session, &receiver);
    drop(session);
    // The last answers must be out before the process ends. A writer that fails has no reader.
    let _ = writer.join();
    ended
}

fn run(session: &mut Session, events: &Receiver<Event>) -> Ended {
    loop {
        let Ok(mut event) = events.recv() else {
            return Ended::Abrupt;
        };
        loop {
            if let Some(ended) = handle(session, event) {
                return ended;
            }
            match events.try_recv() {
                Ok(next) => event = next,
                Err(_) => break,
            }
        }
        session.schedule();
    }
}

fn handle(session: &mut Session, event: Event) -> Option<Ended> {
    match event {
        Event::Incoming(Incoming::Malformed(answer)) => {
            session.client.send(Outgoing::Raw(answer));
        }
        Event::Incoming(Incoming::Message(Message::Request(request))) => {
            let id = request.id.clone();
            let caught = contained(|| session.request(request));
            if let Err(error) = caught {
                session.answer(id, Err(error));
            }
        }
        Event::Incoming(Incoming::Message(Message::Notification(notification))) => {
            if notification.method == "exit" {
                return Some(session.ended());
            }
            if let Err(error) = contained(|| session.notification(notification)) {
                session.client.log(&error.message);
            }
        }
        Event::Incoming(Incoming::Message(Message::Response(response))) => {
            session.response(response);
        }
        Event::Checked(checked) => session.checked(checked),
        Event::Answered(id, result) => session.answer(id, result),
        Event::Closed | Event::Orphaned => return Some(Ended::Abrupt),
    }
    None
}

/// Runs `work`; a panic in it becomes the error that the client gets to see.
pub(super) fn contained<T>(work: impl FnOnce() -> T) -> Result<T, ResponseError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let reason = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        error(
            ErrorCode::InternalError,
            format!("this is a defect of raceproof, please report it: {reason}"),
        )
    })
}

/// An error answer.
pub(super) fn error(code: ErrorCode, message: impl Into<String>) -> ResponseError {
    ResponseError {
        code: code as i32,
        message: message.into(),
        data: None,
    }
}

/// The way to the client.
#[derive(Clone)]
pub(super) struct Client {
    outgoing: Sender<Outgoing>,
}

impl Client {
    pub(super) fn send(&self, message: Outgoing) {
        // Fails only when the writer has ended, and then the reader ends the loop too.
        let _ = self.outgoing.send(message);
    }

    pub(super) fn answer(&self, id: RequestId, result: Result<Value, ResponseError>) {
        self.send(Outgoing::Message(Message::Response(Response {
            id,
            response_result: result,
        })));
    }

    pub(super) fn notify<N: lsp_types::notification::Notification>(&self, params: N::Params) {
        let params = serde_json::to_value(params).unwrap_or_default();
        let method = N::METHOD.to_owned();
        self.send(Outgoing::Message(Message::Notification(Notification {
            method,
            params,
        })));
    }

    pub(super) fn ask<R: lsp_types::request::Request>(&self, id: RequestId, params: R::Params) {
        let params = serde_json::to_value(params).unwrap_or_default();
        let method = R::METHOD.to_owned();
        self.send(Outgoing::Message(Message::Request(Request {
            id,
            method,
            params,
        })));
    }

    /// A line in the editor's log.
    pub(super) fn log(&self, message: &str) {
        self.notify::<lsp_types::notification::LogMessage>(lsp_types::LogMessageParams {
            typ: lsp_types::MessageType::ERROR,
            message: message.to_owned(),
        });
    }

    /// A message that the user gets to see.
    pub(super) fn show(&self, message: &str) {
        self.notify::<lsp_types::notification::ShowMessage>(lsp_types::ShowMessageParams {
            typ: lsp_types::MessageType::ERROR,
            message: message.to_owned(),
        });
    }
}

fn read_all(mut input: impl BufRead, events: &SyncSender<Event>) {
    loop {
        let event = match transport::read(&mut input) {
            Ok(Some(incoming)) => Event::Incoming(incoming),
            Ok(None) | Err(_) => Event::Closed,
        };
        let last = matches!(event, Event::Closed);
        if events.send(event).is_err() || last {
            return;
        }
    }
}

fn write_all(messages: &Receiver<Outgoing>, mut output: impl Write) {
    for message in messages {
        if message.write(&mut output).is_err() {
            return;
        }
    }
}

/// Reports when the process `parent`, the editor, has ended: some editors die without closing the
/// pipe, which another child may hold open.
pub(super) fn watch_parent(parent: u32, events: &SyncSender<Event>) {
    #[cfg(unix)]
    {
        let Some(pid) = i32::try_from(parent)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        else {
            return;
        };
        let events = events.clone();
        std::thread::spawn(move || {
            while rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH) {
                std::thread::sleep(PARENT_POLL);
            }
            let _ = events.send(Event::Orphaned);
        });
    }
    #[cfg(not(unix))]
    {
        // Windows closes the pipes of a process that ends.
        let _ = (parent, events, PARENT_POLL);
    }
}
