//! May happen in parallel: which records of the program can be at the same time, by who starts
//! whom, who waits for whom, and who may call.

use super::{Record, Root, RootKind};
use crate::program::Callers;

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
    if (one.on_loop && assumed(other)) || (other.on_loop && assumed(one)) {
        return false;
    }
    // However often: each waits its turn on the thread they share.
    if one.serial && other.serial && one.runs_as == other.runs_as {
        return false;
    }
    if one.worker.is_some() && one.worker == other.worker {
        return false;
    }
    // Each thread of one start has an object, or an element, of its own.
    let apart = a.distinct || b.distinct || a.own_element && b.own_element;
    if a.root == b.root {
        return one.many && !(apart || one.once || a.own && b.own);
    }
    let starts_once = |root: &Root| root.thread.is_some() && !root.many;
    if starts_once(one) && starts_once(other) && one.thread == other.thread {
        return false;
    }
    if one.entry == other.entry {
        return parallel_in_tree(roots, a, b);
    }
    if same_thread(one, other) {
        return one.many && !apart;
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
