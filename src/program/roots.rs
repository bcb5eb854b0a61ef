//! Thread roots: the functions that some thread runs first, and all that happens on their
//! threads.
//!
//! A root is *explicit* when the program itself starts the thread: `Thread(target=f)`, `submit`,
//! a request handler, the main thread of a script. It is *implicit* when the program only offers
//! the function to callers: a class that owns a lock, an object that a module holds, a public
//! function of a library. What is reached from an entry forms a tree: the entry, the threads it
//! starts, the threads these start. Happens-before within a tree comes from its structure
//! (before the start, after the join); see [`parallel`].

use rustc_hash::{FxHashMap, FxHashSet};

use super::effect::{Action, At, Effect, Mode, Place, PlaceAccess, Slot, Spawn, Summary};
use super::evaluate::{Binding, Evaluator, Lineage, Target};
use super::object::{ClassId, FrameId, FunctionId, ModuleIndex, Object, ObjectId, Origin, SetId};
use super::phases;
use super::reading::Reading;
use super::sharing::{self, Sharing};
use super::summary::{Follow, Summaries};
use super::sync_order::Steps;
use super::touching::called_name;
use super::{Callers, Options};
use crate::facts::{Call, Code, Function, OpKind, Value, ValueId};
use crate::models::{CallModel, Models, Threads};
use crate::source::name::Name;

/// Deeper nests of threads that start threads are cut.
const MAX_NESTING: u32 = 3;
/// Bases in other modules with more methods than this report for themselves.
const MAX_INHERITED: usize = 25;
/// Classes with more methods are not walked whole.
const MAX_METHODS: usize = 250;

/// Why a root exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RootKind {
    /// The main thread of a script, or a caller that uses the object from one thread.
    Main,
    /// Any caller of a library.
    Caller,
    /// A thread that the program starts.
    Thread,
}

/// A function that some thread runs first.
#[derive(Debug, Clone)]
pub struct Root {
    /// Why it exists.
    pub kind: RootKind,
    /// The function; its name in words is that of the library method where there is none.
    pub function: FunctionId,
    /// Where the thread is started.
    pub spawn: Option<At>,
    /// What kind of thread it is.
    pub runs_as: Name,
    /// More than one at a time.
    pub many: bool,
    /// The program itself starts it.
    pub explicit: bool,
    /// It interrupts another thread instead of running beside it.
    pub interrupt: bool,
    /// Its object is entered by every call of the function that it decorates.
    pub entered: bool,
    /// It begins or ends the life of its object.
    pub once: bool,
    /// All such roots share one thread.
    pub serial: bool,
    /// Tree it belongs to, unique in the program.
    pub entry: u64,
    /// Entries that use one object: the class they belong to.
    pub group: Option<u64>,
    /// Callers of the entry.
    pub callers: Callers,
    /// The root that starts it, by index, and its number among those.
    pub parent: Option<(u32, u32)>,
    /// Threads of the same parent that may still run when it starts.
    pub live: Vec<u32>,
    /// What to wait for.
    pub handles: Vec<u64>,
    /// The object that is the thread, which starts once in its life.
    pub thread: Option<u64>,
    /// It may still run when what started it has returned.
    pub outlives: bool,
}

/// A lock that is held, in terms that compare across modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Held {
    /// The lock.
    pub key: u64,
    /// Its name.
    pub words: Name,
    /// The acquisition.
    pub section: u64,
    /// How it excludes.
    pub mode: Mode,
    /// It is the one lock of the accessed object, or the only one of its name.
    pub covers: bool,
    /// Its key stands for one lock of the running program, not for one of each of many objects.
    pub unique: bool,
    /// It is known to be a lock by what made it, not by its name alone.
    pub certain: bool,
}

/// What a root does, in terms that compare across modules.
#[derive(Debug, Clone)]
pub struct Record {
    /// Who.
    pub root: u32,
    /// What; object ids in it are only meaningful within the module.
    pub action: Action,
    /// Identity of the place, lock or object.
    pub key: u64,
    /// Identity of the object that the place belongs to; 0 where there is none.
    pub owner: u64,
    /// It in words.
    pub words: Name,
    /// Where.
    pub at: At,
    /// The call in the entry through which it comes.
    pub via: At,
    /// Locks held.
    pub held: Vec<Held>,
    /// Where the lock is held further out: the innermost call made while holding it.
    pub under: Option<At>,
    /// Threads that may still run.
    pub live: Vec<u32>,
    /// What has been waited for.
    pub finished: Vec<u64>,
    /// What others can only have waited for after this.
    pub before: Box<[u64]>,
    /// The object was made on this thread.
    pub own: bool,
    /// Each thread of the root has another object.
    pub distinct: bool,
    /// In the constructor of the object itself.
    pub in_constructor: bool,
    /// In a loop.
    pub in_loop: bool,
    /// The object stands for many.
    pub many: bool,
    /// Callers of a library can meet at the object.
    pub rooted: bool,
    /// It is an attribute of an instance, not of a module, class or function.
    pub on_instance: bool,
}

/// What was found in one module.
#[derive(Debug, Clone, Default)]
pub struct ModuleRoots {
    /// Roots, entries first.
    pub roots: Vec<Root>,
    /// What they do.
    pub records: Vec<Record>,
    /// Calls looked at.
    pub calls: usize,
    /// Of these, unresolved.
    pub unresolved: usize,
    /// Bounds hit.
    pub cuts: usize,
    /// Who calls whom, among what its roots reach.
    pub edges: Vec<(FunctionId, FunctionId)>,
}

/// What all modules must know of one another before roots are looked for.
#[derive(Debug, Default)]
pub struct Shared {
    /// Classes of which a module holds an instance in a name.
    pub module_objects: FxHashSet<ClassId>,
    /// Names of methods and functions that may start a thread.
    pub spawning: FxHashSet<Name>,
}

struct Entry {
    function: FunctionId,
    frame: FrameId,
    kind: RootKind,
    many: bool,
    explicit: bool,
    group: Option<u64>,
    callers: Callers,
    runs_as: &'static str,
    distinct_self: Option<ObjectId>,
    serial: bool,
    interrupt: bool,
    entered: bool,
    spawn: Option<At>,
}

