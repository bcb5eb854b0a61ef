//! The call graph with its thread roots and shared places, for people and tools.
//!
//! It has what thread roots reach: the roots, the functions they run and call, and the places that
//! more than one access touches. A place carries no edge from functions that only some caller's
//! single thread runs.

use std::collections::BTreeMap;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, Reversed};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Program;
use super::effect::{Action, At};
use super::object::FunctionId;
use super::roots::RootKind;
use crate::source::span::{FileId, Range, Site};

/// A node of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A function that some thread runs first.
    Root {
        /// What kind of thread it is.
        kind: RootKind,
        /// Name of this kind of thread, or who calls.
        runs_as: String,
        /// More than one thread at a time.
        many: bool,
        /// Where it is started.
        spawn: Option<Site>,
    },
    /// A function.
    Function {
        /// Its qualified name, with its module.
        name: String,
        /// Where its name stands.
        site: Site,
    },
    /// A place that several accesses share.
    Place {
        /// It in words.
        name: String,
        /// There is a conflict on it.
        conflict: bool,
    },
}

impl Node {
    /// What people call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Root { runs_as, .. } => runs_as,
            Self::Function { name, .. } | Self::Place { name, .. } => name,
        }
    }
}

/// How one node leads to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edge {
    /// A root runs a function first.
    Runs,
    /// A function calls another one.
    Calls,
    /// A function accesses a place.
    Accesses {
        /// Some of the accesses write.
        writes: bool,
        /// Locks held at every one of them.
        held: Vec<String>,
    },
}

/// Nodes, and edges between their indices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// From, to, how.
    pub edges: Vec<(usize, usize, Edge)>,
}

struct Builder<'p> {
    program: &'p Program,
    graph: DiGraph<Node, Edge>,
    functions: FxHashMap<FunctionId, NodeIndex>,
}

impl Builder<'_> {
    fn function(&mut self, id: FunctionId) -> NodeIndex {
        if let Some(&node) = self.functions.get(&id) {
            return node;
        }
        let links = self.program.links();
        let module = links.module_name(id.module);
        let name = match links.qualified_name(id) {
            name if name.is_empty() => module,
            name => format!("{module}.{name}"),
        };
        let site = Site {
            file: links.file(id.module),
            range: match id.index {
                0 => Range { start: 0, end: 0 },
                _ => links.function(id).name_range,
            },
        };
        let node = self.graph.add_node(Node::Function { name, site });
        self.functions.insert(id, node);
        node
    }

    fn roots(&mut self) {
        let mut known = FxHashSet::default();
        for root in self.program.roots() {
            // One start reached from several entries is one root to the reader.
            if !known.insert((
                root.kind,
                root.function,
                root.spawn,
                root.runs_as,
                root.many,
            )) {
                continue;
            }
            let runs_as = match root.kind {
                RootKind::Main => "main thread".to_owned(),
                RootKind::Caller => "any caller".to_owned(),
                RootKind::Thread => root.runs_as.to_string(),
            };
            let node = self.graph.add_node(Node::Root {
                kind: root.kind,
                runs_as,
                many: root.many,
                spawn: root.spawn.map(|at| self.program.site(at)),
            });
            let function = self.function(root.function);
            self.graph.add_edge(node, function, Edge::Runs);
        }
    }

    fn calls(&mut self) {
        for &(caller, callee) in self.program.calls() {
            let (caller, callee) = (self.function(caller), self.function(callee));
            self.graph.add_edge(caller, callee, Edge::Calls);
        }
    }

    fn places(&mut self) {
        // By place: its accesses, each with what it does and under which locks.
        type Accesses = BTreeMap<At, (bool, Vec<String>)>;
        let mut places: BTreeMap<(String, u64), Accesses> = BTreeMap::new();
        for record in self.program.records() {
            let Action::Access(access) = record.action else {
                continue;
            };
            let held: Vec<String> = record.held.iter().map(|it| it.words.to_string()).collect();
            places
                .entry((record.words.to_string(), record.key))
                .or_default()
                .entry(record.at)
                .and_modify(|(writes, known)| {
                    *writes |= access.access.writes();
                    known.retain(|lock| held.contains(lock));
                })
                .or_insert((access.access.writes(), held));
        }
        let conflicts: FxHashSet<u64> = self
            .program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.is_harmful())
            .map(|conflict| self.program.record(conflict.primary).key)
            .collect();
        for ((name, key), accesses) in places {
            if accesses.len() < 2 || !accesses.values().any(|(writes, _)| *writes) {
                continue;
            }
            let conflict = conflicts.contains(&key);
            let place = self.graph.add_node(Node::Place { name, conflict });
            let mut by_function: BTreeMap<FunctionId, (bool, Vec<String>)> = BTreeMap::new();
            for (at, (writes, held)) in accesses {
                by_function
                    .entry(at.function)
                    .and_modify(|(some, known)| {
                        *some |= writes;
                        known.retain(|lock| held.contains(lock));
                    })
                    .or_insert((writes, held));
            }
            for (function, (writes, held)) in by_function {
                let function = self.function(function);
                let edge = Edge::Accesses { writes, held };
                self.graph.add_edge(function, place, edge);
            }
        }
    }
}

