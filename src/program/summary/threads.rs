//! Threads: what a start runs, with which arguments, and what waits for it.

#[allow(clippy::wildcard_imports)]
use super::*;

impl Summaries<'_> {
    /// The frames that calling an object with these arguments would run.
    pub(super) fn frames_of(
        &mut self,
        object: ObjectId,
        arguments: &[SetId],
        open: bool,
    ) -> Vec<FrameId> {
        match self.eval.arena.get(object).clone() {
            Object::Function(id, environment) => {
                vec![self.eval.bind(id, environment, arguments, &[], open)]
            }
            Object::Bound(receiver, function) => {
                let mut all = vec![self.eval.arena.only(receiver)];
                all.extend_from_slice(arguments);
                self.frames_of(function, &all, open)
            }
            Object::Instance(class, _) => match self.eval.method_of(class, Name::new("__call__")) {
                Some(method) => {
                    let mut all = vec![self.eval.arena.only(object)];
                    all.extend_from_slice(arguments);
                    vec![self.eval.bind(method, FrameId::NONE, &all, &[], open)]
                }
                None => Vec::new(),
            },
            Object::Partial(maker, call) => {
                let links = self.eval.links;
                let function = links.function(self.eval.arena.frame_of(maker).function);
                let list = function.calls[call as usize].arguments;
                let Some((&wrapped, given)) = function.list(list).split_first() else {
                    return Vec::new();
                };
                let mut all: Vec<SetId> = Vec::new();
                for &argument in given {
                    all.push(self.eval.value(maker, argument));
                }
                all.extend_from_slice(arguments);
                let wrapped = self.eval.value(maker, wrapped);
                let mut frames = Vec::new();
                for object in self.eval.arena.members(wrapped).to_vec() {
                    frames.extend(self.frames_of(object, &all, open));
                }
                frames
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn start_thread(&mut self, walk: &mut Walk<'_>, index: u32, thread: ObjectId) {
        let models = self.eval.models_of(thread);
        let Some(model) = models.iter().find_map(|model| model.thread.as_ref()) else {
            return;
        };
        let runs_as = Name::new(&model.spawn.runs_as);
        let mut targets = Vec::new();
        let mut methods = Vec::new();
        let mut distinct = Vec::new();
        let mut unequal = Vec::new();
        let mut equal = Vec::new();
        let mut published = Vec::new();
        // A subclass that overrides `run`.
        if let Object::Instance(class, _) = *self.eval.arena.get(thread)
            && let Some(run) = self.eval.method_of(class, Name::new(&model.run))
        {
            targets.push(self.eval.generic_frame(run, Some(thread)));
        }
        if targets.is_empty()
            && let Some((maker, call)) = self.thread_call(thread)
        {
            let given = self.spawn_arguments(maker, call, &model.spawn);
            for object in given.callables {
                published.push(object);
                if let Object::Method(receiver, name) = *self.eval.arena.get(object) {
                    methods.push((receiver, name));
                }
                targets.extend(self.frames_of(object, &given.arguments, false));
            }
            distinct = given.distinct;
            unequal = given.unequal;
            equal = given.equal;
            for set in given.arguments {
                published.extend_from_slice(self.eval.arena.members(set));
            }
        }
        let many = self.is_many(thread);
        let made_here = matches!(self.eval.arena.origin(thread),
            Some(Origin::Site { frame, .. }) if frame == walk.frame);
        if many && made_here {
            let next = u32::try_from(walk.summary.spawns.len()).unwrap_or(0);
            walk.one_a_turn.push(next);
        }
        if many {
            // One thread of each of many owners: not only the thread is another one each time.
            let mut current = Some(thread);
            for _ in 0..12 {
                let Some(it) = current else { break };
                distinct.push(it);
                if let Some(Origin::Site { many: true, .. }) = self.eval.arena.origin(it) {
                    break;
                }
                current = self.eval.owner(it);
            }
        }
        published.push(thread);
        for object in published {
            self.publish(walk, object, Exposure::Shared);
        }
        let in_constructor_of = self.constructed_now(walk);
        let held = self.held_at(walk, index);
        let spawn = Spawn {
            targets,
            methods,
            at: self.at(walk, index),
            handles: vec![thread],
            thread: Some(thread),
            many,
            threads: Threads::One,
            distinct,
            unequal,
            equal,
            live: walk.live.clone(),
            runs_as,
            worker: None,
            interrupt: false,
            serial: false,
            on_loop: false,
            assumed: false,
            held,
            once: starts_once(walk.function, index),
            in_constructor_of,
        };
        self.add_spawn(walk, spawn);
    }

    pub(super) fn constructed_now(&self, walk: &Walk<'_>) -> Option<ObjectId> {
        (walk.function.name.as_str() == "__init__")
            .then(|| self.eval.receiver(walk.frame))
            .flatten()
    }

    pub(super) fn add_spawn(&mut self, walk: &mut Walk<'_>, spawn: Spawn) {
        let position = u32::try_from(walk.summary.spawns.len()).unwrap_or(0);
        walk.summary.spawns.push(spawn);
        walk.live.push(position);
    }

    /// Whether an object is one pool, made with one worker: its tasks take turns.
    fn has_one_worker(&mut self, pool: ObjectId) -> bool {
        let models = self.eval.models_of(pool);
        let Some(keyword) = models.iter().find_map(|model| model.workers.as_deref()) else {
            return false;
        };
        let Some((maker, call)) = self.thread_call(pool) else {
            return false;
        };
        let function = self
            .eval
            .links
            .function(self.eval.arena.frame_of(maker).function);
        let call = &function.calls[call as usize];
        let named = call
            .keywords
            .iter()
            .find(|(name, _)| name.as_str() == keyword);
        let workers = named
            .map(|(_, value)| *value)
            .or_else(|| function.list(call.arguments).first().copied());
        let one = workers.map(|it| function.value(it)) == Some(&Value::Constant(Constant::One));
        one && !self.is_many(pool)
    }

    /// The call that says what a thread runs: its constructor's, or the one in which the
    /// constructor of a subclass hands it to the library.
    fn thread_call(&mut self, thread: ObjectId) -> Option<(FrameId, u32)> {
        let Some(Origin::Site { frame, value, .. }) = self.eval.arena.origin(thread) else {
            return None;
        };
        if value & CALL_ORIGIN == 0 {
            return None;
        }
        let call = value & !CALL_ORIGIN;
        match *self.eval.arena.get(thread) {
            Object::Foreign(..) => Some((frame, call)),
            Object::Instance(class, _) => {
                let init = self.eval.method_of(class, Name::new("__init__"));
                let Some(init) = init else {
                    return Some((frame, call));
                };
                let inner = self.eval.constructor_frame(thread, init)?;
                let function = self.eval.links.function(init);
                let at = function.calls.iter().position(|call| {
                    matches!(
                        function.value(call.callee),
                        Value::Attribute { name, .. } if name.as_str() == "__init__"
                    )
                })?;
                Some((inner, u32::try_from(at).ok()?))
            }
            _ => None,
        }
    }

    /// Whether an object's name stands for many objects.
    pub fn is_many(&self, object: ObjectId) -> bool {
        let mut current = Some(object);
        for _ in 0..12 {
            let Some(it) = current else { return false };
            if let Some(Origin::Site { many: true, .. }) = self.eval.arena.origin(it) {
                return true;
            }
            current = self.eval.owner(it);
        }
        false
    }

    /// How many arguments a partial object that is called already has.
    fn given_before(&mut self, frame: FrameId, call: &Call) -> usize {
        let callees = self.eval.value(frame, call.callee);
        let partial = self.eval.arena.members(callees).iter().find_map(|&it| {
            match *self.eval.arena.get(it) {
                Object::Partial(maker, made_by) => Some((maker, made_by)),
                _ => None,
            }
        });
        partial.map_or(0, |(maker, made_by)| {
            let maker = self.eval.arena.frame_of(maker).function;
            let made_by = &self.eval.links.function(maker).calls[made_by as usize];
            made_by.arguments.len.saturating_sub(1) as usize
        })
    }

    fn spawn_arguments(
        &mut self,
        frame: FrameId,
        call: u32,
        spawn: &crate::models::Spawn,
    ) -> SpawnArguments {
        use crate::models::Passing;
        let links = self.eval.links;
        let function = links.function(self.eval.arena.frame_of(frame).function);
        let call = &function.calls[call as usize];
        let positional = function.list(call.arguments);
        let keyword = |name: &str| {
            call.keywords
                .iter()
                .find(|(keyword, _)| keyword.as_str() == name)
                .map(|(_, value)| *value)
        };
        let mut result = SpawnArguments::default();
        let before = self.given_before(frame, call);
        let Some(target) = target_of(function, call, spawn, before) else {
            return result;
        };
        let callables = self.eval.value(frame, target);
        result.callables = self.eval.arena.members(callables).to_vec();
        // Each turn of a loop hands over another object, which it makes or takes from a container.
        let each_its_own = |value: ValueId| {
            call.many
                && match function.value(function.as_given(value)) {
                    Value::Element(_) | Value::Container { many: true, .. } => true,
                    Value::Call(inner) => function.calls[*inner as usize].many,
                    _ => false,
                }
        };
        if let Value::Attribute { base, .. } = *function.value(target)
            && each_its_own(base)
        {
            let set = self.eval.value(frame, base);
            let objects = self.eval.arena.members(set);
            result.distinct.extend_from_slice(objects);
        }
        let mut values: Vec<ValueId> = Vec::new();
        let after = spawn.target.map_or(0, |at| at + 1);
        match spawn.passing {
            Passing::Unknown => {}
            Passing::Rest => values.extend(positional.iter().skip(after)),
            Passing::Tuple => {
                let tuple = keyword("args").or_else(|| {
                    positional
                        .iter()
                        .skip(after)
                        .copied()
                        .find(|&it| matches!(function.value(it), Value::Container { .. }))
                });
                if let Some(tuple) = tuple
                    && let Value::Container { elements, .. } = function.value(tuple)
                {
                    values.extend(function.list(*elements));
                }
            }
            Passing::Element => {
                for (position, &iterable) in (0..).zip(positional.iter().skip(after)) {
                    if self.has_unequal_elements(frame, iterable) {
                        result.unequal.push(position);
                    }
                    let set = self.eval.value(frame, iterable);
                    let elements = self.eval.elements_of_set(set);
                    result.arguments.push(elements);
                    result
                        .distinct
                        .extend_from_slice(self.eval.arena.members(elements));
                }
            }
        }
        for (position, value) in (0..).zip(values) {
            if let Value::Element(iterable) = *function.value(function.as_given(value))
                && call.many
                && before == 0
                && self.has_unequal_elements(frame, iterable)
            {
                result.unequal.push(position);
            }
            if before == 0 && is_same_each_time(function, value, 0) {
                result.equal.push(position);
            }
            let set = self.eval.value(frame, value);
            result.arguments.push(set);
            if each_its_own(value) {
                result
                    .distinct
                    .extend_from_slice(self.eval.arena.members(set));
            }
        }
        // What a partial object adds in front moves the positions.
        let is_partial = |&it: &ObjectId| matches!(self.eval.arena.get(it), Object::Partial(..));
        if result.callables.iter().any(is_partial) {
            result.unequal.clear();
            result.equal.clear();
        }
        result
    }

    /// Whether no two elements of an iterable are equal. Of what `enumerate` pairs the index is meant:
    /// facts do not tell it from the element.
    fn has_unequal_elements(&mut self, frame: FrameId, iterable: ValueId) -> bool {
        let function = self
            .eval
            .links
            .function(self.eval.arena.frame_of(frame).function);
        match *function.value(iterable) {
            Value::Call(call) => {
                let callee = function.value(function.calls[call as usize].callee);
                matches!(callee, Value::Global(name) if matches!(name.as_str(), "range" | "enumerate"))
            }
            Value::Container {
                literal: Literal::List | Literal::Tuple,
                elements,
                ..
            } => {
                let mut seen = FxHashSet::default();
                function
                    .list(elements)
                    .iter()
                    .all(|&it| match function.value(it) {
                        Value::Constant(Constant::Text(Some(text))) => seen.insert(*text),
                        _ => false,
                    })
            }
            _ => matches!(
                self.container_kind(frame, iterable),
                Some(ContainerKind::Dict | ContainerKind::Set)
            ),
        }
    }

    /// Whether a test around an op asks what kind of callable it has: `if iscoroutinefunction(f)`,
    /// `if job.kind is ...` before `job.target` is handed on. Which way it goes for the target at
    /// hand is not known, and the other ways lead to other threads.
    fn is_dispatched(&mut self, walk: &Walk<'_>, index: u32, target: ValueId) -> bool {
        let function = walk.function;
        let callables = self.eval.value(walk.frame, target);
        let holders = match *function.value(target) {
            Value::Attribute { base, name, .. } => {
                let holders = self.eval.value(walk.frame, base);
                let objects = self.eval.arena.members(holders).to_vec();
                let is_method = objects.into_iter().any(|it| {
                    let Object::Instance(class, _) = *self.eval.arena.get(it) else {
                        return false;
                    };
                    self.eval.method_of(class, name).is_some()
                });
                if is_method { SetId::UNKNOWN } else { holders }
            }
            _ => SetId::UNKNOWN,
        };
        let mut control = function.ops[index as usize].control;
        while control != 0 {
            let test = function.controls[control as usize];
            for op in test.first..test.end {
                let asked = match function.ops[op as usize].kind {
                    OpKind::Read { base, .. } => {
                        let asked = self.eval.value(walk.frame, base);
                        self.have_common(asked, holders)
                    }
                    OpKind::Call(call) => {
                        let call = &function.calls[call as usize];
                        let asks_kind = !matches!(function.value(call.callee),
                            Value::Global(name) if name.as_str() == "callable");
                        asks_kind
                            && function.list(call.arguments).iter().any(|&argument| {
                                let asked = self.eval.value(walk.frame, argument);
                                self.have_common(asked, callables)
                            })
                    }
                    _ => false,
                };
                if asked {
                    return true;
                }
            }
            control = test.parent;
        }
        false
    }

    fn have_common(&self, a: SetId, b: SetId) -> bool {
        let b = self.eval.arena.members(b);
        self.eval.arena.members(a).iter().any(|it| b.contains(it))
    }

    /// A call that makes another thread run its argument: `submit`, `to_thread`, a callback.
    pub(super) fn spawn_by_call(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        call_index: u32,
        model: &crate::models::Spawn,
        receiver: Option<ObjectId>,
    ) {
        if let Some(receiver) = receiver
            && self
                .eval
                .models_of(receiver)
                .iter()
                .any(|model| model.separate_memory)
        {
            return;
        }
        let call = &walk.function.calls[call_index as usize];
        if let Some(target) = target_of(walk.function, call, model, 0)
            && !model.shares_thread
            && self.is_dispatched(walk, index, target)
        {
            self.cuts += 1;
            return;
        }
        let mut given = self.spawn_arguments(walk.frame, call_index, model);
        if model.keyword.as_deref() == Some("*") {
            for &(_, value) in &call.keywords {
                let set = self.eval.value(walk.frame, value);
                given
                    .callables
                    .extend_from_slice(self.eval.arena.members(set));
            }
        }
        let set = self.eval.value(walk.frame, call.result);
        given
            .handles
            .extend_from_slice(self.eval.arena.members(set));
        given.handles.extend(receiver);
        given.receiver = receiver;
        self.spawn(walk, index, Some(call), model, given);
    }

    /// Starts what was assigned to attributes of an object that calls it on another thread: by the
    /// function at hand, by others on the same receiver, or by the class that holds the object.
    pub(super) fn start_assigned(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        object: ObjectId,
        class: &ClassModel,
    ) {
        let links = self.eval.links;
        let owner = self.eval.owner(object);
        let mut modules = vec![walk.function_id.module];
        if let Some(Object::Instance(class, _)) = owner.map(|it| self.eval.arena.get(it)) {
            modules.push(class.module);
        }
        modules.dedup();
        let receivers = [self.eval.receiver(walk.frame), owner];
        for module in modules {
            for position in 0..links.module(module).functions.len() {
                let id = FunctionId {
                    module,
                    index: u32::try_from(position).unwrap_or(u32::MAX),
                };
                for op in &links.function(id).ops {
                    let OpKind::Write {
                        base, name, value, ..
                    } = op.kind
                    else {
                        continue;
                    };
                    let Some(model) = class.assigned.get(name.as_str()) else {
                        continue;
                    };
                    let frame = if id == walk.function_id {
                        Some(walk.frame)
                    } else if id.index == 0 {
                        Some(self.eval.module_frame(module))
                    } else {
                        receivers.into_iter().flatten().find_map(|receiver| {
                            let frame = self.eval.generic_frame(id, Some(receiver));
                            let bases = self.eval.value(frame, base);
                            self.eval
                                .arena
                                .members(bases)
                                .contains(&object)
                                .then_some(frame)
                        })
                    };
                    let Some(frame) = frame else { continue };
                    let bases = self.eval.value(frame, base);
                    if !self.eval.arena.members(bases).contains(&object) {
                        continue;
                    }
                    let set = self.eval.value(frame, value);
                    let given = SpawnArguments {
                        callables: self.eval.arena.members(set).to_vec(),
                        handles: vec![object],
                        ..SpawnArguments::default()
                    };
                    self.spawn(walk, index, None, model, given);
                }
            }
        }
    }

    /// Methods of objects, as frames to run.
    fn method_frames(
        &mut self,
        objects: &[ObjectId],
        which: crate::models::Methods,
    ) -> Vec<FrameId> {
        let mut frames = Vec::new();
        for &object in objects {
            let Object::Instance(class, _) = *self.eval.arena.get(object) else {
                continue;
            };
            let names: Vec<Name> = match which {
                crate::models::Methods::Overridden => {
                    let models = self.eval.inherited_models(class);
                    let names = models.iter().flat_map(|it| it.overrides.keys());
                    names.map(|it| Name::new(it)).collect()
                }
                crate::models::Methods::Public => self.eval.public_methods(class),
            };
            for name in names {
                if let Some(method) = self.eval.method_of(class, name) {
                    frames.push(self.eval.generic_frame(method, Some(object)));
                }
            }
        }
        frames
    }

    /// Starts a thread that runs what is given, at an op of the function that is looked at.
    fn spawn(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        call: Option<&Call>,
        model: &crate::models::Spawn,
        given: SpawnArguments,
    ) {
        use crate::models::Passing;
        let links = self.eval.links;
        let module = walk.function_id.module;
        let is_here = |it: &String| links.is_set_in(module, Name::new(it));
        if !model.only_if.is_empty() && !model.only_if.iter().any(is_here) {
            return;
        }
        let mut targets = Vec::new();
        let mut methods = Vec::new();
        if let Some(which) = model.methods {
            targets = self.method_frames(&given.callables, which);
        }
        for &object in &given.callables {
            if let Object::Method(receiver, name) = *self.eval.arena.get(object) {
                methods.push((receiver, name));
            }
            let open = model.passing == Passing::Unknown;
            for frame in self.frames_of(object, &given.arguments, open) {
                let id = self.eval.arena.frame_of(frame).function;
                // A thread that calls a coroutine function gets a coroutine, and runs nothing.
                let is_async = self.eval.links.function(id).is_async;
                if is_async && (model.sync_only || !model.event_loop) {
                    continue;
                }
                targets.push(frame);
            }
        }
        if targets.is_empty() && methods.is_empty() {
            return;
        }
        if !model.interrupt {
            for &object in &given.callables {
                self.publish(walk, object, Exposure::Shared);
            }
            for &set in &given.arguments {
                for object in self.eval.arena.members(set).to_vec() {
                    self.publish(walk, object, Exposure::Shared);
                }
            }
        }
        if model.may_run_here {
            self.relocked_here(walk, index, &targets);
        }
        let in_loop = walk.function.ops[index as usize].in_loop;
        let many = in_loop || model.passing == Passing::Element || {
            // Callbacks run whenever; a task submitted once runs once.
            model.threads == Threads::Many && model.passing == Passing::Unknown
        };
        let held = self.held_at(walk, index);
        let in_constructor_of = self.constructed_now(walk);
        let is_certain = |it: &String| links.is_set(Name::new(it));
        let worker = given.receiver.filter(|&it| self.has_one_worker(it));
        let spawn = Spawn {
            targets,
            methods,
            at: self.at(walk, index),
            handles: given.handles,
            thread: None,
            many: many && !model.shares_thread && worker.is_none(),
            threads: model.threads,
            distinct: given.distinct,
            unequal: given.unequal,
            equal: given.equal,
            live: walk.live.clone(),
            runs_as: Name::new(&model.runs_as),
            worker,
            interrupt: model.interrupt,
            serial: model.shares_thread,
            on_loop: model.event_loop,
            assumed: model.assumed && !model.certain_if.iter().any(is_certain),
            held,
            once: false,
            in_constructor_of,
        };
        // A joined call is over when it returns; results of `map` that are used are waited for.
        let over = call.is_some_and(|call| {
            (model.joined && (call.awaited || !call.statement || model.passing == Passing::Element))
                || (model.passing == Passing::Element && !call.statement)
        });
        let position = u32::try_from(walk.summary.spawns.len()).unwrap_or(0);
        if in_loop && model.passing != Passing::Element {
            walk.one_a_turn.push(position);
        }
        walk.summary.spawns.push(spawn);
        if !over {
            walk.live.push(position);
        }
    }

    /// Adds that functions which may run at an op take locks that are held there. Whatever else they
    /// do is done on their own thread as well.
    fn relocked_here(&mut self, walk: &mut Walk<'_>, index: u32, targets: &[FrameId]) {
        let held = self.held_at(walk, index);
        if held.is_empty() {
            return;
        }
        let via = self.at(walk, index);
        for &target in targets {
            let summary = self.summary(target);
            for effect in &summary.effects {
                let is_held = matches!(effect.action, Action::Acquire { lock, .. }
                    if held.iter().any(|it| it.lock == lock));
                if is_held {
                    let alone = Effect {
                        live: Rc::clone(&self.empty_live),
                        ..effect.clone()
                    };
                    self.compose_effect(walk, index, target, &alone, 0, via, &held);
                }
            }
        }
    }
}

/// The value that a call makes another thread run; `before` arguments were given to the callee
/// earlier.
fn target_of(
    function: &Function,
    call: &Call,
    spawn: &crate::models::Spawn,
    before: usize,
) -> Option<ValueId> {
    let keyword = spawn.keyword.as_deref().and_then(|name| {
        let mut keywords = call.keywords.iter();
        keywords.find(|(keyword, _)| keyword.as_str() == name)
    });
    let positional = function.list(call.arguments);
    keyword
        .map(|(_, value)| *value)
        .or_else(|| positional.get(spawn.target?.checked_sub(before)?).copied())
}

/// Whether a start runs only if an attribute of `self` allows it, which the function changes itself.
fn starts_once(function: &Function, index: u32) -> bool {
    let is_self = |value: ValueId| *function.value(value) == Value::Parameter(0);
    let is_set = |asked: Name| {
        function.ops.iter().any(|op| {
            matches!(op.kind, OpKind::Write { base, name, .. } if name == asked && is_self(base))
        })
    };
    let mut control = function.ops[index as usize].control;
    while control != 0 {
        let node = function.controls[control as usize];
        let mut test = function.ops[node.first as usize..node.end as usize].iter();
        let allows = test.any(|op| {
            matches!(op.kind, OpKind::Read { base, name, .. } if is_self(base) && is_set(name))
        });
        if allows {
            return true;
        }
        control = node.parent;
    }
    false
}

/// Whether a value is the same each time a loop around its use comes by: it is not made or taken from
/// anything in the loop.
fn is_same_each_time(function: &Function, value: ValueId, depth: u32) -> bool {
    let same = |it: ValueId| depth < 6 && is_same_each_time(function, it, depth + 1);
    let is_stored_in_loop = |name: Name| {
        function.ops.iter().any(|op| {
            op.in_loop
                && matches!(op.kind, OpKind::WriteVariable {
                    variable: Variable::Global(stored) | Variable::Cell(stored),
                    ..
                } if stored == name)
        })
    };
    match *function.value(value) {
        Value::Constant(_) | Value::Parameter(_) => true,
        Value::Global(name) | Value::Captured(name) => !is_stored_in_loop(name),
        Value::Read(op) => match function.ops.get(op as usize).map(|it| &it.kind) {
            Some(OpKind::ReadVariable {
                variable: Variable::Global(name) | Variable::Cell(name),
                ..
            }) => !is_stored_in_loop(*name),
            _ => false,
        },
        Value::Attribute { base, .. } | Value::Entered(base) => same(base),
        Value::Combined(parts) => function.list(parts).iter().all(|&it| same(it)),
        Value::Call(call) => !function.calls[call as usize].many,
        _ => false,
    }
}
