//! Summaries: what a function does in one frame, callees included.
//!
//! One summary for each function and binding of its parameters, computed on demand and kept:
//! the functional approach of Sharir and Pnueli ("Two approaches to interprocedural data flow
//! analysis", 1981), with RacerD's contents (Blackshear, Gorogiannis, O'Hearn, Sergey,
//! "RacerD: compositional static race detection", OOPSLA 2018): accesses, locks held relative to
//! the entry, ownership. A caller adds the locks it holds, the threads it has started, and drops
//! what happens to objects that nobody else can see yet.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::atomicity::{self, Access};
use super::effect::{
    Action, At, Effect, Exposure, HeldLock, Mode, Place, PlaceAccess, Slot, Spawn, Summary,
};
use super::evaluate::{Binding, Evaluator, Target};
use super::link::Home;
use super::object::{FrameId, FunctionId, ModuleIndex, Object, ObjectId, Origin, SetId};
use crate::facts::{
    Call, Constant, DirectiveKind, Function, Leak, Literal, Look, OpKind, Update, Value, ValueId,
    Variable,
};
use crate::models::{
    CallModel, ConditionUse, ContainerKind, LockKind, LockSide, SyncKind, Threads,
};
use crate::source::name::Name;
use crate::source::span::Range;

/// Deeper chains of calls are cut, and counted.
const MAX_CALL_DEPTH: u32 = 40;
/// Longer summaries are cut, and counted.
const MAX_EFFECTS: usize = 400;
/// Calls looked at for a module: this many, and so many for each call it makes itself, so that
/// the work of a program grows with its size and not with its square.
const CALLS_OF_A_MODULE: usize = 1500;
const CALLS_FOR_EACH_CALL: usize = 6;
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
    /// All within the package: for objects that threads share.
    Package,
    /// Only those of functions that themselves touch state of a module or class, take locks or
    /// start threads: for callers of which nothing else matters.
    Touching,
}

/// Computes summaries; keeps them.
pub struct Summaries<'p> {
    /// Evaluates values.
    pub eval: Evaluator<'p>,
    /// The module whose roots are asked for. Other packages are libraries to it: their functions
    /// are not followed.
    module: ModuleIndex,
    /// Which calls are followed.
    pub follow: Follow,
    known: FxHashMap<(FrameId, Follow), Rc<Summary>>,
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
    /// Who calls whom.
    pub edges: FxHashSet<(FunctionId, FunctionId)>,
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
    /// Locks that the function says its callers hold.
    required: Vec<HeldLock>,
    live: Vec<u32>,
    finished: Vec<ObjectId>,
    /// Objects made here or by callees, with who sees them.
    exposure: FxHashMap<ObjectId, Exposure>,
    /// Which unseen objects were stored in which others.
    stored_in: Vec<(ObjectId, ObjectId)>,
    /// Held sets of the facts, resolved.
    held: FxHashMap<u32, Rc<[HeldLock]>>,
    /// Effects by op, for tests.
    by_op: Vec<(u32, u32)>,
    /// The last op that was asked about acts on a test for emptiness in its own critical section.
    fills_in_section: bool,
    seen: FxHashSet<u64>,
}

impl<'p> Summaries<'p> {
    /// No summaries yet.
    pub fn new(eval: Evaluator<'p>, module: ModuleIndex) -> Self {
        let functions = &eval.links.module(module).functions;
        let own: usize = functions.iter().map(|it| it.calls.len()).sum();
        let budget = CALLS_OF_A_MODULE + CALLS_FOR_EACH_CALL * own;
        Self {
            eval,
            module,
            follow: Follow::Package,
            known: FxHashMap::default(),
            open: FxHashSet::default(),
            depth: 0,
            cuts: 0,
            unresolved: 0,
            calls: 0,
            composed: 0,
            budget,
            edges: FxHashSet::default(),
            empty_locks: Rc::from([]),
            empty_live: Rc::from([]),
            empty_objects: Rc::from([]),
        }
    }

    /// The summary of a function in a frame. A call that is under way contributes nothing to
    /// itself: one round of a recursion is seen.
    pub fn summary(&mut self, frame: FrameId) -> Rc<Summary> {
        if let Some(known) = self.known.get(&(frame, self.follow)) {
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
        self.known.insert((frame, self.follow), Rc::clone(&summary));
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
            required: self.required_locks(frame, function_id),
            live: Vec::new(),
            finished: Vec::new(),
            exposure: FxHashMap::default(),
            stored_in: Vec::new(),
            held: FxHashMap::default(),
            by_op: Vec::new(),
            fills_in_section: false,
            seen: FxHashSet::default(),
        };
        if function.name.as_str() == "__init__"
            && let Some(receiver) = self.eval.receiver(frame)
        {
            // Whoever constructs an object owns it; the constructor itself does too.
            walk.exposure.insert(receiver, Exposure::Owned);
        }
        for index in 0..function.ops.len() {
            self.step(&mut walk, u32::try_from(index).unwrap_or(u32::MAX));
            if walk.summary.effects.len() > MAX_EFFECTS {
                walk.summary.cut = true;
                self.cuts += 1;
                break;
            }
        }
        for leak in &function.leaks {
            for held in self.locks_of(frame, leak.lock, 0) {
                self.leak(&mut walk, held, leak);
            }
        }
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
        fresh.sort_unstable();
        summary
            .published
            .sort_unstable_by_key(|(object, _)| *object);
        summary.fresh = fresh;
        summary.left_live = live;
        summary.finished = finished;
        summary.left_held = self.left_held(frame, function, extra_held);
        summary
    }

