//! Order between threads that events and barriers make: what one thread does before it sets an
//! event comes before what another does after it has waited for it, and what a thread does before
//! the n-th arrival at a barrier comes before what any does after it (the synchronises-with edges
//! of happens-before; Lamport, "Time, clocks, and the ordering of events", 1978).
//!
//! A root is taken as the list of its effects in the order of the source. So that this says the
//! truth of every run, an event counts only if it is set at one place, once, by one thread, and is
//! never cleared; arrivals at a barrier count only outside loops.

use rustc_hash::FxHashMap;

use super::effect::{Action, Effect};
use super::object::ObjectId;
use super::summary::Summaries;
use crate::models::SyncKind;

/// What happens to an event or a barrier at one effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The event is set.
    Set,
    /// The event has been waited for.
    Waited,
    /// All have arrived, for the time given.
    Arrived(u32),
}

/// The steps of one root.
#[derive(Debug, Default)]
pub struct Steps {
    /// By index of the effect, rising.
    steps: Vec<(usize, ObjectId, Step)>,
}

impl Steps {
    /// Those among the effects of a root.
    pub fn of(effects: &[Effect], summaries: &mut Summaries<'_>) -> Self {
        let mut steps = Vec::new();
        let mut arrivals: FxHashMap<ObjectId, u32> = FxHashMap::default();
        for (index, effect) in effects.iter().enumerate() {
            let (object, sets) = match effect.action {
                Action::Signal { on } => (on, true),
                Action::Block { on: Some(on), .. } => (on, false),
                _ => continue,
            };
            let mut models = summaries.eval.models_of(object).into_iter();
            let step = match models.find_map(|model| model.sync) {
                Some(SyncKind::Event) if sets => Step::Set,
                Some(SyncKind::Event) => Step::Waited,
                Some(SyncKind::Barrier) if !effect.in_loop && !sets => {
                    let arrival = arrivals.entry(object).or_default();
                    *arrival += 1;
                    Step::Arrived(*arrival)
                }
                _ => continue,
            };
            steps.push((index, object, step));
        }
        Self { steps }
    }

    /// What has been waited for when the effect with this index happens.
    pub fn after(&self, index: usize) -> impl Iterator<Item = (ObjectId, u32)> {
        let steps = self.steps.iter().take_while(move |it| it.0 < index);
        steps.filter_map(|&(_, object, step)| match step {
            Step::Waited => Some((object, 0)),
            Step::Arrived(arrival) => Some((object, arrival)),
            Step::Set => None,
        })
    }

    /// What others can only have waited for once the effect with this index has happened.
    pub fn before(&self, index: usize) -> impl Iterator<Item = (ObjectId, u32)> {
        let steps = self.steps.iter().filter(move |it| it.0 > index);
        steps.filter_map(|&(_, object, step)| match step {
            Step::Set => Some((object, 0)),
            Step::Arrived(arrival) => Some((object, arrival)),
            Step::Waited => None,
        })
    }

    /// The events that are set here: by which effect, and whether in a loop.
    pub fn sets<'a>(
        &'a self,
        effects: &'a [Effect],
    ) -> impl Iterator<Item = (usize, ObjectId, bool)> + 'a {
        self.steps
            .iter()
            .filter(|it| it.2 == Step::Set)
            .map(|&(index, object, _)| (index, object, effects[index].in_loop))
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
