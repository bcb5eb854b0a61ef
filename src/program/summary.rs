//! Summaries: what a function does in one frame, callees included.
//!
//! One summary for each function and binding of its parameters, computed on demand and kept:
//! the functional approach of Sharir and Pnueli ("Two approaches to interprocedural data flow
//! analysis", 1981), with RacerD's contents (Blackshear, Gorogiannis, O'Hearn, Sergey,
//! "RacerD: compositional static race detection", OOPSLA 2018): accesses, locks held relative to
//! the entry, ownership. A caller adds the locks it holds, the threads it has started, and drops
//! what happens to objects that nobody else can see yet.

mod calls;
mod checks;
mod composition;
mod compound;
mod containers;
mod files;
mod libraries;
mod locks;
mod meeting;
mod optimistic;
mod ownership;
mod places;
mod raising;
mod sections;
mod states;
mod step;
mod threads;
mod waits;

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Target as On;
use super::atomicity::{self, Access};
use super::effect::{
    Action, At, Effect, Escape, Exposure, HeldLock, Meeting, Mode, Place, PlaceAccess, Slot, Spawn,
    Summary,
};
use super::evaluate::{Binding, Evaluator, Target, is_kept_beside, made_value};
use super::link::Home;
use super::object::{ClassId, FrameId, FunctionId, ModuleIndex, Object, ObjectId, Origin, SetId};
use super::sharing;
use crate::facts::{
    Call, Constant, Control, DirectiveKind, Function, Leak, List, Literal, Look, OpKind, Update,
    Value, ValueId, Variable, WayOut,
};
use crate::models::{
    CallModel, ClassModel, ContainerKind, LockKind, LockSide, State, SyncKind, Threads,
};
use crate::source::name::Name;

/// Deeper chains of calls are cut, and counted.
const MAX_CALL_DEPTH: u32 = 40;
/// Longer summaries are cut, and counted.
const MAX_EFFECTS: usize = 400;
/// A callee that would bring the threads of a function beyond this many is left out: calls that
/// call themselves twice would double them at each step.
const MAX_SPAWNS: usize = 100;
/// Calls looked at for a module: this many, and so many for each call it makes itself, so that
/// the work of a program grows with its size and not with its square.
const CALLS_OF_A_MODULE: usize = 800;
const CALLS_FOR_EACH_CALL: usize = 4;
/// What the module itself does is looked at for so many times longer than what it calls in
/// other modules.
const OWN_SHARE: usize = 8;
/// Effects of callees taken over, for each of these.
const EFFECTS_PER_CALL: usize = 30;
/// So many summaries a module may ask for.
const MAX_SUMMARIES: usize = 4_000;

const CALL_ORIGIN: u32 = 1 << 31;

/// Which calls into other modules are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Follow {
    /// All within the package: for threads that the program starts.
    Package,
    /// Those that are handed an object which several threads may know, or are made under a lock:
    /// for callers that share an object. What a function does apart from that, any thread may
    /// call it for, and it is said where the function is defined.
    Shared,
    /// The same, and only those of functions that themselves touch state of a module or class,
    /// take locks or start threads: for callers of which nothing else matters.
    Touching,
}

/// Computes summaries; keeps them.
pub struct Summaries<'p> {
    /// Evaluates values.
    pub eval: Evaluator<'p>,
    /// Decides which operations of libraries are one step.
    on: On,
    /// The module whose roots are asked for. Other packages are libraries to it: their functions
    /// are not followed.
    module: ModuleIndex,
    /// Which calls are followed.
    pub follow: Follow,
    known: FxHashMap<(FrameId, Follow, bool), Rc<Summary>>,
    /// A lock is held where the call under way was made.
    locked: bool,
    open: FxHashSet<FrameId>,
    depth: u32,
    /// How often a bound was hit.
    pub cuts: usize,
    /// Calls whose target is not known, with how many there were.
    pub unresolved: usize,
    /// Calls looked at.
    pub calls: usize,
    /// Effects of callees taken over.
    composed: usize,
    /// Calls that may be looked at.
    budget: usize,
    /// By state, whether anybody asks for it.
    asked: FxHashMap<State, bool>,
    /// Events that are cleared somewhere.
    pub cleared: FxHashSet<ObjectId>,
    /// Who calls whom.
    pub edges: FxHashSet<(FunctionId, FunctionId)>,
    /// Whether a function lets exceptions out, as far as that has been asked.
    lets_out: FxHashMap<FunctionId, bool>,
    /// Whether instances of a class have other attributes in each thread.
    local_classes: FxHashMap<ClassId, bool>,
    empty_locks: Rc<[HeldLock]>,
    empty_live: Rc<[u32]>,
    empty_objects: Rc<[ObjectId]>,
}

