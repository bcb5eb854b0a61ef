//! States: what methods of synchronisation objects tell, and who ends what they have told.
//!
//! A state is a place of its object. To tell it is a lookup, to end it a removal, so that a test and an
//! act on a queue, lock, future or event are found as those on a container are.

#[allow(clippy::wildcard_imports)]
use super::*;

use super::checks::reports;

impl Summaries<'_> {
    /// What a method that a model describes does to the states of the object it is called on.
    pub(super) fn states(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        model: &CallModel,
        receiver: ObjectId,
    ) {
        let object = self.canonical_lock(receiver);
        let place = |state| Place {
            object,
            slot: Slot::State(state),
        };
        for &state in &model.asks {
            let access = PlaceAccess::plain(place(state), Access::Lookup);
            self.record(walk, index, Action::Access(access));
        }
        let changes = [
            (model.takes, Access::Remove, true),
            (model.ends, Access::Remove, false),
            (model.begins, Access::Add, false),
        ];
        for (state, access, needs) in changes {
            let Some(state) = state.filter(|&it| self.is_asked(it)) else {
                continue;
            };
            if state == State::Space && !self.is_bounded_queue(object) {
                continue;
            }
            let access = PlaceAccess::plain(place(state), access);
            if needs || state == State::Flag && self.hangs_on_test(walk, index, access.place) {
                self.act(walk, index, access);
            } else {
                let access = PlaceAccess {
                    settled: true,
                    ..access
                };
                self.record(walk, index, Action::Access(access));
            }
        }
    }

    /// A lock is taken by whoever holds `before`: nobody else finds it free from then on.
    pub(super) fn takes_free(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        lock: ObjectId,
        may_fail: bool,
        before: Rc<[HeldLock]>,
    ) {
        if !self.is_asked(State::Free) {
            return;
        }
        let place = Place {
            object: lock,
            slot: Slot::State(State::Free),
        };
        let access = PlaceAccess {
            settled: may_fail,
            ..PlaceAccess::plain(place, Access::Remove)
        };
        self.record_held(walk, index, Action::Access(access), before);
        if !may_fail && let Decision::Stale(tested) = self.tested(walk, index, place) {
            self.check_then_act(walk, index, access, &tested);
        }
    }

    /// Whether anybody asks for a state.
    fn is_asked(&mut self, state: State) -> bool {
        let (models, links) = (self.eval.models, self.eval.links);
        *self.asked.entry(state).or_insert_with(|| {
            let mut names = models.asking_names().filter(|it| it.1 == state);
            names.any(|(name, _)| links.is_rewritten(Name::new(name)))
        })
    }

    /// Whether a queue is made with a size: into another one, one can always put.
    fn is_bounded_queue(&self, object: ObjectId) -> bool {
        let Some(Origin::Site { frame, value, .. }) = self.eval.arena.origin(object) else {
            return false;
        };
        let made_in = self.eval.arena.frame_of(frame).function;
        let function = self.eval.links.function(made_in);
        let call = function.calls.get((value & !CALL_ORIGIN) as usize);
        call.is_some_and(|call| value & CALL_ORIGIN != 0 && function.given(call).next().is_some())
    }

    /// Whether a test for an event decides directly about setting or clearing it, and about more than
    /// that. What is set on the way out of trouble, or where a further test says so, is there to stop
    /// others.
    fn hangs_on_test(&self, walk: &Walk<'_>, index: u32, place: Place) -> bool {
        let op = &walk.function.ops[index as usize];
        let node = walk.function.controls[op.control as usize];
        let asks = |effect: u32| {
            let action = &walk.summary.effects[effect as usize].action;
            matches!(action, Action::Access(it) if it.place == place)
        };
        !op.in_handler
            && self.in_test(walk, node).iter().any(|it| asks(it.1))
            && does_more(walk.function, index)
    }
}

/// Whether more than an op is done where the test that decides about it lets it run, or is returned to
/// a caller who will.
fn does_more(function: &Function, index: u32) -> bool {
    let node = function.ops[index as usize].control;
    let is_inside = |mut control: u32| {
        while control > node {
            control = function.controls[control as usize].parent;
        }
        control == node
    };
    let mut others = (0..).zip(&function.ops).filter(|(at, _)| *at != index);
    others.any(|(_, op)| {
        is_inside(op.control)
            && match op.kind {
                OpKind::Write { .. }
                | OpKind::WriteVariable { .. }
                | OpKind::ItemWrite { .. }
                | OpKind::ItemDelete { .. }
                | OpKind::Delete { .. }
                | OpKind::Yield { .. } => true,
                OpKind::Call(call) => !reports(function, &function.calls[call as usize]),
                OpKind::Return { value } => !matches!(
                    function.value(value),
                    Value::Unknown | Value::Constant(Constant::None)
                ),
                _ => false,
            }
    })
}
