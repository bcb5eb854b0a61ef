//! Who calls what is offered to callers: of the objects that a program makes for its own threads, these
//! threads.
//!
//! That any thread may call a public method of a class that takes care of threads is an assumption.
//! The call graph may know better: where an object is made by another class, a thread that the
//! program starts calls its method, and nothing that others can call does, the method is there for
//! that thread. The class that starts the thread is left out, as its methods are what others call to
//! deal with the thread.

use rustc_hash::{FxHashMap, FxHashSet};

use super::link::Links;
use super::object::{FunctionId, ModuleIndex};
use super::roots::{Root, RootKind, is_public};

/// A class, as far as its functions tell.
type Class = (ModuleIndex, u32);

/// The entries, as [`Root::entry`], that no caller but threads of the program uses; `calls` are the
/// calls between functions that roots reach.
pub fn left_to_threads(
    roots: &[Root],
    calls: &[(FunctionId, FunctionId)],
    links: &Links,
) -> FxHashSet<u64> {
    let class = |id: FunctionId| -> Option<Class> {
        links.function(id).class.map(|index| (id.module, index))
    };
    let threads: FxHashSet<FunctionId> = roots
        .iter()
        .filter(|it| it.explicit && it.kind == RootKind::Thread && !it.interrupt)
        .map(|it| it.function)
        .collect();
    let made: FxHashSet<Class> = calls
        .iter()
        .filter(|(_, callee)| links.function(*callee).name.as_str() == "__init__")
        .filter(|(maker, callee)| class(*maker).is_some_and(|it| Some(it) != class(*callee)))
        .filter_map(|&(_, constructor)| class(constructor))
        .collect();
    let graph = CallGraph::new(calls);
    let by_threads = graph.reached_from(threads.iter().copied());
    // A method is not called by a thread only because its own class starts it.
    let starters: FxHashSet<Class> = threads.iter().filter_map(|&it| class(it)).collect();
    let by_threads_of_others: FxHashMap<Class, FxHashSet<FunctionId>> = starters
        .into_iter()
        .filter(|own| made.contains(own))
        .map(|own| {
            let others = threads.iter().copied().filter(|&it| class(it) != Some(own));
            (own, graph.reached_from(others))
        })
        .collect();
    let is_given = |root: &&Root| {
        root.group.is_some()
            && class(root.function).is_some_and(|own| {
                let called = by_threads_of_others.get(&own).unwrap_or(&by_threads);
                made.contains(&own) && called.contains(&root.function)
            })
    };
    let entries = || {
        let entries = roots
            .iter()
            .filter(|it| it.parent.is_none() && !it.explicit);
        entries.filter(|it| it.kind != RootKind::Thread)
    };
    let shared: FxHashSet<Class> = entries()
        .filter(|it| it.group.is_some())
        .filter_map(|it| class(it.function))
        .collect();
    // A method of an object that callers do not share is called on one of their own; what a thread
    // runs is not there for callers.
    let is_offered = |id: &FunctionId| {
        is_public(links.function(*id).name.as_str())
            && class(*id).is_none_or(|own| shared.contains(&own) && !made.contains(&own))
            && !threads.contains(id)
    };
    let functions = calls.iter().map(|&(caller, _)| caller);
    let mut offered: FxHashSet<FunctionId> = functions.filter(is_offered).collect();
    let others = entries().filter(|it| !is_given(it) && it.group.is_some());
    offered.extend(
        others
            .map(|it| it.function)
            .filter(|it| !threads.contains(it)),
    );
    let by_others = graph.reached_from(offered.into_iter());
    entries()
        .filter(is_given)
        .filter(|it| !by_others.contains(&it.function))
        .map(|it| it.entry)
        .collect()
}

/// Who calls whom.
struct CallGraph {
    callees: FxHashMap<FunctionId, Vec<FunctionId>>,
}

impl CallGraph {
    fn new(calls: &[(FunctionId, FunctionId)]) -> Self {
        let mut callees: FxHashMap<FunctionId, Vec<FunctionId>> = FxHashMap::default();
        for &(caller, callee) in calls {
            callees.entry(caller).or_default().push(callee);
        }
        Self { callees }
    }

    /// All functions that these call, directly or not.
    fn reached_from(&self, callers: impl Iterator<Item = FunctionId>) -> FxHashSet<FunctionId> {
        let mut reached = FxHashSet::default();
        let mut pending: Vec<FunctionId> = callers.collect();
        while let Some(caller) = pending.pop() {
            for &callee in self
                .callees
                .get(&caller)
                .map(Vec::as_slice)
                .unwrap_or_default()
            {
                if reached.insert(callee) {
                    pending.push(callee);
                }
            }
        }
        reached
    }
}