/// The flow-sensitive part of a walk through one function.
struct Walk<'f> {
    frame: FrameId,
    function_id: FunctionId,
    function: &'f Function,
    summary: Summary,
    /// Locks that callees left taken.
    extra_held: Vec<HeldLock>,
    /// Locks that the function says its callers hold, and those its decorators take.
    required: Vec<HeldLock>,
    live: Vec<u32>,
    finished: Vec<ObjectId>,
    /// Threads of which there are many only because a loop of the function starts one a turn.
    one_a_turn: Vec<u32>,
    /// Objects made here or by callees, with who sees them.
    exposure: FxHashMap<ObjectId, Exposure>,
    /// Which unseen objects were stored in which others.
    stored_in: FxHashSet<(ObjectId, ObjectId)>,
    /// Held sets of the facts, resolved.
    held: FxHashMap<u32, Rc<[HeldLock]>>,
    /// Effects by op, for tests.
    by_op: Vec<(u32, u32)>,
    /// The op that starts each thread of the summary.
    started_by: Vec<u32>,
    /// Loads into local variables that are tested there for being filled, with how.
    tested_later: Vec<(u32, Look)>,
    /// The op at hand runs once more, beside the threads that the turn of the loop before has started.
    again: bool,
    /// The last op that was asked about acts on a test for emptiness in its own critical section.
    fills_in_section: bool,
    /// Where an effect that says a thing is, by hash of what it says.
    seen: FxHashMap<u64, u32>,
}

impl<'p> Summaries<'p> {
    /// No summaries yet.
    pub fn new(eval: Evaluator<'p>, module: ModuleIndex, on: On) -> Self {
        let own = eval.links.calls(module);
        let budget = CALLS_OF_A_MODULE + CALLS_FOR_EACH_CALL * own;
        Self {
            eval: eval.for_calls(own),
            on,
            module,
            follow: Follow::Package,
            known: FxHashMap::default(),
            locked: false,
            open: FxHashSet::default(),
            depth: 0,
            cuts: 0,
            unresolved: 0,
            calls: 0,
            composed: 0,
            budget,
            asked: FxHashMap::default(),
            cleared: FxHashSet::default(),
            edges: FxHashSet::default(),
            lets_out: FxHashMap::default(),
            local_classes: FxHashMap::default(),
            empty_locks: Rc::from([]),
            empty_live: Rc::from([]),
            empty_objects: Rc::from([]),
        }
    }

    /// The summary of a function in a frame. A call that is under way contributes nothing to
    /// itself: one round of a recursion is seen.
    pub fn summary(&mut self, frame: FrameId) -> Rc<Summary> {
        if let Some(known) = self.known.get(&(frame, self.follow, self.locked)) {
            return Rc::clone(known);
        }
        if self.open.contains(&frame) {
            return Rc::new(Summary::default());
        }
        if self.depth >= MAX_CALL_DEPTH
            || self.known.len() >= MAX_SUMMARIES
            || self.calls >= self.budget * OWN_SHARE
            || self.composed >= self.budget * OWN_SHARE * EFFECTS_PER_CALL
        {
            self.cuts += 1;
            return Rc::new(Summary {
                cut: true,
                ..Summary::default()
            });
        }
        self.open.insert(frame);
        self.depth += 1;
        let summary = Rc::new(self.walk(frame));
        self.depth -= 1;
        self.open.remove(&frame);
        self.known
            .insert((frame, self.follow, self.locked), Rc::clone(&summary));
        summary
    }

