//! Trees: an entry, the threads it starts, the threads these start, and what each of them does.
//! What others of the same kind do the same is said once or twice, not for each of them.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Entry, Finder, Meanwhile, Record, Root, RootKind};
use crate::program::effect::{Action, Effect, Spawn};
use crate::program::object::ObjectId;
use crate::program::sharing;
use crate::program::summary::Follow;
use crate::program::sync_order::Steps;
use crate::program::{Callers, phases};
use crate::source::name::Name;

/// Deeper nests of threads that start threads are cut.
const MAX_NESTING: u32 = 3;

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

impl Finder<'_> {
    pub(super) fn run_entry(&mut self, entry: &Entry) {
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
            on_loop: entry.on_loop,
            entry: tree,
            group: entry.group,
            callers: entry.callers,
            parent: None,
            live: Vec::new(),
            handles: Vec::new(),
            thread: None,
            outlives: true,
            worker: None,
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
        let worker = spawn.worker.map(|it| self.key(it));
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
            on_loop: spawn.on_loop,
            entry: tree,
            group: entry.group,
            callers: entry.callers,
            parent: Some((start.parent, start.number)),
            live: spawn.live.clone(),
            handles,
            thread,
            outlives: start.outlives,
            worker,
        });
        for &(object, method) in &spawn.methods {
            self.thread_method(root, spawn, object, method);
        }
        let mut nested = 0;
        for &target in &spawn.targets {
            let summary = self.summaries.summary(target);
            let on = self.summaries.eval.receiver(target);
            let first = self.result.records.len();
            self.record_all(root, on, &summary.effects, &spawn.distinct);
            let bound = u16::from(on.is_some());
            for at in first..self.result.records.len() {
                if let Action::Access(access) = self.result.records[at].action {
                    let position = access.keyed_by.and_then(|it| it.checked_sub(bound));
                    let is_among = |some: &[u16]| position.is_some_and(|it| some.contains(&it));
                    let is_file = self.is_of_parameter(access.place);
                    let record = &mut self.result.records[at];
                    record.own_element = is_among(&spawn.unequal);
                    record.distinct &= !(is_file && is_among(&spawn.equal));
                }
            }
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
                meeting: None,
                via: spawn.at,
                under: None,
                meanwhile: Arc::default(),
                own: false,
                distinct: false,
                own_element: false,
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
    pub(super) fn is_known_of_callers(&mut self, root: u32, effect: &Effect) -> bool {
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
        (
            spawn.many,
            spawn.interrupt,
            &spawn.distinct,
            &spawn.unequal,
            &spawn.equal,
        )
            .hash(&mut hasher);
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
            let Some(record) = self.result.records.last() else {
                continue;
            };
            let meanwhile = Arc::clone(&record.meanwhile);
            let waited: Vec<u64> = steps
                .after(index)
                .map(|(object, arrival)| self.step_key(object, arrival))
                .collect();
            let before = steps
                .before(index)
                .map(|(object, arrival)| self.step_key(object, arrival))
                .collect();
            let meanwhile = self.shared_meanwhile(Meanwhile {
                finished: [&meanwhile.finished[..], &waited].concat().into(),
                before,
                ..(*meanwhile).clone()
            });
            if let Some(record) = self.result.records.last_mut() {
                record.meanwhile = meanwhile;
            }
        }
    }

    /// Identity of an event, or of an arrival at a barrier.
    fn step_key(&mut self, object: ObjectId, arrival: u32) -> u64 {
        use std::hash::BuildHasher;
        rustc_hash::FxBuildHasher.hash_one((self.key(object), arrival))
    }

    /// Events that may be set more than once, or are cleared, order nothing.
    pub(super) fn forget_repeated_sets(&mut self) {
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
                record.meanwhile = Arc::new(Meanwhile {
                    before: kept.copied().collect(),
                    ..(*record.meanwhile).clone()
                });
            }
        }
    }
}
