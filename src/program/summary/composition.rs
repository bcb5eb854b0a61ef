//! Composition: what a callee of the program does, as its caller sees it: under the locks that the
//! caller holds, beside the threads it has started, and only to objects that others can see.

#[allow(clippy::wildcard_imports)]
use super::*;

use super::meeting::tells;

impl Summaries<'_> {
    /// Whether what a function of the program does is looked at.
    fn follows(&mut self, callee: FunctionId) -> bool {
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
    pub(super) fn own_results(&mut self, walk: &mut Walk<'_>, callee: FrameId) {
        for object in self.eval.made_for_caller(callee) {
            walk.exposure.entry(object).or_insert(Exposure::Owned);
        }
    }

    /// Whether a call makes a generator and returns it: what that does it does for the caller, when
    /// the locks of this function have been given back.
    fn is_walked_by_caller(&self, walk: &Walk<'_>, index: u32, callee: FrameId) -> bool {
        let id = self.eval.arena.frame_of(callee).function;
        let OpKind::Call(call) = walk.function.ops[index as usize].kind else {
            return false;
        };
        let made = walk.function.calls[call as usize].result;
        walk.function.returns.contains(&made)
            && self.eval.links.function(id).is_generator
            && !self
                .eval
                .is_decorated_with(id, &["contextmanager", "asynccontextmanager"])
    }

    /// Adds what a callee does.
    pub(super) fn compose(&mut self, walk: &mut Walk<'_>, index: u32, callee: FrameId) {
        let held = if self.is_walked_by_caller(walk, index, callee) {
            Rc::default()
        } else {
            self.held_at(walk, index)
        };
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
        if walk.summary.spawns.len() + summary.spawns.len() > MAX_SPAWNS {
            self.cuts += 1;
            self.own_results(walk, callee);
            return;
        }
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
            if in_loop
                && !spawn.once
                && summary.left_live.len() > spawn.live.len().saturating_sub(walk.live.len())
            {
                if !spawn.many {
                    walk.one_a_turn
                        .push(u32::try_from(walk.summary.spawns.len()).unwrap_or(0));
                }
                spawn.many = true;
                // Each call passes its own.
                spawn.equal.clear();
                let thread = spawn.thread.filter(|&it| self.is_made_in(it, callee));
                spawn.distinct.extend(thread);
            }
            // A call that makes a thread and starts it makes another one each time. Of calls that a test
            // decides about, one may be made instead of the other.
            let control = |op: u32| walk.function.ops[op as usize].control;
            let starts_anew = |(known, by): (&Spawn, &u32)| {
                known.thread == spawn.thread && control(*by) == 0 && control(index) == 0
            };
            let mut known = walk.summary.spawns.iter().zip(&walk.started_by);
            if spawn.thread.is_some_and(|it| self.is_made_in(it, callee)) && known.any(starts_anew)
            {
                spawn.thread = None;
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
            self.compose_effect(walk, index, callee, effect, offset, via, &held_here);
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
                let mut handles = spawn.handles.iter();
                let renewed = !spawn.once && handles.any(|&handle| self.is_renewed(handle));
                spawn.many |= spawn.handles.is_empty() || renewed;
                spawn.distinct.extend(spawn.thread.filter(|_| renewed));
            }
            walk.live.push(live);
        }
        for &finished in &summary.finished {
            self.finish(walk, finished);
        }
    }

    /// Whether what a callee does has nothing to do with a test before the call: it leaves threads to
    /// its callers, who then hold the lock under which it looks for itself; or that what it removes
    /// has gone is expected.
    fn outlives_test(
        &self,
        walk: &Walk<'_>,
        index: u32,
        effect: &Effect,
        access: PlaceAccess,
    ) -> bool {
        let op = &walk.function.ops[index as usize];
        let is_expected = if access.place.slot.is_told() {
            op.refusal_handled
        } else {
            access.access == Access::Remove && op.absence_handled
        };
        is_expected || self.eval.links.function(effect.at.function).left_to_callers
    }

    /// What a call passes for a parameter of the callee.
    fn passed(
        &self,
        walk: &Walk<'_>,
        index: u32,
        callee: FrameId,
        parameter: u16,
    ) -> Option<ValueId> {
        let OpKind::Call(call) = walk.function.ops[index as usize].kind else {
            return None;
        };
        let arguments = walk
            .function
            .list(walk.function.calls[call as usize].arguments);
        let bound = u16::from(self.eval.receiver(callee).is_some());
        let position = parameter.checked_sub(bound)?;
        arguments.get(usize::from(position)).copied()
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn compose_effect(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        callee: FrameId,
        effect: &Effect,
        offset: u32,
        via: At,
        held_here: &Rc<[HeldLock]>,
    ) {
        let mut effect = effect.clone();
        effect.via = via;
        if let Action::Access(access) = &mut effect.action
            && let Some(parameter) = access.keyed_by
        {
            let passed = self.passed(walk, index, callee, parameter);
            access.keyed_by = passed.and_then(|it| match *walk.function.value(it) {
                Value::Parameter(at) => Some(at),
                _ => None,
            });
            // The path is called by what the caller knows of it.
            if let Slot::File(_) = access.place.slot
                && let Some((place, keyed_by)) = passed.and_then(|it| self.file(walk, it))
            {
                (access.place, access.keyed_by) = (place, keyed_by);
            }
        }
        let object = match effect.action {
            Action::Access(access) => Some(access.place.object),
            Action::LoopOnly { object, .. } | Action::Unsafe { object, .. } => Some(object),
            _ => None,
        };
        if walk.again && object.is_some_and(|it| self.is_many(it)) {
            return;
        }
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
            // What the callee has waited for by then is over.
            let spawns = &walk.summary.spawns;
            live.extend(walk.live.iter().copied().filter(|&it| {
                spawns.get(it as usize).is_none_or(|spawn| {
                    let mut handles = spawn.handles.iter();
                    !handles.any(|handle| effect.finished.contains(handle))
                })
            }));
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
                    && !access.settled
                    && !self.outlives_test(walk, index, &effect, access) =>
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
            both.meeting = self.meeting(walk, index, tested.op, tested.at, both.at);
            let tells = both.meeting.is_some() && tells(walk.function, index);
            both.action = Action::Access(PlaceAccess {
                tells,
                ..tested.with_act(access, in_loop)
            });
            self.push(walk, index, both);
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

    /// Whether a call of a function in this frame makes the object: another one each time.
    fn is_made_in(&self, object: ObjectId, made_in: FrameId) -> bool {
        matches!(self.eval.arena.origin(object),
            Some(Origin::Site { frame, .. }) if frame == made_in)
    }

    /// Whether a loop makes the object anew each time round.
    fn is_renewed(&self, object: ObjectId) -> bool {
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
}
