//! Conflicts: pairs of accesses to one place that threads may perform in parallel, at least one
//! of them writing, without a common lock.
//!
//! Which pairs are worth reporting is decided here, once, and by what goes wrong rather than by
//! where it was found:
//!
//! - an update in two steps loses the other thread's store ([`Defect::LostUpdate`]);
//! - a test that another thread invalidates before the act ([`Defect::StaleTest`]);
//! - a walk through a container that changes size meanwhile ([`Defect::BrokenWalk`]);
//! - a store that ignores the lock other accesses hold ([`Defect::UnguardedWrite`]);
//! - data read while another thread that the program starts replaces it
//!   ([`Defect::UnorderedWrite`]);
//! - a container that is sorted while others look at it ([`Defect::HalfDone`]).
//!
//! Two single atomic operations do not make a defect: they are ordered one way or the other, and
//! either is what the programmer wrote ([`Defect::Atomic`], for those who want to know). A lone load without the lock sees a value that was
//! current a moment ago, which is what it would have seen with the lock; it is not reported.
//!
//! One finding is made for each place: all its conflicts share a cause. It is reported at the
//! access that must change: the one without the lock, or the one made of several steps.

use rustc_hash::FxHashMap;

use super::atomicity::Access;
use super::effect::{Action, At, Mode, PlaceAccess, Slot};
use super::roots::{Held, Record, Root, RootKind, parallel};
use crate::facts::Look;
use crate::models::{ContainerKind, State};
use crate::source::name::Name;

/// Records of one place beyond this many, after merging equal ones, are left out.
const MAX_RECORDS: usize = 160;
/// Other sides listed with a conflict.
const MAX_OTHERS: usize = 8;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Defect {
    /// An update loses another one.
    LostUpdate,
    /// A test is no longer true when it is acted on.
    StaleTest,
    /// The same, where the act fills what the test found empty.
    LazyInit,
    /// A container changes while it is walked.
    BrokenWalk,
    /// Several threads advance one iterator.
    SharedIterator,
    /// A store without the lock that guards the place.
    UnguardedWrite,
    /// Both sides hold a lock, but not the same one.
    MismatchedLocks,
    /// A lock that is made anew for each call.
    PerCallLock,
    /// A semaphore that lets several in, or the shared side of a reader-writer lock.
    SemaphoreNotAMutex,
    /// A lock of an event loop, used by threads.
    AsyncLock,
    /// A thread reads what its starter stores only after the start.
    PublishedBeforeInit,
    /// A store and a load that nothing orders.
    UnorderedWrite,
    /// Several steps on a container, seen half done.
    HalfDone,
    /// Only single atomic operations: safe.
    Atomic,
}

/// One side of a conflict.
#[derive(Debug, Clone)]
pub struct Side {
    /// The access.
    pub record: u32,
    /// Which, in the records of the program.
    pub at: At,
}

/// All conflicts on one place.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// What goes wrong.
    pub defect: Defect,
    /// The place in words.
    pub place: Name,
    /// Where to act.
    pub primary: u32,
    /// What collides with it first.
    pub other: u32,
    /// Further accesses that take part.
    pub more: Vec<u32>,
    /// Both sides run on threads that the program starts, or on its main thread.
    pub explicit: bool,
    /// The lock that most other accesses hold, with how many do and how many there are.
    pub guard: Option<(Name, usize, usize)>,
}

/// All records of the program, by place.
pub struct Places<'a> {
    roots: &'a [Root],
    records: &'a [Record],
    /// Indices of records, by place.
    by_place: Vec<Vec<u32>>,
}

impl Conflict {
    /// Something goes wrong.
    pub fn is_harmful(&self) -> bool {
        self.defect != Defect::Atomic
    }
}

