//! What is known about libraries: data in `rules/models/*.toml`, and in files users name in
//! `[tool.raceproof] models`. Both go through [`Models::load`].
//!
//! Keys are canonical dotted names, `module.Class` or `module.function`, as the defining or the
//! documented public module spells them; `[alias]` maps other spellings to them.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::Deserialize;

/// How a synchronisation object excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockKind {
    /// One holder, which may not take it again.
    Mutex,
    /// One holder, which may take it again.
    Reentrant,
    /// A condition variable: holds (or wraps) a lock, can wait and notify.
    Condition,
    /// Excludes only when made with one permit.
    Semaphore,
    /// Many readers or one writer.
    ReaderWriter,
    /// Excludes tasks of one event loop, not threads.
    Async,
    /// Excludes processes, not threads.
    InterProcess,
}

/// Synchronisation that excludes nobody but orders what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncKind {
    /// Set, wait, clear.
    Event,
    /// All arrive before any departs.
    Barrier,
    /// Put happens before the matching get.
    Queue,
    /// Completion happens before `result`.
    Future,
}

/// A state of a synchronisation object that a method tells, and that another thread may end before
/// the caller acts on the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A queue has items.
    Items,
    /// A queue has space.
    Space,
    /// Nobody has a lock: whoever takes it ends that.
    Free,
    /// A future has no outcome yet.
    Pending,
    /// An event is set.
    Flag,
}

/// A built-in container whose operations have a known atomicity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ContainerKind {
    List,
    Dict,
    Set,
    Deque,
    DefaultDict,
    OrderedDict,
    Counter,
    Bytearray,
}

/// Which side of a reader-writer lock a call gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockSide {
    /// Shared: excludes writers only, so it protects no write.
    Read,
    /// Exclusive.
    Write,
}

/// What a call does to the condition variable it is a method of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConditionUse {
    /// Waits once; the caller must test its predicate again in a loop.
    Wait,
    /// Waits until a predicate holds; needs no loop.
    WaitFor,
    /// Wakes waiters; the lock must be held.
    Notify,
}

/// How many threads run the callable of one spawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threads {
    /// One a call.
    One,
    /// Any number at a time.
    Many,
}

/// How the callable's own arguments are given at a spawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Passing {
    /// Nothing is known of them.
    #[default]
    Unknown,
    /// The positional and keyword arguments that follow the callable (`submit(f, a, b)`).
    Rest,
    /// A tuple in the keyword `args` (and a dict in `kwargs`), or in the position after the
    /// callable (`Thread(target=f, args=(a,))`).
    Tuple,
    /// One element of the iterable that follows, another one for each thread (`map(f, xs)`).
    Element,
}

/// Which methods of an object run on a thread that it is handed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Methods {
    /// Those that [`ClassModel::overrides`] lists for its class.
    Overridden,
    /// All public ones.
    Public,
}

/// A call that makes another thread run one of its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Spawn {
    /// Position of the callable, `self` not counted.
    #[serde(default)]
    pub target: Option<usize>,
    /// Keyword of the callable; `*` stands for all keywords.
    #[serde(default)]
    pub keyword: Option<String>,
    /// The argument is no callable but an object, of which these methods run there.
    #[serde(default)]
    pub methods: Option<Methods>,
    /// Where a method is decorated: all calls are of one object.
    #[serde(default)]
    pub one_object: bool,
    /// How its arguments are passed.
    #[serde(default)]
    pub passing: Passing,
    /// How many threads run it at a time.
    pub threads: Threads,
    /// The call returns only when the callable has finished. For a coroutine function or a call
    /// that returns an awaitable, this holds only where the result is awaited at once.
    #[serde(default)]
    pub joined: bool,
    /// The thread belongs to the main thread (signal handlers): interleaves, is not parallel.
    /// With `threads = "many"` it may interrupt any thread (finalizers).
    #[serde(default)]
    pub interrupt: bool,
    /// All callables with this `runs-as` run on one and the same thread, such as an event loop:
    /// never in parallel with one another.
    #[serde(default)]
    pub shares_thread: bool,
    /// That thread is the one of an event loop, which runs coroutines as well.
    #[serde(default)]
    pub event_loop: bool,
    /// Only plain functions run there; a coroutine function stays on the event loop.
    #[serde(default)]
    pub sync_only: bool,
    /// The call may as well run the callable itself before it returns: a callback of a future that
    /// is done already.
    #[serde(default)]
    pub may_run_here: bool,
    /// Whether there is such a thread depends on how the program is deployed (Celery with
    /// `--pool=threads`): it counts as an assumed caller.
    #[serde(default)]
    pub assumed: bool,
    /// Settings of which one, anywhere in the program, makes an assumed thread a certain one:
    /// `key=value` is a keyword, attribute or variable that is given this string or `True`,
    /// `name()` a call, and anything that begins with a dash a string.
    #[serde(default)]
    pub certain_if: Vec<String>,
    /// Settings without which, in the same module, there is no such thread.
    #[serde(default)]
    pub only_if: Vec<String>,
    /// Name of this kind of thread in messages, such as "pool worker".
    pub runs_as: String,
}

