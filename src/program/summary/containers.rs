//! Containers: whose elements an operation touches, and in how many steps.

#[allow(clippy::wildcard_imports)]
use super::*;

impl Summaries<'_> {
    /// The kind of the container a value is, if it is one.
    pub(super) fn container_kind(
        &mut self,
        frame: FrameId,
        value: ValueId,
    ) -> Option<ContainerKind> {
        let set = self.eval.value(frame, value);
        self.eval
            .arena
            .members(set)
            .to_vec()
            .into_iter()
            .find_map(|object| self.kind_of(object))
    }

    pub(super) fn kind_of(&mut self, object: ObjectId) -> Option<ContainerKind> {
        match *self.eval.arena.get(object) {
            Object::Container(literal, _) => match literal {
                Literal::List => Some(ContainerKind::List),
                Literal::Dict => Some(ContainerKind::Dict),
                Literal::Set => Some(ContainerKind::Set),
                Literal::Tuple | Literal::Generator => None,
            },
            Object::Foreign(name, _) => self
                .eval
                .class_models(name)
                .iter()
                .find_map(|model| model.container),
            // A class of the program that extends a container and leaves its operations alone.
            Object::Instance(class, _) => {
                let models = self.eval.inherited_models(class);
                let kind = models.iter().find_map(|model| model.container)?;
                let own = ["__getitem__", "__setitem__", "__delitem__", "__iter__"];
                let is_plain = own
                    .iter()
                    .all(|name| self.eval.method_of(class, Name::new(name)).is_none());
                is_plain.then_some(kind)
            }
            _ => None,
        }
    }

    /// The place of the elements of a container: by the attribute or name that holds it, so that
    /// a new container put there is the same place.
    pub(super) fn contents_place(&mut self, object: ObjectId) -> Place {
        let unnamed = Place {
            object,
            slot: Slot::Contents,
        };
        let Some(Origin::Site { frame, value, .. }) = self.eval.arena.origin(object) else {
            return unnamed;
        };
        let function_id = self.eval.arena.frame_of(frame).function;
        let links = self.eval.links;
        let id = made_value(links.function(function_id), value);
        match links.home(function_id, id) {
            Some(Home::Attribute(_, name)) => match self.eval.receiver(frame) {
                Some(owner) => Place {
                    object: owner,
                    slot: Slot::ContentsOf(name),
                },
                None => unnamed,
            },
            Some(Home::Class(class, name)) => Place {
                object: self.eval.arena.object(Object::Class(class)),
                slot: Slot::ContentsOf(name),
            },
            Some(Home::Global(module, name)) => Place {
                object: self.eval.arena.object(Object::Module(module)),
                slot: Slot::ContentsOf(name),
            },
            _ => unnamed,
        }
    }

    /// The places of the elements of what a value may be.
    pub(super) fn contents_places(
        &mut self,
        walk: &Walk<'_>,
        base: ValueId,
    ) -> Vec<(Place, Option<ContainerKind>)> {
        let set = self.eval.value(walk.frame, base);
        let mut places = Vec::new();
        for object in self.eval.arena.members(set).to_vec() {
            if let Some(kind) = self.kind_of(object) {
                let place = self.contents_place(object);
                if !places.iter().any(|(known, _)| *known == place) {
                    places.push((place, Some(kind)));
                }
            }
        }
        places
    }

    pub(super) fn contents(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        base: ValueId,
        access: Access,
    ) {
        self.contents_from(walk, index, base, access, None, false);
    }

    pub(super) fn contents_from(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        base: ValueId,
        access: Access,
        from: Option<u32>,
        identity: bool,
    ) {
        let access = if access == Access::Iterate && self.walks_copy(walk, base) {
            Access::Snapshot
        } else {
            access
        };
        if is_detached(walk.function, base, index) {
            return;
        }
        if access.writes() {
            self.shared_by_locals(walk, index, base);
        }
        for (place, kind) in self.contents_places(walk, base) {
            match from {
                Some(load) => self.update_from(walk, index, place, load, kind),
                None => {
                    let access = PlaceAccess {
                        container: kind,
                        identity,
                        ..PlaceAccess::plain(place, access)
                    };
                    self.act(walk, index, access);
                }
            }
        }
    }

    /// Whether a value is a container of the library that hands out an iterator over a copy.
    pub(super) fn walks_copy(&mut self, walk: &Walk<'_>, base: ValueId) -> bool {
        let set = self.eval.value(walk.frame, base);
        let objects = self.eval.arena.members(set).to_vec();
        objects.into_iter().any(|object| {
            let models = self.eval.models_of(object);
            let mut from = models
                .iter()
                .filter_map(|it| On::named(it.walks_copy_from.as_deref()?));
            from.any(|from| self.on >= from)
        })
    }

    pub(super) fn iterate(&mut self, walk: &mut Walk<'_>, index: u32, base: ValueId) {
        // `for x in d.items()` walks `d`; `for x in list(d)` walks a copy.
        if let Value::Call(call) = walk.function.value(base) {
            let call = &walk.function.calls[*call as usize];
            let targets = self.eval.value(walk.frame, call.callee);
            let is_own = self.eval.arena.members(targets).iter().any(|&it| {
                let callee = self.eval.arena.get(it);
                matches!(callee, Object::Function(..) | Object::Bound(..))
            });
            if let Value::Attribute { base, name, .. } = walk.function.value(call.callee)
                && matches!(name.as_str(), "items" | "values" | "keys")
                && !is_own
            {
                self.walk_of_changing(walk, index, *base);
                self.contents(walk, index, *base, Access::Iterate);
                return;
            }
            let arguments = walk.function.list(call.arguments).to_vec();
            let lazy = self.eval.arena.members(targets).iter().any(|&it| {
                matches!(
                    self.eval.arena.get(it),
                    Object::External(name) if matches!(
                        name.as_str(),
                        "builtins.enumerate" | "builtins.zip" | "builtins.map"
                            | "builtins.filter" | "builtins.reversed" | "builtins.iter"
                            | "six.iteritems" | "six.itervalues" | "six.iterkeys"
                    )
                )
            });
            if lazy {
                for argument in arguments {
                    self.iterate(walk, index, argument);
                }
                return;
            }
        }
        self.advance(walk, index, base);
        self.walk_of_changing(walk, index, base);
        self.contents(walk, index, base, Access::Iterate);
    }

    /// A lock leaves the table in which others find it: whoever holds it excludes nobody who comes
    /// later and makes another. Code that takes the lock first knows that nobody has it.
    pub(super) fn drops_lock(&mut self, walk: &mut Walk<'_>, index: u32, base: ValueId) {
        let takes = walk.function.calls.iter().any(|call| {
            matches!(walk.function.value(call.callee),
                Value::Attribute { name, .. } if name.as_str() == "acquire")
        });
        if takes || !self.held_at(walk, index).is_empty() {
            return;
        }
        let set = self.eval.value(walk.frame, base);
        for object in self.eval.arena.members(set).to_vec() {
            if self.kind_of(object) != Some(ContainerKind::Dict) {
                continue;
            }
            let container = self.eval.arena.only(object);
            let elements = self.eval.elements_of_set(container);
            let locks = self.eval.arena.members(elements).to_vec();
            let of_locks = locks.into_iter().any(|it| match *self.eval.arena.get(it) {
                Object::Foreign(class, _) => {
                    self.eval.class_models(class).iter().any(|model| {
                        matches!(model.lock, Some(LockKind::Mutex | LockKind::Reentrant))
                    })
                }
                _ => false,
            });
            let place = self.contents_place(object);
            if of_locks && self.seen_by(walk, place.object).is_some() {
                self.record(walk, index, Action::DroppedLock { table: object });
            }
        }
    }

    /// A walk through what more than the program's own code changes: `sys.modules`.
    fn walk_of_changing(&mut self, walk: &mut Walk<'_>, index: u32, base: ValueId) {
        let set = self.eval.value(walk.frame, base);
        for object in self.eval.arena.members(set).to_vec() {
            let Object::Foreign(class, Origin::Static) = *self.eval.arena.get(object) else {
                continue;
            };
            let changed_by = self.eval.models.class(class.as_str());
            if let Some(by) = changed_by.and_then(|model| model.changed_by.as_deref()) {
                let what = self
                    .eval
                    .models
                    .object_of(class.as_str())
                    .unwrap_or(class.as_str());
                let action = Action::Walk {
                    what: Name::new(what),
                    changed_by: Name::new(by),
                };
                self.record(walk, index, action);
            }
        }
    }

    /// A loop changes the size of what it walks: an error for a dict or set, whoever else uses it. A
    /// list skips elements, which may be meant.
    pub(super) fn upset(&mut self, walk: &mut Walk<'_>, index: u32, base: ValueId, change: u32) {
        let set = self.eval.value(walk.frame, base);
        let objects = self.eval.arena.members(set).to_vec();
        let are_all = objects.iter().all(|&object| {
            let is_plain = match self.eval.arena.get(object) {
                Object::Container(..) => true,
                Object::Foreign(name, _) => {
                    let name = name.as_str();
                    name.starts_with("builtins.")
                        || matches!(name, "collections.defaultdict" | "collections.OrderedDict")
                }
                _ => false,
            };
            is_plain
                && matches!(
                    self.kind_of(object),
                    Some(
                        ContainerKind::Dict
                            | ContainerKind::DefaultDict
                            | ContainerKind::OrderedDict
                            | ContainerKind::Set
                    )
                )
        });
        if let Some(&object) = objects.first().filter(|_| are_all) {
            let place = self.contents_place(object);
            let change = walk.function.ops[change as usize].range;
            self.record(walk, index, Action::Upset { place, change });
        }
    }

    /// A step of an iterator object that others may hold too.
    pub(super) fn advance(&mut self, walk: &mut Walk<'_>, index: u32, base: ValueId) {
        let set = self.eval.value(walk.frame, base);
        for object in self.eval.arena.members(set).to_vec() {
            self.advance_object(walk, index, object);
        }
    }

    /// A step of an object, if it is an iterator of which a step can meet another.
    pub(super) fn advance_object(&mut self, walk: &mut Walk<'_>, index: u32, object: ObjectId) {
        let is_iterator = match *self.eval.arena.get(object) {
            Object::Container(Literal::Generator, _) => true,
            Object::Foreign(name, _) => {
                matches!(name.as_str(), "builtins.generator" | "builtins.iterator")
                    || self.eval.class_models(name).iter().any(|it| it.iterator)
            }
            _ => false,
        };
        if is_iterator {
            let place = self.contents_place(object);
            self.access(walk, index, place, Access::Advance, Look::Use, None);
        }
    }

    /// Runs `__getitem__` and its like where a class of the program defines them.
    pub(super) fn special_method(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        base: ValueId,
        name: &str,
    ) {
        let set = self.eval.value(walk.frame, base);
        for object in self.eval.arena.members(set).to_vec() {
            if let Object::Instance(class, _) = *self.eval.arena.get(object)
                && let Some(method) = self.eval.method_of(class, Name::new(name))
            {
                let frame = self.eval.generic_frame(method, Some(object));
                self.compose(walk, index, frame);
            }
        }
    }
}

/// Whether a container has been taken out of its attribute, and a new one put there under the same
/// lock, before an op uses it: `with lock: rows, self.rows = self.rows, []`. Others come to the new
/// one.
fn is_detached(function: &Function, base: ValueId, index: u32) -> bool {
    let Value::Attribute {
        base: owner,
        name,
        op: load,
    } = *function.value(base)
    else {
        return false;
    };
    let Some(taken) = function.ops.get(load as usize) else {
        return false;
    };
    let locks = |held: u32| {
        let regions = function.held[held as usize].iter();
        regions.map(|it| it.region).collect::<Vec<_>>()
    };
    let between = load as usize..(index as usize).max(load as usize);
    function.ops[between].iter().any(|op| match op.kind {
        OpKind::Write {
            base,
            name: stored,
            update: Update::Replace,
            ..
        } => {
            stored == name
                && function.value(base) == function.value(owner)
                && op.control == taken.control
                && locks(op.held)
                    .iter()
                    .any(|it| locks(taken.held).contains(it))
        }
        _ => false,
    })
}