impl<'a> Places<'a> {
    /// Groups accesses by place.
    pub fn new(roots: &'a [Root], records: &'a [Record]) -> Self {
        let mut index: FxHashMap<u64, usize> = FxHashMap::default();
        let mut by_place: Vec<Vec<u32>> = Vec::new();
        for (at, record) in records.iter().enumerate() {
            if !matches!(record.action, Action::Access(_)) {
                continue;
            }
            let slot = *index.entry(record.key).or_insert_with(|| {
                by_place.push(Vec::new());
                by_place.len() - 1
            });
            by_place[slot].push(u32::try_from(at).unwrap_or(u32::MAX));
        }
        Self {
            roots,
            records,
            by_place,
        }
    }

    /// The conflicts of all places.
    pub fn conflicts(&self) -> Vec<Conflict> {
        use rayon::prelude::*;
        self.by_place
            .par_iter()
            .filter_map(|records| self.conflict(records))
            .collect()
    }

    fn access(&self, record: u32) -> PlaceAccess {
        match self.records[record as usize].action {
            Action::Access(access) => access,
            _ => unreachable!("only accesses are grouped"),
        }
    }

    fn root(&self, record: u32) -> &Root {
        &self.roots[self.records[record as usize].root as usize]
    }

    fn conflict(&self, all: &[u32]) -> Option<Conflict> {
        let writes = all.iter().any(|&it| self.access(it).access.writes());
        if !writes {
            return None;
        }
        // What is made empty and never filled has nothing to lose.
        let unnamed = all
            .iter()
            .all(|&it| self.access(it).place.slot == Slot::Contents);
        if unnamed && !all.iter().any(|&it| self.access(it).access.fills()) {
            return None;
        }
        let records = self.merged(all);
        let guard = self.guard(&records);
        let mut best: Option<(Rank, Defect, u32, u32, bool)> = None;
        let mut sides: Vec<u32> = Vec::new();
        for (position, &a) in records.iter().enumerate() {
            for &b in &records[position..] {
                let (one, other) = (&self.records[a as usize], &self.records[b as usize]);
                if !parallel(self.roots, one, other) {
                    continue;
                }
                for (x, y) in [(a, b), (b, a)] {
                    let Some(defect) = self.defect(x, y, guard.as_ref(), &records) else {
                        continue;
                    };
                    let explicit = self.are_explicit(x, y);
                    if !explicit && !self.records[x as usize].rooted {
                        continue;
                    }
                    // Of two equal sides, the one without a lock is where to act.
                    let locks = self.records[x as usize].held.len();
                    let rank = (rank(defect, explicit, self.access(x)), locks);
                    if best.is_none_or(|(known, ..)| rank < known) {
                        best = Some((rank, defect, x, y, explicit));
                    }
                    for side in [x, y] {
                        if !sides.contains(&side) {
                            sides.push(side);
                        }
                    }
                    if a == b {
                        break;
                    }
                }
            }
        }
        let (_, defect, primary, other, explicit) = best?;
        let place = self.records[primary as usize].words;
        let mut shown = vec![
            self.records[primary as usize].at,
            self.records[other as usize].at,
        ];
        let mut more = Vec::new();
        for side in sides {
            let at = self.records[side as usize].at;
            if shown.contains(&at) || more.len() >= MAX_OTHERS {
                continue;
            }
            shown.push(at);
            more.push(side);
        }
        Some(Conflict {
            defect,
            place,
            primary,
            other,
            more,
            explicit,
            guard: guard.map(|guard| (guard.words, guard.held, guard.total)),
        })
    }

    /// One record for each way of accessing the place that makes a difference.
    fn merged(&self, all: &[u32]) -> Vec<u32> {
        let mut seen = rustc_hash::FxHashSet::default();
        let mut kept = Vec::new();
        for &it in all {
            let record = &self.records[it as usize];
            let access = self.access(it);
            let root = self.root(it);
            let held: Vec<_> = record
                .held
                .iter()
                .map(|held| (held.key, held.mode))
                .collect();
            let who = match root.kind {
                RootKind::Caller => (u64::MAX, root.group.unwrap_or(0)),
                _ => (root.entry, u64::from(record.root)),
            };
            let key = (
                record.at,
                access.access,
                held,
                who,
                record.live.clone(),
                record.own,
            );
            if seen.insert(key) {
                kept.push(it);
                if kept.len() >= MAX_RECORDS {
                    break;
                }
            }
        }
        kept
    }