/// What a call of a library function or method does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CallModel {
    /// It starts or feeds a thread.
    #[serde(default)]
    pub spawns: Vec<Spawn>,
    /// It may block; the text completes "waits for ...".
    #[serde(default)]
    pub blocks: Option<String>,
    /// It changes state of the whole process; the text completes "changes ...".
    #[serde(default)]
    pub process_wide: Option<String>,
    /// Not process-wide any more from this target on, such as "3.14t".
    #[serde(default)]
    pub process_wide_until: Option<String>,
    /// The change lasts for the duration of a call or block and is then undone, so that callers in
    /// several threads undo one another's.
    #[serde(default)]
    pub for_a_while: bool,
    /// Dotted name of the class of the result.
    #[serde(default)]
    pub returns: Option<String>,
    /// Positions of arguments that are called before the call returns (`map(f, xs)`, `sort(key=)`
    /// is a keyword and needs no entry).
    #[serde(default)]
    pub calls: Vec<usize>,
    /// Positions of arguments that leave the caller's hands for another thread (`Queue.put`).
    #[serde(default)]
    pub hands_over: Vec<usize>,
    /// The call must run on the thread of the object's event loop.
    #[serde(default)]
    pub loop_only: bool,
    /// Waits until the thread, future or pool it is called on has finished.
    #[serde(default)]
    pub joins: bool,
    /// As a decorator: the decorated function runs on such a thread.
    #[serde(default)]
    pub decorated_runs: Option<Spawn>,
    /// As a decorator: the body holds the lock in this attribute of the receiver, or one of the
    /// function where there is no receiver.
    #[serde(default)]
    pub synchronizes: Option<String>,
    /// The result is a lock: this side of the reader-writer lock it is called on.
    #[serde(default)]
    pub side: Option<LockSide>,
    /// What it does to the condition variable it is called on.
    #[serde(default)]
    pub condition: Option<ConditionUse>,
    /// Positions of arguments that it reads element by element, so that a concurrent change is
    /// seen half done or raises (`sum(xs)`, `json.dumps(d)`).
    #[serde(default)]
    pub iterates: Vec<usize>,
    /// Positions of containers that it copies: in one step where they are exactly of a built-in
    /// type (`list(d)`).
    #[serde(default)]
    pub snapshots: Vec<usize>,
    /// Positions of arguments that it changes in several steps (`bisect.insort(xs, x)`).
    #[serde(default)]
    pub mutates: Vec<usize>,
    /// Target from which `iterates` and `mutates` are one step, such as "3.14t".
    #[serde(default)]
    pub atomic_from: Option<String>,
    /// It starts the thread that runs what was assigned to attributes of its object: see
    /// [`ClassModel::assigned`].
    #[serde(default)]
    pub starts_assigned: bool,
    /// Positions of handler classes that it makes live: see [`ClassModel::served`].
    #[serde(default)]
    pub serves: Vec<usize>,
    /// It raises whenever its input, or the world, is not as expected: files, networks, parsers.
    /// The text completes "raises ...".
    #[serde(default)]
    pub raises: Option<String>,
    /// The same where its first argument is a string (`int("x")`).
    #[serde(default)]
    pub raises_on_text: Option<String>,
    /// States of the object that it tells.
    #[serde(default)]
    pub asks: Vec<State>,
    /// It fails or waits unless the object is in this state, and ends the state.
    #[serde(default)]
    pub takes: Option<State>,
    /// It ends this state, if the object is in it.
    #[serde(default)]
    pub ends: Option<State>,
    /// It brings about this state, unless the object is in it.
    #[serde(default)]
    pub begins: Option<State>,
    /// Position of a path: it tells whether there is a file.
    #[serde(default)]
    pub finds: Option<usize>,
    /// Position of a path: it makes a file or folder there, and fails or overwrites it where there is
    /// one. Of what opens files this is so with a mode that has a `w`.
    #[serde(default)]
    pub makes: Option<usize>,
    /// Position of a path: it removes what is there, and fails where nothing is.
    #[serde(default)]
    pub removes: Option<usize>,
    /// It answers a question about the GIL wrongly, or not everywhere; the text says what to use.
    #[serde(default)]
    pub gil_check: Option<String>,
    /// Its effect exists only while there is a GIL; the text says what to use instead.
    #[serde(default)]
    pub gil_reliance: Option<String>,
}