    fn walk(&mut self, frame: FrameId) -> Summary {
        let links = self.eval.links;
        let function_id = self.eval.arena.frame_of(frame).function;
        let function = links.function(function_id);
        let mut walk = Walk {
            frame,
            function_id,
            function,
            summary: Summary::default(),
            extra_held: Vec::new(),
            required: {
                let mut locks = self.required_locks(frame, function_id);
                self.decorator_locks(frame, function_id, &mut locks);
                locks
            },
            live: Vec::new(),
            finished: Vec::new(),
            one_a_turn: Vec::new(),
            exposure: FxHashMap::default(),
            stored_in: FxHashSet::default(),
            held: FxHashMap::default(),
            by_op: Vec::new(),
            started_by: Vec::new(),
            tested_later: tested_later(function),
            again: false,
            fills_in_section: false,
            seen: FxHashMap::default(),
        };
        if function.name.as_str() == "__init__"
            && let Some(receiver) = self.eval.receiver(frame)
        {
            // Whoever constructs an object owns it; the constructor itself does too.
            walk.exposure.insert(receiver, Exposure::Owned);
        }
        for index in 0..function.ops.len() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            self.step(&mut walk, index);
            walk.started_by.resize(walk.summary.spawns.len(), index);
            self.turn_again(&mut walk, index);
            if walk.summary.effects.len() > MAX_EFFECTS {
                walk.summary.cut = true;
                self.cuts += 1;
                break;
            }
        }
        let returned = self.returned_objects(&walk);
        self.leaks(&mut walk);
        // What was handed in and put into an object of this call is seen by whoever will see that;
        // of objects that leave with nobody nothing is told.
        let leaves = |base: &ObjectId| {
            walk.exposure.get(base) == Some(&Exposure::Owned) || returned.contains(base)
        };
        let handed_in: Vec<(ObjectId, ObjectId)> = walk
            .stored_in
            .iter()
            .filter(|(object, base)| {
                leaves(base)
                    && !self.is_mine(&walk, *object)
                    && matches!(
                        self.eval.arena.get(*object),
                        Object::Instance(..) | Object::Container(..)
                    )
            })
            .copied()
            .collect();
        let Walk {
            mut summary,
            exposure,
            live,
            finished,
            extra_held,
            ..
        } = walk;
        let mut fresh: Vec<_> = Vec::new();
        for (object, how) in exposure {
            match how {
                Exposure::Owned => fresh.push(object),
                how => summary.published.push((object, how)),
            }
        }
        fresh.extend(returned);
        fresh.sort_unstable();
        fresh.dedup();
        let through = handed_in.into_iter();
        summary
            .published
            .extend(through.map(|(object, base)| (object, Exposure::Through(base))));
        summary
            .published
            .sort_unstable_by_key(|(object, how)| (*object, *how));
        summary.fresh = fresh;
        summary.left_live = live;
        summary.finished = finished;
        summary.left_held = self.left_held(frame, function, extra_held);
        summary
    }

    /// What a call makes, shows nobody, and returns: with what was put into it.
    fn returned_objects(&mut self, walk: &Walk<'_>) -> Vec<ObjectId> {
        let set = self.eval.returned(walk.frame);
        let mut pending = self.eval.arena.members(set).to_vec();
        let mut found: Vec<ObjectId> = Vec::new();
        while let Some(object) = pending.pop() {
            if found.contains(&object) || self.exposure_of(walk, object) != Some(Exposure::Owned) {
                continue;
            }
            found.push(object);
            if matches!(self.eval.arena.get(object), Object::Container(..)) {
                let inside = self.eval.arena.only(object);
                let inside = self.eval.elements_of_set(inside);
                pending.extend_from_slice(self.eval.arena.members(inside));
            }
        }
        found
    }

    /// The locks of a `# requires:` comment: that callers hold them is checked where they call, so
    /// the function itself is taken at its word.
    fn required_locks(&mut self, frame: FrameId, id: FunctionId) -> Vec<HeldLock> {
        let links = self.eval.links;
        let facts = links.module(id.module);
        let name = links.function(id).name_range;
        let mut locks = Vec::new();
        for directive in &facts.directives {
            let DirectiveKind::Requires(text) = &directive.kind else {
                continue;
            };
            if id.index == 0 || !(directive.line.start..directive.line.end).contains(&name.start) {
                continue;
            }
            let mut parts = text
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .split('.');
            let set = match (parts.next(), parts.next(), parts.next()) {
                (Some("self" | "cls"), Some(attribute), None) => {
                    let Some(receiver) = self.eval.receiver(frame) else {
                        continue;
                    };
                    self.eval.attribute(receiver, Name::new(attribute))
                }
                (Some(global), None, None) => self.eval.global(id.module, Name::new(global)),
                _ => continue,
            };
            let section = (u64::from(frame.0) << 32) | u64::from(u32::MAX);
            for object in self.eval.arena.members(set).to_vec() {
                self.locks_of_object(object, section, &mut locks);
            }
        }
        locks
    }

    /// The locks that decorators of libraries hold while the function runs.
    fn decorator_locks(&mut self, frame: FrameId, id: FunctionId, locks: &mut Vec<HeldLock>) {
        let names: Vec<Name> = self
            .eval
            .decorator_models(id)
            .into_iter()
            .filter_map(|model| Some(Name::new(model.synchronizes.as_deref()?)))
            .collect();
        let section = (u64::from(frame.0) << 32) | u64::from(u32::MAX);
        for name in names {
            let known = locks.len();
            let receiver = self.eval.receiver(frame);
            if let Some(receiver) = receiver {
                let set = self.eval.attribute(receiver, name);
                for object in self.eval.arena.members(set).to_vec() {
                    self.locks_of_object(object, section, locks);
                }
            }
            if locks.len() > known {
                continue;
            }
            // The decorator makes the lock itself.
            let owner = receiver.unwrap_or_else(|| {
                let function = Object::Function(id, FrameId::NONE);
                self.eval.arena.object(function)
            });
            let lock = self.eval.arena.object(Object::NamedLock(Some(owner), name));
            locks.push(HeldLock {
                lock,
                section,
                mode: Mode::Exclusive,
            });
        }
    }

    /// Locks still held where the function ends normally: those that no path gives back.
    fn left_held(
        &mut self,
        frame: FrameId,
        function: &Function,
        extra: Vec<HeldLock>,
    ) -> Vec<HeldLock> {
        let mut left = extra;
        // The last op that changes what is held tells; helpers like `_enter` acquire and return.
        let mut taken: Vec<(ValueId, u32)> = Vec::new();
        for op in &function.ops {
            match op.kind {
                OpKind::Acquire { lock, region } => taken.push((lock, region)),
                OpKind::Release { lock } => {
                    let released = self.eval.value(frame, lock);
                    let eval = &mut self.eval;
                    taken.retain(|(held, _)| {
                        let held = eval.value(frame, *held);
                        held == SetId::UNKNOWN || held != released
                    });
                }
                _ => {}
            }
        }
        for (lock, region) in taken {
            left.extend(self.locks_of(frame, lock, region));
        }
        left
    }
}