    /// Both sides run on threads that the program starts, and that both exist does not rest on
    /// who calls it.
    fn are_explicit(&self, a: u32, b: u32) -> bool {
        let (one, other) = (self.root(a), self.root(b));
        one.explicit
            && other.explicit
            && (one.entry == other.entry || (one.parent.is_none() && other.parent.is_none()))
    }

    /// The lock that most accesses outside constructors hold.
    fn guard(&self, records: &[u32]) -> Option<Guard> {
        let mut counts: FxHashMap<u64, (Name, Vec<At>, bool)> = FxHashMap::default();
        let mut sites: Vec<At> = Vec::new();
        let mut open: Vec<(At, &[Held])> = Vec::new();
        for &it in records {
            let record = &self.records[it as usize];
            if record.in_constructor && record.live.is_empty() {
                continue;
            }
            if !sites.contains(&record.at) {
                sites.push(record.at);
            }
            if !self.root(it).explicit {
                open.push((record.at, &record.held));
            }
            for held in &record.held {
                if !held.covers || held.mode != Mode::Exclusive {
                    continue;
                }
                let entry = counts
                    .entry(held.key)
                    .or_insert_with(|| (held.words, Vec::new(), false));
                if !entry.1.contains(&record.at) {
                    entry.1.push(record.at);
                }
                entry.2 |= self.access(it).access.writes();
            }
        }
        let total = sites.len();
        // A site that some callers reach without the lock is not guarded by it: that others come
        // with a lock of their own says nothing about the place.
        for (&key, (_, held, _)) in &mut counts {
            held.retain(|site| {
                open.iter()
                    .all(|(at, locks)| at != site || locks.iter().any(|lock| lock.key == key))
            });
        }
        let mut candidates: Vec<_> = counts.into_iter().collect();
        candidates.sort_by_key(|(key, (_, held, _))| (std::cmp::Reverse(held.len()), *key));
        let (key, (words, held, writes)) = candidates.into_iter().next()?;
        // Guarded: at least two accesses and at least half of all hold the lock, one of them
        // writing.
        let most = held.len() * 2 >= total && held.len() >= 2;
        (writes && (most || (total == 2 && held.len() == 1))).then_some(Guard {
            key,
            words,
            held: held.len(),
            total,
        })
    }