/// A class whose instances wrap a thread.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ThreadModel {
    /// The constructor's callable; the thread runs it once started.
    pub spawn: Spawn,
    /// The method that starts it; empty when the constructor does.
    #[serde(default)]
    pub start: String,
    /// The method that runs in the thread and that subclasses override.
    #[serde(default)]
    pub run: String,
}

/// A method that the library calls on other threads when a subclass overrides it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Override {
    /// How many threads call it at a time on one object.
    pub threads: Threads,
    /// Each call gets an object of its own, so that `self` is not shared.
    #[serde(default)]
    pub own_object: bool,
    /// The library calls it under a lock of the object: calls on one object exclude one another.
    #[serde(default)]
    pub serialized: bool,
    /// Only plain methods run there; a coroutine stays on the event loop.
    #[serde(default)]
    pub sync_only: bool,
    /// Whether there are such threads depends on how the program is deployed.
    #[serde(default)]
    pub assumed: bool,
    /// See [`Spawn::certain_if`].
    #[serde(default)]
    pub certain_if: Vec<String>,
    /// Name of this kind of thread in messages.
    pub runs_as: String,
}

/// A library class.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClassModel {
    /// What adds and removes elements beside the program's own code; the text completes "changed
    /// by ...".
    #[serde(default)]
    pub changed_by: Option<String>,
    /// It is a lock.
    #[serde(default)]
    pub lock: Option<LockKind>,
    /// It orders events.
    #[serde(default)]
    pub sync: Option<SyncKind>,
    /// It is a container with known atomicity.
    #[serde(default)]
    pub container: Option<ContainerKind>,
    /// Target from which walking it walks a copy, such as "3.14t".
    #[serde(default)]
    pub walks_copy_from: Option<String>,
    /// Its methods are atomic; sharing it is fine. Says why nothing else is said: a class that is
    /// listed is known, and calls on it count as resolved.
    #[serde(default)]
    pub thread_safe: bool,
    /// Its methods take a lock of its own that is not re-entrant: code that interrupts one of
    /// them must not call another.
    #[serde(default)]
    pub takes_lock: bool,
    /// It stands for something outside the program that is given back once: an open file. Where two
    /// threads each make one, one of them is lost.
    #[serde(default)]
    pub resource: bool,
    /// Every thread sees its own attributes.
    #[serde(default)]
    pub thread_local: bool,
    /// One instance must not be used by two threads at a time; the text says what goes wrong.
    #[serde(default)]
    pub unsafe_shared: Option<String>,
    /// Targets from which `unsafe-shared` no longer holds.
    #[serde(default)]
    pub unsafe_until: Option<String>,
    /// Threads share instances of classes that derive from it: values that refer to one are handed
    /// from thread to thread, or it is one for all who ask.
    #[serde(default)]
    pub shared: bool,
    /// It is an iterator: `next` on a shared one is not atomic.
    #[serde(default)]
    pub iterator: bool,
    /// It belongs to one event loop; `loop-only` methods are those that only this one may call.
    #[serde(default)]
    pub loop_bound: bool,
    /// It runs callables in other processes or interpreters: no memory is shared.
    #[serde(default)]
    pub separate_memory: bool,
    /// Leaving a `with` block on it waits for the threads it started.
    #[serde(default)]
    pub with_joins: bool,
    /// A pool: the keyword of its first argument, which says how many threads it has. With one, its
    /// tasks take turns.
    #[serde(default)]
    pub workers: Option<String>,
    /// It wraps a thread.
    #[serde(default)]
    pub thread: Option<ThreadModel>,
    /// Its methods.
    #[serde(default)]
    pub method: BTreeMap<String, CallModel>,
    /// Attributes to which callables are assigned that run on other threads from the call of a
    /// method on that [`CallModel::starts_assigned`].
    #[serde(default)]
    pub assigned: BTreeMap<String, Spawn>,
    /// Methods that subclasses override and the library calls from other threads; `*` stands for all
    /// public ones.
    #[serde(default)]
    pub overrides: BTreeMap<String, Override>,
    /// `overrides` hold only for subclasses that are handed to a call that [`CallModel::serves`]
    /// them (a request handler given to a threading server).
    #[serde(default)]
    pub served: bool,
    /// The attribute that holds the server, where instances are made by one.
    #[serde(default)]
    pub server_in: Option<String>,
    /// Canonical names of library classes whose model this one extends.
    #[serde(default)]
    pub bases: Vec<String>,
}

