//! Libraries: what calls of their functions and methods do, by what their models say.

use super::waits::asks_whether_alive;
#[allow(clippy::wildcard_imports)]
use super::*;

use super::compound::got_from;

impl Summaries<'_> {
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
                    let load = got_from(walk.function, value, object, arguments[1]);
                    let update = load.map_or(Update::Replace, Update::From);
                    let objects = self.eval.value(walk.frame, object);
                    for object in self.eval.arena.members(objects).to_vec() {
                        self.write(walk, index, object, attribute, value, update);
                    }
                    self.publish_into(walk, objects, value);
                } else if let [object, attribute, value] = arguments[..]
                    && let Some(load) = got_from(walk.function, value, object, attribute)
                {
                    self.update_by_name(walk, index, object, value, load);
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
    fn run_here(&mut self, walk: &mut Walk<'_>, index: u32, callable: ValueId) {
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

    fn modelled_call(
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
        match receiver {
            Some(receiver) => self.states(walk, index, model, receiver),
            None => self.files(walk, index, call, model),
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
                let base = self.eval.arena.only(receiver);
                self.publish_into(walk, base, argument);
            }
        }
        if let Some(by) = model.condition
            && let Some(receiver) = receiver
        {
            let lock = self.canonical_lock(receiver);
            self.record(walk, index, Action::Condition { lock, by });
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
                    // Who gives up waiting knows no more than before, unless it asks.
                    Some(_)
                        if name.as_str() == "join"
                            && self.is_bounded(walk, call, name)
                            && !asks_whether_alive(walk.function) => {}
                    Some(receiver) => self.wait_for(walk, call, receiver),
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
    fn is_bounded(&self, walk: &Walk<'_>, call: &Call, name: Name) -> bool {
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
                if access == Access::Clear {
                    self.clears_copied(walk, index, place, Some(kind));
                }
                if access.writes()
                    && let Value::Attribute { base, .. } = *walk.function.value(call.callee)
                {
                    self.shared_by_locals(walk, index, base);
                }
            }
            if name.as_str() == "pop"
                && let Value::Attribute { base, .. } = *walk.function.value(call.callee)
            {
                self.drops_lock(walk, index, base);
            }
            if let Value::Attribute { base, .. } = *walk.function.value(call.callee)
                && atomicity::method(kind, name.as_str()) == Some(Access::Add)
                && name.as_str() != "setdefault"
            {
                self.adds_computed(walk, index, base, &arguments);
            }
            let stored = match name.as_str() {
                "append" | "appendleft" | "add" => arguments.first(),
                "insert" | "setdefault" => arguments.get(1),
                _ => None,
            };
            if let Some(&value) = stored {
                let bases = self.eval.arena.only(receiver);
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

    fn method_without_base(
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
        if model.is_some_and(|it| it.starts_assigned) {
            for class in models.iter().filter(|it| !it.assigned.is_empty()) {
                self.start_assigned(walk, index, receiver, class);
            }
        }
        if let Some(model) = model {
            self.modelled_call(walk, index, call_index, model, Some(receiver), name);
        }
    }
}