    fn leak(&mut self, walk: &mut Walk<'_>, held: HeldLock, leak: &Leak) {
        if held.mode != Mode::Exclusive {
            return;
        }
        let at = At {
            function: walk.function_id,
            range: leak.acquired,
        };
        walk.summary.effects.push(Effect {
            action: Action::Leak {
                lock: held.lock,
                exit: leak.exit,
            },
            at,
            via: at,
            held: Rc::clone(&self.empty_locks),
            under: None,
            live: Rc::clone(&self.empty_live),
            finished: Rc::clone(&self.empty_objects),
            exposure: Exposure::Shared,
            own: false,
            in_loop: false,
        });
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

    // ---- locks -------------------------------------------------------------------------------

    /// The locks that holding a value means.
    fn locks_of(&mut self, frame: FrameId, value: ValueId, region: u32) -> Vec<HeldLock> {
        let section = (u64::from(frame.0) << 32) | u64::from(region);
        let set = self.eval.value(frame, value);
        let mut locks: Vec<HeldLock> = Vec::new();
        for object in self.eval.arena.members(set).to_vec() {
            self.locks_of_object(object, section, &mut locks);
        }
        let exclusive = locks.iter().filter(|it| it.mode == Mode::Exclusive).count();
        if exclusive > 1 && self.eval.arena.members(set).len() > 1 {
            // One of several locks: which, only the run knows.
            locks.clear();
            if let Some(named) = self.named_lock(frame, value, true) {
                locks.push(HeldLock {
                    lock: named,
                    section,
                    mode: Mode::Exclusive,
                });
            }
            return locks;
        }
        if locks.is_empty()
            && self.eval.arena.members(set).iter().all(|&object| {
                matches!(
                    self.eval.arena.get(object),
                    Object::Method(..) | Object::Constant(_)
                )
            })
            && let Some(named) = self.named_lock(frame, value, false)
        {
            locks.push(HeldLock {
                lock: named,
                section,
                mode: Mode::Exclusive,
            });
        }
        for held in &mut locks {
            if held.mode == Mode::Exclusive && self.is_per_call(frame, value, held.lock) {
                held.mode = Mode::PerCall;
            }
        }
        locks
    }

    fn locks_of_object(&mut self, object: ObjectId, section: u64, locks: &mut Vec<HeldLock>) {
        match self.eval.arena.get(object).clone() {
            Object::Foreign(name, origin) => {
                let models = self.eval.class_models(name);
                let Some(kind) = models.iter().find_map(|model| model.lock) else {
                    // The result of a reader-writer lock's `gen_rlock()` and the like.
                    if let Some((owner, side)) = self.side_of(object, origin) {
                        locks.push(HeldLock {
                            lock: owner,
                            section,
                            mode: match side {
                                LockSide::Read => Mode::Shared,
                                LockSide::Write => Mode::Exclusive,
                            },
                        });
                    }
                    return;
                };
                let mode = match kind {
                    LockKind::Mutex | LockKind::Reentrant | LockKind::Condition => Mode::Exclusive,
                    LockKind::Semaphore => self.permits(origin),
                    LockKind::ReaderWriter => Mode::Exclusive,
                    LockKind::Async => Mode::Async,
                    LockKind::InterProcess => Mode::InterProcess,
                };
                let lock = self.canonical_lock(object);
                locks.push(HeldLock {
                    lock,
                    section,
                    mode,
                });
            }
            Object::Instance(class, _) => {
                let enter = ["__enter__", "acquire", "__aenter__"]
                    .into_iter()
                    .find_map(|name| self.eval.method_of(class, Name::new(name)));
                if let Some(enter) = enter {
                    let frame = self.eval.generic_frame(enter, Some(object));
                    let summary = self.summary(frame);
                    for held in &summary.left_held {
                        locks.push(HeldLock { section, ..*held });
                    }
                } else {
                    let kind = self
                        .eval
                        .inherited_models(class)
                        .iter()
                        .find_map(|model| model.lock);
                    if kind.is_some() {
                        locks.push(HeldLock {
                            lock: object,
                            section,
                            mode: Mode::Exclusive,
                        });
                    }
                }
            }
            Object::Context(frame) => {
                let summary = self.summary(frame);
                for held in summary.held_at_yield.iter().flatten() {
                    locks.push(HeldLock { section, ..*held });
                }
            }
            Object::NamedLock(..) => locks.push(HeldLock {
                lock: object,
                section,
                mode: Mode::Exclusive,
            }),
            _ => {}
        }
    }

    fn side_of(&mut self, object: ObjectId, origin: Origin) -> Option<(ObjectId, LockSide)> {
        let _ = object;
        let Origin::Site { frame, value, .. } = origin else {
            return None;
        };
        if value & CALL_ORIGIN == 0 {
            return None;
        }
        let targets = self.eval.targets(frame, value & !CALL_ORIGIN);
        for target in targets.iter() {
            if let Target::Method(receiver, name) = target {
                let side = self
                    .eval
                    .models_of(*receiver)
                    .iter()
                    .find_map(|model| model.method.get(name.as_str()))
                    .and_then(|model| model.side);
                if let Some(side) = side {
                    return Some((*receiver, side));
                }
            }
        }
        None
    }

    /// A semaphore excludes when it is made with one permit.
    fn permits(&mut self, origin: Origin) -> Mode {
        let Origin::Site { frame, value, .. } = origin else {
            return Mode::Permits;
        };
        let function = self
            .eval
            .links
            .function(self.eval.arena.frame_of(frame).function);
        let Some(call) = function.calls.get((value & !CALL_ORIGIN) as usize) else {
            return Mode::Permits;
        };
        let permits = function
            .list(call.arguments)
            .first()
            .copied()
            .or_else(|| call.keywords.first().map(|(_, value)| *value));
        match permits.map(|value| function.value(value)) {
            None | Some(Value::Constant(Constant::One)) => Mode::Exclusive,
            _ => Mode::Permits,
        }
    }

    /// The lock behind a condition that was made with one.
    pub fn canonical_lock(&mut self, object: ObjectId) -> ObjectId {
        let Object::Foreign(name, Origin::Site { frame, value, .. }) = *self.eval.arena.get(object)
        else {
            return object;
        };
        if value & CALL_ORIGIN == 0
            || !self
                .eval
                .class_models(name)
                .iter()
                .any(|model| model.lock == Some(LockKind::Condition))
        {
            return object;
        }
        let function = self
            .eval
            .links
            .function(self.eval.arena.frame_of(frame).function);
        let Some(call) = function.calls.get((value & !CALL_ORIGIN) as usize) else {
            return object;
        };
        let wrapped = function
            .list(call.arguments)
            .first()
            .copied()
            .or_else(|| call.keywords.first().map(|(_, value)| *value));
        let Some(wrapped) = wrapped else {
            return object;
        };
        let set = self.eval.value(frame, wrapped);
        match self.eval.arena.members(set) {
            [single] if matches!(self.eval.arena.get(*single), Object::Foreign(..)) => *single,
            _ => object,
        }
    }

    /// A lock that cannot be evaluated, by the name it goes under, when the name says "lock".
    fn named_lock(&mut self, frame: FrameId, value: ValueId, certain: bool) -> Option<ObjectId> {
        self.find_named_lock(frame, value, certain, 0)
    }

    fn find_named_lock(
        &mut self,
        frame: FrameId,
        value: ValueId,
        certain: bool,
        depth: u32,
    ) -> Option<ObjectId> {
        if depth > 6 {
            return None;
        }
        let function = self
            .eval
            .links
            .function(self.eval.arena.frame_of(frame).function);
        let (owner, name) = match function.value(value) {
            Value::Attribute { base, name, .. } => {
                let base = self.eval.value(frame, *base);
                let owner = match self.eval.arena.members(base) {
                    [single] => Some(*single),
                    _ => None,
                };
                (owner, *name)
            }
            Value::Global(name) | Value::Captured(name) | Value::Imported { name, .. } => {
                (None, *name)
            }
            Value::Parameter(position) => {
                let name = function.parameters.get(*position as usize)?.name;
                (None, name)
            }
            Value::Call(call) => {
                return self.find_named_lock(
                    frame,
                    function.calls[*call as usize].callee,
                    certain,
                    depth + 1,
                );
            }
            Value::Join(list) => {
                let list = function.list(*list).to_vec();
                return list
                    .into_iter()
                    .find_map(|part| self.find_named_lock(frame, part, certain, depth + 1));
            }
            Value::Item { base, .. } | Value::Element(base) | Value::Entered(base) => {
                return self.find_named_lock(frame, *base, certain, depth + 1);
            }
            Value::Read(op) => match function.ops.get(*op as usize)?.kind {
                OpKind::ReadVariable { variable, .. } => match variable {
                    Variable::Global(name) | Variable::Cell(name) => (None, name),
                },
                _ => return None,
            },
            _ => return None,
        };
        (certain || sounds_like_lock(name.as_str()))
            .then(|| self.eval.arena.object(Object::NamedLock(owner, name)))
    }

    /// Whether a lock is made anew each time the value is computed.
    fn is_per_call(&mut self, frame: FrameId, value: ValueId, lock: ObjectId) -> bool {
        let Some(Origin::Site {
            frame: maker,
            value: site,
            ..
        }) = self.eval.arena.origin(lock)
        else {
            return false;
        };
        if site & CALL_ORIGIN == 0 {
            return false;
        }
        let made_in = self.eval.arena.frame_of(maker).function;
        let function = self.eval.links.function(made_in);
        if made_in.index == 0 && function.class.is_none() {
            return false;
        }
        let call = site & !CALL_ORIGIN;
        let made = function.calls[call as usize].result;
        if is_kept(function, made) {
            return false;
        }
        // Seen from the function that made it, or returned to a caller that asks anew each time.
        maker == frame || self.is_returned_anew(frame, value, 0)
    }

    fn is_returned_anew(&mut self, frame: FrameId, value: ValueId, depth: u32) -> bool {
        let function = self
            .eval
            .links
            .function(self.eval.arena.frame_of(frame).function);
        match function.value(value) {
            Value::Call(_) => true,
            // A property is a call in disguise.
            Value::Attribute { base, name, .. } => {
                let base = self.eval.value(frame, *base);
                let name = *name;
                self.eval
                    .arena
                    .members(base)
                    .to_vec()
                    .iter()
                    .any(|&it| self.property(it, name, &[Binding::Property]).is_some())
            }
            Value::Join(list) if depth < 3 => {
                let list = function.list(*list).to_vec();
                list.into_iter()
                    .any(|part| self.is_returned_anew(frame, part, depth + 1))
            }
            _ => false,
        }
    }

    /// The function behind a property of an object.
    fn property(
        &mut self,
        object: ObjectId,
        name: Name,
        bindings: &[Binding],
    ) -> Option<FunctionId> {
        let Object::Instance(class, _) = *self.eval.arena.get(object) else {
            return None;
        };
        let lineage = self.eval.lineage(class);
        for &owner in &lineage.order {
            let links = self.eval.links;
            let methods = &links.class(owner).methods;
            let facts = links.module(owner.module);
            for &index in methods {
                if facts.functions[index as usize].name != name {
                    continue;
                }
                let id = FunctionId {
                    module: owner.module,
                    index,
                };
                let binding = self.eval.binding(id);
                if bindings.contains(&binding) {
                    return Some(id);
                }
                if binding == Binding::Method {
                    return None;
                }
            }
        }
        None
    }

    // ---- one op ------------------------------------------------------------------------------

    fn step(&mut self, walk: &mut Walk<'_>, index: u32) {
        let function = walk.function;
        let op = &function.ops[index as usize];
        match op.kind {
            OpKind::Read { base, name, look } => {
                let objects = self.eval.value(walk.frame, base);
                for object in self.eval.arena.members(objects).to_vec() {
                    self.read(walk, index, object, name, look);
                }
            }
            OpKind::Write {
                base,
                name,
                value,
                update,
            } => {
                let objects = self.eval.value(walk.frame, base);
                for object in self.eval.arena.members(objects).to_vec() {
                    self.write(walk, index, object, name, value, update);
                }
                self.publish_into(walk, objects, value);
            }
            OpKind::Delete { base, name } => {
                let objects = self.eval.value(walk.frame, base);
                for object in self.eval.arena.members(objects).to_vec() {
                    if self.has_fields(object) {
                        let place = Place {
                            object,
                            slot: Slot::Field(name),
                        };
                        self.access(walk, index, place, Access::Delete, Look::Use, None);
                    }
                }
            }
            OpKind::ReadVariable { variable, look } => {
                if let Some(place) = self.variable_place(walk, variable) {
                    self.access(walk, index, place, Access::Read, look, None);
                }
            }
            OpKind::WriteVariable {
                variable,
                value,
                update,
            } => {
                if let Some(place) = self.variable_place(walk, variable) {
                    self.store(walk, index, place, value, update);
                    if let Variable::Global(_) = variable {
                        let values = self.eval.value(walk.frame, value);
                        for object in self.eval.arena.members(values).to_vec() {
                            self.publish(walk, object, Exposure::Shared);
                        }
                    }
                }
            }
            OpKind::ItemRead { base, .. } => {
                self.special_method(walk, index, base, "__getitem__");
                self.contents(walk, index, base, Access::Lookup);
            }
            OpKind::ItemWrite {
                base,
                value,
                update,
                slice,
                ..
            } => {
                self.special_method(walk, index, base, "__setitem__");
                let access = match update {
                    Update::Augmented | Update::From(_) => Access::Update,
                    Update::Replace if slice => Access::Rearrange,
                    Update::Replace => Access::SetItem,
                };
                let from = match update {
                    Update::From(op) => Some(op),
                    _ => None,
                };
                let identity = self.has_identity(walk.frame, value);
                self.contents_from(walk, index, base, access, from, identity);
                let objects = self.eval.value(walk.frame, base);
                self.publish_into(walk, objects, value);
            }
            OpKind::ItemDelete { base, .. } => {
                self.special_method(walk, index, base, "__delitem__");
                self.contents(walk, index, base, Access::Remove);
            }
            OpKind::Contains { base } => {
                self.special_method(walk, index, base, "__contains__");
                self.contents(walk, index, base, Access::Lookup);
            }
            OpKind::Truth { base } => self.contents(walk, index, base, Access::Lookup),
            OpKind::Iterate { base } => {
                self.iterate(walk, index, base);
            }
            OpKind::Extend { base, value } => {
                // `x += ...` on a local name changes a list in place and rebinds anything else.
                if let Some(kind) = self.container_kind(walk.frame, base)
                    && kind == ContainerKind::List
                {
                    self.contents(walk, index, base, Access::Add);
                }
                let _ = value;
            }
            OpKind::Call(call) => self.call(walk, index, call),
            OpKind::Acquire { lock, region } => {
                for held in self.locks_of(walk.frame, lock, region) {
                    self.acquire(walk, index, held, region, true);
                }
            }
            OpKind::Release { lock } => {
                let set = self.eval.value(walk.frame, lock);
                for object in self.eval.arena.members(set).to_vec() {
                    let lock = self.canonical_lock(object);
                    walk.extra_held.retain(|held| held.lock != lock);
                    walk.summary.released.push(lock);
                }
            }
            OpKind::Enter {
                context, region, ..
            } => self.enter(walk, index, context, region),
            OpKind::Exit { context, .. } => self.exit(walk, index, context),
            OpKind::Return { .. } => {}
            OpKind::Yield { .. } => {
                let held = self.held_at(walk, index);
                let now: Vec<HeldLock> = held.to_vec();
                walk.summary.held_at_yield = Some(match walk.summary.held_at_yield.take() {
                    None => now,
                    Some(before) => before
                        .into_iter()
                        .filter(|one| now.iter().any(|other| other.lock == one.lock))
                        .collect(),
                });
            }
        }
    }

    /// The locks held at an op.
    fn held_at(&mut self, walk: &mut Walk<'_>, index: u32) -> Rc<[HeldLock]> {
        let id = walk.function.ops[index as usize].held;
        let own = match walk.held.get(&id) {
            Some(known) => Rc::clone(known),
            None => {
                let mut locks = Vec::new();
                for held in &walk.function.held[id as usize] {
                    locks.extend(self.locks_of(walk.frame, held.lock, held.region));
                }
                let locks: Rc<[HeldLock]> = if locks.is_empty() {
                    Rc::clone(&self.empty_locks)
                } else {
                    locks.into()
                };
                walk.held.insert(id, Rc::clone(&locks));
                locks
            }
        };
        if walk.extra_held.is_empty() && walk.required.is_empty() {
            return own;
        }
        let mut all = own.to_vec();
        all.extend_from_slice(&walk.extra_held);
        all.extend_from_slice(&walk.required);
        all.into()
    }

    fn at(&self, walk: &Walk<'_>, index: u32) -> At {
        At {
            function: walk.function_id,
            range: walk.function.ops[index as usize].range,
        }
    }

    /// Records an effect of the function itself.
    fn record(&mut self, walk: &mut Walk<'_>, index: u32, action: Action) {
        let held = self.held_at(walk, index);
        self.record_held(walk, index, action, held);
    }

    fn record_held(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        action: Action,
        held: Rc<[HeldLock]>,
    ) {
        let at = self.at(walk, index);
        let object = match &action {
            Action::Access(access) => Some(access.place.object),
            Action::LoopOnly { object, .. } | Action::Unsafe { object, .. } => Some(*object),
            _ => None,
        };
        let mut exposure = Exposure::Shared;
        let mut own = false;
        if let Some(object) = object {
            match self.seen_by(walk, object) {
                None => return,
                Some((how, mine)) => {
                    exposure = how;
                    own = mine;
                }
            }
        }
        let effect = Effect {
            action,
            at,
            via: at,
            held,
            under: None,
            live: self.live_now(walk),
            finished: self.finished_now(walk),
            exposure,
            own,
            in_loop: walk.function.ops[index as usize].in_loop,
        };
        self.push(walk, index, effect);
    }

    fn push(&mut self, walk: &mut Walk<'_>, index: u32, effect: Effect) {
        use std::hash::{BuildHasher, Hash, Hasher};
        // Two calls of one helper under the same locks say the same thing.
        let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
        effect.action.hash(&mut hasher);
        effect.at.hash(&mut hasher);
        effect.live.hash(&mut hasher);
        effect.finished.hash(&mut hasher);
        effect.exposure.hash(&mut hasher);
        for held in effect.held.iter() {
            (held.lock, held.mode).hash(&mut hasher);
        }
        let position = u32::try_from(walk.summary.effects.len()).unwrap_or(u32::MAX);
        let is_new = walk.seen.insert(hasher.finish());
        if is_new {
            walk.summary.effects.push(effect);
            walk.by_op.push((index, position));
        } else if let Some(position) = walk
            .summary
            .effects
            .iter()
            .position(|it| it.action == effect.action && it.at == effect.at)
        {
            walk.by_op
                .push((index, u32::try_from(position).unwrap_or(0)));
        }
    }

    fn live_now(&self, walk: &Walk<'_>) -> Rc<[u32]> {
        if walk.live.is_empty() {
            Rc::clone(&self.empty_live)
        } else {
            walk.live.clone().into()
        }
    }

    fn finished_now(&self, walk: &Walk<'_>) -> Rc<[ObjectId]> {
        if walk.finished.is_empty() {
            Rc::clone(&self.empty_objects)
        } else {
            walk.finished.clone().into()
        }
    }

    // ---- ownership ---------------------------------------------------------------------------

    /// Who sees an object at this point: `None` when nobody but this call does, else how, and
    /// whether the object was made by this call.
    fn seen_by(&self, walk: &Walk<'_>, object: ObjectId) -> Option<(Exposure, bool)> {
        let mut current = Some(object);
        let mut own = false;
        let mut first_exposure = None;
        for _ in 0..12 {
            let Some(it) = current else { break };
            match self.eval.arena.get(it) {
                Object::Instance(_, Origin::Assumed { shared: false })
                | Object::Foreign(_, Origin::Assumed { shared: false })
                | Object::Container(_, Origin::Assumed { shared: false }) => return None,
                Object::Variables(frame) if *frame == walk.frame => {
                    // Variables of this very call: others see them once a nested function runs
                    // on another thread.
                    return (!walk.live.is_empty()).then_some((Exposure::Shared, own));
                }
                _ => {}
            }
            let mine = walk.exposure.get(&it).copied().or_else(|| {
                matches!(
                    self.eval.arena.origin(it),
                    Some(Origin::Site { frame, .. }) if frame == walk.frame
                )
                .then_some(Exposure::Owned)
            });
            if let Some(how) = mine {
                own |= it == object
                    || matches!(
                        self.eval.arena.origin(it),
                        Some(Origin::Site { frame, .. }) if frame == walk.frame
                    );
                match how {
                    Exposure::Owned => {
                        return first_exposure.map(|exposure| (exposure, own));
                    }
                    how => {
                        first_exposure.get_or_insert(how);
                    }
                }
            }
            current = self.eval.owner(it);
        }
        Some((first_exposure.unwrap_or(Exposure::Shared), own))
    }

    fn is_mine(&self, walk: &Walk<'_>, object: ObjectId) -> bool {
        walk.exposure.contains_key(&object)
            || matches!(
                self.eval.arena.origin(object),
                Some(Origin::Site { frame, .. }) if frame == walk.frame
            )
    }

    fn exposure_of(&self, walk: &Walk<'_>, object: ObjectId) -> Option<Exposure> {
        match walk.exposure.get(&object) {
            Some(&how) => Some(how),
            None => self.is_mine(walk, object).then_some(Exposure::Owned),
        }
    }

    /// A value is stored in some objects.
    fn publish_into(&mut self, walk: &mut Walk<'_>, bases: SetId, value: ValueId) {
        let values = self.eval.value(walk.frame, value);
        self.publish_set_into(walk, bases, values);
    }

    fn publish_set_into(&mut self, walk: &mut Walk<'_>, bases: SetId, values: SetId) {
        let values = self.eval.arena.members(values).to_vec();
        if values.is_empty() {
            return;
        }
        for base in self.eval.arena.members(bases).to_vec() {
            let how = self.exposure_of(walk, base);
            for &object in &values {
                match how {
                    Some(Exposure::Owned) => walk.stored_in.push((object, base)),
                    Some(how) => self.publish(walk, object, how),
                    None => match self.eval.arena.get(base) {
                        Object::Module(_) | Object::Class(_) => {
                            self.publish(walk, object, Exposure::Shared);
                        }
                        _ => self.publish(walk, object, Exposure::Through(base)),
                    },
                }
            }
        }
    }

    /// An object, and all that can be reached through it, becomes visible.
    fn publish(&mut self, walk: &mut Walk<'_>, object: ObjectId, how: Exposure) {
        let mut pending = vec![object];
        let mut seen: FxHashSet<ObjectId> = FxHashSet::default();
        while let Some(object) = pending.pop() {
            if !seen.insert(object) {
                continue;
            }
            match self.eval.arena.get(object).clone() {
                Object::Bound(receiver, function) => pending.extend([receiver, function]),
                Object::Method(receiver, _) => pending.push(receiver),
                Object::Function(_, environment) if environment == walk.frame => {
                    // A nested function leaves: so does all that it sees of this call.
                    for (_, values) in &walk.function.cells {
                        for &value in values {
                            let set = self.eval.value(walk.frame, value);
                            pending.extend_from_slice(self.eval.arena.members(set));
                        }
                    }
                }
                Object::Tuple(sets) => {
                    for set in sets {
                        pending.extend_from_slice(self.eval.arena.members(set));
                    }
                }
                Object::Partial(frame, call) => {
                    let links = self.eval.links;
                    let function = links.function(self.eval.arena.frame_of(frame).function);
                    let arguments = function.calls[call as usize].arguments;
                    for &argument in function.list(arguments) {
                        let set = self.eval.value(frame, argument);
                        pending.extend_from_slice(self.eval.arena.members(set));
                    }
                }
                data => {
                    match self.exposure_of(walk, object) {
                        Some(Exposure::Owned) => {}
                        Some(Exposure::Through(_)) if how == Exposure::Shared => {}
                        _ => continue,
                    }
                    walk.exposure.insert(object, how);
                    let inside = walk.stored_in.iter().filter(|(_, base)| *base == object);
                    pending.extend(inside.map(|(object, _)| *object));
                    if let Object::Container(..) = data {
                        let set = self.eval.arena.set(vec![object]);
                        let elements = self.eval.elements_of_set(set);
                        pending.extend_from_slice(self.eval.arena.members(elements));
                    }
                }
            }
        }
    }

    // ---- places ------------------------------------------------------------------------------

    fn has_fields(&self, object: ObjectId) -> bool {
        matches!(
            self.eval.arena.get(object),
            Object::Instance(..) | Object::Class(_) | Object::Module(_) | Object::Function(..)
        )
    }

    fn variable_place(&mut self, walk: &Walk<'_>, variable: Variable) -> Option<Place> {
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

    fn read(&mut self, walk: &mut Walk<'_>, index: u32, object: ObjectId, name: Name, look: Look) {
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
                        place,
                        access: Access::CheckThenAct,
                        look,
                        relies_on: Some(at),
                        container: None,
                        constant: false,
                        fills: true,
                        cached: true,
                        identity: true,
                        settled: false,
                        acts: Access::Read,
                    };
                    self.record(walk, index, Action::Access(access));
                }
                return;
            }
            if self.eval.method_of(class, name).is_some() {
                return;
            }
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

