//! What a function does to the world, as its callers see it.

use std::rc::Rc;
use std::sync::Arc;

use super::Target;
use super::atomicity::Access;
use super::object::{FunctionId, ObjectId};
use crate::facts::Look;
use crate::models::{ConditionUse, ContainerKind, State, Threads};
use crate::source::name::Name;
use crate::source::span::Range;

/// Which part of an object a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// An attribute, or a variable of a module or frame.
    Field(Name),
    /// The elements of the container that the field holds.
    ContentsOf(Name),
    /// The elements of the object itself.
    Contents,
    /// Whether a synchronisation object is in a state that its methods tell and end.
    State(State),
    /// Whether there is a file at the path that a variable, an attribute, a parameter of the function
    /// that is the object, or a literal names.
    File(Name),
}

impl Slot {
    /// Whether it is a state that methods and functions tell, not something stored.
    pub fn is_told(self) -> bool {
        matches!(self, Self::State(_) | Self::File(_))
    }
}

/// An abstract shared location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The object, module, class or frame it belongs to.
    pub object: ObjectId,
    /// The part.
    pub slot: Slot,
}

/// How a held lock excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nobody else.
    Exclusive,
    /// Writers only.
    Shared,
    /// Nobody: a semaphore with more than one permit.
    Permits,
    /// Nobody: made anew for each call.
    PerCall,
    /// Tasks of one event loop.
    Async,
    /// Other processes.
    InterProcess,
}

/// A lock that is certainly held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeldLock {
    /// The lock.
    pub lock: ObjectId,
    /// The acquisition: the same in two effects when they lie in one critical section.
    pub section: u64,
    /// How it excludes.
    pub mode: Mode,
}

/// A place in the source, with its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct At {
    /// The function.
    pub function: FunctionId,
    /// The expression or statement.
    pub range: Range,
}

/// Where a function calls one that tests and one that acts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Meeting {
    /// The call that tests.
    pub asks: At,
    /// The call that acts.
    pub acts: At,
}

/// An access to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlaceAccess {
    /// Where in memory.
    pub place: Place,
    /// What is done to it.
    pub access: Access,
    /// How a loaded value is looked at.
    pub look: Look,
    /// The test that an act relies on, or the load that an update is computed from.
    pub relies_on: Option<At>,
    /// Kind of the container, for [`Slot::Contents`] and [`Slot::ContentsOf`].
    pub container: Option<ContainerKind>,
    /// What is stored is a constant or nothing.
    pub constant: bool,
    /// The test behind a `CheckThenAct`, or behind a write in the same critical section, asks
    /// whether the place was filled: `is None`, falsy, absent. Acting on it fills the place.
    pub fills: bool,
    /// It is the first use of a `cached_property`.
    pub cached: bool,
    /// Of a `CheckThenAct` whose test and act lie in two callees: what the test said is told to the caller, or decides about more than the act.
    pub tells: bool,
    /// What is stored is an object of its own, or an empty container to be filled: two of them
    /// differ. Two results of one computation do not.
    pub identity: bool,
    /// Of a `CheckThenAct`: the act. Of an `Update` of a container: that it adds what it computed.
    pub acts: Access,
    /// No test matters to it any more: one under a lock that is still held decided about it, or it
    /// comes out the same whatever a test said.
    pub settled: bool,
    /// Of a `CheckThenAct`: the test decides about more than the act, or the function loads the place
    /// once more after it.
    pub matters_after: bool,
    /// Of a `CheckThenAct`: the act itself runs under a lock.
    pub locked: bool,
    /// Of a `CheckThenAct`: one test decides about many acts, as when a table is filled.
    pub piecemeal: bool,
    /// Of a `CheckThenAct`: the act puts in what the test looked for, and nothing else rests on the
    /// test.
    pub ensures: bool,
    /// Of an element: the parameter of the function under which it is kept.
    pub keyed_by: Option<u16>,
    /// Of an element: the text under which it is kept.
    pub text_key: Option<Name>,
}

impl PlaceAccess {
    /// An access of which nothing more is known; what is, is put over it.
    pub fn plain(place: Place, access: Access) -> Self {
        Self {
            place,
            access,
            look: Look::Use,
            relies_on: None,
            tells: false,
            container: None,
            constant: false,
            fills: false,
            cached: false,
            identity: false,
            settled: false,
            matters_after: false,
            locked: false,
            piecemeal: false,
            ensures: false,
            keyed_by: None,
            text_key: None,
            acts: Access::Read,
        }
    }