#[derive(Default)]
struct SpawnArguments {
    /// What to wait for.
    handles: Vec<ObjectId>,
    /// The object whose method starts the thread.
    receiver: Option<ObjectId>,
    callables: Vec<ObjectId>,
    arguments: Vec<SetId>,
    distinct: Vec<ObjectId>,
    unequal: Vec<u16>,
    /// Positions of arguments that are the same in all of the threads.
    equal: Vec<u16>,
}

/// What decided that an act happens.
enum Decision {
    /// Nothing that was read from its place.
    Free,
    /// A test under a lock that is still held.
    Settled,
    /// A test that may no longer be true.
    Stale(Tested),
}

struct Tested {
    /// The op of the function that tests, itself or by a call.
    op: u32,
    at: At,
    held: Rc<[HeldLock]>,
    look: Look,
    in_loop: bool,
    /// It asks for one element alone.
    keyed: bool,
}

impl Tested {
    /// The test and an act that it decides about, as one access.
    fn with_act(&self, act: PlaceAccess, in_loop: bool) -> PlaceAccess {
        PlaceAccess {
            access: Access::CheckThenAct,
            acts: act.access,
            relies_on: Some(self.at),
            piecemeal: self.is_of_whole_loop(in_loop),
            fills: matches!(self.look, Look::IsNone | Look::Truth)
                && matches!(act.access, Access::Write | Access::Add),
            ..act
        }
    }

    /// Whether it decides about all rounds of a loop in which an act is, as when a table is filled
    /// because it is empty.
    fn is_of_whole_loop(&self, in_loop: bool) -> bool {
        in_loop && !self.in_loop && !self.keyed
    }
}

/// Locks held without a break from one point to another.
fn common_sections(a: &[HeldLock], b: &[HeldLock]) -> Rc<[HeldLock]> {
    a.iter()
        .filter(|one| {
            b.iter()
                .any(|other| other.lock == one.lock && other.section == one.section)
        })
        .copied()
        .collect()
}

/// Whether what an op stores is still being built afterwards, in the same branch: a method of it is
/// called through the place, or a part of it is set.
fn is_built_after(function: &Function, index: u32, slot: Slot) -> bool {
    let Slot::Field(field) = slot else {
        return false;
    };
    let is_load = |value: ValueId| match function.value(value) {
        Value::Attribute { name, .. } => *name == field,
        Value::Read(op) => matches!(
            function.ops.get(*op as usize).map(|it| &it.kind),
            Some(OpKind::ReadVariable {
                variable: Variable::Global(name) | Variable::Cell(name),
                ..
            }) if *name == field
        ),
        _ => false,
    };
    let ops = &function.ops[index as usize..];
    let control = ops[0].control;
    ops[1..]
        .iter()
        .filter(|op| op.control == control)
        .any(|op| match op.kind {
            OpKind::Write { base, .. } | OpKind::ItemWrite { base, .. } => is_load(base),
            OpKind::Call(call) => match function.value(function.calls[call as usize].callee) {
                Value::Attribute { base, .. } => is_load(*base),
                _ => false,
            },
            _ => false,
        })
}

/// The loads into local variables that are tested there for being filled, in order, with how the
/// first test of each looks at it.
fn tested_later(function: &Function) -> Vec<(u32, Look)> {
    let mut tested: Vec<(u32, Look)> = function
        .ops
        .iter()
        .filter_map(|op| match op.kind {
            OpKind::Recall { load, look } => Some((load, look)),
            _ => None,
        })
        .filter(|(_, look)| matches!(look, Look::IsNone | Look::Truth))
        .collect();
    tested.sort_by_key(|(load, _)| *load);
    tested.dedup_by_key(|(load, _)| *load);
    tested
}
