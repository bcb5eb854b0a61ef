//! Calls: what each may run, and what making an object or calling the unknown brings.

#[allow(clippy::wildcard_imports)]
use super::*;

impl Summaries<'_> {
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
    fn thread_in_constructor(&mut self, walk: &mut Walk<'_>, index: u32, object: ObjectId) {
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
    fn finalizer(&mut self, walk: &mut Walk<'_>, index: u32, object: ObjectId) {
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
            unequal: Vec::new(),
            equal: Vec::new(),
            live: Vec::new(),
            runs_as: Name::new("finalizer"),
            worker: None,
            interrupt: true,
            serial: false,
            on_loop: false,
            assumed: false,
            held: Rc::clone(&self.empty_locks),
            once: false,
            in_constructor_of: None,
        };
        walk.summary.spawns.push(spawn);
    }

    fn unknown_call(&mut self, walk: &mut Walk<'_>, index: u32, call: &Call) {
        let what = self.handed_in(walk.frame, walk.function, call);
        // What was put into a collection somebody else has registered, whatever function calls it: a
        // lock may be held further out. Asked for what it refers to, a weak reference runs nothing.
        let tells = call.statement || call.arguments.len > 0 || !call.keywords.is_empty();
        let is_registered = matches!(
            walk.function.value(call.callee),
            Value::Element(_) | Value::Item { .. }
        );
        if let Some(what) = what
            && (is_registered && tells || !self.held_at(walk, index).is_empty())
        {
            self.record(walk, index, Action::Callback { what });
        }
    }

    /// The name of what is called if it came from outside: a parameter, or an attribute that no
    /// method is.
    pub(super) fn handed_in(
        &mut self,
        frame: FrameId,
        function: &Function,
        call: &Call,
    ) -> Option<Name> {
        match function.value(call.callee) {
            Value::Parameter(position) => function
                .parameters
                .get(*position as usize)
                .map(|it| it.name),
            Value::Element(_) | Value::Item { .. } => Some(Name::new("callback")),
            Value::Attribute { base, name, .. } => {
                let base = self.eval.value(frame, *base);
                self.is_handed_in(base, *name).then_some(*name)
            }
            _ => None,
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
            unequal: Vec::new(),
            equal: Vec::new(),
            live: walk.live.clone(),
            runs_as: Name::new("caller of a listener"),
            worker: None,
            interrupt: false,
            serial: false,
            on_loop: false,
            assumed: true,
            held,
            once: false,
            in_constructor_of: Some(object),
        };
        self.add_spawn(walk, spawn);
    }

    /// Whether an attribute of these objects is what a caller gave a method to keep.
    fn is_handed_in(&mut self, objects: SetId, name: Name) -> bool {
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
}
