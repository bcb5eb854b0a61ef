//! The threads that answer requests.
//!
//! There are as many as the machine has cores, however many requests a client sends at once.

use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use lsp_server::RequestId;

use super::main_loop::{Event, contained};
use super::requests::{View, Work};

/// Requests walk syntax trees, whose depth `source::depth` bounds to what fits into this.
const STACK: usize = 16 * 1024 * 1024;

/// A request, and what it gets to see.
pub(super) struct Question {
    /// The client's name for it.
    pub id: RequestId,
    /// What answers it.
    pub work: Work,
    /// All folders at one moment.
    pub view: Arc<View>,
}

/// Starts the threads. They end when the returned sender is dropped.
///
/// # Errors
/// The system gives no thread.
pub(super) fn start(events: &SyncSender<Event>) -> std::io::Result<Sender<Question>> {
    let (sender, questions) = mpsc::channel();
    let questions = Arc::new(Mutex::new(questions));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..cores {
        let questions = Arc::clone(&questions);
        let events = events.clone();
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn(move || answer_all(&questions, &events))?;
    }
    Ok(sender)
}

fn answer_all(questions: &Mutex<Receiver<Question>>, events: &SyncSender<Event>) {
    loop {
        // The lock is given back before the work begins.
        let next = questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(Question { id, work, view }) = next else {
            return;
        };
        let result = contained(|| work(&view)).and_then(|it| it);
        drop(view);
        if events.send(Event::Answered(id, result)).is_err() {
            return;
        }
    }
}