/// A start of a thread.
struct Start {
    /// The root that starts it.
    parent: u32,
    /// Which of its starts.
    number: u32,
    /// The thread may still run when the entry has returned.
    outlives: bool,
    /// How many threads are between the entry and this one.
    depth: u32,
}

/// Finds the roots of a module and what they do.
pub fn module_roots(
    links: Reading<'_>,
    models: &Models,
    options: &Options,
    shared: &Shared,
    module: ModuleIndex,
) -> ModuleRoots {
    let mut finder = Finder {
        summaries: Summaries::new(Evaluator::new(links, models), module, options.target),
        links,
        module,
        shared,
        options,
        result: ModuleRoots::default(),
        keys: FxHashMap::default(),
        frame_keys: FxHashMap::default(),
        said: FxHashMap::default(),
        sets: FxHashMap::default(),
        wrapping: FxHashSet::default(),
        mentioned: FxHashMap::default(),
        words: FxHashMap::default(),
    };
    finder.find();
    finder.forget_unwritten();
    finder.forget_repeated_sets();
    finder.result.calls = finder.summaries.calls;
    finder.result.unresolved = finder.summaries.unresolved;
    finder.result.cuts = finder.summaries.cuts;
    finder.result.edges = finder.summaries.edges.into_iter().collect();
    finder.result
}

/// A call of a method on the object of the calling one.
struct OwnCall {
    from: Name,
    /// The caller holds a lock that the method could not take again.
    under_mutex: bool,
}

struct Finder<'p> {
    summaries: Summaries<'p>,
    links: Reading<'p>,
    module: ModuleIndex,
    shared: &'p Shared,
    options: &'p Options,
    result: ModuleRoots,
    keys: FxHashMap<ObjectId, u64>,
    frame_keys: FxHashMap<FrameId, u64>,
    /// What callers do and which threads they start, with the trees that say so: once or twice is
    /// enough.
    said: FxHashMap<u64, Vec<u64>>,
    /// Events that are set: where, and whether that may be more than once.
    sets: FxHashMap<u64, (At, bool)>,
    /// Functions around a nested one that wraps another function.
    wrapping: FxHashSet<u32>,
    /// Names that functions of a module load, once somebody asks.
    mentioned: FxHashMap<ModuleIndex, FxHashSet<Name>>,
    words: FxHashMap<Place, Name>,
}

