//! Critical sections: taking locks, entering contexts and leaving them.

#[allow(clippy::wildcard_imports)]
use super::*;

use super::checks::is_same;

impl Summaries<'_> {
    pub(super) fn acquire(&mut self, walk: &mut Walk<'_>, index: u32, held: HeldLock, region: u32) {
        // What was held just before: this acquisition itself is part of the op's held set only
        // afterwards for `with`, and already for a method call that certainly succeeded.
        let is_itself =
            |it: &HeldLock| it.section & 0xffff_ffff == u64::from(region) && it.lock == held.lock;
        let may_fail = self.may_fail(walk, index);
        self.record_acquire(walk, index, held, may_fail, is_itself);
    }

    /// Records that a lock is taken under all that are held but `itself`, if it excludes anybody.
    fn record_acquire(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        held: HeldLock,
        may_fail: bool,
        itself: impl Fn(&HeldLock) -> bool,
    ) {
        if held.mode != Mode::Exclusive {
            return;
        }
        let action = Action::Acquire {
            lock: held.lock,
            reentrant: self.is_reentrant(held.lock),
            may_fail,
            made: self.made_at(held.lock),
        };
        let locks = self.held_at(walk, index);
        let before: Vec<HeldLock> = locks.iter().copied().filter(|it| !itself(it)).collect();
        let before: Rc<[HeldLock]> = before.into();
        self.record_held(walk, index, action, Rc::clone(&before));
        self.takes_free(walk, index, held.lock, may_fail, before);
    }

    /// Whether the `acquire` call at an op's place can return without the lock.
    pub(super) fn may_fail(&self, walk: &Walk<'_>, index: u32) -> bool {
        let range = walk.function.ops[index as usize].range;
        walk.function.ops[..index as usize]
            .iter()
            .rev()
            .filter(|op| op.range == range)
            .find_map(|op| match op.kind {
                OpKind::Call(call) => {
                    let call = &walk.function.calls[call as usize];
                    Some(call.arguments.len > 0 || !call.keywords.is_empty())
                }
                _ => None,
            })
            .unwrap_or(false)
    }

    /// Whether the thread that has a lock may take it again.
    pub fn is_reentrant(&mut self, lock: ObjectId) -> bool {
        match *self.eval.arena.get(lock) {
            Object::Foreign(name, origin) => {
                let kind = self
                    .eval
                    .class_models(name)
                    .iter()
                    .find_map(|model| model.lock);
                match kind {
                    Some(LockKind::Mutex) => false,
                    Some(LockKind::Semaphore) => self.permits(origin) != Mode::Exclusive,
                    // A condition without a lock of its own makes a re-entrant one.
                    _ => true,
                }
            }
            _ => true,
        }
    }

    pub(super) fn enter(&mut self, walk: &mut Walk<'_>, index: u32, context: ValueId, region: u32) {
        let set = self.eval.value(walk.frame, context);
        // The op that enters counts what it takes as held; `__enter__` itself runs before.
        let section = (u64::from(walk.frame.0) << 32) | u64::from(region);
        let outside: Rc<[HeldLock]> = self
            .held_at(walk, index)
            .iter()
            .copied()
            .filter(|held| held.section != section)
            .collect();
        for object in self.eval.arena.members(set).to_vec() {
            match self.eval.arena.get(object).clone() {
                Object::Instance(class, _) => {
                    if let Some(enter) = self.eval.method_of(class, Name::new("__enter__")) {
                        let frame = self.eval.generic_frame(enter, Some(object));
                        let before = walk.extra_held.len();
                        self.compose_under(walk, index, frame, Rc::clone(&outside));
                        // What `__enter__` leaves held is held by the region.
                        walk.extra_held.truncate(before);
                    }
                }
                Object::Context(frame) => {
                    let before = walk.extra_held.len();
                    self.compose_under(walk, index, frame, Rc::clone(&outside));
                    walk.extra_held.truncate(before);
                }
                _ => {}
            }
        }
        for held in self.locks_of(walk.frame, context, region) {
            if held.mode == Mode::PerCall && self.is_made_here(walk, held.lock) {
                self.record(walk, index, Action::FreshLock { lock: held.lock });
            }
            let direct = self
                .eval
                .arena
                .members(set)
                .iter()
                .any(|&it| matches!(self.eval.arena.get(it), Object::Foreign(..)));
            if direct {
                self.acquire_in_with(walk, index, held);
            }
        }
        if let Some(lock) = self.held_of_its_kind(walk, index, context, region) {
            self.record(walk, index, Action::Unordered { lock });
        }
    }

    /// The lock that is held while another one of its kind is taken, unless somebody sees to their
    /// order.
    pub(super) fn held_of_its_kind(
        &mut self,
        walk: &Walk<'_>,
        index: u32,
        taken: ValueId,
        region: u32,
    ) -> Option<ObjectId> {
        let function = walk.function;
        let held = &function.held[function.ops[index as usize].held as usize];
        if !is_one_of_some(function, taken) {
            return None;
        }
        for other in held.iter().filter(|it| it.region != region) {
            let alike = is_one_of_some(function, other.lock)
                && !is_same(function, other.lock, taken)
                && is_alike(function, other.lock, taken);
            if !alike {
                continue;
            }
            let held = self.eval.value(walk.frame, other.lock);
            let taken = self.eval.value(walk.frame, taken);
            let (kinds, both) = (
                self.eval.arena.members(held),
                self.eval.arena.members(taken),
            );
            let is_known = |&it: &ObjectId| matches!(self.eval.arena.get(it), Object::Foreign(..));
            // What is handed in beside the object itself is taken for another one like it.
            if let Some(&lock) = kinds.first()
                && kinds.iter().all(is_known)
                && (both == kinds || both.is_empty())
            {
                return (!self.is_ordered(walk)).then_some(lock);
            }
        }
        None
    }

    /// Whether the function or one of its module that calls it compares or sorts.
    fn is_ordered(&self, walk: &Walk<'_>) -> bool {
        let name = walk.function.name;
        let calls_it = |function: &Function| {
            function.calls.iter().any(|call| {
                matches!(*function.value(call.callee),
                    Value::Global(called) | Value::Attribute { name: called, .. } if called == name)
            })
        };
        let functions = &self.eval.links.module(walk.function_id.module).functions;
        walk.function.orders || functions.iter().any(|it| it.orders && calls_it(it))
    }

    /// `with lock:` the op that enters already counts the lock as held; it is taken by whoever
    /// holds the others.
    pub(super) fn acquire_in_with(&mut self, walk: &mut Walk<'_>, index: u32, held: HeldLock) {
        let is_itself = |it: &HeldLock| it.section == held.section;
        self.record_acquire(walk, index, held, false, is_itself);
    }

    pub(super) fn exit(&mut self, walk: &mut Walk<'_>, index: u32, context: ValueId) {
        let set = self.eval.value(walk.frame, context);
        for object in self.eval.arena.members(set).to_vec() {
            let models = self.eval.models_of(object);
            if models.iter().any(|model| model.with_joins) {
                self.finish(walk, object);
            }
            if let Object::Instance(class, _) = *self.eval.arena.get(object)
                && let Some(exit) = self.eval.method_of(class, Name::new("__exit__"))
            {
                let frame = self.eval.generic_frame(exit, Some(object));
                let before = walk.extra_held.clone();
                self.compose(walk, index, frame);
                walk.extra_held = before;
            }
        }
    }
}

/// Whether a lock is that of one of some objects which a function is handed or looks up.
fn is_one_of_some(function: &Function, lock: ValueId) -> bool {
    let owner = match *function.value(lock) {
        Value::Attribute { base, .. } => base,
        _ => lock,
    };
    matches!(
        function.value(owner),
        Value::Parameter(_) | Value::Item { .. }
    )
}

/// Whether two locks are found the same way: the same attribute of what is handed in, or elements of
/// one table.
fn is_alike(function: &Function, a: ValueId, b: ValueId) -> bool {
    match (function.value(a), function.value(b)) {
        (
            Value::Attribute { base, name, .. },
            Value::Attribute {
                base: other,
                name: same,
                ..
            },
        ) => name == same && is_alike(function, *base, *other),
        (Value::Item { base, .. }, Value::Item { base: other, .. }) => {
            is_same(function, *base, *other)
        }
        (Value::Parameter(_), Value::Parameter(_)) => true,
        _ => false,
    }
}
