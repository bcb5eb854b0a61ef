//! Fields and variables: accesses to them, and the tests that decide about acts.

#[allow(clippy::wildcard_imports)]
use super::*;

impl Summaries<'_> {
    pub(super) fn has_fields(&self, object: ObjectId) -> bool {
        matches!(
            self.eval.arena.get(object),
            Object::Instance(..) | Object::Class(_) | Object::Module(_) | Object::Function(..)
        )
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

    pub(super) fn read(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        object: ObjectId,
        name: Name,
        look: Look,
    ) {
        if let Object::Foreign(class, _) = *self.eval.arena.get(object) {
            let local = self
                .eval
                .class_models(class)
                .iter()
                .any(|model| model.thread_local);
            if local {
                self.record(
                    walk,
                    index,
                    Action::ThreadLocal {
                        object,
                        name,
                        store: false,
                        tested: false,
                    },
                );
            }
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
    pub(super) fn makes_object(&mut self, frame: FrameId) -> bool {
        let set = self.eval.returned(frame);
        self.eval
            .arena
            .members(set)
            .iter()
            .any(|&it| matches!(self.eval.arena.get(it), Object::Instance(..)))
    }

    /// The object that really holds a field: a class attribute read through an instance that
    /// never stores it belongs to the class.
    pub(super) fn field_owner(&mut self, object: ObjectId, name: Name) -> ObjectId {
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
        if let Object::Foreign(class, _) = *self.eval.arena.get(object) {
            let local = self
                .eval
                .class_models(class)
                .iter()
                .any(|model| model.thread_local);
            if local {
                self.record(
                    walk,
                    index,
                    Action::ThreadLocal {
                        object,
                        name,
                        store: true,
                        tested: false,
                    },
                );
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
            let receiver = self.eval.arena.set(vec![object]);
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

    pub(super) fn update_behind_property(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        setter: FrameId,
    ) {
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

    pub(super) fn setter(&mut self, object: ObjectId, name: Name) -> Option<FunctionId> {
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

    /// Whether two evaluations of a value give two objects that are not interchangeable.
    pub(super) fn has_identity(&mut self, frame: FrameId, value: ValueId) -> bool {
        let links = self.eval.links;
        let set = self.eval.value(frame, value);
        let members = self.eval.arena.members(set).to_vec();
        members
            .into_iter()
            .any(|object| match *self.eval.arena.get(object) {
                Object::Instance(..) | Object::Foreign(..) => true,
                Object::Container(Literal::Tuple | Literal::Generator, _) => false,
                Object::Container(_, Origin::Site { frame, value, .. }) => {
                    let function = links.function(self.eval.arena.frame_of(frame).function);
                    if value & CALL_ORIGIN != 0 {
                        let call = &function.calls[(value & !CALL_ORIGIN) as usize];
                        return call.arguments.len == 0 && call.keywords.is_empty();
                    }
                    matches!(
                        function.value(ValueId(value)),
                        Value::Container { elements, .. } if elements.len == 0
                    )
                }
                _ => false,
            })
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
            Update::From(load) => {
                self.update_from(walk, index, place, load, None);
            }
        }
    }

    /// A store computed from an earlier load: only locks held from the one to the other protect
    /// it.
    pub(super) fn update_from(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        place: Place,
        load: u32,
        container: Option<ContainerKind>,
    ) {
        let before = self.held_at(walk, load);
        let now = self.held_at(walk, index);
        let held = common_sections(&before, &now);
        let access = PlaceAccess {
            relies_on: Some(self.at(walk, load)),
            container,
            ..PlaceAccess::plain(place, Access::Update)
        };
        self.record_held(walk, index, Action::Access(access), held);
        if let Decision::Stale(tested) = self.tested(walk, index, place) {
            self.check_then_act(walk, index, access, &tested);
        }
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
        let access = PlaceAccess {
            look,
            container,
            ..PlaceAccess::plain(place, access)
        };
        self.act(walk, index, access);
    }

    /// Records an access and, when a test decided about it, the two together.
    pub(super) fn act(&mut self, walk: &mut Walk<'_>, index: u32, access: PlaceAccess) {
        let (tested, settled) = if access.access.writes() || access.access == Access::Read {
            match self.tested(walk, index, access.place) {
                Decision::Free => (None, false),
                Decision::Settled => (None, true),
                Decision::Stale(tested) => (Some(tested), false),
            }
        } else {
            walk.fills_in_section = false;
            (None, false)
        };
        // Filled once, by whoever finds it empty under the lock: others see nothing or all of it.
        let access = PlaceAccess {
            fills: walk.fills_in_section
                && access.access == Access::Write
                && !is_built_after(walk.function, index, access.place.slot),
            settled,
            ..access
        };
        match tested {
            Some(tested) if access.access.writes() => {
                self.record(walk, index, Action::Access(access));
                self.check_then_act(walk, index, access, &tested);
            }
            Some(tested) if tested.look == Look::IsNone || tested.look == Look::Truth => {
                // Used because it was there a moment ago.
                let held = self.held_at(walk, index);
                let kept = common_sections(&tested.held, &held);
                let relying = PlaceAccess {
                    relies_on: Some(tested.at),
                    ..access
                };
                if kept.len() == held.len() {
                    self.record(walk, index, Action::Access(relying));
                } else {
                    self.record_held(walk, index, Action::Access(relying), kept);
                }
            }
            _ => self.record(walk, index, Action::Access(access)),
        }
    }

    pub(super) fn check_then_act(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        act: PlaceAccess,
        tested: &Tested,
    ) {
        let now = self.held_at(walk, index);
        let held = common_sections(&tested.held, &now);
        let access = PlaceAccess {
            access: Access::CheckThenAct,
            acts: act.access,
            relies_on: Some(tested.at),
            fills: matches!(tested.look, Look::IsNone | Look::Truth)
                && matches!(act.access, Access::Write),
            ..act
        };
        self.record_held(walk, index, Action::Access(access), held);
    }

    /// The innermost test of a place that decides whether an op runs, unless the test and the op
    /// lie in one critical section or a test inside it asks again.
    pub(super) fn tested(&mut self, walk: &mut Walk<'_>, index: u32, place: Place) -> Decision {
        walk.fills_in_section = false;
        let now = self.held_at(walk, index);
        let mut control = walk.function.ops[index as usize].control;
        let mut found: Option<Tested> = None;
        while control != 0 {
            let node = walk.function.controls[control as usize];
            if !(node.first..node.end).contains(&index) {
                // Effects come in the order of the ops.
                let first = walk.by_op.partition_point(|(op, _)| *op < node.first);
                let end = walk.by_op.partition_point(|(op, _)| *op < node.end);
                for at in first..end {
                    let (op, effect) = walk.by_op[at];
                    let effect = &walk.summary.effects[effect as usize];
                    let Action::Access(access) = effect.action else {
                        continue;
                    };
                    if access.place != place
                        || !matches!(
                            access.access,
                            Access::Read | Access::Lookup | Access::Snapshot
                        )
                    {
                        continue;
                    }
                    // Not the effect's own locks: a test that itself relies on an outer one is
                    // recorded with what both have in common.
                    let (at, look) = (effect.at, access.look);
                    let held = self.held_at(walk, op);
                    let test = Tested { at, held, look };
                    if !common_sections(&test.held, &now).is_empty() {
                        walk.fills_in_section = matches!(look, Look::IsNone | Look::Truth);
                        return Decision::Settled;
                    }
                    found.get_or_insert(test);
                }
            }
            control = node.parent;
        }
        found.map_or(Decision::Free, Decision::Stale)
    }
}
