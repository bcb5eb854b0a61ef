//! Calls: what callees of the program and of libraries do, as the caller sees it.

#[allow(clippy::wildcard_imports)]
use super::*;

impl Summaries<'_> {
    /// Whether what a function of the program does is looked at.
    pub(super) fn follows(&mut self, callee: FunctionId) -> bool {
        let links = self.eval.links;
        if callee.module == self.module {
            return true;
        }
        if self.calls >= self.budget || self.composed >= self.budget * EFFECTS_PER_CALL {
            self.cuts += 1;
            return false;
        }
        links.package(callee.module) == links.package(self.module)
            && (self.follow != Follow::Touching || links.touches(callee))
    }

    /// Whether all that a call does is said where the callee is defined: any thread may call it
    /// there too, and nothing that it is handed here belongs to several threads.
    fn is_said_elsewhere(&mut self, callee: FrameId, called: FunctionId) -> bool {
        let function = self.eval.links.function(called);
        let name = function.name.as_str();
        let is_private = name.starts_with('_') && !name.starts_with("__");
        if called.module == self.module || function.parent != 0 || is_private {
            return false;
        }
        let arguments = self.eval.arena.frame_of(callee).arguments.clone();
        !arguments.into_iter().any(|it| self.concerns_threads(it, 0))
    }

    /// Whether one of these objects is known to several threads, or is code to run.
    fn concerns_threads(&self, set: SetId, depth: u32) -> bool {
        let eval = &self.eval;
        let mut objects = eval.arena.members(set).iter();
        objects.any(|&object| match eval.arena.get(object) {
            Object::Constant(_) | Object::External(_) | Object::Module(_) => false,
            Object::Tuple(sets) => {
                depth > 3 || sets.iter().any(|&it| self.concerns_threads(it, depth + 1))
            }
            Object::Class(class) => class.module == self.module,
            Object::Instance(..) | Object::Foreign(..) | Object::Container(..) => {
                self.is_known_to_threads(object)
            }
            _ => true,
        })
    }

    /// Whether a module, a class or an object that callers share holds an object, directly or
    /// through its owner.
    fn is_known_to_threads(&self, object: ObjectId) -> bool {
        let eval = &self.eval;
        let mut current = Some(object);
        for _ in 0..12 {
            let Some(it) = current else { return false };
            match eval.arena.origin(it) {
                Some(Origin::Site { frame, value, .. }) => {
                    let made_in = eval.arena.frame_of(frame).function;
                    if made_in.index == 0 || eval.is_held_by_module(made_in, value) {
                        return true;
                    }
                    current = eval.owner(it);
                }
                Some(Origin::Assumed { shared }) => return shared,
                _ => return true,
            }
        }
        false
    }

    /// What a callee that is not looked at makes and hands back belongs to its caller.
    fn own_results(&mut self, walk: &mut Walk<'_>, callee: FrameId) {
        for object in self.eval.made_for_caller(callee) {
            walk.exposure.entry(object).or_insert(Exposure::Owned);
        }
    }

    /// Adds what a callee does.
    pub(super) fn compose(&mut self, walk: &mut Walk<'_>, index: u32, callee: FrameId) {
        let held = self.held_at(walk, index);
        self.compose_under(walk, index, callee, held);
    }

    /// The same, for a call made under these locks.
    pub(super) fn compose_under(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        callee: FrameId,
        held_here: Rc<[HeldLock]>,
    ) {
        let called = self.eval.arena.frame_of(callee).function;
        self.edges.insert((walk.function_id, called));
        if !self.follows(called) {
            self.own_results(walk, callee);
            return;
        }
        let locked = self.locked;
        self.locked |= !held_here.is_empty();
        if !self.locked && self.follow != Follow::Package && self.is_said_elsewhere(callee, called)
        {
            self.own_results(walk, callee);
            return;
        }
        let summary = self.summary(callee);
        self.locked = locked;
        // A generator does its work where it is advanced; what it touches is taken to happen here,
        // what it holds between two steps is not.
        let in_loop = walk.function.ops[index as usize].in_loop;
        let via = self.at(walk, index);
        // Spawns first: effects refer to them.
        let offset = u32::try_from(walk.summary.spawns.len()).unwrap_or(0);
        for spawn in &summary.spawns {
            let mut spawn = spawn.clone();
            spawn.live = spawn
                .live
                .iter()
                .map(|it| it + offset)
                .chain(walk.live.iter().copied())
                .collect();
            if in_loop && summary.left_live.len() > spawn.live.len().saturating_sub(walk.live.len())
            {
                spawn.many = true;
            }
            if !held_here.is_empty() {
                let mut all = spawn.held.to_vec();
                all.extend(held_here.iter().copied());
                spawn.held = all.into();
            }
            walk.summary.spawns.push(spawn);
        }
        // Objects the callee made are ours now; a callee that publishes tells how.
        for &object in &summary.fresh {
            walk.exposure.entry(object).or_insert(Exposure::Owned);
        }
        self.composed += summary.effects.len();
        let handed_on: Vec<ObjectId> = summary
            .published
            .iter()
            .filter(|(_, how)| *how == Exposure::Shared)
            .map(|(object, _)| *object)
            .collect();
        for effect in &summary.effects {
            if walk.summary.effects.len() > MAX_EFFECTS {
                walk.summary.cut = true;
                break;
            }
            // What nobody else sees is of interest once the callee has handed it to a thread.
            if let Action::Access(access) = effect.action
                && effect.exposure == Exposure::Shared
                && !effect.own
                && self.seen_by(walk, access.place.object).is_none()
                && !self.is_among(access.place.object, &handed_on)
            {
                continue;
            }
            self.compose_effect(walk, index, effect, offset, via, &held_here);
        }
        for &(object, how) in &summary.published {
            match how {
                Exposure::Through(owner) => {
                    if let Some(how) = self.exposure_of(walk, owner) {
                        match how {
                            Exposure::Owned => {
                                if self.is_mine(walk, object) {
                                    walk.exposure.entry(object).or_insert(Exposure::Owned);
                                }
                                walk.stored_in.insert((object, owner));
                            }
                            how => {
                                walk.exposure.insert(object, how);
                            }
                        }
                    } else {
                        walk.exposure.insert(object, how);
                    }
                }
                how => {
                    if self.is_mine(walk, object) || walk.exposure.contains_key(&object) {
                        self.publish(walk, object, how);
                    } else {
                        walk.exposure.insert(object, how);
                    }
                }
            }
        }
        for held in &summary.left_held {
            walk.extra_held.push(*held);
        }
        for lock in &summary.released {
            if let Some(at) = walk.extra_held.iter().position(|held| held.lock == *lock) {
                walk.extra_held.remove(at);
            }
        }
        for live in &summary.left_live {
            let live = live + offset;
            if in_loop && let Some(spawn) = walk.summary.spawns.get_mut(live as usize) {
                let renewed = spawn.handles.iter().any(|&handle| self.is_renewed(handle));
                spawn.many |= spawn.handles.is_empty() || renewed;
            }
            walk.live.push(live);
        }
        for &finished in &summary.finished {
            self.finish(walk, finished);
        }
    }

    /// Whether an object, or one that holds it, is one of some.
    fn is_among(&self, object: ObjectId, some: &[ObjectId]) -> bool {
        let mut current = Some(object);
        for _ in 0..12 {
            let Some(it) = current.filter(|_| !some.is_empty()) else {
                return false;
            };
            if some.contains(&it) {
                return true;
            }
            current = match self.eval.arena.get(it) {
                Object::Variables(frame) => self.eval.receiver(*frame),
                _ => self.eval.owner(it),
            };
        }
        false
    }

    /// Whether a loop makes the object anew each time round.
    pub(super) fn is_renewed(&self, object: ObjectId) -> bool {
        let mut current = Some(object);
        for _ in 0..8 {
            let Some(it) = current else { return false };
            if let Some(Origin::Site { many: true, .. }) = self.eval.arena.origin(it) {
                return true;
            }
            let Some(Origin::Site { frame, .. }) = self.eval.arena.origin(it) else {
                return false;
            };
            if self.eval.receiver(frame).is_none() {
                return true;
            }
            current = self.eval.owner(it);
        }
        false
    }

    pub(super) fn compose_effect(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        effect: &Effect,
        offset: u32,
        via: At,
        held_here: &Rc<[HeldLock]>,
    ) {
        let mut effect = effect.clone();
        effect.via = via;
        let object = match effect.action {
            Action::Access(access) => Some(access.place.object),
            Action::LoopOnly { object, .. } | Action::Unsafe { object, .. } => Some(object),
            _ => None,
        };
        let mut owned_by_us = false;
        if let Some(object) = object {
            // What the callee says of its own objects stands; what it says of ours is judged
            // here.
            match effect.exposure {
                Exposure::Owned => return,
                Exposure::Through(owner) => match self.seen_by(walk, owner) {
                    None => return,
                    Some((how, _)) => {
                        if self.is_mine(walk, owner) {
                            effect.exposure = how;
                        }
                    }
                },
                Exposure::Shared => {
                    if !effect.own {
                        match self.seen_by(walk, object) {
                            None => {
                                // The callee handed the object on to a thread before this.
                                if effect.live.is_empty() {
                                    return;
                                }
                            }
                            Some((how, mine)) => {
                                owned_by_us = mine;
                                effect.exposure = how;
                            }
                        }
                    }
                }
            }
        }
        effect.own |= owned_by_us;
        effect.in_loop |= walk.function.ops[index as usize].in_loop;
        // An acquisition is of interest where its own lock is held, the rest under any lock.
        let own = matches!(effect.action, Action::Acquire { lock, .. }
            if held_here.iter().any(|held| held.lock == lock)
                && !effect.held.iter().any(|held| held.lock == lock));
        let first =
            effect.held.is_empty() && held_here.iter().any(|held| held.mode == Mode::Exclusive);
        if own || first {
            effect.under = Some(via);
        }
        if !held_here.is_empty() {
            let mut all = effect.held.to_vec();
            for held in held_here.iter() {
                if !all.iter().any(|it| it.lock == held.lock) {
                    all.push(*held);
                } else if let Some(inner) = all.iter_mut().find(|it| it.lock == held.lock) {
                    // Taken again inside: the outer section covers the inner one.
                    inner.section = held.section;
                }
            }
            effect.held = all.into();
        }
        if !effect.live.is_empty() || !walk.live.is_empty() {
            let mut live: Vec<u32> = effect.live.iter().map(|it| it + offset).collect();
            live.extend(walk.live.iter().copied());
            live.sort_unstable();
            live.dedup();
            effect.live = live.into();
        }
        if !walk.finished.is_empty() {
            let mut finished = effect.finished.to_vec();
            finished.extend(walk.finished.iter().copied());
            finished.sort_unstable();
            finished.dedup();
            effect.finished = finished.into();
        }
        let in_loop = effect.in_loop;
        let relied = match effect.action {
            Action::Access(access)
                if access.access.writes()
                    && access.access != Access::CheckThenAct
                    && !access.settled =>
            {
                match self.tested(walk, index, access.place) {
                    Decision::Stale(tested) => Some((access, tested)),
                    Decision::Free | Decision::Settled => None,
                }
            }
            _ => None,
        };
        let held = Rc::clone(&effect.held);
        let template = relied.is_some().then(|| effect.clone());
        self.push(walk, index, effect);
        if let (Some((access, tested)), Some(mut both)) = (relied, template) {
            both.held = common_sections(&tested.held, &held);
            both.action = Action::Access(PlaceAccess {
                access: Access::CheckThenAct,
                acts: access.access,
                relies_on: Some(tested.at),
                piecemeal: in_loop && !tested.in_loop,
                fills: matches!(tested.look, Look::IsNone | Look::Truth)
                    && access.access == Access::Write,
                ..access
            });
            self.push(walk, index, both);
        }
    }

    pub(super) fn finish(&mut self, walk: &mut Walk<'_>, handle: ObjectId) {
        let spawns = &walk.summary.spawns;
        walk.live.retain(|&live| {
            spawns
                .get(live as usize)
                .is_none_or(|spawn| !spawn.handles.contains(&handle))
        });
        if !walk.finished.contains(&handle) {
            walk.finished.push(handle);
        }
    }

    pub(super) fn call(&mut self, walk: &mut Walk<'_>, index: u32, call_index: u32) {
        self.calls += 1;
        let targets = self.eval.targets(walk.frame, call_index);
        let call = &walk.function.calls[call_index as usize];
        if targets.is_empty() {
            self.unresolved += 1;
            self.unknown_call(walk, index, call);
            self.registers_itself(walk, index, call);
            return;
        }
        for target in targets.iter() {
            match target {
                Target::Function(frame) => {
                    if self.is_put_off(walk, call, *frame) {
                        self.own_results(walk, *frame);
                        continue;
                    }
                    self.compose(walk, index, *frame);
                }
                Target::Construct(class, object, init) => {
                    if let Some(new) = self.eval.method_of(*class, Name::new("__new__")) {
                        let receiver = self.eval.arena.object(Object::Class(*class));
                        let frame = self.eval.generic_frame(new, Some(receiver));
                        self.compose(walk, index, frame);
                    }
                    walk.exposure.insert(*object, Exposure::Owned);
                    if let Some(init) = init {
                        self.compose(walk, index, *init);
                    }
                    self.thread_in_constructor(walk, index, *object);
                    self.finalizer(walk, index, *object);
                }
                Target::External(name) => self.external_call(walk, index, call_index, *name),
                Target::Method(receiver, name) => {
                    self.method_call(walk, index, call_index, *receiver, *name);
                }
            }
        }
    }

    /// Calling a coroutine function runs nothing of it. A plain function that does not run the
    /// coroutine to its end hands it to an event loop, which does so on its own thread.
    fn is_put_off(&mut self, walk: &Walk<'_>, call: &Call, callee: FrameId) -> bool {
        let function = walk.function;
        let called = self
            .eval
            .links
            .function(self.eval.arena.frame_of(callee).function);
        if !called.is_async || function.is_async || call.awaited {
            return false;
        }
        let runs = function.calls.iter().any(|outer| {
            let name = match function.value(outer.callee) {
                Value::Attribute { name, .. } | Value::Imported { name, .. } => *name,
                _ => return false,
            };
            matches!(name.as_str(), "run" | "run_until_complete")
                && function.list(outer.arguments).contains(&call.result)
        });
        !runs
    }

    /// A class whose instances start when they are made (no `start` method in its model).
    pub(super) fn thread_in_constructor(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        object: ObjectId,
    ) {
        let starts_itself = self
            .eval
            .models_of(object)
            .iter()
            .any(|model| model.thread.as_ref().is_some_and(|it| it.start.is_empty()));
        if starts_itself {
            self.start_thread(walk, index, object);
        }
    }

    /// An object with a `__del__` brings code that interrupts any thread, on an object that
    /// nobody else sees any more.
    pub(super) fn finalizer(&mut self, walk: &mut Walk<'_>, index: u32, object: ObjectId) {
        let Object::Instance(class, _) = *self.eval.arena.get(object) else {
            return;
        };
        let Some(finalizer) = self.eval.method_of(class, Name::new("__del__")) else {
            return;
        };
        let frame = self.eval.generic_frame(finalizer, Some(object));
        let spawn = Spawn {
            targets: vec![frame],
            methods: Vec::new(),
            at: self.at(walk, index),
            handles: Vec::new(),
            thread: None,
            many: true,
            threads: Threads::Many,
            distinct: vec![object],
            live: Vec::new(),
            runs_as: Name::new("finalizer"),
            interrupt: true,
            serial: false,
            assumed: false,
            held: Rc::clone(&self.empty_locks),
            in_constructor_of: None,
        };
        walk.summary.spawns.push(spawn);
    }

    pub(super) fn unknown_call(&mut self, walk: &mut Walk<'_>, index: u32, call: &Call) {
        // What is called came from outside: a parameter, or an attribute that no method is.
        let what = match walk.function.value(call.callee) {
            Value::Parameter(position) => walk
                .function
                .parameters
                .get(*position as usize)
                .map(|it| it.name),
            Value::Element(_) | Value::Item { .. } => Some(Name::new("callback")),
            Value::Attribute { base, name, .. } => {
                let base = self.eval.value(walk.frame, *base);
                self.is_handed_in(base, *name).then_some(*name)
            }
            _ => None,
        };
        if let Some(what) = what {
            let held = self.held_at(walk, index);
            if !held.is_empty() {
                self.record(walk, index, Action::Callback { what });
            }
        }
    }

    /// A thread object that is still being built hands itself to something it was given: from then
    /// on its public methods may be called.
    fn registers_itself(&mut self, walk: &mut Walk<'_>, index: u32, call: &Call) {
        let mut given = walk.function.list(call.arguments).iter();
        if !given.any(|&it| *walk.function.value(it) == Value::Parameter(0)) {
            return;
        }
        let Some(object) = self.constructed_now(walk) else {
            return;
        };
        let is_thread = self
            .eval
            .models_of(object)
            .iter()
            .any(|it| it.thread.is_some());
        let Object::Instance(class, _) = *self.eval.arena.get(object) else {
            return;
        };
        if !is_thread {
            return;
        }
        let links = self.eval.links;
        let facts = links.module(class.module);
        let mut targets = Vec::new();
        for &method in &links.class(class).methods {
            let id = FunctionId {
                module: class.module,
                index: method,
            };
            // A listener is told by calling it; what it computes, it computes for its own side.
            let is_told = !matches!(
                self.eval.binding(id),
                Binding::Property | Binding::CachedProperty
            );
            let name = facts.functions[method as usize].name;
            if is_told && !name.as_str().starts_with('_') {
                targets.push(self.eval.generic_frame(id, Some(object)));
            }
        }
        self.publish(walk, object, Exposure::Shared);
        let held = self.held_at(walk, index);
        let spawn = Spawn {
            targets,
            methods: Vec::new(),
            at: self.at(walk, index),
            handles: Vec::new(),
            thread: None,
            many: false,
            threads: Threads::One,
            distinct: Vec::new(),
            live: walk.live.clone(),
            runs_as: Name::new("caller of a listener"),
            interrupt: false,
            serial: false,
            assumed: true,
            held,
            in_constructor_of: Some(object),
        };
        self.add_spawn(walk, spawn);
    }

    /// Whether an attribute of these objects is what a caller gave a method to keep.
    pub(super) fn is_handed_in(&mut self, objects: SetId, name: Name) -> bool {
        let links = self.eval.links;
        for object in self.eval.arena.members(objects).to_vec() {
            let Object::Instance(class, _) = *self.eval.arena.get(object) else {
                continue;
            };
            for &owner in &self.eval.lineage(class).order {
                let stores = links.attribute_stores(owner, name);
                let handed_in = stores.into_iter().flatten().any(|stored| {
                    let function = links.function(stored.function);
                    matches!(function.value(stored.value), Value::Parameter(_))
                });
                if handed_in {
                    return true;
                }
            }
        }
        false
    }

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
        self.record_held(walk, index, action, before.into());
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

    pub(super) fn external_call(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        call_index: u32,
        name: Name,
    ) {
        let call = &walk.function.calls[call_index as usize];
        let arguments = walk.function.list(call.arguments).to_vec();
        match name.as_str() {
            "builtins.len" | "builtins.bool" => {
                for &argument in &arguments {
                    self.contents(walk, index, argument, Access::Lookup);
                }
            }
            "builtins.sum" | "builtins.min" | "builtins.max" | "builtins.any" | "builtins.all" => {
                if let [single] = arguments[..] {
                    self.iterate(walk, index, single);
                }
            }
            "builtins.next" => {
                if let Some(&iterator) = arguments.first() {
                    self.advance(walk, index, iterator);
                }
            }
            "builtins.hasattr" | "builtins.getattr" => {
                if let [object, attribute, ..] = arguments[..]
                    && let Value::Constant(Constant::Text(Some(attribute))) =
                        *walk.function.value(attribute)
                {
                    let objects = self.eval.value(walk.frame, object);
                    let look = if name.as_str() == "builtins.hasattr" {
                        Look::IsNone
                    } else {
                        Look::Use
                    };
                    let tested = name.as_str() == "builtins.hasattr" || arguments.len() > 2;
                    for object in self.eval.arena.members(objects).to_vec() {
                        if tested && self.is_thread_local(object) {
                            let action = Action::ThreadLocal {
                                object,
                                name: attribute,
                                store: false,
                                tested,
                            };
                            self.record(walk, index, action);
                        } else {
                            self.read(walk, index, object, attribute, look);
                        }
                    }
                }
            }
            "builtins.setattr" => {
                if let [object, attribute, value] = arguments[..]
                    && let Value::Constant(Constant::Text(Some(attribute))) =
                        *walk.function.value(attribute)
                {
                    let objects = self.eval.value(walk.frame, object);
                    for object in self.eval.arena.members(objects).to_vec() {
                        self.write(walk, index, object, attribute, value, Update::Replace);
                    }
                    self.publish_into(walk, objects, value);
                } else if let [object, ..] = arguments[..] {
                    self.special_method(walk, index, object, "__setattr__");
                }
            }
            "builtins.delattr" => {
                if let [object, ..] = arguments[..] {
                    self.special_method(walk, index, object, "__delattr__");
                }
            }
            _ => {}
        }
        if matches!(
            name.as_str(),
            "importlib.import_module" | "builtins.__import__"
        ) {
            self.half_imported(walk, index);
        }
        let models = self.eval.models;
        if models
            .class(name.as_str())
            .is_some_and(|class| class.thread.is_some())
        {
            self.local_escapes(walk, index, call_index);
        }
        if let Some(model) = models.function(name.as_str()) {
            self.modelled_call(walk, index, call_index, model, None, name);
        }
        // Callables given to `map`, `sorted(key=)` and the like run here.
        let eager: Vec<ValueId> = call
            .keywords
            .iter()
            .filter(|(keyword, _)| keyword.as_str() == "key")
            .map(|(_, value)| *value)
            .chain(
                matches!(name.as_str(), "builtins.map" | "builtins.filter")
                    .then(|| arguments.first().copied())
                    .flatten(),
            )
            .collect();
        for callable in eager {
            self.run_here(walk, index, callable);
        }
    }

    /// A module is imported only where it is not found in `sys.modules`: one that is found there may
    /// still be running its body on another thread.
    fn half_imported(&mut self, walk: &mut Walk<'_>, index: u32) {
        let function = walk.function;
        let mut control = function.ops[index as usize].control;
        while control != 0 {
            let node = function.controls[control as usize];
            for at in node.first..node.end {
                let (OpKind::ItemRead { base, .. } | OpKind::Contains { base, .. }) =
                    function.ops[at as usize].kind
                else {
                    continue;
                };
                let set = self.eval.value(walk.frame, base);
                let of_modules = self.eval.arena.members(set).iter().any(|&it| {
                    matches!(self.eval.arena.get(it), Object::Foreign(class, Origin::Static)
                        if class.as_str() == "sys.Modules")
                });
                if of_modules {
                    self.record(walk, at, Action::HalfImported);
                    return;
                }
            }
            control = node.parent;
        }
    }

    /// A callable that the call runs before it returns.
    pub(super) fn run_here(&mut self, walk: &mut Walk<'_>, index: u32, callable: ValueId) {
        let set = self.eval.value(walk.frame, callable);
        for object in self.eval.arena.members(set).to_vec() {
            for frame in self.frames_of(object, &[], false) {
                self.compose(walk, index, frame);
            }
        }
    }

    /// A copy of a container, or of a view of one, that the callable `copy` makes.
    pub(super) fn copied(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        argument: ValueId,
        copy: &str,
    ) {
        // A generator expression given to `list` is walked by its own ops.
        let mut places = self.contents_places(walk, argument);
        let mut view = false;
        if let Value::Call(call) = walk.function.value(argument) {
            let call = &walk.function.calls[*call as usize];
            if let Value::Attribute { base, name, .. } = walk.function.value(call.callee)
                && matches!(name.as_str(), "items" | "values" | "keys")
            {
                view = true;
                places = self.contents_places(walk, *base);
            }
        }
        let in_one_step = self.walks_copy(walk, argument);
        for (place, kind) in places {
            let access = match kind {
                Some(kind) if !in_one_step => atomicity::copy(copy, kind, view),
                _ => Access::Snapshot,
            };
            self.access(walk, index, place, access, Look::Use, kind);
        }
    }

    pub(super) fn modelled_call(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        call_index: u32,
        model: &CallModel,
        receiver: Option<ObjectId>,
        name: Name,
    ) {
        let call = &walk.function.calls[call_index as usize];
        let arguments = walk.function.list(call.arguments).to_vec();
        if let Some(what) = &model.blocks {
            let bounded = receiver.is_some() && self.is_bounded(walk, call, name);
            if !bounded {
                self.record(
                    walk,
                    index,
                    Action::Block {
                        what: Name::new(what),
                        on: receiver,
                    },
                );
            }
        }
        if let Some(what) = &model.process_wide {
            self.record(
                walk,
                index,
                Action::ProcessWide {
                    what: Name::new(what),
                    by: name,
                    until: model
                        .process_wide_until
                        .as_deref()
                        .and_then(crate::program::Target::named),
                    for_a_while: model.for_a_while,
                },
            );
        }
        // Where the object may be one of several, one of them may be this thread's own.
        let certain = match *walk.function.value(call.callee) {
            Value::Attribute { base, .. } => {
                let set = self.eval.value(walk.frame, base);
                self.eval.arena.members(set).len() == 1
            }
            _ => true,
        };
        if model.loop_only
            && certain
            && let Some(object) = receiver
        {
            self.record(
                walk,
                index,
                Action::LoopOnly {
                    object,
                    method: name,
                },
            );
        }
        let atomic_from = model.atomic_from.as_deref().and_then(On::named);
        let in_one_step = atomic_from.is_some_and(|from| self.on >= from);
        for &position in &model.iterates {
            if let Some(&argument) = arguments.get(position) {
                if in_one_step {
                    self.contents(walk, index, argument, Access::Snapshot);
                } else {
                    self.iterate(walk, index, argument);
                }
            }
        }
        for &position in &model.snapshots {
            if let Some(&argument) = arguments.get(position) {
                self.copied(walk, index, argument, name.as_str());
            }
        }
        for &position in &model.mutates {
            if let Some(&argument) = arguments.get(position) {
                let access = if in_one_step {
                    Access::Add
                } else {
                    Access::Rearrange
                };
                self.contents(walk, index, argument, access);
            }
        }
        for &position in &model.calls {
            if let Some(&argument) = arguments.get(position) {
                self.run_here(walk, index, argument);
            }
        }
        for &position in &model.hands_over {
            if let (Some(&argument), Some(receiver)) = (arguments.get(position), receiver) {
                let base = self.eval.arena.set(vec![receiver]);
                self.publish_into(walk, base, argument);
            }
        }
        if let Some(use_of) = model.condition
            && let Some(receiver) = receiver
            && use_of != ConditionUse::WaitFor
        {
            let lock = self.canonical_lock(receiver);
            self.record(
                walk,
                index,
                Action::Condition {
                    lock,
                    notify: use_of == ConditionUse::Notify,
                },
            );
        }
        if model.spawns.iter().any(|spawn| !spawn.interrupt) {
            self.local_escapes(walk, index, call_index);
        }
        for spawn in &model.spawns {
            self.spawn_by_call(walk, index, call_index, spawn, receiver);
        }
        if model.joins {
            let unfinished = call.keywords.iter().any(|(keyword, value)| {
                keyword.as_str() == "wait"
                    && *walk.function.value(*value) == Value::Constant(Constant::False)
            }) || (name.as_str() == "shutdown"
                && arguments.first().is_some_and(|&it| {
                    *walk.function.value(it) == Value::Constant(Constant::False)
                }));
            if !unfinished {
                match receiver {
                    Some(receiver) => self.finish(walk, receiver),
                    None => {
                        // `wait(futures)`: everything in the argument.
                        if let Some(&first) = arguments.first() {
                            let set = self.eval.value(walk.frame, first);
                            let elements = self.eval.elements_of_set(set);
                            for object in self.eval.arena.members(elements).to_vec() {
                                self.finish(walk, object);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Whether a blocking call has a limit: a timeout, or `block=False`.
    pub(super) fn is_bounded(&self, walk: &Walk<'_>, call: &Call, name: Name) -> bool {
        let arguments = walk.function.list(call.arguments);
        let by_keyword = call
            .keywords
            .iter()
            .any(|(keyword, _)| matches!(keyword.as_str(), "timeout" | "block" | "blocking"));
        let by_position = match name.as_str() {
            "join" | "wait" | "result" | "exception" => !arguments.is_empty(),
            "get" => !arguments.is_empty(),
            "put" => arguments.len() > 1,
            _ => false,
        };
        by_keyword || by_position
    }

    pub(super) fn method_call(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        call_index: u32,
        receiver: ObjectId,
        name: Name,
    ) {
        let call = &walk.function.calls[call_index as usize];
        let arguments = walk.function.list(call.arguments).to_vec();
        let is_spelled = matches!(walk.function.value(call.callee), Value::Attribute { .. });
        if is_spelled && let Some(kind) = self.kind_of(receiver) {
            if let Some(access) = atomicity::method(kind, name.as_str()) {
                let place = self.contents_place(receiver);
                self.access(walk, index, place, access, Look::Use, Some(kind));
            }
            if name.as_str() == "pop"
                && let Value::Attribute { base, .. } = *walk.function.value(call.callee)
            {
                self.drops_lock(walk, index, base);
            }
            let stored = match name.as_str() {
                "append" | "appendleft" | "add" => arguments.first(),
                "insert" | "setdefault" => arguments.get(1),
                _ => None,
            };
            if let Some(&value) = stored {
                let bases = self.eval.arena.set(vec![receiver]);
                self.publish_into(walk, bases, value);
            }
        }
        let is_alias = match *walk.function.value(call.callee) {
            Value::Attribute { name: spelled, .. } => spelled != name,
            _ => true,
        };
        if is_alias {
            let certain = call.arguments.len == 0 && call.keywords.is_empty();
            self.acquired_by_alias(walk, index, receiver, name, certain);
        }
        self.method_without_base(walk, index, call_index, receiver, name);
    }

    /// `self._acquire = lock.acquire` in a constructor makes `self._acquire()` take the lock. The
    /// facts know a critical section by how `acquire` is spelled; this one lasts until the lock is
    /// given back, by whatever name.
    fn acquired_by_alias(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        receiver: ObjectId,
        name: Name,
        certain: bool,
    ) {
        match name.as_str() {
            "acquire" if certain => {
                let section = (u64::from(walk.frame.0) << 32) | u64::from(u32::MAX - index);
                let mut locks = Vec::new();
                self.locks_of_object(receiver, section, &mut locks);
                for held in locks {
                    self.acquire_in_with(walk, index, held);
                    walk.extra_held.push(held);
                }
            }
            "release" => {
                let lock = self.canonical_lock(receiver);
                walk.extra_held.retain(|held| held.lock != lock);
                walk.summary.released.push(lock);
            }
            _ => {}
        }
    }

    pub(super) fn method_without_base(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        call_index: u32,
        receiver: ObjectId,
        name: Name,
    ) {
        let text = name.as_str();
        if matches!(text, "__next__") {
            self.advance_object(walk, index, receiver);
        }
        let models = self.eval.models_of(receiver);
        for model in &models {
            if let Some(thread) = &model.thread
                && !thread.start.is_empty()
                && thread.start == text
            {
                self.start_thread(walk, index, receiver);
            }
        }
        if let Some((model, reason)) = models
            .iter()
            .find_map(|model| Some((model, model.unsafe_shared.as_ref()?)))
        {
            self.record(
                walk,
                index,
                Action::Unsafe {
                    object: receiver,
                    what: Name::new(reason),
                    until: model
                        .unsafe_until
                        .as_deref()
                        .and_then(crate::program::Target::named),
                },
            );
        }
        if let Object::Foreign(class, _) = *self.eval.arena.get(receiver)
            && class.as_str() == "contextvars.ContextVar"
            && matches!(text, "get" | "set")
        {
            self.record(
                walk,
                index,
                Action::Context {
                    object: receiver,
                    store: text == "set",
                },
            );
        }
        let signals = models.iter().any(|model| match model.sync {
            Some(SyncKind::Event) => text == "set",
            Some(SyncKind::Queue) => matches!(text, "put" | "put_nowait"),
            Some(SyncKind::Future) => matches!(text, "set_result" | "set_exception"),
            Some(SyncKind::Barrier) | None => false,
        });
        if signals {
            self.record(walk, index, Action::Signal { on: receiver });
        }
        if text == "clear" && models.iter().any(|it| it.sync == Some(SyncKind::Event)) {
            self.cleared.insert(receiver);
        }
        if models.iter().any(|model| model.takes_lock) {
            self.record(
                walk,
                index,
                Action::Acquire {
                    lock: receiver,
                    reentrant: false,
                    may_fail: false,
                    made: self.made_at(receiver),
                },
            );
        }
        let model = models.iter().find_map(|model| model.method.get(text));
        if let Some(model) = model {
            self.modelled_call(walk, index, call_index, model, Some(receiver), name);
        }
    }
}