/// The graph of a program, or a part of it.
///
/// With `focus`, what leads to and from the nodes whose name is `focus` or ends in it after a dot;
/// with `within`, what leads to and from the functions of the files that it picks.
pub fn graph(
    program: &Program,
    focus: Option<&str>,
    within: Option<&dyn Fn(FileId) -> bool>,
) -> Graph {
    let mut builder = Builder {
        program,
        graph: DiGraph::new(),
        functions: FxHashMap::default(),
    };
    builder.roots();
    builder.calls();
    builder.places();
    let graph = builder.graph;
    let named = |node: &Node| {
        focus.is_none_or(|focus| {
            let before = node.name().strip_suffix(focus);
            before.is_some_and(|it| it.is_empty() || it.ends_with('.'))
        })
    };
    let inside = |node: &Node| match (within, node) {
        (Some(within), Node::Function { site, .. }) => within(site.file),
        // Of roots and places those are shown that lead to what is inside.
        (Some(_), _) => focus.is_some(),
        (None, _) => true,
    };
    let kept: Vec<NodeIndex> = if focus.is_none() && within.is_none() {
        graph.node_indices().collect()
    } else {
        around(&graph, |node| named(node) && inside(node))
    };
    let position: FxHashMap<NodeIndex, usize> = kept
        .iter()
        .enumerate()
        .map(|(position, &node)| (node, position))
        .collect();
    let mut edges: Vec<(usize, usize, Edge)> = graph
        .raw_edges()
        .iter()
        .filter_map(|edge| {
            let from = *position.get(&edge.source())?;
            let to = *position.get(&edge.target())?;
            Some((from, to, edge.weight.clone()))
        })
        .collect();
    edges.sort_by_key(|(from, to, _)| (*from, *to));
    Graph {
        nodes: kept.into_iter().map(|node| graph[node].clone()).collect(),
        edges,
    }
}

/// The nodes on paths through a node that `picked` accepts, and the other sides of places they
/// touch.
fn around(graph: &DiGraph<Node, Edge>, picked: impl Fn(&Node) -> bool) -> Vec<NodeIndex> {
    let mut kept: FxHashSet<NodeIndex> = FxHashSet::default();
    for start in graph.node_indices().filter(|&node| picked(&graph[node])) {
        let mut forward = Dfs::new(graph, start);
        while let Some(node) = forward.next(graph) {
            kept.insert(node);
        }
        let reversed = Reversed(graph);
        let mut backward = Dfs::new(reversed, start);
        while let Some(node) = backward.next(reversed) {
            kept.insert(node);
        }
    }
    let places: Vec<NodeIndex> = kept
        .iter()
        .copied()
        .filter(|&node| matches!(graph[node], Node::Place { .. }))
        .collect();
    for place in places {
        kept.extend(graph.neighbors_directed(place, Direction::Incoming));
    }
    let mut kept: Vec<NodeIndex> = kept.into_iter().collect();
    kept.sort_unstable();
    kept
}