    /// What it does, by itself or behind a test.
    pub fn acts_as(&self) -> Access {
        match self.access {
            Access::CheckThenAct => self.acts,
            access => access,
        }
    }

    /// The act behind a test stores something whole, of which one is as good as the other: neither
    /// does it depend on what was there, nor does anything else depend on it.
    pub fn refreshes(&self) -> bool {
        self.acts == Access::Write
            && !self.fills
            && !self.constant
            && !self.identity
            && !self.matters_after
    }

    /// It adds to a container what it computed from the elements that were there.
    pub fn adds_computed(&self) -> bool {
        self.access == Access::Update && self.acts == Access::Add
    }

    /// Both are about one element alone, and not the same one.
    pub fn is_of_other_element(&self, other: &Self) -> bool {
        let alone = |it: &Self| it.text_key.filter(|_| it.access != Access::CheckThenAct);
        matches!((alone(self), alone(other)), (Some(one), Some(another)) if one != another)
    }

    /// It puts another container in the place of one that it was computed from: what others change
    /// in the old one meanwhile is lost.
    pub fn replaces_container(&self) -> bool {
        self.access == Access::Update && self.acts == Access::Clear
    }

    /// The act behind a test adds to a set, where another thread may have added the same.
    pub fn adds_to_set(&self) -> bool {
        self.acts == Access::Add && self.container == Some(ContainerKind::Set)
    }

    /// The act behind a test stores an element, and cannot fail.
    pub fn refills(&self) -> bool {
        self.acts == Access::SetItem
    }
}

/// How a path leaves a function with a lock taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Escape {
    /// By a statement, or at the end.
    Statement,
    /// By a `raise`.
    Raise,
    /// By what the block of a `with` statement raises.
    Thrown,
    /// By an exception of a call; the text says who raises it and when.
    Raised(Name),
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// A place is accessed.
    Access(PlaceAccess),
    /// A lock is taken; `may_fail` when it only tries.
    #[allow(missing_docs)]
    Acquire {
        lock: ObjectId,
        reentrant: bool,
        may_fail: bool,
        made: Option<At>,
    },
    /// A lock is waited for while another one of its kind is held, and nothing says which comes first:
    /// the locks of two objects that are handed in, or two elements of a table.
    #[allow(missing_docs)]
    Unordered { lock: ObjectId },
    /// A lock is taken that nobody else can have: made for this call and kept by nobody.
    #[allow(missing_docs)]
    FreshLock { lock: ObjectId },
    /// A lock is removed from a table in which others find it, by code that does not hold it.
    #[allow(missing_docs)]
    DroppedLock { table: ObjectId },
    /// Something that may take long; the text completes "waits for ...". `on` is the object
    /// waited for.
    #[allow(missing_docs)]
    Block { what: Name, on: Option<ObjectId> },
    /// What another thread may wait for is brought about: an event set, an item put into a queue.
    #[allow(missing_docs)]
    Signal { on: ObjectId },
    /// A function the program was handed is called.
    #[allow(missing_docs)]
    Callback { what: Name },
    /// A lock stays taken on the way out at `exit`, though other ways out give it back.
    #[allow(missing_docs)]
    Leak {
        lock: ObjectId,
        exit: Range,
        by: Escape,
    },
    /// State of the whole process changes; not any more from the target `until` on. The change
    /// may be for the duration of a call or block.
    #[allow(missing_docs)]
    ProcessWide {
        what: Name,
        by: Name,
        until: Option<Target>,
        for_a_while: bool,
    },
    /// A module is taken from `sys.modules` instead of being imported.
    HalfImported,
    /// A container that something else changes at any time is walked step by step.
    #[allow(missing_docs)]
    Walk { what: Name, changed_by: Name },
    /// A dict or set is walked by a loop whose body changes its size, at `change`, and goes on.
    #[allow(missing_docs)]
    Upset { place: Place, change: Range },
    /// An object that belongs to an event loop is used.
    #[allow(missing_docs)]
    LoopOnly { object: ObjectId, method: Name },
    /// A condition variable is waited on or notified.
    #[allow(missing_docs)]
    Condition { lock: ObjectId, by: ConditionUse },
    /// An object that must not be shared between threads is used; from the target `until` on it
    /// may be.
    #[allow(missing_docs)]
    Unsafe {
        object: ObjectId,
        what: Name,
        until: Option<Target>,
    },
    /// An attribute of a thread-local object is used.
    #[allow(missing_docs)]
    ThreadLocal {
        object: ObjectId,
        name: Name,
        store: bool,
        /// Its absence is expected: `hasattr`, or `getattr` with a default.
        tested: bool,
    },
    /// What such an attribute holds is handed to another thread.
    #[allow(missing_docs)]
    LocalEscapes { object: ObjectId, name: Name },
    /// A container is changed that the body of a thread-local class makes: one for all threads.
    #[allow(missing_docs)]
    SharedByLocals { place: Place },
    /// A context variable is read, or set.
    #[allow(missing_docs)]
    Context { object: ObjectId, store: bool },
}

