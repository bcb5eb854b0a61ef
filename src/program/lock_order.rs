//! The order in which threads take locks, and the cycles in it.
//!
//! An edge leads from a lock that is held to one that is waited for meanwhile. A cycle is a
//! possible deadlock when its edges can be under way at the same time: each on a thread that may
//! run beside the others, and no lock held around two of them (a gate). This is the lock-order
//! graph of Havelund, "Using runtime analysis to guide model checking of Java programs" (SPIN
//! 2000), with the gate and thread conditions of Bensalem and Havelund, "Dynamic deadlock analysis
//! of multi-threaded programs" (HVC 2005), on static records.

use std::collections::VecDeque;

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use rustc_hash::{FxHashMap, FxHashSet};

use super::effect::{Action, Mode};
use super::roots::{Held, Record, Root, parallel};

/// Ways to take one lock under another that are tried for a cycle.
const MAX_WITNESSES: usize = 24;
/// Longer cycles are not looked for.
const MAX_CYCLE: usize = 5;

/// A circle of acquisitions: each is made while the lock of the one before is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// The acquisitions, indices of records; the first belongs to the smallest place in the
    /// source.
    pub acquisitions: Vec<u32>,
}

/// All cycles, one for each set of locks.
pub fn cycles(roots: &[Root], records: &[Record]) -> Vec<Cycle> {
    let mut graph: DiGraph<u64, Vec<u32>> = DiGraph::new();
    let mut nodes: FxHashMap<u64, NodeIndex> = FxHashMap::default();
    for (index, record) in records.iter().enumerate() {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        for held in waited_under(record) {
            let mut node = |key: u64| *nodes.entry(key).or_insert_with(|| graph.add_node(key));
            let (from, to) = (node(held.key), node(record.key));
            match graph.find_edge(from, to) {
                Some(edge) => graph[edge].push(index),
                None => {
                    graph.add_edge(from, to, vec![index]);
                }
            }
        }
    }
    let mut found = Vec::new();
    let mut known: FxHashSet<Vec<NodeIndex>> = FxHashSet::default();
    for component in tarjan_scc(&graph) {
        if component.len() < 2 {
            continue;
        }
        for &start in &component {
            for edge in graph.edges(start) {
                let Some(path) = shortest_path(&graph, edge.target(), start) else {
                    continue;
                };
                let mut locks = path.clone();
                locks.sort_unstable();
                if !known.insert(locks) {
                    continue;
                }
                // `path` leads from the target back to the start: with the edge it is a circle.
                let mut around = vec![start];
                around.extend(path);
                let steps: Vec<&[u32]> = around
                    .windows(2)
                    .filter_map(|pair| graph.find_edge(pair[0], pair[1]))
                    .map(|edge| graph[edge].as_slice())
                    .collect();
                let mut chosen = Vec::new();
                if together(roots, records, &steps, &mut chosen) {
                    found.push(cycle(records, chosen));
                }
            }
        }
    }
    found.extend(unordered(roots, records));
    found.sort_by_key(|cycle| {
        cycle
            .acquisitions
            .first()
            .map(|&it| records[it as usize].at)
    });
    found
}

/// Two threads that each take two locks of one kind, in no fixed order: one circle for each kind.
fn unordered(roots: &[Root], records: &[Record]) -> Vec<Cycle> {
    let mut of_kind: FxHashMap<u64, Vec<u32>> = FxHashMap::default();
    for (index, record) in (0..).zip(records) {
        if matches!(record.action, Action::Unordered { .. }) {
            of_kind.entry(record.key).or_default().push(index);
        }
    }
    let meet = |a: u32, b: u32| {
        let (one, other) = (&records[a as usize], &records[b as usize]);
        let kind = one.key;
        parallel(roots, one, other) && !gates(one, other).any(|gate| gate != kind)
    };
    let circle = |ways: &Vec<u32>| {
        let ways = &ways[..ways.len().min(MAX_WITNESSES)];
        let mut pairs = ways.iter().enumerate().flat_map(|(at, &a)| {
            let others = ways[at..].iter();
            others.map(move |&b| (a, b))
        });
        let (a, b) = pairs.find(|&(a, b)| meet(a, b))?;
        let acquisitions = if records[a as usize].at == records[b as usize].at {
            vec![a]
        } else {
            vec![a, b]
        };
        Some(cycle(records, acquisitions))
    };
    of_kind.values().filter_map(circle).collect()
}

/// The locks that are held while another one is waited for; none where the wait may end without.
fn waited_under(record: &Record) -> impl Iterator<Item = &Held> {
    let waits = matches!(
        record.action,
        Action::Acquire {
            may_fail: false,
            ..
        }
    ) && !record.many
        // Taking a re-entrant lock again does not wait.
        && record.held.iter().all(|held| held.key != record.key);
    record
        .held
        .iter()
        .filter(move |held| waits && held.mode == Mode::Exclusive && held.unique)
}

fn shortest_path(
    graph: &DiGraph<u64, Vec<u32>>,
    from: NodeIndex,
    to: NodeIndex,
) -> Option<Vec<NodeIndex>> {
    let mut before: FxHashMap<NodeIndex, NodeIndex> = FxHashMap::default();
    let mut pending = VecDeque::from([(from, 1)]);
    while let Some((node, length)) = pending.pop_front() {
        if node == to {
            let mut path = vec![to];
            let mut current = to;
            while current != from {
                current = *before.get(&current)?;
                path.push(current);
            }
            path.reverse();
            return Some(path);
        }
        if length >= MAX_CYCLE {
            continue;
        }
        for next in graph.neighbors(node) {
            if next != from && !before.contains_key(&next) {
                before.insert(next, node);
                pending.push_back((next, length + 1));
            }
        }
    }
    None
}

/// Chooses one acquisition for each step so that all can be under way at the same time.
fn together(roots: &[Root], records: &[Record], steps: &[&[u32]], chosen: &mut Vec<u32>) -> bool {
    let Some((first, rest)) = steps.split_first() else {
        return true;
    };
    // Of the roots that do the same, those the program itself starts say most.
    let mut candidates: Vec<u32> = first.to_vec();
    candidates.sort_by_key(|&it| !roots[records[it as usize].root as usize].explicit);
    for &candidate in candidates.iter().take(MAX_WITNESSES) {
        let record = &records[candidate as usize];
        let fits = chosen.iter().all(|&other| {
            let other = &records[other as usize];
            parallel(roots, record, other) && gates(record, other).next().is_none()
        });
        if !fits {
            continue;
        }
        chosen.push(candidate);
        if together(roots, records, rest, chosen) {
            return true;
        }
        chosen.pop();
    }
    false
}

/// The locks that are held around both, so that only one of them is under way at a time.
fn gates(a: &Record, b: &Record) -> impl Iterator<Item = u64> {
    let excludes = |held: &&Held| held.mode == Mode::Exclusive;
    a.held
        .iter()
        .filter(excludes)
        .filter(|one| one.unique)
        .filter(move |one| b.held.iter().filter(excludes).any(|it| it.key == one.key))
        .map(|gate| gate.key)
}

/// Turns a circle so that it begins at the smallest place in the source.
fn cycle(records: &[Record], mut acquisitions: Vec<u32>) -> Cycle {
    let first = acquisitions
        .iter()
        .enumerate()
        .min_by_key(|(_, it)| records[**it as usize].at)
        .map_or(0, |(position, _)| position);
    acquisitions.rotate_left(first);
    Cycle { acquisitions }
}
