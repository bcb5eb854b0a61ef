//! All facts together: what rules may ask.

pub mod atomicity;
pub mod conflicts;
pub mod effect;
pub mod evaluate;
pub mod explain;
pub mod gil;
pub mod graph;
pub mod guards;
pub mod link;
pub mod lock_order;
pub mod object;
pub mod queries;
pub mod roots;
pub mod summary;
pub mod torn;

use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use crate::facts::ModuleFacts;
use crate::models::Models;
use crate::source::span::{FileId, Site};
use conflicts::{Conflict, Defect, Places};
use effect::At;
use gil::GilUse;
use link::Links;
use lock_order::Cycle;
use object::FunctionId;
use roots::{ModuleRoots, Record, Root};
use torn::Torn;

/// The free-threaded interpreter the code will run on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub enum Target {
    /// CPython 3.13t.
    #[serde(rename = "3.13t")]
    Py313t,
    /// CPython 3.14t.
    #[default]
    #[serde(rename = "3.14t")]
    Py314t,
    /// CPython 3.15t.
    #[serde(rename = "3.15t")]
    Py315t,
}

impl Target {
    /// The target of this name, as models spell it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "3.13t" => Some(Self::Py313t),
            "3.14t" => Some(Self::Py314t),
            "3.15t" => Some(Self::Py315t),
            _ => None,
        }
    }
}

/// Who calls the public functions of the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Callers {
    /// Many threads may.
    #[default]
    Many,
    /// One thread does.
    Single,
}

/// What the answers depend on beside the facts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The interpreter.
    pub target: Target,
    /// The callers.
    pub callers: Callers,
}

/// How much of the program is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coverage {
    /// Functions.
    pub functions: usize,
    /// Calls.
    pub calls: usize,
    /// Calls whose callee is unknown.
    pub unresolved_calls: usize,
    /// Bounds that were hit.
    pub limits: usize,
}

/// A linked program.
pub struct Program {
    links: Links,
    roots: Vec<Root>,
    records: Vec<Record>,
    conflicts: Vec<Conflict>,
    calls: Vec<(FunctionId, FunctionId)>,
    cycles: Vec<Cycle>,
    torn: Vec<Torn>,
    gil_uses: Vec<GilUse>,
    coverage: Coverage,
    options: Options,
}

impl Program {
    /// Links modules, finds their thread roots, and pairs what these do.
    ///
    /// When `cancelled` says so between two modules, the rest is left out; whoever cancels throws
    /// the result away.
    pub fn link(
        modules: Vec<(FileId, Arc<ModuleFacts>)>,
        models: &Models,
        options: &Options,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Self {
        let functions = modules.iter().map(|(_, it)| it.function_count()).sum();
        let spawning = roots::Shared::spawning_names(models);
        let links = Links::new(modules, &spawning);
        let all = 0..u32::try_from(links.modules.len()).unwrap_or(u32::MAX);
        let shared = roots::Shared {
            module_objects: all
                .clone()
                .into_par_iter()
                .flat_map_iter(|module| roots::module_objects(&links, models, module))
                .collect(),
            spawning,
        };
        let found: Vec<ModuleRoots> = all
            .into_par_iter()
            .map(|module| {
                if cancelled() {
                    return ModuleRoots::default();
                }
                roots::module_roots(&links, models, options, &shared, module)
            })
            .collect();
        let mut coverage = Coverage {
            functions,
            ..Coverage::default()
        };
        let mut roots = Vec::new();
        let mut records = Vec::new();
        let mut calls = Vec::new();
        for module in found {
            calls.extend(module.edges);
            coverage.calls += module.calls;
            coverage.unresolved_calls += module.unresolved;
            coverage.limits += module.cuts;
            let offset = u32::try_from(roots.len()).unwrap_or(u32::MAX);
            roots.extend(module.roots.into_iter().map(|mut root| {
                root.parent = root
                    .parent
                    .map(|(parent, number)| (parent + offset, number));
                root
            }));
            records.extend(module.records.into_iter().map(|mut record| {
                record.root += offset;
                record
            }));
        }
        calls.sort_unstable();
        calls.dedup();
        let (mut conflicts, torn) = if cancelled() {
            (Vec::new(), Vec::new())
        } else {
            (
                Places::new(&roots, &records).conflicts(options),
                torn::torn(&roots, &records),
            )
        };
        // That two fields are torn says more than that each store is seen late.
        let torn_places: FxHashSet<u64> = torn
            .iter()
            .flat_map(|it| it.reads)
            .map(|it| records[it as usize].key)
            .collect();
        conflicts.retain(|it| {
            it.defect != Defect::UnorderedWrite
                || !torn_places.contains(&records[it.primary as usize].key)
        });
        let cycles = if cancelled() {
            Vec::new()
        } else {
            lock_order::cycles(&roots, &records)
        };
        let gil_uses = gil::uses(&links, models);
        Self {
            links,
            roots,
            records,
            conflicts,
            calls,
            cycles,
            torn,
            gil_uses,
            coverage,
            options: *options,
        }
    }

    /// How much is known.
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// Conflicts, one for each place.
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Who calls whom, among the functions that roots reach; sorted.
    pub fn calls(&self) -> &[(FunctionId, FunctionId)] {
        &self.calls
    }

    /// Calls that ask about the GIL wrongly, or count on it.
    pub fn gil_uses(&self) -> &[GilUse] {
        &self.gil_uses
    }

    /// Fields that change together and are read apart.
    pub fn torn(&self) -> &[Torn] {
        &self.torn
    }

    /// Circles in the order in which threads take locks.
    pub fn cycles(&self) -> &[Cycle] {
        &self.cycles
    }

    /// Everything that roots do.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The record with this index.
    pub fn record(&self, index: u32) -> &Record {
        &self.records[index as usize]
    }

    /// The thread roots.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The root of a record.
    pub fn root_of(&self, record: &Record) -> &Root {
        &self.roots[record.root as usize]
    }

    /// The linked modules.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// What the answers depend on.
    pub fn options(&self) -> Options {
        self.options
    }

    /// A place in a file.
    pub fn site(&self, at: At) -> Site {
        Site {
            file: self.links.file(at.function.module),
            range: at.range,
        }
    }

    /// The qualified name of the function around a place.
    pub fn function_name(&self, at: At) -> String {
        self.links.qualified_name(at.function)
    }
}