/// One model file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ModelFile {
    /// Other spelling to canonical name; a module alias ends in `.` on both sides.
    #[serde(default)]
    pub alias: BTreeMap<String, String>,
    /// Classes by canonical name.
    #[serde(default)]
    pub class: BTreeMap<String, ClassModel>,
    /// Functions and decorators by canonical name.
    #[serde(default)]
    pub function: BTreeMap<String, CallModel>,
    /// Endings of the names of classes that tools generate, to the class that stands for them.
    #[serde(default)]
    pub ending: BTreeMap<String, String>,
    /// Module-level objects of libraries by canonical name, to the class they are of
    /// (`os.environ`, `flask.g`).
    #[serde(default)]
    pub object: BTreeMap<String, String>,
    /// Library attributes whose rebinding changes state of the whole process; the text completes
    /// "changes ..." (`sys.stdout = f`).
    #[serde(default)]
    pub rebinding: BTreeMap<String, String>,
}

/// All models in force.
#[derive(Debug, Clone, Default)]
pub struct Models {
    aliases: FxHashMap<String, String>,
    classes: FxHashMap<String, ClassModel>,
    functions: FxHashMap<String, CallModel>,
    endings: FxHashMap<String, String>,
    objects: FxHashMap<String, String>,
    rebindings: FxHashMap<String, String>,
    /// Changes whenever the contents do; part of every cache key.
    pub hash: u64,
}

impl Models {
    /// The models that ship with raceproof.
    pub fn builtin() -> Self {
        let mut models = Self::default();
        for (name, text) in BUILTIN {
            // `tests/models.rs` reads every built-in file, so an error here cannot ship.
            if let Err(error) = models.load(text) {
                debug_assert!(false, "{name}: {error}");
            }
        }
        models
    }

