//! One op of the facts to its effects.

#[allow(clippy::wildcard_imports)]
use super::*;

use super::compound::exchanged_from;

impl Summaries<'_> {
    pub(super) fn step(&mut self, walk: &mut Walk<'_>, index: u32) {
        let function = walk.function;
        let op = &function.ops[index as usize];
        match op.kind {
            OpKind::Read { base, name, look } => {
                let objects = self.eval.value(walk.frame, base);
                for object in self.eval.arena.members(objects).to_vec() {
                    self.read(walk, index, object, name, look);
                }
            }
            OpKind::Write {
                base,
                name,
                value,
                update,
            } => {
                let objects = self.eval.value(walk.frame, base);
                for object in self.eval.arena.members(objects).to_vec() {
                    self.write(walk, index, object, name, value, update);
                }
                self.publish_into(walk, objects, value);
            }
            OpKind::Delete { base, name } => {
                let objects = self.eval.value(walk.frame, base);
                for object in self.eval.arena.members(objects).to_vec() {
                    if self.has_fields(object) {
                        let place = Place {
                            object,
                            slot: Slot::Field(name),
                        };
                        self.access(walk, index, place, Access::Delete, Look::Use, None);
                    }
                }
            }
            OpKind::ReadVariable { variable, look } => {
                let (Variable::Global(name) | Variable::Cell(name)) = variable;
                if self.eval.links.is_rewritten(name)
                    && let Some(place) = self.variable_place(walk, variable)
                {
                    self.access(walk, index, place, Access::Read, look, None);
                }
            }
            OpKind::WriteVariable {
                variable,
                value,
                update,
            } => {
                if let Some(place) = self.variable_place(walk, variable) {
                    self.store(walk, index, place, value, update);
                    if let Variable::Global(_) = variable {
                        let values = self.eval.value(walk.frame, value);
                        for object in self.eval.arena.members(values).to_vec() {
                            self.publish(walk, object, Exposure::Shared);
                        }
                    }
                }
            }
            OpKind::DeleteVariable { variable } => {
                if let Some(place) = self.variable_place(walk, variable) {
                    let access = PlaceAccess {
                        acts: Access::Delete,
                        ..PlaceAccess::plain(place, Access::Delete)
                    };
                    self.record(walk, index, Action::Access(access));
                }
            }
            OpKind::Recall { .. } => {}
            OpKind::ItemRead { base, .. } => {
                self.special_method(walk, index, base, "__getitem__");
                self.contents(walk, index, base, Access::Lookup);
            }
            OpKind::ItemWrite {
                base,
                key,
                value,
                update,
                slice,
            } => {
                self.special_method(walk, index, base, "__setitem__");
                let access = match update {
                    Update::Augmented | Update::From(_) => Access::Update,
                    Update::Replace if slice => Access::Rearrange,
                    Update::Replace => Access::SetItem,
                };
                let from = match update {
                    Update::From(op) => Some(op),
                    Update::Augmented => None,
                    Update::Replace => exchanged_from(function, index),
                };
                let identity = self.has_identity(walk.frame, value);
                self.contents_from(walk, index, base, access, from, identity);
                self.adds_computed(walk, index, base, &[key]);
                let objects = self.eval.value(walk.frame, base);
                self.publish_into(walk, objects, value);
            }
            OpKind::ItemDelete { base, slice, .. } => {
                self.special_method(walk, index, base, "__delitem__");
                let access = if slice { Access::Clear } else { Access::Remove };
                self.contents(walk, index, base, access);
                self.drops_lock(walk, index, base);
            }
            OpKind::Contains { base, .. } => {
                self.special_method(walk, index, base, "__contains__");
                self.contents(walk, index, base, Access::Lookup);
            }
            OpKind::Truth { base } => self.contents(walk, index, base, Access::Lookup),
            OpKind::Iterate { base } => {
                self.iterate(walk, index, base);
            }
            OpKind::Upset { base, change } => self.upset(walk, index, base, change),
            OpKind::Extend { base, .. } => {
                // `x += ...` on a local name changes a list in place and rebinds anything else.
                if let Some(kind) = self.container_kind(walk.frame, base)
                    && kind == ContainerKind::List
                {
                    self.contents(walk, index, base, Access::Add);
                }
            }
            OpKind::Call(call) => self.call(walk, index, call),
            OpKind::Acquire { lock, region } => {
                for held in self.locks_of(walk.frame, lock, region) {
                    self.acquire(walk, index, held, region);
                }
                if let Some(lock) = self.held_of_its_kind(walk, index, lock, region)
                    && !self.may_fail(walk, index)
                {
                    self.record(walk, index, Action::Unordered { lock });
                }
            }
            OpKind::Release { lock } => {
                let set = self.eval.value(walk.frame, lock);
                for object in self.eval.arena.members(set).to_vec() {
                    let lock = self.canonical_lock(object);
                    walk.extra_held.retain(|held| held.lock != lock);
                    walk.summary.released.push(lock);
                }
            }
            OpKind::Enter {
                context, region, ..
            } => self.enter(walk, index, context, region),
            OpKind::Exit { context, .. } => self.exit(walk, index, context),
            OpKind::Return { .. } => {}
            OpKind::Yield { .. } => {
                let held = self.held_at(walk, index);
                let now: Vec<HeldLock> = held.to_vec();
                walk.summary.held_at_yield = Some(match walk.summary.held_at_yield.take() {
                    None => now,
                    Some(before) => before
                        .into_iter()
                        .filter(|one| now.iter().any(|other| other.lock == one.lock))
                        .collect(),
                });
            }
        }
    }

    /// Whether an object is of a class that extends `threading.local`: each thread has attributes of
    /// its own in it.
    pub(super) fn is_local_instance(&mut self, object: ObjectId) -> bool {
        let Object::Instance(class, _) = *self.eval.arena.get(object) else {
            return false;
        };
        if let Some(&known) = self.local_classes.get(&class) {
            return known;
        }
        let is_local = self.is_thread_local(object);
        self.local_classes.insert(class, is_local);
        is_local
    }

    /// The locks held at an op.
    pub(super) fn held_at(&mut self, walk: &mut Walk<'_>, index: u32) -> Rc<[HeldLock]> {
        let id = walk.function.ops[index as usize].held;
        let own = match walk.held.get(&id) {
            Some(known) => Rc::clone(known),
            None => {
                let mut locks = Vec::new();
                for held in &walk.function.held[id as usize] {
                    locks.extend(self.locks_of(walk.frame, held.lock, held.region));
                }
                let locks: Rc<[HeldLock]> = if locks.is_empty() {
                    Rc::clone(&self.empty_locks)
                } else {
                    locks.into()
                };
                walk.held.insert(id, Rc::clone(&locks));
                locks
            }
        };
        if walk.extra_held.is_empty() && walk.required.is_empty() {
            return own;
        }
        let mut all = own.to_vec();
        all.extend_from_slice(&walk.extra_held);
        all.extend_from_slice(&walk.required);
        all.into()
    }

    pub(super) fn at(&self, walk: &Walk<'_>, index: u32) -> At {
        At {
            function: walk.function_id,
            range: walk.function.ops[index as usize].range,
        }
    }

    /// Records an effect of the function itself.
    pub(super) fn record(&mut self, walk: &mut Walk<'_>, index: u32, action: Action) {
        let held = self.held_at(walk, index);
        self.record_held(walk, index, action, held);
    }

    pub(super) fn record_held(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        mut action: Action,
        held: Rc<[HeldLock]>,
    ) {
        let at = self.at(walk, index);
        if let Action::Access(access) = &mut action {
            match key_of(walk.function, index) {
                Some(&Value::Parameter(at)) => access.keyed_by = access.keyed_by.or(Some(at)),
                Some(&Value::Constant(Constant::Text(text))) => access.text_key = text,
                _ => {}
            }
        }
        let object = match &action {
            Action::Access(access) => Some(access.place.object),
            Action::LoopOnly { object, .. } | Action::Unsafe { object, .. } => Some(*object),
            _ => None,
        };
        let mut exposure = Exposure::Shared;
        let mut own = false;
        if let Some(object) = object {
            if self.is_local_instance(object) || walk.again && self.is_many(object) {
                return;
            }
            match self.seen_by(walk, object) {
                None => return,
                Some((how, mine)) => {
                    exposure = how;
                    own = mine;
                }
            }
        }
        let effect = Effect {
            action,
            at,
            meeting: None,
            via: at,
            held,
            under: None,
            live: self.live_now(walk),
            finished: self.finished_now(walk),
            exposure,
            own,
            in_loop: walk.function.ops[index as usize].in_loop,
        };
        self.push(walk, index, effect);
    }

    pub(super) fn push(&mut self, walk: &mut Walk<'_>, index: u32, effect: Effect) {
        use std::hash::{BuildHasher, Hash, Hasher};
        // Two calls of one helper under the same locks say the same thing.
        let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
        effect.action.hash(&mut hasher);
        effect.at.hash(&mut hasher);
        effect.live.hash(&mut hasher);
        effect.finished.hash(&mut hasher);
        effect.exposure.hash(&mut hasher);
        for held in effect.held.iter() {
            (held.lock, held.mode).hash(&mut hasher);
        }
        let position = u32::try_from(walk.summary.effects.len()).unwrap_or(u32::MAX);
        let known = *walk.seen.entry(hasher.finish()).or_insert(position);
        if known == position {
            walk.summary.effects.push(effect);
        }
        // Tests look back at what came before them, in order.
        if !walk.again {
            walk.by_op.push((index, known));
        }
    }

    fn live_now(&self, walk: &Walk<'_>) -> Rc<[u32]> {
        if walk.live.is_empty() {
            Rc::clone(&self.empty_live)
        } else {
            walk.live.clone().into()
        }
    }

    fn finished_now(&self, walk: &Walk<'_>) -> Rc<[ObjectId]> {
        if walk.finished.is_empty() {
            Rc::clone(&self.empty_objects)
        } else {
            walk.finished.clone().into()
        }
    }
}

/// What an op uses as the key of an element, or as the name of an attribute. An element that goes to
/// another place is not kept under one key.
fn key_of(function: &Function, index: u32) -> Option<&Value> {
    let key = match function.ops[index as usize].kind {
        OpKind::ItemWrite { .. } if exchanged_from(function, index).is_some() => return None,
        OpKind::ItemRead { key, .. }
        | OpKind::ItemWrite { key, .. }
        | OpKind::ItemDelete { key, .. }
        | OpKind::Contains { key, .. } => key,
        OpKind::Call(call) => {
            let call = &function.calls[call as usize];
            match (function.value(call.callee), function.list(call.arguments)) {
                (Value::Global(name), &[_, attribute, _]) if name.as_str() == "setattr" => {
                    attribute
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(function.value(key))
}
