//! Thread roots: the functions that some thread runs first, and all that happens on their
//! threads.
//!
//! A root is *explicit* when the program itself starts the thread: `Thread(target=f)`, `submit`,
//! a request handler, the main thread of a script. It is *implicit* when the program only offers
//! the function to callers: a class that owns a lock, an object that a module holds, a public
//! function of a library. What is reached from an entry forms a tree: the entry, the threads it
//! starts, the threads these start. Happens-before within a tree comes from its structure
//! (before the start, after the join); see [`parallel()`].

mod classes;
mod entries;
mod identity;
mod parallel;
mod records;
mod starts;
mod trees;
mod words;

pub(super) use entries::is_public;
pub use parallel::parallel;

use std::ops::Deref;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::effect::{Action, At, Meeting, Mode, Place};
use super::evaluate::Evaluator;
use super::object::{ClassId, FrameId, FunctionId, ModuleIndex, ObjectId};
use super::reading::Reading;
use super::summary::Summaries;
use super::{Callers, Options};
use crate::models::Models;
use crate::source::name::Name;

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
    /// That thread is the one of an event loop.
    pub on_loop: bool,
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
    /// The pool of one worker that runs it.
    pub worker: Option<u64>,
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
    /// Of a `CheckThenAct` whose test and act lie in two callees: the function in which they meet.
    pub meeting: Option<Arc<Meeting>>,
    /// The call in the entry through which it comes.
    pub via: At,
    /// Where the lock is held further out: the innermost call made while holding it.
    pub under: Option<At>,
    /// What is so meanwhile, the same for most records of a module.
    pub meanwhile: Arc<Meanwhile>,
    /// The object was made on this thread.
    pub own: bool,
    /// Each thread of the root has another object.
    pub distinct: bool,
    /// Each thread of the root uses another element.
    pub own_element: bool,
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

impl Deref for Record {
    type Target = Meanwhile;

    fn deref(&self) -> &Meanwhile {
        &self.meanwhile
    }
}

/// What is so while something happens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Meanwhile {
    /// Locks held.
    pub held: Box<[Held]>,
    /// Threads that may still run.
    pub live: Box<[u32]>,
    /// What has been waited for.
    pub finished: Box<[u64]>,
    /// What others can only have waited for after this.
    pub before: Box<[u64]>,
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
    on_loop: bool,
    interrupt: bool,
    entered: bool,
    spawn: Option<At>,
}

impl Entry {
    /// Whoever calls a function that a library offers. Those of a coroutine take turns on a loop.
    fn of_callers(function: FunctionId, frame: FrameId, callers: Callers, is_async: bool) -> Self {
        let many = callers == Callers::Many;
        Self {
            function,
            frame,
            kind: if many {
                RootKind::Caller
            } else {
                RootKind::Main
            },
            many: many && !is_async,
            explicit: false,
            group: None,
            callers,
            runs_as: "caller",
            distinct_self: None,
            serial: is_async,
            on_loop: is_async,
            interrupt: false,
            entered: false,
            spawn: None,
        }
    }
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
        meanwhile: FxHashSet::default(),
    };
    finder.find();
    finder.forget_unwritten();
    finder.forget_repeated_sets();
    finder.result.roots.shrink_to_fit();
    finder.result.calls = finder.summaries.calls;
    finder.result.unresolved = finder.summaries.unresolved;
    finder.result.cuts = finder.summaries.cuts;
    finder.result.edges = finder.summaries.edges.into_iter().collect();
    finder.result
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
    meanwhile: FxHashSet<Arc<Meanwhile>>,
}