    /// What goes wrong when `a` and `b` happen in parallel; `a` is where to act.
    fn defect(&self, a: u32, b: u32, guard: Option<&Guard>, records: &[u32]) -> Option<Defect> {
        let (one, other) = (&self.records[a as usize], &self.records[b as usize]);
        let (x, y) = (self.access(a), self.access(b));
        if x.is_of_other_element(&y) {
            return None;
        }
        let protection = protection(one, other, x.access.writes() && y.access.writes());
        if protection == Protection::Common {
            return None;
        }
        if one.in_constructor && one.live.is_empty()
            || other.in_constructor && other.live.is_empty()
        {
            return None;
        }
        // Under the guard all along: it is the other side that must take it.
        let guarded = guard.is_some_and(|it| holds(one, it.key));
        if guarded
            && protection == Protection::Missing
            && x.access.is_compound()
            && y.access.writes()
        {
            return None;
        }
        let explicit = self.are_explicit(a, b);
        let defect = self.bare_defect(a, b, x, y, guard, explicit, records)?;
        Some(match protection {
            _ if defect == Defect::PublishedBeforeInit => defect,
            Protection::PerCall => Defect::PerCallLock,
            Protection::Weak => Defect::SemaphoreNotAMutex,
            Protection::Async => Defect::AsyncLock,
            Protection::Mismatched if defect != Defect::BrokenWalk && x.relies_on.is_none() => {
                Defect::MismatchedLocks
            }
            _ => match defect {
                // The guard is known: that it is missing says more than what goes wrong.
                Defect::LostUpdate
                    if guard.is_some_and(|it| !holds(one, it.key)) && x.relies_on.is_none() =>
                {
                    Defect::UnguardedWrite
                }
                defect => defect,
            },
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn bare_defect(
        &self,
        a: u32,
        b: u32,
        x: PlaceAccess,
        y: PlaceAccess,
        guard: Option<&Guard>,
        explicit: bool,
        records: &[u32],
    ) -> Option<Defect> {
        let (one, other) = (&self.records[a as usize], &self.records[b as usize]);
        let kind = x.container.or(y.container);
        if let Slot::File(_) = x.place.slot {
            let is_stale = explicit && x.access == Access::CheckThenAct && y.acts_as() == x.acts;
            return is_stale.then_some(Defect::StaleTest);
        }
        if let Slot::State(state) = x.place.slot {
            // To ask and to take are one step each: only the two together go wrong. A queue may be one
            // thread's heap or ring; locks and futures are made for several.
            let is_shared = explicit || matches!(state, State::Free | State::Pending);
            let is_stale = x.access == Access::CheckThenAct && y.acts_as() == x.acts && is_shared;
            return is_stale.then_some(Defect::StaleTest);
        }
        // Who walks or asks the container that was replaced goes on with the old one.
        if y.replaces_container() && !x.access.writes() {
            return None;
        }
        match x.access {
            Access::Advance => Some(Defect::SharedIterator),
            Access::Update if y.access.writes() => {
                // Another element is another value, unless what is added depends on those there.
                let adds = y.access == Access::Add || y.adds_computed();
                if let Slot::Contents | Slot::ContentsOf(_) = x.place.slot
                    && adds
                    && !x.adds_computed()
                    && !x.replaces_container()
                {
                    return None;
                }
                // Two who replace it meet at the attribute; that callers only assumed to be there do so
                // takes a lock to tell.
                let assumed = !explicit && guard.is_none();
                if x.replaces_container() && (y.replaces_container() || assumed) {
                    return None;
                }
                // The act itself, under all locks that it holds, is compared on its own.
                (y.access != Access::CheckThenAct).then_some(Defect::LostUpdate)
            }
            Access::CheckThenAct if y.access.writes() => {
                self.stale_test(x, y, explicit, guard, one, records)
            }
            Access::Iterate => {
                let kind = kind.unwrap_or(ContainerKind::List);
                if !y.access.changes_size(kind) {
                    return None;
                }
                // A walk through a list goes on, with an element more or less.
                if !explicit && kind == ContainerKind::List && guard.is_none() {
                    return None;
                }
                Some(Defect::BrokenWalk)
            }
            // A variable that goes away while others still load it.
            Access::Delete if x.acts == Access::Delete => {
                matches!(y.access, Access::Read | Access::Delete).then_some(Defect::StaleTest)
            }
            Access::Write | Access::Delete => {
                let in_init = one.in_constructor && !one.live.is_empty();
                if in_init {
                    // Before the constructor is over nobody calls methods of the object but the
                    // threads that it has started.
                    let by_thread = self.roots[other.root as usize].kind == RootKind::Thread;
                    let published = by_thread && !y.access.writes();
                    return published.then_some(Defect::PublishedBeforeInit);
                }
                if let Some(guard) = guard
                    && !holds(one, guard.key)
                    && !(x.constant && self.only_tested(records))
                    && (y.access.writes() || holds(other, guard.key))
                {
                    return Some(Defect::UnguardedWrite);
                }
                let is_flag = x.constant && y.look != Look::Use;
                if one.own
                    && x.access == Access::Write
                    && !y.access.writes()
                    && explicit
                    && !is_flag
                {
                    return Some(Defect::PublishedBeforeInit);
                }
                // What one call stores for itself on leaving, another one has replaced.
                let by_each_call = self.root(a).entered && self.root(b).entered;
                if by_each_call
                    && !x.constant
                    && y.access == Access::Read
                    && y.look == Look::Use
                    && one.at.function != other.at.function
                {
                    return Some(Defect::UnorderedWrite);
                }
                // What two entries have started beside one another is up to who calls them.
                let in_one_tree = self.root(a).entry == self.root(b).entry;
                // The first test of a double-checked lock: a stale answer costs an acquisition.
                let is_locked = one.held.iter().any(|it| it.mode == Mode::Exclusive);
                if is_locked && y.look != Look::Use {
                    return None;
                }
                if in_one_tree && explicit && !x.fills && !self.is_flag(records) && is_seen(x, y) {
                    return Some(Defect::UnorderedWrite);
                }
                None
            }
            Access::Rearrange if guard.is_none() => {
                let seen = !matches!(y.access, Access::Read | Access::Iterate);
                (explicit && seen).then_some(Defect::HalfDone)
            }
            Access::Remove | Access::Clear | Access::Rearrange | Access::SetItem | Access::Add => {
                let Some(guard) = guard else {
                    let both = matches!(
                        y.access,
                        Access::Remove | Access::Clear | Access::SetItem | Access::Add
                    );
                    return (explicit && both).then_some(Defect::Atomic);
                };
                if holds(one, guard.key) || !holds(other, guard.key) {
                    return None;
                }
                // A single atomic operation beside a critical section that is made of several.
                (y.access.is_compound() || y.access == Access::Rearrange || explicit)
                    .then_some(Defect::UnguardedWrite)
            }
            // What the test found is gone by the time it is looked up.
            Access::Lookup if x.relies_on.is_some() => {
                matches!(y.access, Access::Remove | Access::Clear).then_some(Defect::StaleTest)
            }
            Access::Read if explicit && x.relies_on.is_some() => {
                let removes = match y.access {
                    Access::Delete => true,
                    Access::Write => y.constant,
                    _ => false,
                };
                (removes && x.look == Look::Use).then_some(Defect::StaleTest)
            }
            _ => None,
        }
    }

    fn stale_test(
        &self,
        x: PlaceAccess,
        y: PlaceAccess,
        explicit: bool,
        guard: Option<&Guard>,
        one: &Record,
        records: &[u32],
    ) -> Option<Defect> {
        if let Slot::Field(_) = x.place.slot {
            // An attribute that no lock guards, of an object whose class says nothing of threads, is
            // settled by whoever uses the object.
            let is_offered = self.roots[one.root as usize].group.is_some();
            if !explicit && one.on_instance && !is_offered && guard.is_none() {
                return None;
            }
            // A flag that ends the loop whose condition it is.
            if x.fills && x.constant && one.in_loop {
                return None;
            }
            // What either thread puts in its place is as good as what the other one finds there.
            if !explicit && x.refreshes() && guard.is_none() {
                return None;
            }
            if x.fills && !x.constant {
                return (explicit || (x.identity && !x.cached)).then_some(Defect::LazyInit);
            }
            // Setting a flag once more than needed is harmless unless something else depends on
            // it; with a lock around other accesses it does.
            if !explicit && x.constant && (x.locked || guard.is_none_or(|it| holds(one, it.key))) {
                return None;
            }
            if !explicit && self.is_flag(records) && guard.is_none() {
                return None;
            }
            return Some(Defect::StaleTest);
        }
        // Contents: the act must be able to fail or to overwrite. What any caller may compute
        // again is as good as what it overwrites, and one element too many where there was none is
        // still one.
        let fills = x.acts == Access::Add && x.fills && !x.piecemeal && !x.matters_after;
        let harmless =
            fills || x.refills() && !x.identity && !x.piecemeal || x.adds_to_set() || x.ensures;
        if !explicit && harmless {
            return None;
        }
        // What was there goes away only when somebody takes it out.
        if x.acts == Access::Remove {
            let removes = matches!(
                y.acts_as(),
                Access::Remove | Access::Clear | Access::Rearrange
            );
            return removes.then_some(Defect::StaleTest);
        }
        match y.access {
            Access::Remove
            | Access::Clear
            | Access::CheckThenAct
            | Access::SetItem
            | Access::Add
            | Access::Update
            | Access::Rearrange => Some(Defect::StaleTest),
            _ => None,
        }
    }

    /// A flag: every store is a constant and every load a test.
    fn is_flag(&self, records: &[u32]) -> bool {
        records.iter().all(|&it| {
            let access = self.access(it);
            match access.access {
                Access::Write | Access::CheckThenAct => access.constant,
                Access::Read => access.look != Look::Use,
                _ => false,
            }
        })
    }

    fn only_tested(&self, records: &[u32]) -> bool {
        records.iter().all(|&it| {
            let access = self.access(it);
            access.access != Access::Read || access.look != Look::Use
        })
    }
}

/// Whether an unordered store can be seen by the other side: by a load that uses the value, or by a
/// store of another one.
fn is_seen(store: PlaceAccess, by: PlaceAccess) -> bool {
    match by.access {
        Access::Read => by.look == Look::Use || !store.constant,
        Access::Write => !store.constant || !by.constant,
        _ => false,
    }
}

struct Guard {
    key: u64,
    words: Name,
    held: usize,
    total: usize,
}

fn holds(record: &Record, lock: u64) -> bool {
    record
        .held
        .iter()
        .any(|held| held.key == lock && held.covers && held.mode == Mode::Exclusive)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// A lock both hold.
    Common,
    /// Both hold locks, none of them the same.
    Mismatched,
    /// Both hold locks that are made for each call.
    PerCall,
    /// Both hold one that lets several in.
    Weak,
    /// Both hold a lock of an event loop.
    Async,
    /// At least one holds nothing.
    Missing,
}

fn protection(a: &Record, b: &Record, both_write: bool) -> Protection {
    let mut weak = false;
    let mut asynchronous = false;
    for one in &a.held {
        for other in &b.held {
            if one.key != other.key || !one.covers || !other.covers {
                continue;
            }
            match (one.mode, other.mode) {
                (Mode::Exclusive, Mode::Exclusive) => return Protection::Common,
                (Mode::Exclusive, Mode::Shared) | (Mode::Shared, Mode::Exclusive) => {
                    return Protection::Common;
                }
                (Mode::Shared, Mode::Shared) if both_write => weak = true,
                (Mode::Permits, _) | (_, Mode::Permits) => weak = true,
                (Mode::Async, Mode::Async) => asynchronous = true,
                _ => {}
            }
        }
    }
    if weak {
        return Protection::Weak;
    }
    if asynchronous {
        return Protection::Async;
    }
    let per_call = |held: &[Held]| held.iter().any(|it| it.mode == Mode::PerCall);
    if per_call(&a.held) || per_call(&b.held) {
        return Protection::PerCall;
    }
    let exclusive = |held: &[Held]| held.iter().any(|it| it.mode == Mode::Exclusive);
    if exclusive(&a.held) && exclusive(&b.held) {
        return Protection::Mismatched;
    }
    Protection::Missing
}

/// Smaller is reported first: what goes wrong, and how many locks are held where.
type Rank = (u32, usize);

/// What goes wrong, for a [`Rank`].
fn rank(defect: Defect, explicit: bool, access: PlaceAccess) -> u32 {
    let base = match defect {
        Defect::PerCallLock => 0,
        Defect::SemaphoreNotAMutex => 1,
        Defect::AsyncLock => 2,
        Defect::UnguardedWrite => match access.access {
            Access::Update => 4,
            _ => 6,
        },
        Defect::LazyInit => 5,
        Defect::LostUpdate if access.adds_computed() => 14,
        Defect::LostUpdate => 7,
        Defect::StaleTest => 8,
        Defect::MismatchedLocks => 9,
        Defect::SharedIterator => 10,
        Defect::BrokenWalk => 11,
        Defect::PublishedBeforeInit => 12,
        Defect::HalfDone => 13,
        Defect::UnorderedWrite => 15,
        Defect::Atomic => 99,
    };
    base * 2 + u32::from(!explicit)
}