    /// Adds one model file; later files win.
    ///
    /// # Errors
    /// The file is not TOML, or names a key that models do not have: the message of the reader,
    /// with line and column.
    pub fn load(&mut self, text: &str) -> Result<(), toml::de::Error> {
        let file: ModelFile = toml::from_str(text)?;
        self.aliases.extend(file.alias);
        self.classes.extend(file.class);
        self.functions.extend(file.function);
        self.endings.extend(file.ending);
        self.objects.extend(file.object);
        self.rebindings.extend(file.rebinding);
        self.hash = xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), self.hash);
        Ok(())
    }

    /// The canonical spelling of a dotted name.
    pub fn canonical<'a>(&'a self, name: &'a str) -> std::borrow::Cow<'a, str> {
        if let Some(target) = self.aliases.get(name) {
            return target.as_str().into();
        }
        let mut end = name.len();
        while let Some(dot) = name[..end].rfind('.') {
            if let Some(target) = self.aliases.get(&name[..=dot]) {
                return format!("{target}{}", &name[dot + 1..]).into();
            }
            end = dot;
        }
        name.into()
    }

    /// Names of methods and functions that may start a thread, last part only.
    pub fn spawning_names(&self) -> impl Iterator<Item = &str> {
        let starts = self
            .classes
            .values()
            .filter_map(|class| class.thread.as_ref())
            .map(|thread| thread.start.as_str());
        let methods = self.classes.values().flat_map(|class| &class.method);
        let spawning = methods
            .filter(|(_, model)| {
                model.starts_assigned || model.spawns.iter().any(|spawn| !spawn.interrupt)
            })
            .map(|(name, _)| name.as_str());
        let functions = self
            .functions
            .iter()
            .filter(|(_, model)| !model.spawns.is_empty())
            .map(|(name, _)| name.rsplit('.').next().unwrap_or(name));
        starts.chain(spawning).chain(functions)
    }

    /// Names of the methods that tell a state, with the state.
    pub fn asking_names(&self) -> impl Iterator<Item = (&str, State)> {
        let methods = self.classes.values().flat_map(|class| &class.method);
        methods.flat_map(|(name, model)| model.asks.iter().map(move |it| (name.as_str(), *it)))
    }

    /// Last names of the functions that have to do with the GIL, aliases included.
    pub fn gil_names(&self) -> impl Iterator<Item = &str> {
        let about_gil = |name: &String| {
            let model = self.functions.get(name);
            model.is_some_and(|it| it.gil_check.is_some() || it.gil_reliance.is_some())
        };
        let aliases = self.aliases.iter();
        let aliases = aliases.filter(move |(_, name)| about_gil(name));
        let functions = self.functions.keys().filter(move |name| about_gil(name));
        functions
            .chain(aliases.map(|(alias, _)| alias))
            .map(|name| name.rsplit('.').next().unwrap_or(name))
    }

    /// Every way in which a program may start threads, as models tell.
    fn spawns(&self) -> impl Iterator<Item = &Spawn> {
        let classes = self.classes.values();
        let assigned = classes.clone().flat_map(|class| class.assigned.values());
        let methods = classes.flat_map(|class| class.method.values());
        let calls = methods.chain(self.functions.values());
        assigned.chain(calls.flat_map(|call| call.spawns.iter().chain(&call.decorated_runs)))
    }

    /// Settings that decide which threads there are: see [`Spawn::certain_if`].
    pub fn settings(&self) -> impl Iterator<Item = &str> {
        let spawns = self.spawns();
        let spawns = spawns.flat_map(|it| it.certain_if.iter().chain(&it.only_if));
        let overrides = self.classes.values().flat_map(|it| it.overrides.values());
        spawns
            .chain(overrides.flat_map(|it| &it.certain_if))
            .map(String::as_str)
    }

    /// The class whose model stands for a generated class of this name.
    pub fn standing_for(&self, name: &str) -> Option<&str> {
        let mut endings = self.endings.iter();
        endings.find_map(|(ending, class)| name.ends_with(ending.as_str()).then_some(&**class))
    }

    /// Last names of all classes.
    pub fn class_names(&self) -> impl Iterator<Item = &str> {
        let names = self.classes.keys();
        names.map(|name| name.rsplit('.').next().unwrap_or(name))
    }

    /// Last names of the classes that are locks or hold something for each thread.
    pub fn lock_names(&self) -> impl Iterator<Item = &str> {
        self.classes
            .iter()
            .filter(|(_, model)| {
                model.lock.is_some() || model.thread_local || model.sync == Some(SyncKind::Queue)
            })
            .map(|(name, _)| name.rsplit('.').next().unwrap_or(name))
    }

    /// Last names of the classes that run handlers on threads: see [`ClassModel::served`].
    pub fn serving_names(&self) -> impl Iterator<Item = &str> {
        self.classes
            .keys()
            .filter(|name| {
                let call = self.method(name, "__init__");
                call.is_some_and(|call| !call.serves.is_empty())
            })
            .map(|name| name.rsplit('.').next().unwrap_or(name))
    }

    /// The class of this canonical name.
    pub fn class(&self, name: &str) -> Option<&ClassModel> {
        self.classes.get(name)
    }

    /// The function of this canonical name.
    pub fn function(&self, name: &str) -> Option<&CallModel> {
        self.functions.get(name)
    }

    /// The class of the library object of this canonical name.
    pub fn object(&self, name: &str) -> Option<&str> {
        self.objects.get(name).map(String::as_str)
    }

    /// The library object that is the only one of this class.
    pub fn object_of(&self, class: &str) -> Option<&str> {
        let mut objects = self.objects.iter();
        objects.find_map(|(name, of)| (of == class).then_some(name.as_str()))
    }

    /// What rebinding the library attribute of this canonical name changes.
    pub fn rebinding(&self, name: &str) -> Option<&str> {
        self.rebindings.get(name).map(String::as_str)
    }

    /// The method of a class, its own or one of the classes its model extends.
    pub fn method(&self, class: &str, method: &str) -> Option<&CallModel> {
        self.lineage(class)
            .find_map(|model| model.method.get(method))
    }

    /// The model of a class and of the classes it extends, nearest first.
    pub fn lineage(&self, class: &str) -> impl Iterator<Item = &ClassModel> {
        let mut pending = vec![class.to_owned()];
        let mut seen = Vec::new();
        std::iter::from_fn(move || {
            while let Some(name) = pending.pop() {
                if seen.contains(&name) {
                    continue;
                }
                let found = self.classes.get(&name);
                seen.push(name);
                if let Some(model) = found {
                    pending.extend(model.bases.iter().rev().cloned());
                    return Some(model);
                }
            }
            None
        })
    }
}

/// The built-in files by name, in the order they are loaded.
pub const BUILTIN: &[(&str, &str)] = &[
    (
        "threading",
        include_str!("../../rules/models/threading.toml"),
    ),
    ("stdlib", include_str!("../../rules/models/stdlib.toml")),
    ("asyncio", include_str!("../../rules/models/asyncio.toml")),
    (
        "frameworks",
        include_str!("../../rules/models/frameworks.toml"),
    ),
    (
        "libraries",
        include_str!("../../rules/models/libraries.toml"),
    ),
];
