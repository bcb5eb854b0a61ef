//! Fields and variables: which place a name means, and how it is read, written and updated.

#[allow(clippy::wildcard_imports)]
use super::*;

impl Summaries<'_> {
    pub(super) fn has_fields(&mut self, object: ObjectId) -> bool {
        match self.eval.arena.get(object) {
            // Each thread has its own.
            Object::Instance(..) => !self.is_thread_local(object),
            Object::Class(_) | Object::Module(_) | Object::Function(..) => true,
            _ => false,
        }
    }

    pub(super) fn variable_place(&mut self, walk: &Walk<'_>, variable: Variable) -> Option<Place> {
        match variable {
            Variable::Global(name) => {
                let object = self
                    .eval
                    .arena
                    .object(Object::Module(walk.function_id.module));
                Some(Place {
                    object,
                    slot: Slot::Field(name),
                })
            }
            Variable::Cell(name) => {
                let owner = self.eval.cell_owner(walk.frame, name)?;
                let object = self.eval.arena.object(Object::Variables(owner));
                Some(Place {
                    object,
                    slot: Slot::Field(name),
                })
            }
        }
    }

    /// Records the use of an attribute of a library's object, where it differs for each thread.
    fn thread_local_use(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        object: ObjectId,
        name: Name,
        store: bool,
    ) {
        let Object::Foreign(class, _) = *self.eval.arena.get(object) else {
            return;
        };
        let models = self.eval.class_models(class);
        if models.iter().any(|model| model.thread_local) {
            let action = Action::ThreadLocal {
                object,
                name,
                store,
                tested: false,
            };
            self.record(walk, index, action);
        }
    }

    pub(super) fn read(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        object: ObjectId,
        name: Name,
        look: Look,
    ) {
        if matches!(self.eval.arena.get(object), Object::Foreign(..)) {
            self.thread_local_use(walk, index, object, name, false);
            return;
        }
        if !self.has_fields(object) {
            return;
        }
        if let Object::Instance(class, _) = *self.eval.arena.get(object) {
            if let Some(getter) =
                self.property(object, name, &[Binding::Property, Binding::CachedProperty])
            {
                let frame = self.eval.generic_frame(getter, Some(object));
                self.compose(walk, index, frame);
                if self.eval.binding(getter) == Binding::CachedProperty && self.makes_object(frame)
                {
                    let place = Place {
                        object,
                        slot: Slot::Field(name),
                    };
                    let links = self.eval.links;
                    let at = At {
                        function: getter,
                        range: links.function(getter).name_range,
                    };
                    let access = PlaceAccess {
                        look,
                        relies_on: Some(at),
                        fills: true,
                        cached: true,
                        identity: true,
                        ..PlaceAccess::plain(place, Access::CheckThenAct)
                    };
                    self.record(walk, index, Action::Access(access));
                }
                return;
            }
            if !self.eval.links.is_rewritten(name) || self.eval.method_of(class, name).is_some() {
                return;
            }
        }
        if !self.eval.links.is_rewritten(name) {
            return;
        }
        if let Object::Module(module) = *self.eval.arena.get(object) {
            // Functions, classes and imports of a module are looked up, not raced on.
            let is_value = self.eval.links.global(module, name).is_some_and(|values| {
                let body = self.eval.links.function(FunctionId { module, index: 0 });
                values.len() > 1
                    || values.iter().any(|(index, value)| {
                        *index != 0
                            || !matches!(
                                body.value(*value),
                                Value::Function(_)
                                    | Value::Class(_)
                                    | Value::Imported { .. }
                                    | Value::Module(_)
                            )
                    })
            });
            if !is_value {
                return;
            }
        }
        let place = Place {
            object: self.field_owner(object, name),
            slot: Slot::Field(name),
        };
        self.access(walk, index, place, Access::Read, look, None);
    }

    pub(super) fn is_thread_local(&mut self, object: ObjectId) -> bool {
        self.eval
            .models_of(object)
            .iter()
            .any(|model| model.thread_local)
    }

    /// An op changes what a value holds in place. Found on a thread-local object, that is each
    /// thread's own, unless the body of the class makes it and no thread stores another.
    pub(super) fn shared_by_locals(&mut self, walk: &mut Walk<'_>, index: u32, base: ValueId) {
        let Value::Attribute {
            base: holder, name, ..
        } = *walk.function.value(base)
        else {
            return;
        };
        if self.eval.links.is_rewritten(name) || self.container_kind(walk.frame, base).is_none() {
            return;
        }
        let holders = self.eval.value(walk.frame, holder);
        for holder in self.eval.arena.members(holders).to_vec() {
            if !self.is_local_instance(holder) {
                continue;
            }
            let object = self.field_owner(holder, name);
            if matches!(self.eval.arena.get(object), Object::Class(_)) {
                let slot = Slot::ContentsOf(name);
                let place = Place { object, slot };
                self.record(walk, index, Action::SharedByLocals { place });
            }
        }
    }

    /// Arguments that a thread-local attribute holds, given to another thread.
    pub(super) fn local_escapes(&mut self, walk: &mut Walk<'_>, index: u32, call_index: u32) {
        let call = &walk.function.calls[call_index as usize];
        let mut pending: Vec<ValueId> = walk.function.list(call.arguments).to_vec();
        pending.extend(call.keywords.iter().map(|(_, value)| *value));
        while let Some(value) = pending.pop() {
            match *walk.function.value(value) {
                Value::Container {
                    elements,
                    literal: Literal::Tuple | Literal::List,
                    ..
                } => pending.extend(walk.function.list(elements)),
                Value::Attribute { base, name, .. } => {
                    let set = self.eval.value(walk.frame, base);
                    for object in self.eval.arena.members(set).to_vec() {
                        if matches!(self.eval.arena.get(object), Object::Foreign(..))
                            && self.is_thread_local(object)
                        {
                            self.record(walk, index, Action::LocalEscapes { object, name });
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether a function returns an object of which two differ: an instance of a class.
    fn makes_object(&mut self, frame: FrameId) -> bool {
        let set = self.eval.returned(frame);
        self.eval
            .arena
            .members(set)
            .iter()
            .any(|&it| matches!(self.eval.arena.get(it), Object::Instance(..)))
    }

    /// The object that really holds a field: a class attribute read through an instance that
    /// never stores it belongs to the class.
    fn field_owner(&mut self, object: ObjectId, name: Name) -> ObjectId {
        let class = match *self.eval.arena.get(object) {
            Object::Instance(class, _) | Object::Class(class) => class,
            _ => return object,
        };
        let is_class = matches!(self.eval.arena.get(object), Object::Class(_));
        let lineage = self.eval.lineage(class);
        let links = self.eval.links;
        if !is_class {
            let stored = lineage
                .order
                .iter()
                .any(|&it| links.attribute_stores(it, name).is_some());
            if stored {
                return object;
            }
        }
        for &owner in &lineage.order {
            let defined = links
                .class(owner)
                .attributes
                .iter()
                .any(|(attribute, _)| *attribute == name);
            if defined {
                return self.eval.arena.object(Object::Class(owner));
            }
        }
        object
    }

    pub(super) fn write(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        object: ObjectId,
        name: Name,
        value: ValueId,
        update: Update,
    ) {
        if matches!(self.eval.arena.get(object), Object::Foreign(..)) {
            // What is computed from what was there sets nothing where nothing was.
            if update == Update::Replace {
                self.thread_local_use(walk, index, object, name, true);
            }
            return;
        }
        if !self.has_fields(object) {
            if let Object::External(module) = self.eval.arena.get(object) {
                let dotted = format!("{module}.{name}");
                if let Some(what) = self.eval.models.rebinding(&dotted) {
                    let action = Action::ProcessWide {
                        what: Name::new(what),
                        by: Name::new(&dotted),
                        until: None,
                        for_a_while: false,
                    };
                    self.record(walk, index, action);
                }
            }
            return;
        }
        if let Some(setter) = self.setter(object, name) {
            let links = self.eval.links;
            let parameters = links.function(setter).parameters.len();
            let stored = self.eval.value(walk.frame, value);
            let receiver = self.eval.arena.only(object);
            let mut arguments = vec![receiver, stored];
            arguments.truncate(parameters);
            let frame = self
                .eval
                .bind(setter, FrameId::NONE, &arguments, &[], false);
            self.compose(walk, index, frame);
            if update == Update::Augmented {
                // `o.n += 1` on a property reads through the getter and stores through the
                // setter: the field behind it is updated in two steps.
                self.update_behind_property(walk, index, frame);
            }
            return;
        }
        // A store through an instance makes the attribute the instance's own; one through the
        // class changes the class that is named.
        let place = Place {
            object,
            slot: Slot::Field(name),
        };
        self.store(walk, index, place, value, update);
    }

    fn update_behind_property(&mut self, walk: &mut Walk<'_>, index: u32, setter: FrameId) {
        let summary = self.summary(setter);
        for effect in &summary.effects {
            if let Action::Access(access) = effect.action
                && access.access == Access::Write
            {
                self.record(
                    walk,
                    index,
                    Action::Access(PlaceAccess {
                        access: Access::Update,
                        ..access
                    }),
                );
            }
        }
    }

    fn setter(&mut self, object: ObjectId, name: Name) -> Option<FunctionId> {
        let Object::Instance(class, _) = *self.eval.arena.get(object) else {
            return None;
        };
        let lineage = self.eval.lineage(class);
        let links = self.eval.links;
        for &owner in &lineage.order {
            let facts = links.module(owner.module);
            for &index in &links.class(owner).methods {
                let id = FunctionId {
                    module: owner.module,
                    index,
                };
                if facts.functions[index as usize].name == name
                    && self.eval.is_decorated_with(id, &["setter"])
                {
                    return Some(id);
                }
            }
        }
        None
    }

    /// Whether two evaluations of a value give two objects that are not interchangeable: what an object
    /// of a class without a lock is used for, two of them made alike do alike, until one is changed.
    pub(super) fn has_identity(&mut self, frame: FrameId, value: ValueId) -> bool {
        let links = self.eval.links;
        let function = links.function(self.eval.arena.frame_of(frame).function);
        // A constructor has another object each time.
        let is_constructed = function.class.is_some()
            && function.name.as_str() == "__init__"
            && *function.value(value) == Value::Parameter(0);
        if is_constructed {
            return true;
        }
        if !is_made(function, value, 0) {
            return false;
        }
        // Who overrides `__new__` promises which object comes out.
        let interned = function.class.is_some() && function.name.as_str() == "__new__";
        let set = self.eval.value(frame, value);
        let members = self.eval.arena.members(set).to_vec();
        members
            .into_iter()
            .any(|object| match *self.eval.arena.get(object) {
                Object::Instance(class, _) => interned || self.is_unique(class),
                // A lock of an event loop is of use on that loop alone.
                Object::Foreign(name, _) => {
                    let models = self.eval.class_models(name);
                    let mut models = models.iter();
                    models.any(|it| it.lock != Some(LockKind::Async) && keeps_state(it))
                }
                Object::Container(Literal::Tuple | Literal::Generator, _) => false,
                Object::Container(_, Origin::Site { frame, value, .. }) => {
                    let function = links.function(self.eval.arena.frame_of(frame).function);
                    if value & CALL_ORIGIN != 0 {
                        let call = &function.calls[(value & !CALL_ORIGIN) as usize];
                        let constructs =
                            !matches!(function.value(call.callee), Value::Attribute { .. });
                        return constructs && call.arguments.len == 0 && call.keywords.is_empty();
                    }
                    matches!(
                        function.value(ValueId(value)),
                        Value::Container { elements, .. } if elements.len == 0
                    )
                }
                _ => false,
            })
    }

    /// Whether an instance of a class stands for something that is there only once: a lock, a
    /// thread.
    fn is_unique(&mut self, class: ClassId) -> bool {
        let lineage = self.eval.lineage(class);
        let links = self.eval.links;
        lineage
            .order
            .iter()
            .any(|&owner| !links.lock_fields(owner).is_empty())
            || self.eval.inherited_models(class).iter().any(keeps_state)
    }

    pub(super) fn store(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        place: Place,
        value: ValueId,
        update: Update,
    ) {
        let constant = matches!(
            walk.function.value(value),
            Value::Constant(_) | Value::Function(_) | Value::Class(_)
        );
        let identity = self.has_identity(walk.frame, value);
        match update {
            Update::Replace => {
                let access = PlaceAccess {
                    constant,
                    identity,
                    ..PlaceAccess::plain(place, Access::Write)
                };
                self.act(walk, index, access);
            }
            Update::Augmented => {
                let access = PlaceAccess::plain(place, Access::Update);
                self.act(walk, index, access);
            }
            Update::From(load) if keeps_load(walk.function, value, load) => {
                // To put back what was there before is not to compute from it.
                let access = PlaceAccess::plain(place, Access::Write);
                self.act(walk, index, access);
            }
            Update::From(load) => {
                self.update_from(walk, index, place, load, None);
                self.replace_container(walk, index, place, load);
            }
        }
    }

    /// A store computed from an earlier load: only locks held from the one to the other protect it,
    /// unless a test under the lock says that nothing has changed since.
    pub(super) fn update_from(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        place: Place,
        load: u32,
        container: Option<ContainerKind>,
    ) {
        if self.is_unchanged_since(walk, index, place, load) {
            let store = container.map_or(Access::Write, |_| Access::SetItem);
            let access = PlaceAccess {
                container,
                settled: true,
                ..PlaceAccess::plain(place, store)
            };
            self.record(walk, index, Action::Access(access));
            return;
        }
        let access = PlaceAccess {
            container,
            ..PlaceAccess::plain(place, Access::Update)
        };
        let access = self.update_since(walk, index, load, access);
        if let Decision::Stale(tested) = self.tested(walk, index, place) {
            self.check_then_act(walk, index, access, &tested);
        }
    }

    /// Records an access that goes by an earlier load, under the locks that are held from the one to
    /// the other; gives it back with the load that it relies on.
    pub(super) fn update_since(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        load: u32,
        access: PlaceAccess,
    ) -> PlaceAccess {
        let (before, now) = (self.held_at(walk, load), self.held_at(walk, index));
        let access = PlaceAccess {
            relies_on: Some(self.at(walk, load)),
            ..access
        };
        let held = common_sections(&before, &now);
        self.record_held(walk, index, Action::Access(access), held);
        access
    }

    pub(super) fn access(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        place: Place,
        access: Access,
        look: Look,
        container: Option<ContainerKind>,
    ) {
        // Whoever goes on with what was taken to a variable and tested there has seen that it is filled.
        let later = walk
            .tested_later
            .binary_search_by_key(&index, |it| it.0)
            .ok();
        let access = PlaceAccess {
            look: later.map_or(look, |at| walk.tested_later[at].1),
            container,
            ..PlaceAccess::plain(place, access)
        };
        self.act(walk, index, access);
    }
}

/// Whether two objects of a library class are two things: containers, locks, threads, connections.
fn keeps_state(model: &&ClassModel) -> bool {
    model.container.is_some()
        || model.lock.is_some()
        || model.sync.is_some()
        || model.thread.is_some()
        || model.takes_lock
        || model.thread_local
        || model.resource
        || model.iterator
        || model.with_joins
        || model.separate_memory
        || model.unsafe_shared.is_some()
}

/// Whether a value is what an op loaded, unchanged.
fn is_load(function: &Function, value: ValueId, load: u32) -> bool {
    matches!(function.value(value), Value::Read(op) | Value::Attribute { op, .. } if *op == load)
}

/// Whether a value is what an op loaded or something else that has nothing to do with it, as in
/// `self.name = self.name or name`.
fn keeps_load(function: &Function, value: ValueId, load: u32) -> bool {
    let Value::Join(parts) = function.value(value) else {
        return is_load(function, value, load);
    };
    let parts = function.list(*parts);
    let is_it = |it: ValueId| is_load(function, it, load);
    parts.iter().any(|&it| is_it(it))
        && parts
            .iter()
            .all(|&it| is_it(it) || !contains_load(function, it, load, 0))
}

/// Whether a value is computed from what an op loaded.
fn contains_load(function: &Function, value: ValueId, load: u32, depth: u32) -> bool {
    if depth > 4 {
        return true;
    }
    let within = |list: &List| {
        let mut parts = function.list(*list).iter();
        parts.any(|&it| contains_load(function, it, load, depth + 1))
    };
    match function.value(value) {
        Value::Read(op) | Value::Attribute { op, .. } | Value::Item { op, .. } => *op == load,
        Value::Join(list) | Value::Combined(list) => within(list),
        Value::Call(call) => within(&function.calls[*call as usize].arguments),
        _ => false,
    }
}

/// Whether a value is made where it stands, and not loaded from where it already was.
fn is_made(function: &Function, value: ValueId, depth: u32) -> bool {
    match function.value(value) {
        Value::Call(_) | Value::Container { .. } => true,
        Value::Join(list) => {
            depth < 4
                && function
                    .list(*list)
                    .iter()
                    .any(|&it| is_made(function, it, depth + 1))
        }
        _ => false,
    }
}