    fn is_thread_local(&mut self, object: ObjectId) -> bool {
        self.eval
            .models_of(object)
            .iter()
            .any(|model| model.thread_local)
    }

    /// Arguments that a thread-local attribute holds, given to another thread.
    fn local_escapes(&mut self, walk: &mut Walk<'_>, index: u32, call_index: u32) {
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
    fn makes_object(&mut self, frame: FrameId) -> bool {
        let set = self.eval.returned(frame);
        self.eval
            .arena
            .members(set)
            .iter()
            .any(|&it| matches!(self.eval.arena.get(it), Object::Instance(..)))
    }

    /// The object that really holds a field: a class attribute read through an instance that
    /// never stores it belongs to the class.
    fn field_owner(&mut self, object: ObjectId, name: Name) -> ObjectId {
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

    fn write(
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

    fn update_behind_property(&mut self, walk: &mut Walk<'_>, index: u32, setter: FrameId) {
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

    fn setter(&mut self, object: ObjectId, name: Name) -> Option<FunctionId> {
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
    fn has_identity(&mut self, frame: FrameId, value: ValueId) -> bool {
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

    fn store(
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
                    place,
                    access: Access::Write,
                    look: Look::Use,
                    relies_on: None,
                    container: None,
                    constant,
                    fills: false,
                    cached: false,
                    identity,
                    settled: false,
                    acts: Access::Read,
                };
                self.act(walk, index, access);
            }
            Update::Augmented => {
                let access = PlaceAccess {
                    place,
                    access: Access::Update,
                    look: Look::Use,
                    relies_on: None,
                    container: None,
                    constant: false,
                    fills: false,
                    cached: false,
                    identity: false,
                    settled: false,
                    acts: Access::Read,
                };
                self.act(walk, index, access);
            }
            Update::From(load) => {
                self.update_from(walk, index, place, load, None);
            }
        }
    }

    /// A store computed from an earlier load: only locks held from the one to the other protect
    /// it.
    fn update_from(
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
            place,
            access: Access::Update,
            look: Look::Use,
            relies_on: Some(self.at(walk, load)),
            container,
            constant: false,
            fills: false,
            cached: false,
            identity: false,
            settled: false,
            acts: Access::Read,
        };
        self.record_held(walk, index, Action::Access(access), held);
        if let Decision::Stale(tested) = self.tested(walk, index, place) {
            self.check_then_act(walk, index, access, &tested);
        }
    }

    fn access(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        place: Place,
        access: Access,
        look: Look,
        container: Option<ContainerKind>,
    ) {
        let access = PlaceAccess {
            place,
            access,
            look,
            relies_on: None,
            container,
            constant: false,
            fills: false,
            cached: false,
            identity: false,
            settled: false,
            acts: Access::Read,
        };
        self.act(walk, index, access);
    }

    /// Records an access and, when a test decided about it, the two together.
    fn act(&mut self, walk: &mut Walk<'_>, index: u32, access: PlaceAccess) {
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

    fn check_then_act(
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
    fn tested(&mut self, walk: &mut Walk<'_>, index: u32, place: Place) -> Decision {
        walk.fills_in_section = false;
        let now = self.held_at(walk, index);
        let mut control = walk.function.ops[index as usize].control;
        let mut found: Option<Tested> = None;
        while control != 0 {
            let node = walk.function.controls[control as usize];
            if !(node.first..node.end).contains(&index) {
                let ops = walk.by_op.iter().copied();
                let in_test: Vec<(u32, u32)> = ops
                    .filter(|(op, _)| (node.first..node.end).contains(op))
                    .collect();
                for (op, effect) in in_test {
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

    // ---- containers --------------------------------------------------------------------------

    /// The kind of the container a value is, if it is one.
    fn container_kind(&mut self, frame: FrameId, value: ValueId) -> Option<ContainerKind> {
        let set = self.eval.value(frame, value);
        self.eval
            .arena
            .members(set)
            .to_vec()
            .into_iter()
            .find_map(|object| self.kind_of(object))
    }

    fn kind_of(&mut self, object: ObjectId) -> Option<ContainerKind> {
        match *self.eval.arena.get(object) {
            Object::Container(literal, _) => match literal {
                Literal::List => Some(ContainerKind::List),
                Literal::Dict => Some(ContainerKind::Dict),
                Literal::Set => Some(ContainerKind::Set),
                Literal::Tuple | Literal::Generator => None,
            },
            Object::Foreign(name, _) => self
                .eval
                .class_models(name)
                .iter()
                .find_map(|model| model.container),
            _ => None,
        }
    }

    /// The place of the elements of a container: by the attribute or name that holds it, so that
    /// a new container put there is the same place.
    fn contents_place(&mut self, object: ObjectId) -> Place {
        let unnamed = Place {
            object,
            slot: Slot::Contents,
        };
        let Some(Origin::Site { frame, value, .. }) = self.eval.arena.origin(object) else {
            return unnamed;
        };
        let function_id = self.eval.arena.frame_of(frame).function;
        let links = self.eval.links;
        let id = made_value(links.function(function_id), value);
        match links.home(function_id, id) {
            Some(Home::Attribute(_, name)) => match self.eval.receiver(frame) {
                Some(owner) => Place {
                    object: owner,
                    slot: Slot::ContentsOf(name),
                },
                None => unnamed,
            },
            Some(Home::Class(class, name)) => Place {
                object: self.eval.arena.object(Object::Class(class)),
                slot: Slot::ContentsOf(name),
            },
            Some(Home::Global(module, name)) => Place {
                object: self.eval.arena.object(Object::Module(module)),
                slot: Slot::ContentsOf(name),
            },
            _ => unnamed,
        }
    }

    /// The places of the elements of what a value may be.
    fn contents_places(
        &mut self,
        walk: &Walk<'_>,
        base: ValueId,
    ) -> Vec<(Place, Option<ContainerKind>)> {
        let set = self.eval.value(walk.frame, base);
        let mut places = Vec::new();
        for object in self.eval.arena.members(set).to_vec() {
            if let Some(kind) = self.kind_of(object) {
                let place = self.contents_place(object);
                if !places.iter().any(|(known, _)| *known == place) {
                    places.push((place, Some(kind)));
                }
            }
        }
        places
    }

    fn contents(&mut self, walk: &mut Walk<'_>, index: u32, base: ValueId, access: Access) {
        self.contents_from(walk, index, base, access, None, false);
    }

    fn contents_from(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        base: ValueId,
        access: Access,
        from: Option<u32>,
        identity: bool,
    ) {
        for (place, kind) in self.contents_places(walk, base) {
            match from {
                Some(load) => self.update_from(walk, index, place, load, kind),
                None => {
                    let access = PlaceAccess {
                        place,
                        access,
                        look: Look::Use,
                        relies_on: None,
                        container: kind,
                        constant: false,
                        fills: false,
                        cached: false,
                        identity,
                        settled: false,
                        acts: Access::Read,
                    };
                    self.act(walk, index, access);
                }
            }
        }
    }

    fn iterate(&mut self, walk: &mut Walk<'_>, index: u32, base: ValueId) {
        // `for x in d.items()` walks `d`; `for x in list(d)` walks a copy.
        if let Value::Call(call) = walk.function.value(base) {
            let call = &walk.function.calls[*call as usize];
            if let Value::Attribute { base, name, .. } = walk.function.value(call.callee)
                && matches!(name.as_str(), "items" | "values" | "keys")
            {
                self.contents(walk, index, *base, Access::Iterate);
                return;
            }
            let arguments = walk.function.list(call.arguments).to_vec();
            let targets = self.eval.value(walk.frame, call.callee);
            let lazy = self.eval.arena.members(targets).iter().any(|&it| {
                matches!(
                    self.eval.arena.get(it),
                    Object::External(name) if matches!(
                        name.as_str(),
                        "builtins.enumerate" | "builtins.zip" | "builtins.map"
                            | "builtins.filter" | "builtins.reversed" | "builtins.iter"
                    )
                )
            });
            if lazy {
                for argument in arguments {
                    self.iterate(walk, index, argument);
                }
                return;
            }
        }
        self.advance(walk, index, base);
        self.contents(walk, index, base, Access::Iterate);
    }

    /// A step of an iterator object that others may hold too.
    fn advance(&mut self, walk: &mut Walk<'_>, index: u32, base: ValueId) {
        let set = self.eval.value(walk.frame, base);
        for object in self.eval.arena.members(set).to_vec() {
            let is_iterator = match self.eval.arena.get(object) {
                Object::Container(Literal::Generator, _) => true,
                Object::Foreign(name, _) => {
                    let name = *name;
                    matches!(name.as_str(), "builtins.generator" | "builtins.iterator")
                        || self
                            .eval
                            .class_models(name)
                            .iter()
                            .any(|model| model.iterator)
                }
                _ => false,
            };
            if is_iterator {
                let place = self.contents_place(object);
                self.access(walk, index, place, Access::Advance, Look::Use, None);
            }
        }
    }

    /// Runs `__getitem__` and its like where a class of the program defines them.
    fn special_method(&mut self, walk: &mut Walk<'_>, index: u32, base: ValueId, name: &str) {
        let set = self.eval.value(walk.frame, base);
        for object in self.eval.arena.members(set).to_vec() {
            if let Object::Instance(class, _) = *self.eval.arena.get(object)
                && let Some(method) = self.eval.method_of(class, Name::new(name))
            {
                let frame = self.eval.generic_frame(method, Some(object));
                self.compose(walk, index, frame);
            }
        }
    }

    // ---- calls -------------------------------------------------------------------------------

    /// Whether what a function of the program does is looked at.
    fn follows(&mut self, callee: FunctionId) -> bool {
        let links = self.eval.links;
        if callee.module == self.module {
            return true;
        }
        if self.calls >= self.budget || self.composed >= self.budget * EFFECTS_PER_CALL {
            self.cuts += 1;
            return false;
        }
        links.package(callee.module) == links.package(self.module)
            && (self.follow == Follow::Package || links.touches(callee))
    }

    /// Adds what a callee does.
    fn compose(&mut self, walk: &mut Walk<'_>, index: u32, callee: FrameId) {
        let held = self.held_at(walk, index);
        self.compose_under(walk, index, callee, held);
    }

    /// The same, for a call made under these locks.
    fn compose_under(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        callee: FrameId,
        held_here: Rc<[HeldLock]>,
    ) {
        let called = self.eval.arena.frame_of(callee).function;
        self.edges.insert((walk.function_id, called));
        if !self.follows(called) {
            return;
        }
        let summary = self.summary(callee);
        let links = self.eval.links;
        let callee_function = links.function(self.eval.arena.frame_of(callee).function);
        if callee_function.is_generator && !callee_function.is_async {
            // A generator does its work where it is advanced; what it touches is taken to happen
            // here, what it holds between two steps is not.
        }
        let in_loop = walk.function.ops[index as usize].in_loop;
        let via = self.at(walk, index);
        // Spawns first: effects refer to them.
        let offset = u32::try_from(walk.summary.spawns.len()).unwrap_or(0);
        for spawn in &summary.spawns {
            let mut spawn = spawn.clone();
            spawn.live = spawn
                .live
                .iter()
                .map(|it| it + offset)
                .chain(walk.live.iter().copied())
                .collect();
            if in_loop && summary.left_live.len() > spawn.live.len().saturating_sub(walk.live.len())
            {
                spawn.many = true;
            }
            if !held_here.is_empty() {
                let mut all = spawn.held.to_vec();
                all.extend(held_here.iter().copied());
                spawn.held = all.into();
            }
            walk.summary.spawns.push(spawn);
        }
        // Objects the callee made are ours now; a callee that publishes tells how.
        for &object in &summary.fresh {
            walk.exposure.entry(object).or_insert(Exposure::Owned);
        }
        let effects_start = walk.summary.effects.len();
        self.composed += summary.effects.len();
        for effect in &summary.effects {
            if walk.summary.effects.len() > MAX_EFFECTS {
                walk.summary.cut = true;
                break;
            }
            self.compose_effect(walk, index, effect, offset, via, &held_here);
        }
        let _ = effects_start;
        for &(object, how) in &summary.published {
            match how {
                Exposure::Through(owner) => {
                    if let Some(how) = self.exposure_of(walk, owner) {
                        match how {
                            Exposure::Owned => {
                                walk.exposure.entry(object).or_insert(Exposure::Owned);
                                walk.stored_in.push((object, owner));
                            }
                            how => {
                                walk.exposure.insert(object, how);
                            }
                        }
                    } else {
                        walk.exposure.insert(object, how);
                    }
                }
                how => {
                    if self.is_mine(walk, object) || walk.exposure.contains_key(&object) {
                        self.publish(walk, object, how);
                    } else {
                        walk.exposure.insert(object, how);
                    }
                }
            }
        }
        for held in &summary.left_held {
            walk.extra_held.push(*held);
        }
        for lock in &summary.released {
            if let Some(at) = walk.extra_held.iter().position(|held| held.lock == *lock) {
                walk.extra_held.remove(at);
            }
        }
        for live in &summary.left_live {
            let live = live + offset;
            if in_loop && let Some(spawn) = walk.summary.spawns.get_mut(live as usize) {
                let renewed = spawn.handles.iter().any(|&handle| self.is_renewed(handle));
                spawn.many |= spawn.handles.is_empty() || renewed;
            }
            walk.live.push(live);
        }
        for &finished in &summary.finished {
            self.finish(walk, finished);
        }
    }

    /// Whether a loop makes the object anew each time round.
    fn is_renewed(&self, object: ObjectId) -> bool {
        let mut current = Some(object);
        for _ in 0..8 {
            let Some(it) = current else { return false };
            if let Some(Origin::Site { many: true, .. }) = self.eval.arena.origin(it) {
                return true;
            }
            let Some(Origin::Site { frame, .. }) = self.eval.arena.origin(it) else {
                return false;
            };
            if self.eval.receiver(frame).is_none() {
                return true;
            }
            current = self.eval.owner(it);
        }
        false
    }

    fn compose_effect(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        effect: &Effect,
        offset: u32,
        via: At,
        held_here: &Rc<[HeldLock]>,
    ) {
        let mut effect = effect.clone();
        effect.via = via;
        let object = match effect.action {
            Action::Access(access) => Some(access.place.object),
            Action::LoopOnly { object, .. } | Action::Unsafe { object, .. } => Some(object),
            _ => None,
        };
        let mut owned_by_us = false;
        if let Some(object) = object {
            // What the callee says of its own objects stands; what it says of ours is judged
            // here.
            match effect.exposure {
                Exposure::Owned => return,
                Exposure::Through(owner) => match self.seen_by(walk, owner) {
                    None => return,
                    Some((how, _)) => {
                        if self.is_mine(walk, owner) {
                            effect.exposure = how;
                        }
                    }
                },
                Exposure::Shared => {
                    if !effect.own {
                        match self.seen_by(walk, object) {
                            None => {
                                // The callee handed the object on to a thread before this.
                                if effect.live.is_empty() {
                                    return;
                                }
                            }
                            Some((how, mine)) => {
                                owned_by_us = mine;
                                effect.exposure = how;
                            }
                        }
                    }
                }
            }
        }
        effect.own |= owned_by_us;
        effect.in_loop |= walk.function.ops[index as usize].in_loop;
        // An acquisition is of interest where its own lock is held, the rest under any lock.
        let own = matches!(effect.action, Action::Acquire { lock, .. }
            if held_here.iter().any(|held| held.lock == lock)
                && !effect.held.iter().any(|held| held.lock == lock));
        let first =
            effect.held.is_empty() && held_here.iter().any(|held| held.mode == Mode::Exclusive);
        if own || first {
            effect.under = Some(via);
        }
        if !held_here.is_empty() {
            let mut all = effect.held.to_vec();
            for held in held_here.iter() {
                if !all.iter().any(|it| it.lock == held.lock) {
                    all.push(*held);
                } else if let Some(inner) = all.iter_mut().find(|it| it.lock == held.lock) {
                    // Taken again inside: the outer section covers the inner one.
                    inner.section = held.section;
                }
            }
            effect.held = all.into();
        }
        if !effect.live.is_empty() || !walk.live.is_empty() {
            let mut live: Vec<u32> = effect.live.iter().map(|it| it + offset).collect();
            live.extend(walk.live.iter().copied());
            live.sort_unstable();
            live.dedup();
            effect.live = live.into();
        }
        if !walk.finished.is_empty() {
            let mut finished = effect.finished.to_vec();
            finished.extend(walk.finished.iter().copied());
            finished.sort_unstable();
            finished.dedup();
            effect.finished = finished.into();
        }
        let relied = match effect.action {
            Action::Access(access)
                if access.access.writes()
                    && access.access != Access::CheckThenAct
                    && !access.settled =>
            {
                match self.tested(walk, index, access.place) {
                    Decision::Stale(tested) => Some((access, tested)),
                    Decision::Free | Decision::Settled => None,
                }
            }
            _ => None,
        };
        let held = Rc::clone(&effect.held);
        let template = relied.is_some().then(|| effect.clone());
        self.push(walk, index, effect);
        if let (Some((access, tested)), Some(mut both)) = (relied, template) {
            both.held = common_sections(&tested.held, &held);
            both.action = Action::Access(PlaceAccess {
                access: Access::CheckThenAct,
                acts: access.access,
                relies_on: Some(tested.at),
                fills: matches!(tested.look, Look::IsNone | Look::Truth)
                    && access.access == Access::Write,
                ..access
            });
            self.push(walk, index, both);
        }
    }

    fn finish(&mut self, walk: &mut Walk<'_>, handle: ObjectId) {
        let spawns = &walk.summary.spawns;
        walk.live.retain(|&live| {
            spawns
                .get(live as usize)
                .is_none_or(|spawn| !spawn.handles.contains(&handle))
        });
        if !walk.finished.contains(&handle) {
            walk.finished.push(handle);
        }
    }

    fn call(&mut self, walk: &mut Walk<'_>, index: u32, call_index: u32) {
        self.calls += 1;
        let targets = self.eval.targets(walk.frame, call_index);
        let call = &walk.function.calls[call_index as usize];
        if targets.is_empty() {
            self.unresolved += 1;
            self.unknown_call(walk, index, call);
            return;
        }
        for target in targets.iter() {
            match target {
                Target::Function(frame) => {
                    self.compose(walk, index, *frame);
                }
                Target::Construct(_, object, init) => {
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
            many: true,
            threads: Threads::Many,
            distinct: vec![object],
            live: Vec::new(),
            runs_as: Name::new("finalizer"),
            interrupt: true,
            serial: false,
            assumed: false,
            held: Rc::clone(&self.empty_locks),
            in_constructor_of: None,
        };
        walk.summary.spawns.push(spawn);
    }

    fn unknown_call(&mut self, walk: &mut Walk<'_>, index: u32, call: &Call) {
        // What is called came from outside: a parameter, or an attribute that no method is.
        let what = match walk.function.value(call.callee) {
            Value::Parameter(position) => walk
                .function
                .parameters
                .get(*position as usize)
                .map(|it| it.name),
            Value::Element(_) | Value::Item { .. } => Some(Name::new("callback")),
            Value::Attribute { base, name, .. } => {
                let base = self.eval.value(walk.frame, *base);
                self.is_handed_in(base, *name).then_some(*name)
            }
            _ => None,
        };
        if let Some(what) = what {
            let held = self.held_at(walk, index);
            if !held.is_empty() {
                self.record(walk, index, Action::Callback { what });
            }
        }
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

    fn acquire(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        held: HeldLock,
        region: u32,
        by_method: bool,
    ) {
        if !matches!(held.mode, Mode::Exclusive) {
            return;
        }
        let reentrant = self.is_reentrant(held.lock);
        // What was held just before: this acquisition itself is part of the op's held set only
        // afterwards for `with`, and already for a method call that certainly succeeded.
        let before: Vec<HeldLock> = self
            .held_at(walk, index)
            .iter()
            .copied()
            .filter(|it| it.section & 0xffff_ffff != u64::from(region) || it.lock != held.lock)
            .collect();
        let may_fail = by_method && self.may_fail(walk, index);
        self.record_held(
            walk,
            index,
            Action::Acquire {
                lock: held.lock,
                reentrant,
                may_fail,
            },
            before.into(),
        );
    }

    /// Whether the `acquire` call at an op's place can return without the lock.
    fn may_fail(&self, walk: &Walk<'_>, index: u32) -> bool {
        let range = walk.function.ops[index as usize].range;
        walk.function.ops[..index as usize]
            .iter()
            .rev()
            .filter(|op| op.range == range)
            .find_map(|op| match op.kind {
                OpKind::Call(call) => {
                    let call = &walk.function.calls[call as usize];
                    Some(call.arguments.len > 0 || !call.keywords.is_empty())
                }
                _ => None,
            })
            .unwrap_or(false)
    }

    /// Whether the thread that has a lock may take it again.
    pub fn is_reentrant(&mut self, lock: ObjectId) -> bool {
        match *self.eval.arena.get(lock) {
            Object::Foreign(name, origin) => {
                let kind = self
                    .eval
                    .class_models(name)
                    .iter()
                    .find_map(|model| model.lock);
                match kind {
                    Some(LockKind::Mutex) => false,
                    Some(LockKind::Semaphore) => self.permits(origin) != Mode::Exclusive,
                    // A condition without a lock of its own makes a re-entrant one.
                    _ => true,
                }
            }
            _ => true,
        }
    }

    fn enter(&mut self, walk: &mut Walk<'_>, index: u32, context: ValueId, region: u32) {
        let set = self.eval.value(walk.frame, context);
        // The op that enters counts what it takes as held; `__enter__` itself runs before.
        let section = (u64::from(walk.frame.0) << 32) | u64::from(region);
        let outside: Rc<[HeldLock]> = self
            .held_at(walk, index)
            .iter()
            .copied()
            .filter(|held| held.section != section)
            .collect();
        for object in self.eval.arena.members(set).to_vec() {
            match self.eval.arena.get(object).clone() {
                Object::Instance(class, _) => {
                    if let Some(enter) = self.eval.method_of(class, Name::new("__enter__")) {
                        let frame = self.eval.generic_frame(enter, Some(object));
                        let before = walk.extra_held.len();
                        self.compose_under(walk, index, frame, Rc::clone(&outside));
                        // What `__enter__` leaves held is held by the region.
                        walk.extra_held.truncate(before);
                    }
                }
                Object::Context(frame) => {
                    let before = walk.extra_held.len();
                    self.compose_under(walk, index, frame, Rc::clone(&outside));
                    walk.extra_held.truncate(before);
                }
                _ => {}
            }
        }
        for held in self.locks_of(walk.frame, context, region) {
            let direct = self
                .eval
                .arena
                .members(set)
                .iter()
                .any(|&it| matches!(self.eval.arena.get(it), Object::Foreign(..)));
            if direct {
                self.acquire_in_with(walk, index, held);
            }
        }
    }

    /// `with lock:` the op that enters already counts the lock as held; it is taken by whoever
    /// holds the others.
    fn acquire_in_with(&mut self, walk: &mut Walk<'_>, index: u32, held: HeldLock) {
        if held.mode != Mode::Exclusive {
            return;
        }
        let reentrant = self.is_reentrant(held.lock);
        let before: Vec<HeldLock> = self
            .held_at(walk, index)
            .iter()
            .copied()
            .filter(|it| it.section != held.section)
            .collect();
        self.record_held(
            walk,
            index,
            Action::Acquire {
                lock: held.lock,
                reentrant,
                may_fail: false,
            },
            before.into(),
        );
    }

    fn exit(&mut self, walk: &mut Walk<'_>, index: u32, context: ValueId) {
        let set = self.eval.value(walk.frame, context);
        for object in self.eval.arena.members(set).to_vec() {
            let models = self.eval.models_of(object);
            if models.iter().any(|model| model.with_joins) {
                self.finish(walk, object);
            }
            if let Object::Instance(class, _) = *self.eval.arena.get(object)
                && let Some(exit) = self.eval.method_of(class, Name::new("__exit__"))
            {
                let frame = self.eval.generic_frame(exit, Some(object));
                let before = walk.extra_held.clone();
                self.compose(walk, index, frame);
                walk.extra_held = before;
            }
        }
    }

    fn external_call(&mut self, walk: &mut Walk<'_>, index: u32, call_index: u32, name: Name) {
        let call = &walk.function.calls[call_index as usize];
        let arguments = walk.function.list(call.arguments).to_vec();
        match name.as_str() {
            "builtins.len" | "builtins.bool" => {
                for &argument in &arguments {
                    self.contents(walk, index, argument, Access::Lookup);
                }
            }
            "builtins.list" | "builtins.sorted" | "builtins.dict" | "builtins.set"
            | "builtins.frozenset" | "builtins.tuple" | "copy.copy" => {
                for &argument in &arguments {
                    self.copied(walk, index, argument, name.as_str() == "builtins.tuple");
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
                    let objects = self.eval.value(walk.frame, object);
                    for object in self.eval.arena.members(objects).to_vec() {
                        self.write(walk, index, object, attribute, value, Update::Replace);
                    }
                    self.publish_into(walk, objects, value);
                }
            }
            _ => {}
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

    /// A callable that the call runs before it returns.
    fn run_here(&mut self, walk: &mut Walk<'_>, index: u32, callable: ValueId) {
        let set = self.eval.value(walk.frame, callable);
        for object in self.eval.arena.members(set).to_vec() {
            for frame in self.frames_of(object, &[], false) {
                self.compose(walk, index, frame);
            }
        }
    }

    fn copied(&mut self, walk: &mut Walk<'_>, index: u32, argument: ValueId, steps: bool) {
        // A generator expression given to `list` is walked by its own ops. `tuple(d)` and
        // `list(deque)` go through the iterator; `list(d)` is one step.
        for (place, kind) in self.contents_places(walk, argument) {
            let in_steps = match kind {
                Some(ContainerKind::Deque) => true,
                Some(ContainerKind::Dict | ContainerKind::Set) => steps,
                _ => false,
            };
            let access = if in_steps {
                Access::Iterate
            } else {
                Access::Snapshot
            };
            self.access(walk, index, place, access, Look::Use, kind);
        }
        if let Value::Call(call) = walk.function.value(argument) {
            let call = &walk.function.calls[*call as usize];
            if let Value::Attribute { base, name, .. } = walk.function.value(call.callee)
                && matches!(name.as_str(), "items" | "values" | "keys")
            {
                let access = if steps {
                    Access::Iterate
                } else {
                    Access::Snapshot
                };
                self.contents(walk, index, *base, access);
            }
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
                        .and_then(super::Target::named),
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
        for &position in &model.iterates {
            if let Some(&argument) = arguments.get(position) {
                self.iterate(walk, index, argument);
            }
        }
        for &position in &model.mutates {
            if let Some(&argument) = arguments.get(position) {
                self.contents(walk, index, argument, Access::Rearrange);
            }
        }
        for &position in &model.calls {
            if let Some(&argument) = arguments.get(position) {
                self.run_here(walk, index, argument);
            }
        }
        for &position in &model.hands_over {
            if let (Some(&argument), Some(receiver)) = (arguments.get(position), receiver) {
                let base = self.eval.arena.set(vec![receiver]);
                self.publish_into(walk, base, argument);
            }
        }
        if let Some(use_of) = model.condition
            && let Some(receiver) = receiver
            && use_of != ConditionUse::WaitFor
        {
            let lock = self.canonical_lock(receiver);
            self.record(
                walk,
                index,
                Action::Condition {
                    lock,
                    notify: use_of == ConditionUse::Notify,
                },
            );
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
                    Some(receiver) => self.finish(walk, receiver),
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

    fn method_call(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        call_index: u32,
        receiver: ObjectId,
        name: Name,
    ) {
        let call = &walk.function.calls[call_index as usize];
        let arguments = walk.function.list(call.arguments).to_vec();
        let Value::Attribute { base, .. } = *walk.function.value(call.callee) else {
            return self.method_without_base(walk, index, call_index, receiver, name);
        };
        if let Some(kind) = self.kind_of(receiver) {
            if let Some(access) = atomicity::method(kind, name.as_str(), arguments.len()) {
                let place = self.contents_place(receiver);
                self.access(walk, index, place, access, Look::Use, Some(kind));
            }
            let stored = match name.as_str() {
                "append" | "appendleft" | "add" => arguments.first(),
                "insert" | "setdefault" => arguments.get(1),
                _ => None,
            };
            if let Some(&value) = stored {
                let bases = self.eval.arena.set(vec![receiver]);
                self.publish_into(walk, bases, value);
            }
        }
        let _ = base;
        self.method_without_base(walk, index, call_index, receiver, name);
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
            let place = self.contents_place(receiver);
            self.access(walk, index, place, Access::Advance, Look::Use, None);
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
                    until: model.unsafe_until.as_deref().and_then(super::Target::named),
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
        if models.iter().any(|model| model.takes_lock) {
            self.record(
                walk,
                index,
                Action::Acquire {
                    lock: receiver,
                    reentrant: false,
                    may_fail: false,
                },
            );
        }
        let model = models.iter().find_map(|model| model.method.get(text));
        if let Some(model) = model {
            self.modelled_call(walk, index, call_index, model, Some(receiver), name);
        }
    }

    // ---- threads -----------------------------------------------------------------------------

    /// The frames that calling an object with these arguments would run.
    fn frames_of(&mut self, object: ObjectId, arguments: &[SetId], open: bool) -> Vec<FrameId> {
        match self.eval.arena.get(object).clone() {
            Object::Function(id, environment) => {
                vec![self.eval.bind(id, environment, arguments, &[], open)]
            }
            Object::Bound(receiver, function) => {
                let mut all = vec![self.eval.arena.set(vec![receiver])];
                all.extend_from_slice(arguments);
                self.frames_of(function, &all, open)
            }
            Object::Instance(class, _) => match self.eval.method_of(class, Name::new("__call__")) {
                Some(method) => {
                    let mut all = vec![self.eval.arena.set(vec![object])];
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

    fn start_thread(&mut self, walk: &mut Walk<'_>, index: u32, thread: ObjectId) {
        let models = self.eval.models_of(thread);
        let Some(model) = models.iter().find_map(|model| model.thread.as_ref()) else {
            return;
        };
        let runs_as = Name::new(&model.spawn.runs_as);
        let mut targets = Vec::new();
        let mut methods = Vec::new();
        let mut distinct = Vec::new();
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
            for set in given.arguments {
                published.extend_from_slice(self.eval.arena.members(set));
            }
        }
        let many = self.is_many(thread);
        if many {
            distinct.push(thread);
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
            many,
            threads: Threads::One,
            distinct,
            live: walk.live.clone(),
            runs_as,
            interrupt: false,
            serial: false,
            assumed: false,
            held,
            in_constructor_of,
        };
        self.add_spawn(walk, spawn);
    }

    fn constructed_now(&self, walk: &Walk<'_>) -> Option<ObjectId> {
        (walk.function.name.as_str() == "__init__")
            .then(|| self.eval.receiver(walk.frame))
            .flatten()
    }

    fn add_spawn(&mut self, walk: &mut Walk<'_>, spawn: Spawn) {
        let position = u32::try_from(walk.summary.spawns.len()).unwrap_or(0);
        walk.summary.spawns.push(spawn);
        walk.live.push(position);
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
        let target = spawn
            .keyword
            .as_deref()
            .and_then(keyword)
            .or_else(|| spawn.target.and_then(|at| positional.get(at).copied()));
        let mut result = SpawnArguments::default();
        let Some(target) = target else {
            return result;
        };
        let callables = self.eval.value(frame, target);
        result.callables = self.eval.arena.members(callables).to_vec();
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
                for &iterable in positional.iter().skip(after) {
                    let set = self.eval.value(frame, iterable);
                    let elements = self.eval.elements_of_set(set);
                    result.arguments.push(elements);
                    result
                        .distinct
                        .extend_from_slice(self.eval.arena.members(elements));
                }
            }
        }
        for value in values {
            let set = self.eval.value(frame, value);
            result.arguments.push(set);
            let each_its_own = call.many
                && (matches!(function.value(value), Value::Element(_))
                    || matches!(function.value(value), Value::Call(inner)
                        if function.calls[*inner as usize].many)
                    || matches!(function.value(value), Value::Container { many: true, .. }));
            if each_its_own {
                result
                    .distinct
                    .extend_from_slice(self.eval.arena.members(set));
            }
        }
        result
    }

    /// A call that makes another thread run its argument: `submit`, `to_thread`, a callback.
    fn spawn_by_call(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        call_index: u32,
        model: &crate::models::Spawn,
        receiver: Option<ObjectId>,
    ) {
        use crate::models::Passing;
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
        let given = self.spawn_arguments(walk.frame, call_index, model);
        let mut targets = Vec::new();
        let mut methods = Vec::new();
        for &object in &given.callables {
            if let Object::Method(receiver, name) = *self.eval.arena.get(object) {
                methods.push((receiver, name));
            }
            let open = model.passing == Passing::Unknown;
            for frame in self.frames_of(object, &given.arguments, open) {
                let id = self.eval.arena.frame_of(frame).function;
                if model.sync_only && self.eval.links.function(id).is_async {
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
        let in_loop = walk.function.ops[index as usize].in_loop;
        let many = in_loop || model.passing == Passing::Element || {
            // Callbacks run whenever; a task submitted once runs once.
            model.threads == Threads::Many && model.passing == Passing::Unknown
        };
        let mut handles: Vec<ObjectId> = Vec::new();
        let set = self.eval.value(walk.frame, call.result);
        handles.extend_from_slice(self.eval.arena.members(set));
        handles.extend(receiver);
        let held = self.held_at(walk, index);
        let in_constructor_of = self.constructed_now(walk);
        let spawn = Spawn {
            targets,
            methods,
            at: self.at(walk, index),
            handles,
            many: many && !model.shares_thread,
            threads: model.threads,
            distinct: given.distinct,
            live: walk.live.clone(),
            runs_as: Name::new(&model.runs_as),
            interrupt: model.interrupt,
            serial: model.shares_thread,
            assumed: model.assumed,
            held,
            in_constructor_of,
        };
        // A joined call is over when it returns; results of `map` that are used are waited for.
        let over = (model.joined
            && (call.awaited || !call.statement || model.passing == Passing::Element))
            || (model.passing == Passing::Element && !call.statement);
        let position = u32::try_from(walk.summary.spawns.len()).unwrap_or(0);
        walk.summary.spawns.push(spawn);
        if !over {
            walk.live.push(position);
        }
    }
}

#[derive(Default)]
struct SpawnArguments {
    callables: Vec<ObjectId>,
    arguments: Vec<SetId>,
    distinct: Vec<ObjectId>,
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
    at: At,
    held: Rc<[HeldLock]>,
    look: Look,
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

/// The value that stands for an object at its allocation site.
fn made_value(function: &Function, site: u32) -> ValueId {
    if site & CALL_ORIGIN == 0 {
        ValueId(site)
    } else {
        function.calls[(site & !CALL_ORIGIN) as usize].result
    }
}

/// Whether a function keeps a value: stores it, hands it on, or lets a nested function see it.
fn is_kept(function: &Function, value: ValueId) -> bool {
    let holds = |list: &[ValueId]| list.contains(&value);
    function
        .cells
        .iter()
        .any(|(_, values)| values.contains(&value))
        || function.ops.iter().any(|op| match &op.kind {
            OpKind::Write { value: stored, .. }
            | OpKind::WriteVariable { value: stored, .. }
            | OpKind::ItemWrite { value: stored, .. } => *stored == value,
            OpKind::Call(call) => {
                let call = &function.calls[*call as usize];
                holds(function.list(call.arguments))
                    || call.keywords.iter().any(|(_, argument)| *argument == value)
            }
            _ => false,
        })
        || function.values.iter().any(|it| match it {
            Value::Container { elements, .. } => holds(function.list(*elements)),
            _ => false,
        })
}

fn sounds_like_lock(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [
        "lock",
        "mutex",
        "cond",
        "semaphore",
        "guard",
        "monitor",
        "synchron",
        "critical",
        "_cv",
    ]
    .iter()
    .any(|word| lower.contains(word))
}

/// Where an op's text lies; for tests and messages.
pub fn range_of(function: &Function, op: u32) -> Range {
    function.ops[op as usize].range
}