impl Finder<'_> {
    fn find(&mut self) {
        let facts = self.links.module(self.module);
        let program = self.links.is_program(self.module);
        // A module of a package that can also be run is imported all the same.
        let closed = (program && !self.is_importable())
            || self.is_beside_script()
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
            entries.push(Entry {
                function: FunctionId {
                    module: self.module,
                    index: 0,
                },
                frame,
                kind: RootKind::Main,
                many: false,
                explicit: true,
                group: None,
                callers: Callers::Single,
                runs_as: "main thread",
                distinct_self: None,
                serial: false,
                interrupt: false,
                entered: false,
                spawn: None,
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

    /// A module beside a script, outside any package, is part of that script.
    fn is_beside_script(&self) -> bool {
        let path = &self.links.module(self.module).path;
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.links.is_script_folder(folder)
    }

    /// A module with coroutines that knows nothing of threads is called by the tasks of one loop.
    fn is_for_event_loops(&self) -> bool {
        let facts = self.links.module(self.module);
        facts.functions.iter().any(|it| it.is_async) && !self.links.knows_threads(self.module)
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
                function: id,
                frame,
                kind: RootKind::Thread,
                many: true,
                explicit: false,
                group: None,
                callers: Callers::Many,
                runs_as: "finalizer",
                distinct_self: Some(object),
                serial: false,
                interrupt: true,
                entered: false,
                spawn: None,
            });
        }
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
                let entry_frame = self.summaries.eval.generic_frame(id, None);
                entries.push(Entry {
                    function: id,
                    frame: entry_frame,
                    kind: RootKind::Thread,
                    many: spawn.threads == Threads::Many && !spawn.shares_thread,
                    explicit: !spawn.assumed,
                    group: None,
                    callers: Callers::Many,
                    runs_as: Name::new(&spawn.runs_as).as_str(),
                    distinct_self: None,
                    serial: spawn.shares_thread,
                    interrupt: false,
                    entered: false,
                    spawn: Some(At {
                        function: id,
                        range: function.name_range,
                    }),
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
                for (method, how) in &model.overrides {
                    let Some(id) = self.summaries.eval.own_method(class, Name::new(method)) else {
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
                        function: id,
                        frame,
                        kind: RootKind::Thread,
                        many: how.threads == Threads::Many,
                        explicit: !how.assumed,
                        group: None,
                        callers: Callers::Many,
                        runs_as: Name::new(&how.runs_as).as_str(),
                        distinct_self: how.own_object.then_some(object),
                        serial: false,
                        interrupt: false,
                        entered: false,
                        spawn: Some(At {
                            function: id,
                            range: function.name_range,
                        }),
                    });
                }
            }
        }
    }

    /// The public methods of a class whose instances are used by many threads, or that starts
    /// threads of its own.
    fn class_entries(
        &mut self,
        class: ClassId,
        callers: Callers,
        entries: &mut Vec<Entry>,
        in_groups: &mut FxHashSet<FunctionId>,
    ) {
        let eval = &mut self.summaries.eval;
        let sharing = sharing::of_class(eval, class, &self.shared.module_objects);
        if sharing == Sharing::Confined {
            return;
        }
        let internal = sharing == Sharing::Shared
            && self.links.is_internal(class)
            && !self.shared.module_objects.contains(&class);
        let lineage = eval.lineage(class);
        let shared_by_many =
            sharing == Sharing::Declared || callers == Callers::Many && sharing != Sharing::Unknown;
        let object = self
            .summaries
            .eval
            .arena
            .object(Object::Instance(class, Origin::Assumed { shared: true }));
        if internal && !self.starts_threads_of_its_own(class, object) {
            return;
        }
        if !shared_by_many && !self.starts_threads_of_its_own(class, object) {
            return;
        }
        let mut names: Vec<Name> = Vec::new();
        let mut methods: Vec<FunctionId> = Vec::new();
        for &owner in &lineage.order {
            let facts = self.links.module(owner.module);
            for &index in &self.links.class(owner).methods {
                let name = facts.functions[index as usize].name;
                let id = FunctionId {
                    module: owner.module,
                    index,
                };
                // Inherited methods count where they are few or stand beside the class: what a
                // large base does to its own fields is the base's to report.
                let inherits = owner.module == class.module
                    || self.links.class(owner).methods.len() <= MAX_INHERITED;
                if owner == class || (inherits && !names.contains(&name)) {
                    methods.push(id);
                }
            }
            for &index in &self.links.class(owner).methods {
                names.push(facts.functions[index as usize].name);
            }
        }
        if methods.len() > MAX_METHODS {
            return;
        }
        let mut class_entries = Vec::new();
        let helpers = self.helpers(class, object, &methods, &lineage);
        for id in methods {
            let name = self.links.function(id).name;
            let is_entry = is_public(name.as_str())
                || shared_by_many && self.is_called_from_elsewhere(id, name, &lineage);
            if !is_entry {
                continue;
            }
            if helpers.contains(&name) {
                continue;
            }
            let receiver = match self.summaries.eval.binding(id) {
                Binding::Static => None,
                Binding::ClassMethod => {
                    Some(self.summaries.eval.arena.object(Object::Class(class)))
                }
                _ => Some(object),
            };
            let frame = self.called_frame(id, receiver);
            class_entries.push((id, frame));
        }
        let callers_of_class = if shared_by_many {
            Callers::Many
        } else {
            Callers::Single
        };
        let group = self.key(object);
        for (id, frame) in class_entries {
            in_groups.insert(id);
            let is_async = self.links.function(id).is_async;
            entries.push(Entry {
                function: id,
                frame,
                kind: if callers_of_class == Callers::Many {
                    RootKind::Caller
                } else {
                    RootKind::Main
                },
                many: callers_of_class == Callers::Many && !is_async,
                explicit: false,
                group: Some(group),
                callers: callers_of_class,
                runs_as: "caller",
                distinct_self: None,
                serial: is_async,
                interrupt: false,
                entered: sharing == Sharing::Entered,
                spawn: None,
            });
        }
    }

    /// Methods that may have a public name and yet are there for the class alone: a base calls them
    /// under its lock; or it calls them itself, each time on a thread of its own, under a lock that
    /// they could not take again, or from another such method; from its constructor besides.
    fn helpers(
        &mut self,
        class: ClassId,
        object: ObjectId,
        methods: &[FunctionId],
        lineage: &Lineage,
    ) -> FxHashSet<Name> {
        let links = self.links;
        let mut sites: FxHashMap<Name, Vec<OwnCall>> = FxHashMap::default();
        // Methods of which others than callers decide when they run.
        let mut settled: FxHashSet<Name> = FxHashSet::default();
        settled.insert(Name::new("__init__"));
        let models = self.summaries.eval.inherited_models(class);
        let threads = models.iter().filter_map(|model| model.thread.as_ref());
        settled.extend(threads.map(|thread| Name::new(&thread.run)));
        let mut helpers: FxHashSet<Name> = FxHashSet::default();
        for &id in methods {
            let function = links.function(id);
            if self.is_called_under_lock(id, function.name, lineage) {
                helpers.insert(function.name);
            }
            for op in &function.ops {
                let OpKind::Call(index) = op.kind else {
                    continue;
                };
                let call = &function.calls[index as usize];
                if let Some(name) = own_method(function, call.callee) {
                    let under_mutex = op.held != 0 && self.holds_mutex(id, object, op.held);
                    sites.entry(name).or_default().push(OwnCall {
                        from: function.name,
                        under_mutex,
                    });
                }
                let target = call.keywords.iter().find(|it| it.0.as_str() == "target");
                settled.extend(target.and_then(|it| own_method(function, it.1)));
            }
        }
        loop {
            let known = helpers.len();
            for (&name, calls) in &sites {
                let covered = |it: &OwnCall| {
                    it.under_mutex || settled.contains(&it.from) || helpers.contains(&it.from)
                };
                let later = |it: &OwnCall| it.from.as_str() != "__init__";
                if calls.iter().all(covered) && calls.iter().any(later) {
                    helpers.insert(name);
                }
            }
            if helpers.len() == known {
                return helpers;
            }
        }
    }

    /// Whether one of the locks that a method of an object holds cannot be taken twice.
    fn holds_mutex(&mut self, id: FunctionId, object: ObjectId, held: u32) -> bool {
        let function = self.links.function(id);
        let frame = self.summaries.eval.generic_frame(id, Some(object));
        function.held[held as usize].iter().any(|held| {
            let locks = self.summaries.locks_of(frame, held.lock, held.region);
            locks
                .iter()
                .any(|it| it.mode == Mode::Exclusive && !self.summaries.is_reentrant(it.lock))
        })
    }

    /// Whether a method overrides one that the base which defines it calls under a lock: it is there
    /// for the base, and so for one thread at a time.
    fn is_called_under_lock(&mut self, id: FunctionId, name: Name, lineage: &Lineage) -> bool {
        let own = self.links.enclosing_class(id);
        let by_base = lineage.order.iter().any(|&base| {
            Some(base) != own && self.summaries.eval.own_method(base, name).is_some() && {
                let facts = self.links.module(base.module);
                let mut methods = self.links.class(base).methods.iter();
                methods.any(|&index| calls_under_lock(&facts.functions[index as usize], name))
            }
        });
        by_base
            || lineage.external.clone().iter().any(|&base| {
                let models = self.summaries.eval.class_models(base);
                let mut overrides = models
                    .iter()
                    .filter_map(|it| it.overrides.get(name.as_str()));
                overrides.any(|how| how.serialized)
            })
    }

    /// A nested function that leaves the function around it: whoever gets it calls it. One that
    /// wraps another is called in its place, from any thread, with the variables around it.
    fn nested_entry(&mut self, id: FunctionId, entries: &mut Vec<Entry>) {
        let function = self.links.function(id);
        if function.parent == 0 || function.is_async {
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
        entries.push(Entry {
            function: id,
            frame,
            kind: RootKind::Caller,
            many: true,
            explicit: false,
            group: None,
            callers: Callers::Many,
            runs_as: "caller",
            distinct_self: None,
            serial: false,
            interrupt: false,
            entered: false,
            spawn: None,
        });
    }

    /// Whether a private method is there for other modules of its package: neither its own module
    /// nor that of a base ever mentions it, and no base is unknown.
    fn is_called_from_elsewhere(&mut self, id: FunctionId, name: Name, lineage: &Lineage) -> bool {
        let is_object = |base: &Name| base.as_str() == "builtins.object";
        if id.module != self.module
            || name.as_str().starts_with("__")
            || !lineage.external.iter().all(is_object)
        {
            return false;
        }
        let links = self.links;
        let mut modules: Vec<ModuleIndex> = lineage.order.iter().map(|it| it.module).collect();
        modules.dedup();
        !modules.into_iter().any(|module| {
            let mentioned =
                self.mentioned.entry(module).or_insert_with(|| {
                    let mut names = FxHashSet::default();
                    for function in &links.module(module).functions {
                        names.extend(function.glance().values.iter().filter_map(
                            |value| match value {
                                Value::Attribute { name, .. } | Value::Global(name) => Some(*name),
                                _ => None,
                            },
                        ));
                    }
                    names
                });
            mentioned.contains(&name)
        })
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
        entries.push(Entry {
            function: id,
            frame,
            kind: if callers == Callers::Many {
                RootKind::Caller
            } else {
                RootKind::Main
            },
            many: callers == Callers::Many && !function.is_async,
            explicit: false,
            group: None,
            callers,
            runs_as: "caller",
            distinct_self: None,
            serial: function.is_async,
            interrupt: false,
            entered: false,
            spawn: None,
        });
    }

    fn is_spawning_name(&self, function: &Code, call: &Call) -> bool {
        let name = called_name(function, call);
        name.is_some_and(|name| self.shared.spawning.contains(&name))
    }

    /// Whether methods of a class start threads that run code of its instances: `object` is one.
    ///
    /// Only the calls that may do so are looked at: those of a library under a name that starts
    /// threads, and those that are handed a method or a function of their own.
    fn starts_threads_of_its_own(&mut self, class: ClassId, object: ObjectId) -> bool {
        let methods = &self.links.class(class).methods;
        methods.iter().any(|&index| {
            let id = FunctionId {
                module: class.module,
                index,
            };
            let hints = self.links.hints(id);
            if !hints.may_spawn && !hints.hands_over {
                return false;
            }
            let function = self.links.function(id);
            let code = function.glance();
            let own_code: Vec<bool> = code
                .calls
                .iter()
                .map(|call| self.hands_over_method(class, &code, call))
                .collect();
            if !hints.may_spawn && !own_code.contains(&true) {
                return false;
            }
            drop(code);
            let frame = self.summaries.eval.generic_frame(id, Some(object));
            (0..).zip(&function.calls).any(|(index, call)| {
                let named = self.is_spawning_name(function, call);
                let own = own_code[index as usize];
                if !named && !own {
                    return false;
                }
                let targets = self.summaries.eval.targets(frame, index);
                targets.iter().any(|target| match *target {
                    Target::Function(callee) => {
                        let called = self.summaries.eval.arena.frame_of(callee).function;
                        own && self.links.touches(called) && {
                            let summary = self.summaries.summary(callee);
                            self.runs_code_of(&summary, class, object)
                        }
                    }
                    Target::External(_) | Target::Method(..) => {
                        named && self.starts_thread(target) && {
                            let summary = self.summaries.summary(frame);
                            self.runs_code_of(&summary, class, object)
                        }
                    }
                    Target::Construct(..) => false,
                })
            })
        })
    }

    /// Whether a call is handed a method of the object whose method makes it, or a nested function.
    fn hands_over_method(&mut self, class: ClassId, function: &Code, call: &Call) -> bool {
        let mut given = function.given(call);
        given.any(|value| match *function.value(value) {
            Value::Function(_) => true,
            Value::Attribute { base, name, .. } => {
                matches!(function.value(base), Value::Parameter(0))
                    && self.summaries.eval.method_of(class, name).is_some()
            }
            _ => false,
        })
    }

    /// Whether a function itself calls what starts a thread, or what nobody knows by such a name.
    fn starts_threads(&mut self, frame: FrameId, function: &Function) -> bool {
        (0..).zip(&function.calls).any(|(index, call)| {
            self.is_spawning_name(function, call) && {
                let targets = self.summaries.eval.targets(frame, index);
                targets.iter().any(|target| self.starts_thread(target))
            }
        })
    }

    /// Whether a call of a library starts a thread.
    fn starts_thread(&mut self, target: &Target) -> bool {
        let eval = &mut self.summaries.eval;
        let starts = |model: &CallModel| model.spawns.iter().any(|spawn| !spawn.interrupt);
        match *target {
            Target::External(name) => eval.models.function(name.as_str()).is_some_and(starts),
            Target::Method(receiver, name) => eval.models_of(receiver).iter().any(|model| {
                model.method.get(name.as_str()).is_some_and(starts)
                    || model
                        .thread
                        .as_ref()
                        .is_some_and(|thread| thread.start == name.as_str())
            }),
            Target::Function(_) | Target::Construct(..) => false,
        }
    }

    /// Whether a thread of a summary runs code of a class, or methods of what belongs to an object.
    fn runs_code_of(&self, summary: &Summary, class: ClassId, object: ObjectId) -> bool {
        let eval = &self.summaries.eval;
        let threads = summary.spawns.iter().filter(|spawn| !spawn.interrupt);
        let mut targets = threads.flat_map(|spawn| &spawn.targets);
        targets.any(|&target| {
            if self
                .links
                .enclosing_class(eval.arena.frame_of(target).function)
                == Some(class)
            {
                return true;
            }
            let mut current = eval.receiver(target);
            for _ in 0..6 {
                if current == Some(object) {
                    return true;
                }
                current = current.and_then(|it| eval.owner(it));
            }
            false
        })
    }

    /// Drops what nobody writes, as far as this module can tell: fields and contents of objects
    /// that only its own entries reach.
    fn forget_unwritten(&mut self) {
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

    // ---- trees -------------------------------------------------------------------------------

    fn run_entry(&mut self, entry: &Entry) {
        // Of a function that any thread may call, only what it does to state of modules and
        // classes is of interest.
        self.summaries.follow = match (entry.kind, entry.group) {
            (RootKind::Caller, None) => Follow::Touching,
            (RootKind::Caller, Some(_)) => Follow::Shared,
            _ => Follow::Package,
        };
        let summary = self.summaries.summary(entry.frame);
        let tree = (u64::from(self.module) << 32) | self.result.roots.len() as u64;
        let root = u32::try_from(self.result.roots.len()).unwrap_or(u32::MAX);
        self.result.roots.push(Root {
            kind: entry.kind,
            function: entry.function,
            spawn: entry.spawn,
            runs_as: Name::new(entry.runs_as),
            many: entry.many,
            explicit: entry.explicit,
            interrupt: entry.interrupt,
            entered: entry.entered,
            once: entry.group.is_some()
                && phases::begins_or_ends(self.links.function(entry.function).name.as_str()),
            serial: entry.serial,
            entry: tree,
            group: entry.group,
            callers: entry.callers,
            parent: None,
            live: Vec::new(),
            handles: Vec::new(),
            thread: None,
            outlives: true,
        });
        let distinct: Vec<ObjectId> = entry.distinct_self.into_iter().collect();
        let on = self.summaries.eval.receiver(entry.frame);
        self.record_all(root, on, &summary.effects, &distinct);
        // What the program runs on threads itself is followed wherever it leads.
        self.summaries.follow = Follow::Package;
        let spawns = summary.spawns.clone();
        for (number, spawn) in spawns.iter().enumerate() {
            let number = u32::try_from(number).unwrap_or(0);
            let outlives = summary.left_live.contains(&number);
            let start = Start {
                parent: root,
                number,
                outlives,
                depth: 0,
            };
            self.run_spawn(&start, spawn, entry, tree);
        }
    }

    fn run_spawn(&mut self, start: &Start, spawn: &Spawn, entry: &Entry, tree: u64) {
        if start.depth >= MAX_NESTING {
            self.result.cuts += 1;
            return;
        }
        if spawn.assumed
            && spawn.many
            && sharing::is_test_path(&self.links.module(self.module).path)
        {
            return;
        }
        if self.is_known_thread(spawn, entry, tree) {
            return;
        }
        let handles: Vec<u64> = spawn.handles.iter().map(|&it| self.key(it)).collect();
        let thread = spawn.thread.map(|it| self.key(it));
        let first = spawn
            .targets
            .first()
            .map(|&frame| self.summaries.eval.arena.frame_of(frame).function);
        let root = u32::try_from(self.result.roots.len()).unwrap_or(u32::MAX);
        self.result.roots.push(Root {
            kind: RootKind::Thread,
            function: first.unwrap_or(spawn.at.function),
            spawn: Some(spawn.at),
            runs_as: spawn.runs_as,
            many: spawn.many,
            explicit: !spawn.assumed,
            interrupt: spawn.interrupt,
            entered: false,
            once: false,
            serial: spawn.serial,
            entry: tree,
            group: entry.group,
            callers: entry.callers,
            parent: Some((start.parent, start.number)),
            live: spawn.live.clone(),
            handles,
            thread,
            outlives: start.outlives,
        });
        for &(object, method) in &spawn.methods {
            self.thread_method(root, spawn, object, method);
        }
        let mut nested = 0;
        for &target in &spawn.targets {
            let summary = self.summaries.summary(target);
            let on = self.summaries.eval.receiver(target);
            self.record_all(root, on, &summary.effects, &spawn.distinct);
            for (number, inner) in (0..).zip(&summary.spawns.clone()) {
                let start = Start {
                    parent: root,
                    number: nested,
                    outlives: start.outlives || summary.left_live.contains(&number),
                    depth: start.depth + 1,
                };
                self.run_spawn(&start, inner, entry, tree);
                nested += 1;
            }
        }
    }

    /// A library method that is itself the thread's function: `Timer(1, task.cancel)`.
    fn thread_method(&mut self, root: u32, spawn: &Spawn, object: ObjectId, method: Name) {
        let loop_only = self
            .summaries
            .eval
            .models_of(object)
            .iter()
            .find_map(|model| model.method.get(method.as_str()))
            .is_some_and(|model| model.loop_only);
        if loop_only {
            let key = self.key(object);
            let words = self.object_words(object);
            self.result.records.push(Record {
                root,
                action: Action::LoopOnly { object, method },
                key,
                owner: 0,
                words,
                at: spawn.at,
                via: spawn.at,
                held: Vec::new(),
                under: None,
                live: Vec::new(),
                finished: Vec::new(),
                before: Box::default(),
                own: false,
                distinct: false,
                in_constructor: false,
                in_loop: false,
                many: false,
                rooted: true,
                on_instance: false,
            });
        }
    }

    /// Whether others of the same kind do the same there: which of them it is makes no difference
    /// to what may happen in parallel. Of callers that run beside themselves one says it all. Of
    /// methods that run beside the threads of other methods two do: whatever tree a thread belongs
    /// to, it is not that of both.
    fn is_known_of_callers(&mut self, root: u32, effect: &Effect) -> bool {
        use std::hash::{BuildHasher, Hash, Hasher};
        let who = &self.result.roots[root as usize];
        let needed = match (who.kind, who.group) {
            (RootKind::Caller, _) => 1,
            (RootKind::Main, Some(_)) => 2,
            _ => return false,
        };
        if !effect.live.is_empty() || !effect.finished.is_empty() {
            return false;
        }
        let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
        (who.group, who.many, who.serial).hash(&mut hasher);
        (&effect.action, effect.at, effect.under).hash(&mut hasher);
        (effect.own, effect.in_loop).hash(&mut hasher);
        for held in effect.held.iter() {
            (held.lock, held.mode).hash(&mut hasher);
        }
        self.is_said_by(needed, hasher.finish(), who.entry)
    }

    /// Whether so many trees say a thing already, this one among them or not.
    fn is_said_by(&mut self, needed: usize, thing: u64, tree: u64) -> bool {
        let trees = self.said.entry(thing).or_default();
        if trees.contains(&tree) {
            // Twice in one tree, on two paths: kept where the tree's own order matters.
            return needed == 1;
        }
        if trees.len() >= needed {
            return true;
        }
        trees.push(tree);
        false
    }

    /// Whether two trees of the same kind run this thread already.
    fn is_known_thread(&mut self, spawn: &Spawn, entry: &Entry, tree: u64) -> bool {
        use std::hash::{BuildHasher, Hash, Hasher};
        let is_alone = entry.group.is_none() && entry.callers == Callers::Single;
        if is_alone || spawn.in_constructor_of.is_some() {
            return false;
        }
        let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
        (entry.group, entry.kind, entry.many, entry.serial).hash(&mut hasher);
        (&spawn.targets, &spawn.methods, spawn.at, &spawn.handles).hash(&mut hasher);
        (spawn.many, spawn.interrupt, &spawn.distinct).hash(&mut hasher);
        self.is_said_by(2, hasher.finish(), tree)
    }

    /// Records what a root does, with what its events and barriers order.
    fn record_all(
        &mut self,
        root: u32,
        on: Option<ObjectId>,
        effects: &[Effect],
        distinct: &[ObjectId],
    ) {
        let steps = Steps::of(effects, &mut self.summaries);
        let many = self.result.roots[root as usize].many;
        for (index, event, in_loop) in steps.sets(effects) {
            let key = self.step_key(event, 0);
            let often = many || in_loop || self.summaries.is_many(event);
            let at = effects[index].at;
            let known = self.sets.entry(key).or_insert((at, often));
            known.1 |= often || known.0 != at;
        }
        for (index, effect) in effects.iter().enumerate() {
            let before = self.result.records.len();
            self.record(root, on, effect, distinct);
            if self.result.records.len() == before || steps.is_empty() {
                continue;
            }
            let waited: Vec<u64> = steps
                .after(index)
                .map(|(object, arrival)| self.step_key(object, arrival))
                .collect();
            let orders: Box<[u64]> = steps
                .before(index)
                .map(|(object, arrival)| self.step_key(object, arrival))
                .collect();
            if let Some(record) = self.result.records.last_mut() {
                record.finished.extend(waited);
                record.before = orders;
            }
        }
    }

    /// Identity of an event, or of an arrival at a barrier.
    fn step_key(&mut self, object: ObjectId, arrival: u32) -> u64 {
        use std::hash::BuildHasher;
        rustc_hash::FxBuildHasher.hash_one((self.key(object), arrival))
    }

    /// Events that may be set more than once, or are cleared, order nothing.
    fn forget_repeated_sets(&mut self) {
        let cleared: Vec<ObjectId> = self.summaries.cleared.iter().copied().collect();
        let mut void: FxHashSet<u64> = self
            .sets
            .iter()
            .filter(|(_, (_, often))| *often)
            .map(|(&key, _)| key)
            .collect();
        for event in cleared {
            void.insert(self.step_key(event, 0));
        }
        for record in &mut self.result.records {
            if record.before.iter().any(|key| void.contains(key)) {
                let kept = record.before.iter().filter(|key| !void.contains(key));
                record.before = kept.copied().collect();
            }
        }
    }

    /// Adds an effect of a function that a root runs `on` an object.
    fn record(&mut self, root: u32, on: Option<ObjectId>, effect: &Effect, distinct: &[ObjectId]) {
        if self.is_known_of_callers(root, effect) {
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
        let distinct = object.is_some_and(|object| {
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
        let in_constructor = object.is_some_and(|object| {
            let function = self.links.function(effect.at.function);
            function.name.as_str() == "__init__"
                && matches!(effect.action, Action::Access(access)
                    if matches!(self.summaries.eval.arena.get(access.place.object),
                        Object::Instance(..)))
                && self.is_constructor_of(effect.at.function, object)
        });
        let many = object.is_some_and(|object| self.summaries.is_many(object))
            || matches!(effect.action, Action::Acquire { lock, .. } if self.is_any_of_its_class(lock));
        let finished = effect.finished.iter().map(|&it| self.key(it)).collect();
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
            via: effect.via,
            held,
            under: effect.under,
            live: effect.live.to_vec(),
            finished,
            before: Box::default(),
            own: effect.own,
            distinct,
            in_constructor,
            in_loop: effect.in_loop,
            many,
        });
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
        let made = if site & (1 << 31) != 0 {
            function.calls[(site & !(1 << 31)) as usize].result
        } else {
            ValueId(site)
        };
        self.gets_name(made_in, function, made, 0)
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

    /// The frame in which callers run a function on a receiver: that of the wrapper that a
    /// decorator put in its place, where there is one.
    fn called_frame(&mut self, id: FunctionId, receiver: Option<ObjectId>) -> FrameId {
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
                let first = receiver.map(|it| eval.arena.set(vec![it]));
                let given: Vec<SetId> = first.into_iter().collect();
                return eval.bind(wrapper, environment, &given, &[], true);
            }
        }
        eval.generic_frame(id, receiver)
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
    /// is reached through the same object of many.
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
                    if owner == it {
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

    // ---- names -------------------------------------------------------------------------------

    fn place_key(&mut self, place: Place) -> u64 {
        use std::hash::{BuildHasher, Hash, Hasher};
        let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
        self.key(place.object).hash(&mut hasher);
        match place.slot {
            Slot::Field(name) => (1_u8, name.as_str()).hash(&mut hasher),
            Slot::ContentsOf(name) => (2_u8, name.as_str()).hash(&mut hasher),
            Slot::Contents => 3_u8.hash(&mut hasher),
        }
        hasher.finish()
    }

    /// The identity of an object in the whole program: it does not depend on the order in which
    /// objects were met. An object refers only to objects and frames interned before it, so the
    /// recursion ends.
    fn key(&mut self, object: ObjectId) -> u64 {
        use std::hash::{BuildHasher, Hash, Hasher};
        if let Some(&known) = self.keys.get(&object) {
            return known;
        }
        let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
        let data = self.summaries.eval.arena.get(object).clone();
        std::mem::discriminant(&data).hash(&mut hasher);
        match data {
            Object::Constant(_) => {}
            Object::Module(module) => module.hash(&mut hasher),
            Object::External(name) => name.as_str().hash(&mut hasher),
            Object::Function(id, frame) => {
                id.hash(&mut hasher);
                self.frame_key(frame).hash(&mut hasher);
            }
            Object::Class(class) => class.hash(&mut hasher),
            Object::Bound(receiver, function) => {
                self.key(receiver).hash(&mut hasher);
                self.key(function).hash(&mut hasher);
            }
            Object::Method(receiver, name) => {
                self.key(receiver).hash(&mut hasher);
                name.as_str().hash(&mut hasher);
            }
            Object::Instance(class, origin) => {
                class.hash(&mut hasher);
                self.origin_key(origin).hash(&mut hasher);
            }
            Object::Foreign(name, origin) => {
                name.as_str().hash(&mut hasher);
                self.origin_key(origin).hash(&mut hasher);
            }
            Object::Container(_, origin) => self.origin_key(origin).hash(&mut hasher),
            Object::Tuple(sets) => {
                for set in sets {
                    self.set_key(set).hash(&mut hasher);
                }
            }
            Object::Partial(frame, call) => {
                self.frame_key(frame).hash(&mut hasher);
                call.hash(&mut hasher);
            }
            Object::Context(frame) | Object::Variables(frame) => {
                self.frame_key(frame).hash(&mut hasher);
            }
            Object::NamedLock(owner, name) => {
                owner.map(|owner| self.key(owner)).hash(&mut hasher);
                name.as_str().hash(&mut hasher);
            }
            Object::Super(class, receiver) => {
                class.hash(&mut hasher);
                self.key(receiver).hash(&mut hasher);
            }
        }
        let key = hasher.finish();
        self.keys.insert(object, key);
        key
    }

    fn origin_key(&mut self, origin: Origin) -> u64 {
        match origin {
            Origin::Site { frame, value, .. } => {
                self.frame_key(frame).wrapping_mul(31) ^ u64::from(value)
            }
            Origin::Assumed { shared } => 7 + u64::from(shared),
            Origin::Static => 9,
        }
    }

    fn frame_key(&mut self, frame: FrameId) -> u64 {
        use std::hash::{BuildHasher, Hash, Hasher};
        if frame == FrameId::NONE {
            return 0;
        }
        if let Some(&known) = self.frame_keys.get(&frame) {
            return known;
        }
        let data = self.summaries.eval.arena.frame_of(frame).clone();
        let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
        data.function.hash(&mut hasher);
        self.frame_key(data.environment).hash(&mut hasher);
        for set in data.arguments {
            self.set_key(set).hash(&mut hasher);
        }
        let key = hasher.finish();
        self.frame_keys.insert(frame, key);
        key
    }

    /// Order-free: sets list their members in the order of interning.
    fn set_key(&mut self, set: super::object::SetId) -> u64 {
        let members = self.summaries.eval.arena.members(set).to_vec();
        members
            .into_iter()
            .map(|object| self.key(object))
            .fold(0, u64::wrapping_add)
    }

    fn object_words(&mut self, object: ObjectId) -> Name {
        self.place_words(Place {
            object,
            slot: Slot::Contents,
        })
    }

    /// A place in words: `Counter.total`, `cache`, `worker.out`.
    fn place_words(&mut self, place: Place) -> Name {
        if let Some(&known) = self.words.get(&place) {
            return known;
        }
        let words = match place.slot {
            Slot::Field(name) | Slot::ContentsOf(name) => match self.owner_words(place.object) {
                Some(owner) => format!("{owner}.{name}"),
                None => name.as_str().to_owned(),
            },
            Slot::Contents => self.described(place.object),
        };
        let words = Name::new(&words);
        self.words.insert(place, words);
        words
    }

    fn owner_words(&mut self, object: ObjectId) -> Option<String> {
        match self.summaries.eval.arena.get(object) {
            Object::Instance(class, _) | Object::Class(class) => {
                Some(self.links.class(*class).name.to_string())
            }
            Object::Function(id, _) => Some(self.links.function(*id).name.to_string()),
            _ => None,
        }
    }

    fn described(&mut self, object: ObjectId) -> String {
        let eval = &self.summaries.eval;
        match eval.arena.get(object).clone() {
            Object::NamedLock(owner, name) => match owner.and_then(|it| self.owner_words(it)) {
                Some(owner) => format!("{owner}.{name}"),
                None => name.to_string(),
            },
            Object::Instance(class, _) | Object::Class(class) => {
                self.links.class(class).name.to_string()
            }
            Object::Container(_, origin) | Object::Foreign(_, origin) => {
                self.made_under_name(object, origin)
            }
            Object::Module(module) => self.links.module_name(module),
            _ => "object".to_owned(),
        }
    }

    /// The variable or attribute to which the expression that makes an object is assigned.
    fn made_under_name(&mut self, object: ObjectId, origin: Origin) -> String {
        let class = match self.summaries.eval.arena.get(object) {
            Object::Foreign(name, _) => name
                .as_str()
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned(),
            _ => "container".to_owned(),
        };
        let Origin::Site { frame, value, .. } = origin else {
            return class;
        };
        let id = self.summaries.eval.arena.frame_of(frame).function;
        if id.module == u32::MAX {
            return class;
        }
        let function = self.links.function(id);
        let value = if value & (1 << 31) != 0 {
            function.calls[(value & !(1 << 31)) as usize].result
        } else {
            crate::facts::ValueId(value)
        };
        let values = [value];
        for &value in &values {
            if let Some(home) = self.links.home(id, value) {
                match home {
                    super::link::Home::Attribute(class, name) => {
                        return format!("{}.{name}", self.links.class(class).name);
                    }
                    super::link::Home::Global(_, name) => return name.to_string(),
                    super::link::Home::Class(class, name) => {
                        return format!("{}.{name}", self.links.class(class).name);
                    }
                    super::link::Home::Local(..) => {}
                }
            }
        }
        let facts = self.links.module(id.module);
        for (name, assigned) in facts.globals.iter() {
            if assigned
                .iter()
                .any(|(index, value)| *index == id.index && values.contains(value))
            {
                return name.to_string();
            }
        }
        for class in &facts.classes {
            if class.owner != id.index {
                continue;
            }
            for (name, value) in &class.attributes {
                if values.contains(value) {
                    return format!("{}.{name}", class.name);
                }
            }
        }
        if let Some(name) = values.iter().find_map(|value| function.local_name(*value)) {
            return name.to_string();
        }
        class
    }
}

/// Whether two records of the program may happen in parallel.
///
/// Within one tree: a thread runs beside what its starter does while it is live, and beside the
/// threads that were live when it was started. Across trees: when their entries may be called by
/// many threads, or use one object of which one starts a thread.
pub fn parallel(roots: &[Root], a: &Record, b: &Record) -> bool {
    let (one, other) = (&roots[a.root as usize], &roots[b.root as usize]);
    if one.interrupt || other.interrupt {
        return false;
    }
    let comes_before = |x: &Record, y: &Record| x.before.iter().any(|it| y.finished.contains(it));
    if comes_before(a, b) || comes_before(b, a) {
        return false;
    }
    // What an event loop uses belongs to it: whoever else is assumed to call is assumed to be on it.
    let assumed = |root: &Root| root.kind != RootKind::Thread && !root.explicit;
    if (one.serial && assumed(other)) || (other.serial && assumed(one)) {
        return false;
    }
    // However often: each waits its turn on the thread they share.
    if one.serial && other.serial && one.runs_as == other.runs_as {
        return false;
    }
    if a.root == b.root {
        let apart = one.once || a.distinct || b.distinct || a.own && b.own;
        return one.many && !apart;
    }
    let starts_once = |root: &Root| root.thread.is_some() && !root.many;
    if starts_once(one) && starts_once(other) && one.thread == other.thread {
        return false;
    }
    if one.entry == other.entry {
        return parallel_in_tree(roots, a, b);
    }
    if same_thread(one, other) {
        return one.many && !(a.distinct || b.distinct);
    }
    if one.group.is_some() && one.group == other.group {
        if one.once && other.once && one.function == other.function {
            return false;
        }
        let waits = |record: &Record, root: &Root| {
            record
                .finished
                .iter()
                .any(|handle| root.handles.contains(handle))
        };
        if waits(a, other) || waits(b, one) {
            return false;
        }
        // One caller has waited for a thread before it calls again.
        let outlives = |root: &Root| root.kind == RootKind::Thread && root.outlives;
        return outlives(one) || outlives(other) || one.callers == Callers::Many;
    }
    one.callers == Callers::Many && other.callers == Callers::Many
}

/// One spawn that two entries reach.
fn same_thread(one: &Root, other: &Root) -> bool {
    one.kind == RootKind::Thread
        && other.kind == RootKind::Thread
        && one.spawn == other.spawn
        && one.function == other.function
}

fn parallel_in_tree(roots: &[Root], a: &Record, b: &Record) -> bool {
    let chain = |mut root: u32| {
        let mut path = vec![(root, u32::MAX)];
        while let Some((parent, number)) = roots[root as usize].parent {
            path.push((parent, number));
            root = parent;
        }
        path.reverse();
        path
    };
    let (one, other) = (chain(a.root), chain(b.root));
    let common = one
        .iter()
        .zip(&other)
        .take_while(|(x, y)| x.0 == y.0)
        .count();
    if common == 0 {
        return false;
    }
    // `path[i].1` is the number under which the next root on the path was started.
    let started = |path: &[(u32, u32)]| path[common - 1].1;
    if common == one.len() {
        return a.live.contains(&started(&other));
    }
    if common == other.len() {
        return b.live.contains(&started(&one));
    }
    let (first, second) = (
        &roots[one[common].0 as usize],
        &roots[other[common].0 as usize],
    );
    let number = |root: &Root| root.parent.map_or(u32::MAX, |(_, number)| number);
    // Two roots of one start (a target that may be one of several functions) exclude each other
    // unless it happens often.
    if first.spawn == second.spawn && number(first) == number(second) {
        return first.many;
    }
    first.live.contains(&number(second)) || second.live.contains(&number(first))
}

fn is_public(name: &str) -> bool {
    if phases::sets_up(name) {
        return false;
    }
    // Who finalizes an object is nobody's caller, and a constructor has it to itself.
    !matches!(name, "__del__" | "__post_init__" | "__setstate__")
        && (!name.starts_with('_') || (name.starts_with("__") && name.ends_with("__")))
}

/// The method of its own object that a value of a method is.
fn own_method(function: &Function, value: ValueId) -> Option<Name> {
    match *function.value(value) {
        Value::Attribute { base, name, .. } if *function.value(base) == Value::Parameter(0) => {
            Some(name)
        }
        _ => None,
    }
}

/// Whether a method calls a method of its own object while it holds something.
fn calls_under_lock(function: &Function, name: Name) -> bool {
    function.ops.iter().any(|op| match op.kind {
        OpKind::Call(call) if op.held != 0 => {
            own_method(function, function.calls[call as usize].callee) == Some(name)
        }
        _ => false,
    })
}
