//! The check behind `rules/check-then-act.md`; read that page first.

use crate::models::State;
use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::program::effect::{Action, PlaceAccess, Slot};
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct CheckThenAct;

impl Rule for CheckThenAct {
    fn name(&self) -> &'static str {
        "check-then-act"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::StaleTest);
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            let slot = match primary.action {
                Action::Access(PlaceAccess { place, .. }) => Some(place.slot),
                _ => None,
            };
            let (consequence, advice) = match slot {
                Some(Slot::State(state)) => of_state(state),
                Some(Slot::File(_)) => FILE,
                _ => CONTENTS,
            };
            report.conflict(
                conflict,
                Text {
                    message: format!(
                        "`{place}` may change between the test and the act that relies on it"
                    ),
                    label: describe(primary),
                    consequence: consequence.to_owned(),
                    advice: advice.to_owned(),
                },
            );
        }
    }
}

/// What goes wrong with an attribute, a variable or a container, and what to do.
const CONTENTS: (&str, &str) = (
    "another thread acts on the same test: work is done twice, or the act fails with KeyError, IndexError or AttributeError",
    "hold one lock around the test and the act, or use one atomic operation (`setdefault`, `pop(key, default)`) and handle its outcome",
);

/// What goes wrong with a file, and what to do.
const FILE: (&str, &str) = (
    "another thread makes or removes the file first: one overwrites what the other wrote, or fails with FileExistsError or FileNotFoundError",
    "leave out the test: open with the mode `x` and catch FileExistsError, make folders with `exist_ok=True`, remove and catch FileNotFoundError",
);

/// What goes wrong with the state of a synchronisation object, and what to do.
fn of_state(state: State) -> (&'static str, &'static str) {
    match state {
        State::Items => (
            "another thread takes the last item first: `get_nowait` raises queue.Empty, `get` waits for an item that may never come",
            "leave out the test: call `get_nowait` and catch queue.Empty, or `get` with a timeout",
        ),
        State::Space => (
            "another thread fills the last place first: `put_nowait` raises queue.Full, `put` waits",
            "leave out the test: call `put_nowait` and catch queue.Full, or `put` with a timeout",
        ),
        State::Free => (
            "another thread takes the lock first: this one waits for it after all",
            "leave out the test: call `acquire(blocking=False)` and look at what it returns",
        ),
        State::Pending => (
            "another thread completes or cancels the future first: InvalidStateError",
            "leave out the test: complete the future and catch InvalidStateError, or hold one lock around the test and the act",
        ),
        State::Flag => (
            "another thread finds the event in the same state: both act on it",
            "hold one lock around the test and the change of the event, or let each thread take its turn from a queue",
        ),
    }
}
