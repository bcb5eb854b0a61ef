//! Locks: which objects a held value means, how they exclude, and what a function leaves taken.

#[allow(clippy::wildcard_imports)]
use super::*;

impl Summaries<'_> {
    /// The locks that holding a value means.
    pub fn locks_of(&mut self, frame: FrameId, value: ValueId, region: u32) -> Vec<HeldLock> {
        let section = (u64::from(frame.0) << 32) | u64::from(region);
        let set = self.eval.value(frame, value);
        let mut locks: Vec<HeldLock> = Vec::new();
        for object in self.eval.arena.members(set).to_vec() {
            self.locks_of_object(object, section, &mut locks);
        }
        let exclusive = locks.iter().filter(|it| it.mode == Mode::Exclusive).count();
        if exclusive > 1 && self.eval.arena.members(set).len() > 1 {
            // One of several locks: which, only the run knows.
            locks.clear();
            if let Some(named) = self.named_lock(frame, value, true) {
                locks.push(HeldLock {
                    lock: named,
                    section,
                    mode: Mode::Exclusive,
                });
            }
            return locks;
        }
        if locks.is_empty()
            && self.eval.arena.members(set).iter().all(|&object| {
                matches!(
                    self.eval.arena.get(object),
                    Object::Method(..) | Object::Constant(_)
                )
            })
            && let Some(named) = self.named_lock(frame, value, false)
        {
            locks.push(HeldLock {
                lock: named,
                section,
                mode: Mode::Exclusive,
            });
        }
        for held in &mut locks {
            if held.mode == Mode::Exclusive && self.is_per_call(frame, value, held.lock) {
                held.mode = Mode::PerCall;
            }
        }
        locks
    }

    pub(super) fn locks_of_object(
        &mut self,
        object: ObjectId,
        section: u64,
        locks: &mut Vec<HeldLock>,
    ) {
        match self.eval.arena.get(object).clone() {
            Object::Foreign(name, origin) => {
                let models = self.eval.class_models(name);
                let Some(kind) = models.iter().find_map(|model| model.lock) else {
                    // The result of a reader-writer lock's `gen_rlock()` and the like.
                    if let Some((owner, side)) = self.side_of(origin) {
                        locks.push(HeldLock {
                            lock: owner,
                            section,
                            mode: match side {
                                LockSide::Read => Mode::Shared,
                                LockSide::Write => Mode::Exclusive,
                            },
                        });
                    }
                    return;
                };
                let mode = match kind {
                    LockKind::Mutex | LockKind::Reentrant | LockKind::Condition => Mode::Exclusive,
                    // A bounded one raises when it is given back too often.
                    LockKind::Semaphore
                        if !name.as_str().contains("Bounded") && self.is_given_more(origin) =>
                    {
                        Mode::Permits
                    }
                    LockKind::Semaphore => self.permits(origin),
                    LockKind::ReaderWriter => Mode::Exclusive,
                    LockKind::Async => Mode::Async,
                    LockKind::InterProcess => Mode::InterProcess,
                };
                let lock = self.canonical_lock(object);
                locks.push(HeldLock {
                    lock,
                    section,
                    mode,
                });
            }
            Object::Instance(class, _) => {
                let enter = ["__enter__", "acquire", "__aenter__"]
                    .into_iter()
                    .find_map(|name| self.eval.method_of(class, Name::new(name)));
                if let Some(enter) = enter {
                    let frame = self.eval.generic_frame(enter, Some(object));
                    let summary = self.summary(frame);
                    for held in &summary.left_held {
                        locks.push(HeldLock { section, ..*held });
                    }
                } else {
                    let kind = self
                        .eval
                        .inherited_models(class)
                        .iter()
                        .find_map(|model| model.lock);
                    if kind.is_some() {
                        locks.push(HeldLock {
                            lock: object,
                            section,
                            mode: Mode::Exclusive,
                        });
                    }
                }
            }
            Object::Context(frame) => {
                let summary = self.summary(frame);
                for held in summary.held_at_yield.iter().flatten() {
                    locks.push(HeldLock { section, ..*held });
                }
            }
            Object::NamedLock(..) => locks.push(HeldLock {
                lock: object,
                section,
                mode: Mode::Exclusive,
            }),
            _ => {}
        }
    }

    fn side_of(&mut self, origin: Origin) -> Option<(ObjectId, LockSide)> {
        let Origin::Site { frame, value, .. } = origin else {
            return None;
        };
        if value & CALL_ORIGIN == 0 {
            return None;
        }
        let targets = self.eval.targets(frame, value & !CALL_ORIGIN);
        for target in targets.iter() {
            if let Target::Method(receiver, name) = target {
                let side = self
                    .eval
                    .models_of(*receiver)
                    .iter()
                    .find_map(|model| model.method.get(name.as_str()))
                    .and_then(|model| model.side);
                if let Some(side) = side {
                    return Some((*receiver, side));
                }
            }
        }
        None
    }

    /// A semaphore excludes when it is made with one permit.
    pub(super) fn permits(&mut self, origin: Origin) -> Mode {
        let Origin::Site { frame, value, .. } = origin else {
            return Mode::Permits;
        };
        let function = self
            .eval
            .links
            .function(self.eval.arena.frame_of(frame).function);
        let Some(call) = function.calls.get((value & !CALL_ORIGIN) as usize) else {
            return Mode::Permits;
        };
        let permits = function
            .list(call.arguments)
            .first()
            .copied()
            .or_else(|| call.keywords.first().map(|(_, value)| *value));
        match permits.map(|value| function.value(value)) {
            None | Some(Value::Constant(Constant::One)) => Mode::Exclusive,
            _ => Mode::Permits,
        }
    }

    /// Whether the module that keeps a semaphore gives back permits that nothing took: it is entered
    /// by `with` alone, which gives them back itself.
    fn is_given_more(&mut self, origin: Origin) -> bool {
        let Origin::Site { frame, value, .. } = origin else {
            return false;
        };
        let links = self.eval.links;
        let id = self.eval.arena.frame_of(frame).function;
        let made = made_value(links.function(id), value);
        let home = links.home(id, made);
        let is_it = |user: FunctionId, function: &Function, lock: ValueId| match (
            home,
            function.value(lock),
        ) {
            (
                Some(Home::Attribute(class, kept) | Home::Class(class, kept)),
                Value::Attribute { name, .. },
            ) => *name == kept && links.enclosing_class(user) == Some(class),
            (Some(Home::Global(module, kept)), Value::Read(op)) => {
                let load = function.ops.get(*op as usize).map(|it| &it.kind);
                user.module == module
                    && matches!(load, Some(OpKind::ReadVariable {
                            variable: Variable::Global(name), ..
                        }) if *name == kept)
            }
            _ => false,
        };
        let (mut given, mut taken) = (false, false);
        for index in 0..links.module(id.module).functions.len() {
            let user = FunctionId {
                module: id.module,
                index: u32::try_from(index).unwrap_or(u32::MAX),
            };
            let function = links.function(user);
            for op in &function.ops {
                match op.kind {
                    OpKind::Release { lock } => given |= is_it(user, function, lock),
                    OpKind::Call(call) => {
                        taken |= matches!(*function.value(function.calls[call as usize].callee),
                            Value::Attribute { base, name, .. }
                                if name.as_str() == "acquire" && is_it(user, function, base));
                    }
                    _ => {}
                }
            }
        }
        given && !taken
    }

    /// The lock behind a condition that was made with one.
    pub fn canonical_lock(&mut self, object: ObjectId) -> ObjectId {
        let Object::Foreign(name, Origin::Site { frame, value, .. }) = *self.eval.arena.get(object)
        else {
            return object;
        };
        if value & CALL_ORIGIN == 0
            || !self
                .eval
                .class_models(name)
                .iter()
                .any(|model| model.lock == Some(LockKind::Condition))
        {
            return object;
        }
        let function = self
            .eval
            .links
            .function(self.eval.arena.frame_of(frame).function);
        let Some(call) = function.calls.get((value & !CALL_ORIGIN) as usize) else {
            return object;
        };
        let wrapped = function
            .list(call.arguments)
            .first()
            .copied()
            .or_else(|| call.keywords.first().map(|(_, value)| *value));
        let Some(wrapped) = wrapped else {
            return object;
        };
        let set = self.eval.value(frame, wrapped);
        match self.eval.arena.members(set) {
            [single] if matches!(self.eval.arena.get(*single), Object::Foreign(..)) => *single,
            _ => object,
        }
    }

    /// A lock that cannot be evaluated, by the name it goes under, when the name says "lock".
    fn named_lock(&mut self, frame: FrameId, value: ValueId, certain: bool) -> Option<ObjectId> {
        self.find_named_lock(frame, value, certain, 0)
    }

    fn find_named_lock(
        &mut self,
        frame: FrameId,
        value: ValueId,
        certain: bool,
        depth: u32,
    ) -> Option<ObjectId> {
        if depth > 6 {
            return None;
        }
        let function = self
            .eval
            .links
            .function(self.eval.arena.frame_of(frame).function);
        let (owner, name) = match function.value(value) {
            Value::Attribute { base, name, .. } => {
                let base = self.eval.value(frame, *base);
                let owner = match self.eval.arena.members(base) {
                    [single] => Some(*single),
                    _ => None,
                };
                (owner, *name)
            }
            Value::Global(name) | Value::Captured(name) | Value::Imported { name, .. } => {
                (None, *name)
            }
            Value::Parameter(position) => {
                let name = function.parameters.get(*position as usize)?.name;
                (None, name)
            }
            Value::Call(call) => {
                let callee = function.calls[*call as usize].callee;
                // What a table of locks is asked for is an item of it.
                let named = match *function.value(callee) {
                    Value::Attribute { base, name, .. } if name.as_str() == "get" => base,
                    _ => callee,
                };
                return self.find_named_lock(frame, named, certain, depth + 1);
            }
            Value::Join(list) => {
                let list = function.list(*list).to_vec();
                return list
                    .into_iter()
                    .find_map(|part| self.find_named_lock(frame, part, certain, depth + 1));
            }
            Value::Item { base, .. } | Value::Element(base) | Value::Entered(base) => {
                return self.find_named_lock(frame, *base, certain, depth + 1);
            }
            Value::Read(op) => match function.ops.get(*op as usize)?.kind {
                OpKind::ReadVariable { variable, .. } => match variable {
                    Variable::Global(name) | Variable::Cell(name) => (None, name),
                },
                _ => return None,
            },
            _ => return None,
        };
        (certain || super::super::link::sounds_like_lock(name.as_str()))
            .then(|| self.eval.arena.object(Object::NamedLock(owner, name)))
    }

    /// Whether a lock is made anew each time the value is computed.
    fn is_per_call(&mut self, frame: FrameId, value: ValueId, lock: ObjectId) -> bool {
        let Some(Origin::Site {
            frame: maker,
            value: site,
            ..
        }) = self.eval.arena.origin(lock)
        else {
            return false;
        };
        if site & CALL_ORIGIN == 0 {
            return false;
        }
        let made_in = self.eval.arena.frame_of(maker).function;
        let function = self.eval.links.function(made_in);
        if made_in.index == 0 && function.class.is_none() {
            return false;
        }
        let call = site & !CALL_ORIGIN;
        let made = function.calls[call as usize].result;
        let beside = self.eval.asked_for(maker, made);
        if is_kept_beside(function, made, beside) {
            return false;
        }
        // Seen from the function that made it, or returned to a caller that asks anew each time.
        maker == frame || self.is_returned_anew(frame, value, 0)
    }

    /// The call that makes an object.
    pub(super) fn made_at(&self, object: ObjectId) -> Option<At> {
        let Some(Origin::Site { frame, value, .. }) = self.eval.arena.origin(object) else {
            return None;
        };
        let id = self.eval.arena.frame_of(frame).function;
        let call = OpKind::Call(value & !CALL_ORIGIN);
        let mut ops = self.eval.links.function(id).ops.iter();
        let op = ops.find(|op| value & CALL_ORIGIN != 0 && op.kind == call)?;
        Some(At {
            function: id,
            range: op.range,
        })
    }

    /// Whether the function that is looked at makes an object itself.
    pub(super) fn is_made_here(&self, walk: &Walk<'_>, object: ObjectId) -> bool {
        matches!(
            self.eval.arena.origin(object),
            Some(Origin::Site { frame, .. }) if frame == walk.frame
        )
    }

    fn is_returned_anew(&mut self, frame: FrameId, value: ValueId, depth: u32) -> bool {
        let function = self
            .eval
            .links
            .function(self.eval.arena.frame_of(frame).function);
        match function.value(value) {
            Value::Call(_) => true,
            // A property is a call in disguise.
            Value::Attribute { base, name, .. } => {
                let base = self.eval.value(frame, *base);
                let name = *name;
                self.eval
                    .arena
                    .members(base)
                    .to_vec()
                    .iter()
                    .any(|&it| self.property(it, name, &[Binding::Property]).is_some())
            }
            Value::Join(list) if depth < 3 => {
                let list = function.list(*list).to_vec();
                list.into_iter()
                    .any(|part| self.is_returned_anew(frame, part, depth + 1))
            }
            _ => false,
        }
    }

    /// The function behind a property of an object.
    pub(super) fn property(
        &mut self,
        object: ObjectId,
        name: Name,
        bindings: &[Binding],
    ) -> Option<FunctionId> {
        let Object::Instance(class, _) = *self.eval.arena.get(object) else {
            return None;
        };
        let lineage = self.eval.lineage(class);
        for &owner in &lineage.order {
            let links = self.eval.links;
            let methods = &links.class(owner).methods;
            let facts = links.module(owner.module);
            for &index in methods {
                if facts.functions[index as usize].name != name {
                    continue;
                }
                let id = FunctionId {
                    module: owner.module,
                    index,
                };
                let binding = self.eval.binding(id);
                if bindings.contains(&binding) {
                    return Some(id);
                }
                if binding == Binding::Method {
                    return None;
                }
            }
        }
        None
    }
}
