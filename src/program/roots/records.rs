//! Records: an effect as something that a root does, in terms that compare with what roots of other
//! modules do: whose object it is, who can meet at it, which locks cover it.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Finder, Held, Meanwhile, Record};
use crate::facts::{Function, OpKind, Value, ValueId};
use crate::program::effect::{Action, Effect, Place, PlaceAccess, Slot};
use crate::program::evaluate::made_value;
use crate::program::object::{FunctionId, Object, ObjectId, Origin};
use crate::source::name::Name;

impl Finder<'_> {
    /// Adds an effect of a function that a root runs `on` an object.
    pub(super) fn record(
        &mut self,
        root: u32,
        on: Option<ObjectId>,
        effect: &Effect,
        distinct: &[ObjectId],
    ) {
        // A callback is nobody's business where no caller holds a lock.
        let is_free = matches!(effect.action, Action::Callback { .. }) && effect.held.is_empty();
        if is_free || self.is_known_of_callers(root, effect) {
            return;
        }
        let (key, words, object) = match effect.action {
            Action::Access(PlaceAccess { place, .. }) => (
                self.place_key(place),
                self.place_words(place),
                Some(place.object),
            ),
            Action::Acquire { lock, .. } | Action::Condition { lock, .. } => {
                (self.key(lock), self.object_words(lock), Some(lock))
            }
            Action::FreshLock { lock: object }
            | Action::Unordered { lock: object }
            | Action::DroppedLock { table: object }
            | Action::LoopOnly { object, .. }
            | Action::Unsafe { object, .. }
            | Action::Context { object, .. }
            | Action::Signal { on: object }
            | Action::Leak { lock: object, .. } => {
                (self.key(object), self.object_words(object), Some(object))
            }
            Action::ThreadLocal { object, name, .. } | Action::LocalEscapes { object, name } => {
                use std::hash::BuildHasher;
                let owner = self.object_words(object);
                (
                    rustc_hash::FxBuildHasher.hash_one((self.key(object), name.as_str())),
                    Name::new(&format!("{owner}.{name}")),
                    Some(object),
                )
            }
            Action::Block { what, on } => {
                let on = on.map(|it| self.summaries.canonical_lock(it));
                (on.map_or(0, |it| self.key(it)), what, on)
            }
            Action::Callback { what } => (0, what, None),
            Action::Upset { place, .. } | Action::SharedByLocals { place } => {
                (self.place_key(place), self.place_words(place), None)
            }
            Action::ProcessWide { by, .. } => (0, by, None),
            Action::Walk { what, .. } => (0, what, None),
            Action::HalfImported => (0, Name::new("sys.modules"), None),
        };
        let owner = match effect.action {
            Action::Access(access) => self.key(access.place.object),
            _ => 0,
        };
        let held = effect
            .held
            .iter()
            .map(|held| Held {
                key: self.key(held.lock),
                words: self.object_words(held.lock),
                section: held.section,
                mode: held.mode,
                certain: !matches!(
                    self.summaries.eval.arena.get(held.lock),
                    Object::NamedLock(..)
                ),
                unique: !self.summaries.is_many(held.lock) && !self.is_any_of_its_class(held.lock),
                covers: object.is_none_or(|object| self.covers(held.lock, object)),
            })
            .collect();
        // The file that a parameter names is another one for each thread, unless its starter tells.
        let of_parameter =
            matches!(effect.action, Action::Access(it) if self.is_of_parameter(it.place));
        let key = if of_parameter {
            key.wrapping_add(u64::from(root))
        } else {
            key
        };
        let distinct = of_parameter
            || object.is_some_and(|object| {
                let mut current = Some(object);
                for _ in 0..12 {
                    let Some(it) = current else { break };
                    if distinct.contains(&it) {
                        return true;
                    }
                    current = self.summaries.eval.owner(it);
                }
                false
            });
        let is_constructor = |function| self.links.function(function).name.as_str() == "__init__";
        let in_constructor = is_constructor(effect.at.function)
            && match effect.action {
                Action::Access(PlaceAccess { place, .. }) => {
                    self.is_constructor_of(effect.at.function, place.object)
                }
                // Of the object that keeps it, not of one that is told of it.
                Action::ThreadLocal { object, .. } => {
                    let made = self.summaries.eval.arena.origin(object);
                    matches!(made, Some(Origin::Site { frame, .. })
                        if is_constructor(self.summaries.eval.arena.frame_of(frame).function))
                }
                _ => false,
            };
        let many = object.is_some_and(|object| self.summaries.is_many(object))
            || matches!(effect.action, Action::Acquire { lock, .. } if self.is_any_of_its_class(lock));
        let meanwhile = Meanwhile {
            held,
            live: (&*effect.live).into(),
            finished: effect.finished.iter().map(|&it| self.key(it)).collect(),
            before: Box::default(),
        };
        let meanwhile = self.shared_meanwhile(meanwhile);
        let on_instance = object.is_some_and(|object| {
            matches!(self.summaries.eval.arena.get(object), Object::Instance(..))
        });
        let rooted = object.is_none_or(|object| self.is_rooted(object, on));
        self.result.records.push(Record {
            root,
            action: effect.action.clone(),
            key,
            rooted,
            on_instance,
            owner,
            words,
            at: effect.at,
            meeting: effect.meeting.clone(),
            via: effect.via,
            under: effect.under,
            meanwhile,
            own: effect.own,
            distinct,
            own_element: false,
            in_constructor,
            in_loop: effect.in_loop,
            many,
        });
    }

    /// One of these for all records of the module of which it says the same.
    pub(super) fn shared_meanwhile(&mut self, meanwhile: Meanwhile) -> Arc<Meanwhile> {
        if let Some(known) = self.meanwhile.get(&meanwhile) {
            return Arc::clone(known);
        }
        let meanwhile = Arc::new(meanwhile);
        self.meanwhile.insert(Arc::clone(&meanwhile));
        meanwhile
    }

    /// Whether callers of a library can meet at an object: a module, a class or an object that
    /// callers share holds it, directly or through its owner. What a call makes for itself and
    /// hands to nobody we know of is not met.
    fn is_rooted(&self, object: ObjectId, on: Option<ObjectId>) -> bool {
        let eval = &self.summaries.eval;
        let mut current = Some(object);
        if let Object::Container(_, Origin::Site { frame, value, .. })
        | Object::Foreign(_, Origin::Site { frame, value, .. }) = *eval.arena.get(object)
            && !self.is_put_somewhere(eval.arena.frame_of(frame).function, value)
        {
            return false;
        }
        for _ in 0..12 {
            let Some(it) = current else { return false };
            match eval.arena.get(it) {
                Object::Instance(_, Origin::Site { frame, value, .. })
                | Object::Foreign(_, Origin::Site { frame, value, .. })
                | Object::Container(_, Origin::Site { frame, value, .. }) => {
                    let made_in = eval.arena.frame_of(*frame).function;
                    if made_in.index == 0
                        || eval.is_held_by_module(made_in, *value)
                        || self.is_around_wrapper(made_in)
                    {
                        return true;
                    }
                    current = eval.owner_for(on, it);
                }
                Object::Variables(frame)
                    if self.is_around_wrapper(eval.arena.frame_of(*frame).function) =>
                {
                    return true;
                }
                Object::Variables(frame) => current = eval.receiver(*frame),
                _ => return eval.arena.origin(it) != Some(Origin::Assumed { shared: false }),
            }
        }
        false
    }

    /// Whether a container that a function makes gets a name outside of it, or is put into
    /// something; else it is gone when the call is over.
    fn is_put_somewhere(&self, made_in: FunctionId, site: u32) -> bool {
        if made_in.index == 0 || self.is_around_wrapper(made_in) {
            return true;
        }
        let function = self.links.function(made_in);
        self.gets_name(made_in, function, made_value(function, site), 0)
    }

    fn gets_name(&self, id: FunctionId, function: &Function, made: ValueId, depth: u32) -> bool {
        if self.links.home(id, made).is_some() {
            return true;
        }
        let stores = function.ops.iter().any(|op| match op.kind {
            OpKind::Write { value, .. }
            | OpKind::WriteVariable { value, .. }
            | OpKind::ItemWrite { value, .. } => value == made,
            OpKind::Call(call) => {
                let call = &function.calls[call as usize];
                let puts = matches!(function.value(call.callee),
                    Value::Attribute { name, .. } if matches!(name.as_str(),
                        "append" | "appendleft" | "add" | "put" | "insert" | "setdefault"));
                puts && function.list(call.arguments).contains(&made)
            }
            _ => false,
        });
        stores
            || depth < 3
                && (0..)
                    .zip(&function.values)
                    .any(|(around, value)| match value {
                        Value::Container { elements, .. } => {
                            function.list(*elements).contains(&made)
                                && self.gets_name(id, function, ValueId(around), depth + 1)
                        }
                        _ => false,
                    })
    }

    fn is_around_wrapper(&self, function: FunctionId) -> bool {
        function.module == self.module && self.wrapping.contains(&function.index)
    }

    /// A lock of an object of which only the class is known: two of them need not be the same.
    fn is_any_of_its_class(&self, lock: ObjectId) -> bool {
        let eval = &self.summaries.eval;
        let mut current = match eval.arena.get(lock) {
            Object::NamedLock(None, _) => return true,
            Object::NamedLock(owner, _) => *owner,
            _ => Some(lock),
        };
        for _ in 0..12 {
            let Some(it) = current else { return false };
            if eval.arena.origin(it) == Some(Origin::Assumed { shared: false }) {
                return true;
            }
            current = eval.owner(it);
        }
        false
    }

    fn is_constructor_of(&mut self, init: FunctionId, object: ObjectId) -> bool {
        let Object::Instance(class, _) = *self.summaries.eval.arena.get(object) else {
            return false;
        };
        let lineage = self.summaries.eval.lineage(class);
        self.links
            .enclosing_class(init)
            .is_some_and(|owner| lineage.order.contains(&owner))
    }

    /// Whether a lock is the one that belongs to an object: either there is only one of it, or it
    /// is reached through the same object of many, or both are parts of one tuple of many.
    fn covers(&self, lock: ObjectId, object: ObjectId) -> bool {
        let eval = &self.summaries.eval;
        let mut current = match eval.arena.get(lock) {
            Object::NamedLock(owner, _) => *owner,
            _ => Some(lock),
        };
        for _ in 0..12 {
            let Some(it) = current else { return true };
            let is_many = matches!(
                eval.arena.origin(it),
                Some(Origin::Site { many: true, .. } | Origin::Assumed { .. })
            );
            if is_many {
                // The lock of one of many objects: does the access go to that object?
                let mut of = Some(object);
                for _ in 0..12 {
                    let Some(owner) = of else { return false };
                    if owner == it || self.are_made_together(it, owner) {
                        return true;
                    }
                    of = match eval.arena.get(owner) {
                        Object::Variables(frame) => eval.receiver(*frame),
                        _ => eval.owner(owner),
                    };
                }
                return false;
            }
            current = eval.owner(it);
        }
        true
    }

    /// Whether two objects are made as parts of one tuple, list or dict: `(Lock(), {})`. Whoever has
    /// one of them from there is taken to have the other from the same.
    fn are_made_together(&self, a: ObjectId, b: ObjectId) -> bool {
        let eval = &self.summaries.eval;
        let (Some(one), Some(other)) = (eval.arena.origin(a), eval.arena.origin(b)) else {
            return false;
        };
        let (
            Origin::Site { frame, value, .. },
            Origin::Site {
                frame: made_by,
                value: beside,
                ..
            },
        ) = (one, other)
        else {
            return false;
        };
        if frame != made_by {
            return false;
        }
        let function = self.links.function(eval.arena.frame_of(frame).function);
        let (a, b) = (made_value(function, value), made_value(function, beside));
        function.values.iter().any(|it| match it {
            Value::Container { elements, .. } => {
                let elements = function.list(*elements);
                elements.contains(&a) && elements.contains(&b)
            }
            _ => false,
        })
    }

    /// Whether a place is the file that a parameter of a function names.
    pub(super) fn is_of_parameter(&self, place: Place) -> bool {
        matches!(place.slot, Slot::File(_))
            && matches!(
                self.summaries.eval.arena.get(place.object),
                Object::Function(..)
            )
    }

    /// Drops what nobody writes, as far as this module can tell: fields and contents of objects
    /// that only its own entries reach.
    pub(super) fn forget_unwritten(&mut self) {
        let written: FxHashSet<u64> = self
            .result
            .records
            .iter()
            .filter(
                |record| matches!(record.action, Action::Access(access) if access.access.writes()),
            )
            .map(|record| record.key)
            .collect();
        let eval = &self.summaries.eval;
        self.result.records.retain(|record| match record.action {
            Action::Access(access) => {
                written.contains(&record.key)
                    || matches!(
                        eval.arena.get(access.place.object),
                        Object::Module(_) | Object::Class(_)
                    )
            }
            _ => true,
        });
        self.result.records.shrink_to_fit();
    }
}
