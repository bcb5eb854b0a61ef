//! `raceproof graph`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::output::{self, Failure, complain};
use super::project::{self, Project, ProjectArgs};
use crate::findings::filter::in_focus;
use crate::findings::outcome::Outcome;
use crate::program::graph::{Graph, graph};
use crate::report::{self, Report};
use crate::source::span::FileId;

/// Arguments of `raceproof graph`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  raceproof graph | dot -Tsvg > threads.svg
  raceproof graph src/app/cache.py | dot -Tsvg > cache.svg
  raceproof graph --focus Cache.get --output-format mermaid
  raceproof graph --output-format json --output-file graph.json

Ovals are thread roots, boxes the functions they reach, cylinders the places that several accesses
share; a red cylinder has a conflict.")]
pub struct GraphArgs {
    #[command(flatten)]
    project: ProjectArgs,
    /// Only what leads to and from this function or place, such as `Cache.get` or `self._items`.
    #[arg(long, value_name = "NAME")]
    focus: Option<String>,
    /// How the graph is written.
    #[arg(long, value_enum, default_value_t = Format::Dot, value_name = "FORMAT")]
    output_format: Format,
    /// Write it to a file instead of standard output.
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For Graphviz.
    Dot,
    /// For Markdown.
    Mermaid,
    /// Nodes and edges.
    Json,
}

/// Runs `raceproof graph`.
pub fn run(args: GraphArgs) -> ExitCode {
    match write(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn write(args: GraphArgs) -> Result<(), Failure> {
    let project = Project::open(&args.project)?;
    let snapshot = project.snapshot();
    let (program, files) = project::watch(|job| snapshot.program(&project.settings, job))
        .map_err(|_| Failure::new("cancelled"))?;
    if files.is_empty() {
        return Err(Failure::new("there are no Python files here"));
    }
    let focus = &project.settings.focus;
    let within = |file: FileId| {
        let path = files.get(file.0 as usize);
        path.is_some_and(|path| in_focus(path, focus))
    };
    let within: Option<&dyn Fn(FileId) -> bool> = (!focus.is_empty()).then_some(&within);
    let graph: Graph = graph(&program, args.focus.as_deref(), within);
    if graph.nodes.is_empty() {
        complain(match &args.focus {
            Some(name) => format!("no thread reaches anything called `{name}` here"),
            None => "no thread root is known here, so the graph is empty".to_owned(),
        });
    }
    let sources = snapshot.sources(files.clone());
    let report = Report {
        outcome: &Outcome::default(),
        sources: &sources,
        root: &project.root,
        directory: &project.directory,
    };
    output::write_result(args.output_file.as_deref(), |out, _| {
        match args.output_format {
            Format::Dot => report::graph::write_dot(&report, &graph, out),
            Format::Mermaid => report::graph::write_mermaid(&report, &graph, out),
            Format::Json => report::graph::write_json(&report, &graph, out),
        }
    })
}
