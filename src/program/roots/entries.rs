//! Entries: the functions of a module that somebody outside calls, and who that is: callers of a
//! library, frameworks, the interpreter when it runs the module or finalizes an object.

use rustc_hash::FxHashSet;

use super::{Entry, Finder, RootKind};
use crate::facts::{OpKind, Value};
use crate::models::Threads;
use crate::program::effect::At;
use crate::program::evaluate::Binding;
use crate::program::object::{ClassId, FrameId, FunctionId, Object, ObjectId, Origin, SetId};
use crate::program::sharing;
use crate::program::{Callers, phases};
use crate::source::name::Name;

impl Finder<'_> {
    pub(super) fn find(&mut self) {
        let facts = self.links.module(self.module);
        let program = self.links.is_program(self.module);
        // A module of a package that can also be run is imported all the same.
        let closed = (program && !self.is_importable())
            || self.links.is_part_of_script(self.module)
            || self.links.is_of_command(self.module);
        let test = sharing::is_test_path(&facts.path);
        let callers = if closed
            || test
            || self.options.callers == Callers::Single
            || self.is_for_event_loops()
        {
            Callers::Single
        } else {
            Callers::Many
        };
        let mut entries: Vec<Entry> = Vec::new();
        if program || self.body_may_spawn() || self.body_sets_thread_local() {
            let frame = self.summaries.eval.module_frame(self.module);
            let body = FunctionId {
                module: self.module,
                index: 0,
            };
            entries.push(Entry {
                explicit: true,
                runs_as: "main thread",
                ..Entry::of_callers(body, frame, Callers::Single, false)
            });
        }
        self.framework_entries(&mut entries);
        let mut in_groups: FxHashSet<FunctionId> = FxHashSet::default();
        if !closed {
            self.finalizer_entries(&mut entries);
            for index in 0..facts.classes.len() {
                let class = ClassId {
                    module: self.module,
                    index: u32::try_from(index).unwrap_or(0),
                };
                self.class_entries(class, callers, &mut entries, &mut in_groups);
            }
            for index in 1..facts.functions.len() {
                let id = FunctionId {
                    module: self.module,
                    index: u32::try_from(index).unwrap_or(0),
                };
                self.function_entry(id, callers, &mut entries, &in_groups);
                if callers == Callers::Many {
                    self.nested_entry(id, &mut entries);
                }
            }
        }
        for entry in entries {
            self.run_entry(&entry);
        }
        self.leave_to_program();
    }

    /// What a program starts on a thread of its own is not there for callers.
    fn leave_to_program(&mut self) {
        let roots = &self.result.roots;
        let started: FxHashSet<FunctionId> = roots
            .iter()
            .filter(|root| root.kind == RootKind::Thread && root.explicit && !root.interrupt)
            .map(|root| root.function)
            .collect();
        self.result.records.retain(|record| {
            let root = &roots[record.root as usize];
            root.explicit || root.kind == RootKind::Thread || !started.contains(&root.function)
        });
    }

    /// A module of a package that does its own work only when it is run.
    fn is_importable(&self) -> bool {
        let facts = self.links.module(self.module);
        let path = &facts.path;
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        facts.is_script
            && !path.ends_with("__main__.py")
            && !sharing::is_test_path(path)
            && self.links.is_package(folder)
            && !self.links.runs_when_imported(self.module)
    }

    /// A module with coroutines, or beside an event loop in its package, that knows nothing of threads
    /// is called on the thread of one loop.
    fn is_for_event_loops(&self) -> bool {
        let facts = self.links.module(self.module);
        let on_loop =
            self.links.is_of_loop(self.module) || facts.functions.iter().any(|it| it.is_async);
        on_loop && !self.links.knows_threads(self.module)
    }

    fn body_may_spawn(&mut self) -> bool {
        let id = FunctionId {
            module: self.module,
            index: 0,
        };
        if !self.links.hints(id).may_spawn {
            return false;
        }
        let body = self.links.function(id);
        (0..)
            .zip(&body.calls)
            .any(|(index, call)| match body.value(call.callee) {
                // A name that much else has.
                Value::Attribute { name, .. } if name.as_str() == "map" => {
                    let frame = self.summaries.eval.module_frame(self.module);
                    let targets = self.summaries.eval.targets(frame, index);
                    targets.iter().any(|target| self.starts_thread(target))
                }
                Value::Attribute { name, .. } => self.shared.spawning.contains(name),
                Value::Global(name) | Value::Imported { name, .. }
                    if self.shared.spawning.contains(name) =>
                {
                    let frame = self.summaries.eval.module_frame(self.module);
                    let targets = self.summaries.eval.targets(frame, index);
                    targets.iter().any(|target| self.starts_thread(target))
                }
                _ => false,
            })
    }

    /// What a module sets on a thread-local object while it is imported, only the importing thread
    /// sees.
    fn body_sets_thread_local(&mut self) -> bool {
        let id = FunctionId {
            module: self.module,
            index: 0,
        };
        if !self.links.hints(id).sets_attributes {
            return false;
        }
        let body = self.links.function(id);
        let mut bases = body.ops.iter().filter_map(|op| match op.kind {
            OpKind::Write { base, .. } => Some(base),
            _ => None,
        });
        let frame = self.summaries.eval.module_frame(self.module);
        bases.any(|base| {
            let eval = &mut self.summaries.eval;
            let set = eval.value(frame, base);
            let objects = eval.arena.members(set).to_vec();
            objects.into_iter().any(|object| {
                matches!(eval.arena.get(object), Object::Foreign(..))
                    && eval
                        .models_of(object)
                        .iter()
                        .any(|model| model.thread_local)
            })
        })
    }

    /// `__del__` of a library's class runs wherever its last reference goes.
    fn finalizer_entries(&mut self, entries: &mut Vec<Entry>) {
        let facts = self.links.module(self.module);
        for index in 0..facts.classes.len() {
            let class = ClassId {
                module: self.module,
                index: u32::try_from(index).unwrap_or(0),
            };
            let Some(id) = self.summaries.eval.own_method(class, Name::new("__del__")) else {
                continue;
            };
            let origin = Origin::Assumed { shared: false };
            let object = self
                .summaries
                .eval
                .arena
                .object(Object::Instance(class, origin));
            let frame = self.summaries.eval.generic_frame(id, Some(object));
            entries.push(Entry {
                kind: RootKind::Thread,
                runs_as: "finalizer",
                distinct_self: Some(object),
                interrupt: true,
                ..Entry::of_callers(id, frame, Callers::Many, false)
            });
        }
    }

    /// Whether the program makes one of some settings.
    fn is_certain(&self, settings: &[String]) -> bool {
        settings
            .iter()
            .any(|setting| self.links.is_set(Name::new(setting)))
    }

    /// Functions that a framework runs on its threads: decorated handlers, overridden methods.
    fn framework_entries(&mut self, entries: &mut Vec<Entry>) {
        let facts = self.links.module(self.module);
        for index in 1..facts.functions.len() {
            let function = &facts.functions[index];
            if function.decorators.is_empty() {
                continue;
            }
            let id = FunctionId {
                module: self.module,
                index: u32::try_from(index).unwrap_or(0),
            };
            for model in self.summaries.eval.decorator_models(id) {
                let Some(spawn) = &model.decorated_runs else {
                    continue;
                };
                if spawn.sync_only && function.is_async {
                    continue;
                }
                let class = self.links.enclosing_class(id).filter(|_| spawn.one_object);
                let receiver = class.map(|class| {
                    let origin = Origin::Assumed { shared: true };
                    let object = Object::Instance(class, origin);
                    self.summaries.eval.arena.object(object)
                });
                let entry_frame = self.summaries.eval.generic_frame(id, receiver);
                entries.push(Entry {
                    kind: RootKind::Thread,
                    many: spawn.threads == Threads::Many && !spawn.shares_thread,
                    explicit: !spawn.assumed || self.is_certain(&spawn.certain_if),
                    runs_as: Name::new(&spawn.runs_as).as_str(),
                    serial: spawn.shares_thread,
                    on_loop: spawn.event_loop,
                    spawn: Some(At {
                        function: id,
                        range: function.name_range,
                    }),
                    ..Entry::of_callers(id, entry_frame, Callers::Many, false)
                });
            }
        }
        for index in 0..facts.classes.len() {
            let class = ClassId {
                module: self.module,
                index: u32::try_from(index).unwrap_or(0),
            };
            let models = self.summaries.eval.inherited_models(class);
            for model in models {
                if model.served && !self.links.is_served_by_threads() {
                    continue;
                }
                let overrides = model.overrides.iter().flat_map(|(method, how)| {
                    let names = match method.as_str() {
                        "*" => self.summaries.eval.public_methods(class),
                        method => vec![Name::new(method)],
                    };
                    names.into_iter().map(move |name| (name, how))
                });
                for (method, how) in overrides.collect::<Vec<_>>() {
                    let Some(id) = self.summaries.eval.own_method(class, method) else {
                        continue;
                    };
                    let function = self.links.function(id);
                    if how.serialized || (how.sync_only && function.is_async) {
                        continue;
                    }
                    let object = self.summaries.eval.arena.object(Object::Instance(
                        class,
                        Origin::Assumed {
                            shared: !how.own_object,
                        },
                    ));
                    let frame = self.summaries.eval.generic_frame(id, Some(object));
                    entries.push(Entry {
                        kind: RootKind::Thread,
                        many: how.threads == Threads::Many,
                        // One thread calls them all.
                        serial: how.threads == Threads::One,
                        explicit: !how.assumed || self.is_certain(&how.certain_if),
                        runs_as: Name::new(&how.runs_as).as_str(),
                        distinct_self: how.own_object.then_some(object),
                        spawn: Some(At {
                            function: id,
                            range: function.name_range,
                        }),
                        ..Entry::of_callers(id, frame, Callers::Many, false)
                    });
                }
            }
        }
    }

    /// A nested function that leaves the function around it: whoever gets it calls it. One that
    /// wraps another is called in its place, from any thread, with the variables around it.
    fn nested_entry(&mut self, id: FunctionId, entries: &mut Vec<Entry>) {
        let function = self.links.function(id);
        if function.parent == 0 || function.is_async || function.left_to_callers {
            return;
        }
        // The decorator that a function of this name gives is applied while modules are imported.
        let around = FunctionId {
            index: function.parent,
            ..id
        };
        if phases::sets_up(self.links.function(around).name.as_str()) {
            return;
        }
        let wrapped = sharing::wraps_function(self.links, id);
        let called = wrapped || self.links.touches(id) && self.links.hints(id).is_handed_out;
        if !called {
            return;
        }
        if wrapped {
            let mut around = function.parent;
            while around != 0 {
                self.wrapping.insert(around);
                around = self
                    .links
                    .function(FunctionId {
                        index: around,
                        ..id
                    })
                    .parent;
            }
        }
        let frame = self.summaries.eval.generic_frame(id, None);
        entries.push(Entry::of_callers(id, frame, Callers::Many, false));
    }

    /// A public function or method of a library: any thread may call it.
    fn function_entry(
        &mut self,
        id: FunctionId,
        callers: Callers,
        entries: &mut Vec<Entry>,
        in_groups: &FxHashSet<FunctionId>,
    ) {
        let function = self.links.function(id);
        if function.parent != 0
            || function.left_to_callers
            || in_groups.contains(&id)
            || !is_public(function.name.as_str())
            || !self.links.touches(id)
            || (callers == Callers::Single && !self.links.hints(id).may_spawn)
        {
            return;
        }
        let receiver = function.class.map(|index| {
            let class = ClassId {
                module: id.module,
                index,
            };
            let object = match self.summaries.eval.binding(id) {
                Binding::ClassMethod => Object::Class(class),
                _ => Object::Instance(class, Origin::Assumed { shared: false }),
            };
            self.summaries.eval.arena.object(object)
        });
        let own_frame = self.summaries.eval.generic_frame(id, receiver);
        if callers == Callers::Single && !self.starts_threads(own_frame, function) {
            return;
        }
        let frame = self.called_frame(id, receiver);
        entries.push(Entry::of_callers(id, frame, callers, function.is_async));
    }

    /// The frame in which callers run a function on a receiver: that of the wrapper that a
    /// decorator put in its place, where there is one.
    pub(super) fn called_frame(&mut self, id: FunctionId, receiver: Option<ObjectId>) -> FrameId {
        let eval = &mut self.summaries.eval;
        let function = self.links.function(id);
        let plain = eval.binding(id) != Binding::Property;
        if !function.decorators.is_empty() && function.parent == 0 && plain {
            let definer = eval.module_frame(id.module);
            let decorated = eval.decorated(id, definer);
            if let [single] = *eval.arena.members(decorated)
                && let Object::Function(wrapper, environment) = *eval.arena.get(single)
                && wrapper != id
            {
                let first = receiver.map(|it| eval.arena.only(it));
                let given: Vec<SetId> = first.into_iter().collect();
                return eval.bind(wrapper, environment, &given, &[], true);
            }
        }
        eval.generic_frame(id, receiver)
    }
}

pub(in crate::program) fn is_public(name: &str) -> bool {
    if phases::sets_up(name) {
        return false;
    }
    // Who finalizes an object is nobody's caller, and a constructor has it to itself.
    !matches!(name, "__del__" | "__post_init__" | "__setstate__")
        && (!name.starts_with('_') || (name.starts_with("__") && name.ends_with("__")))
}
