//! The call graph with thread roots and shared places, as DOT, Mermaid and JSON.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::Report;
use super::escape::one_line;
use crate::program::graph::{Edge, Graph, Node};
use crate::program::roots::RootKind;

/// Writes the graph for Graphviz.
///
/// # Errors
/// Those of `out`.
pub fn write_dot(report: &Report<'_>, graph: &Graph, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "digraph raceproof {{")?;
    writeln!(out, "  rankdir=LR;")?;
    writeln!(out, "  node [fontname=\"sans-serif\"];")?;
    for (index, node) in graph.nodes.iter().enumerate() {
        let look = match node {
            Node::Root { .. } => "shape=oval, style=filled, fillcolor=lightblue",
            Node::Function { .. } => "shape=box",
            Node::Place { conflict: true, .. } => "shape=cylinder, style=filled, fillcolor=salmon",
            Node::Place { .. } => "shape=cylinder",
        };
        let label = quoted(&label(report, node, "\\n"));
        writeln!(out, "  n{index} [label={label}, {look}];")?;
    }
    for (from, to, edge) in &graph.edges {
        let look = match edge {
            Edge::Runs => "style=bold".to_owned(),
            Edge::Calls => "color=gray40".to_owned(),
            Edge::Accesses { writes, .. } => {
                let colour = if *writes { "red" } else { "black" };
                format!("color={colour}, label={}", quoted(&access(edge)))
            }
        };
        writeln!(out, "  n{from} -> n{to} [{look}];")?;
    }
    writeln!(out, "}}")
}

/// Writes the graph for Mermaid, which Markdown renderers draw.
///
/// # Errors
/// Those of `out`.
pub fn write_mermaid(report: &Report<'_>, graph: &Graph, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "flowchart LR")?;
    for (index, node) in graph.nodes.iter().enumerate() {
        let label = entity(&label(report, node, "<br/>"));
        match node {
            Node::Root { .. } => writeln!(out, "  n{index}([\"{label}\"])")?,
            Node::Function { .. } => writeln!(out, "  n{index}[\"{label}\"]")?,
            Node::Place { conflict, .. } => {
                let class = if *conflict { ":::conflict" } else { "" };
                writeln!(out, "  n{index}[(\"{label}\")]{class}")?;
            }
        }
    }
    for (from, to, edge) in &graph.edges {
        match edge {
            Edge::Runs => writeln!(out, "  n{from} ==> n{to}")?,
            Edge::Calls => writeln!(out, "  n{from} --> n{to}")?,
            Edge::Accesses { .. } => {
                writeln!(out, "  n{from} -. \"{}\" .-> n{to}", entity(&access(edge)))?;
            }
        }
    }
    writeln!(out, "  classDef conflict fill:#fa8072")
}

/// Writes the graph as one JSON document: nodes, and edges between their indices.
///
/// # Errors
/// Those of `out`.
pub fn write_json(report: &Report<'_>, graph: &Graph, out: &mut dyn Write) -> io::Result<()> {
    let nodes: Vec<Value> = graph.nodes.iter().map(|it| node_json(report, it)).collect();
    let edges: Vec<Value> = graph
        .edges
        .iter()
        .map(|(from, to, edge)| match edge {
            Edge::Runs => json!({ "from": from, "to": to, "kind": "runs" }),
            Edge::Calls => json!({ "from": from, "to": to, "kind": "calls" }),
            Edge::Accesses { writes, held } => json!({
                "from": from, "to": to, "kind": "accesses", "writes": writes, "held": held,
            }),
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &json!({ "nodes": nodes, "edges": edges }))?;
    writeln!(out)
}

fn node_json(report: &Report<'_>, node: &Node) -> Value {
    match node {
        Node::Root {
            kind,
            runs_as,
            many,
            spawn,
        } => {
            let place = spawn.map(|site| report.place(site));
            json!({
                "kind": "root",
                "name": runs_as,
                "many": many,
                "explicit": *kind == RootKind::Thread,
                "path": place.as_ref().map(|it| &it.path),
                "line": place.as_ref().map(|it| it.start.line),
            })
        }
        Node::Function { name, site } => {
            let place = report.place(*site);
            json!({
                "kind": "function",
                "name": name,
                "path": place.path,
                "line": place.start.line,
            })
        }
        Node::Place { name, conflict } => {
            json!({ "kind": "place", "name": name, "conflict": conflict })
        }
    }
}

fn label(report: &Report<'_>, node: &Node, line_break: &str) -> String {
    let mut text = one_line(node.name());
    match node {
        Node::Root { many, spawn, .. } => {
            if *many {
                text.push_str(" (many)");
            }
            if let Some(site) = spawn {
                let place = report.place(*site);
                let _ = write!(
                    text,
                    "{line_break}{}:{}",
                    one_line(&place.path),
                    place.start.line
                );
            }
        }
        Node::Function { site, .. } => {
            let place = report.place(*site);
            let _ = write!(
                text,
                "{line_break}{}:{}",
                one_line(&place.path),
                place.start.line
            );
        }
        Node::Place { .. } => {}
    }
    text
}

fn access(edge: &Edge) -> String {
    let Edge::Accesses { writes, held } = edge else {
        return String::new();
    };
    let mut text = if *writes { "writes" } else { "reads" }.to_owned();
    if !held.is_empty() {
        let held: Vec<String> = held.iter().map(|it| one_line(it)).collect();
        let _ = write!(text, ", holding {}", held.join(", "));
    }
    text
}

/// A string of the DOT language. The line breaks in labels are ours.
fn quoted(text: &str) -> String {
    let text = text.replace('"', "\\\"");
    format!("\"{text}\"")
}

/// Mermaid takes entities with `#` where HTML has `&`.
fn entity(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;")
}