impl Action {
    /// Whether it wakes those who wait on a condition variable.
    pub fn notifies(&self) -> bool {
        matches!(
            self,
            Self::Condition {
                by: ConditionUse::Notify,
                ..
            }
        )
    }
}

/// Whether other threads can see the object an effect is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Exposure {
    /// As far as the function knows, only who made it.
    Owned,
    /// Whoever can see this object.
    Through(ObjectId),
    /// Everybody.
    Shared,
}

/// An action, where, and under what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Effect {
    /// What.
    pub action: Action,
    /// Where.
    pub at: At,
    /// Of a `CheckThenAct` whose test and act lie in two callees: the function in which they meet.
    pub meeting: Option<Arc<Meeting>>,
    /// The call in the summarised function through which it comes; the same as `at` when direct.
    pub via: At,
    /// Locks certainly held.
    pub held: Rc<[HeldLock]>,
    /// Where the lock is held further out: the innermost call made while holding it.
    pub under: Option<At>,
    /// Threads started earlier that may still run, indices into the summary's spawns.
    pub live: Rc<[u32]>,
    /// Threads, futures and pools that have certainly finished.
    pub finished: Rc<[ObjectId]>,
    /// Who sees the object.
    pub exposure: Exposure,
    /// The object was made by this call or one it makes.
    pub own: bool,
    /// Only one thread can get here: between the arrival of all and the departure of any.
    pub in_loop: bool,
}

/// A thread that a function starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Spawn {
    /// What it runs: frames of functions of the program.
    pub targets: Vec<super::object::FrameId>,
    /// What of a library it runs on an object: `task.cancel`.
    pub methods: Vec<(ObjectId, Name)>,
    /// Where it is started.
    pub at: At,
    /// The thread, future or pool to wait for.
    pub handles: Vec<ObjectId>,
    /// The object that is the thread, which starts once in its life.
    pub thread: Option<ObjectId>,
    /// More than one of it may run at a time.
    pub many: bool,
    /// How often: one a start, or any number.
    pub threads: Threads,
    /// Objects that are another one in each of the threads.
    pub distinct: Vec<ObjectId>,
    /// Positions of arguments of which no two threads get equal ones: the elements of a `range`, or
    /// the keys of a dict.
    pub unequal: Vec<u16>,
    /// Positions of arguments that are the same in all of the threads.
    pub equal: Vec<u16>,
    /// Threads that may still run when it starts.
    pub live: Vec<u32>,
    /// What kind of thread it is.
    pub runs_as: Name,
    /// The pool that runs it, where that has one worker alone.
    pub worker: Option<ObjectId>,
    /// It interrupts a thread instead of running beside it.
    pub interrupt: bool,
    /// Such threads never run beside one another.
    pub serial: bool,
    /// They are run by an event loop.
    pub on_loop: bool,
    /// Whether there is such a thread is an assumption.
    pub assumed: bool,
    /// Locks held at the start.
    pub held: Rc<[HeldLock]>,
    /// A test of an attribute that the same function sets decides whether it is started: the next call
    /// starts none.
    pub once: bool,
    /// `self` where it is started from a constructor of that object.
    pub in_constructor_of: Option<ObjectId>,
}

/// What one call of a function in one frame does.
#[derive(Debug, Default)]
pub struct Summary {
    /// In order.
    pub effects: Vec<Effect>,
    /// Threads it starts.
    pub spawns: Vec<Spawn>,
    /// Objects that it makes visible to others.
    pub published: Vec<(ObjectId, Exposure)>,
    /// Objects it made that nobody else sees yet.
    pub fresh: Vec<ObjectId>,
    /// Locks it leaves taken.
    pub left_held: Vec<HeldLock>,
    /// Locks it gives back that it did not take.
    pub released: Vec<ObjectId>,
    /// Threads it leaves running.
    pub left_live: Vec<u32>,
    /// Threads, futures and pools it has waited for.
    pub finished: Vec<ObjectId>,
    /// Of a generator: locks held at every `yield`.
    pub held_at_yield: Option<Vec<HeldLock>>,
    /// Some bound was hit: there may be more.
    pub cut: bool,
}
