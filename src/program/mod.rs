//! All facts together: what rules may ask.

pub mod atomicity;
mod callers;
pub mod conflicts;
pub mod effect;
pub mod evaluate;
pub mod explain;
pub mod gil;
pub mod graph;
pub mod guards;
mod interface;
pub mod link;
pub mod loaded_from;
pub mod lock_order;
mod memory;
pub mod object;
mod phases;
pub mod queries;
pub mod reading;
pub mod roots;
mod settings;
pub mod sharing;
pub mod summary;
mod sync_order;
pub mod torn;
mod touching;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use crate::models::Models;
use crate::source::span::Site;
use conflicts::{Conflict, Defect, Places};
use effect::{Action, At};
use gil::GilUse;
use link::Links;
use lock_order::Cycle;
pub use memory::Memory;
use memory::{Changes, Found, Kept};
use object::{ClassId, FunctionId, ModuleIndex};
use reading::Reading;
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

/// So many modules are looked through before the code of the functions that were followed
/// is forgotten. Most of it is of these modules themselves.
const MODULES_AT_A_TIME: u32 = 256;

/// After so many groups the code of other modules is forgotten, too: to look for it takes time.
const GROUPS_AT_A_TIME: u32 = 4;

/// Modules, [`MODULES_AT_A_TIME`].
fn groups(all: &Range<ModuleIndex>) -> impl Iterator<Item = Range<ModuleIndex>> {
    let end = all.end;
    let starts = all.clone().step_by(MODULES_AT_A_TIME as usize);
    starts.map(move |start| start..end.min(start.saturating_add(MODULES_AT_A_TIME)))
}

/// A linked program.
pub struct Program {
    links: Arc<Links>,
    roots: Vec<Root>,
    records: Vec<Record>,
    conflicts: Vec<Conflict>,
    calls: Vec<(FunctionId, FunctionId)>,
    cycles: Vec<Cycle>,
    torn: Vec<Torn>,
    gil_uses: Vec<GilUse>,
    coverage: Coverage,
    options: Options,
    recomputed: usize,
}

impl Program {
    /// Links modules, finds their thread roots, and pairs what these do.
    ///
    /// When `cancelled` says so between two modules, the rest is left out; whoever cancels throws
    /// the result away. What `memory` has of the last linking and still holds is used again, and
    /// this one is left there.
    pub fn link(
        modules: Vec<link::Module>,
        models: &Models,
        options: &Options,
        memory: &Memory,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Self {
        let functions = modules.iter().map(|it| it.facts.function_count()).sum();
        let names = link::Names::new(models);
        let last = memory.last().filter(|it| it.models == models.hash);
        let mut links = Links::new(modules, &names, last.as_ref().map(|it| &*it.links));
        let changes = Changes::since(last, &links, options, models.hash);
        let all = 0..u32::try_from(links.modules.len()).unwrap_or(u32::MAX);
        let mut objects: Vec<Found<Vec<ClassId>>> = Vec::with_capacity(links.modules.len());
        for some in groups(&all) {
            objects.par_extend(some.clone().into_par_iter().map(|module| {
                let known = changes.as_ref().and_then(|it| it.objects(module));
                known.unwrap_or_else(|| {
                    let reads = memory.reads();
                    let reading = Reading::new(&links, &reads);
                    let objects = sharing::module_objects(reading, models, module);
                    Found::new(objects, reads)
                })
            }));
            links.forget_code(some);
        }
        links.forget_code(all.clone());
        let shared = roots::Shared {
            module_objects: objects.iter().flat_map(|it| &*it.value).copied().collect(),
            spawning: names.spawning,
        };
        let recomputed = AtomicUsize::new(0);
        let mut found: Vec<Found<ModuleRoots>> = Vec::with_capacity(links.modules.len());
        for (group, some) in (1..).zip(groups(&all)) {
            found.par_extend(some.clone().into_par_iter().map(|module| {
                let reads = memory.reads();
                if cancelled() {
                    return Found::new(ModuleRoots::default(), reads);
                }
                let known = changes
                    .as_ref()
                    .and_then(|it| it.roots(module, &shared.module_objects));
                known.unwrap_or_else(|| {
                    recomputed.fetch_add(1, Ordering::Relaxed);
                    let reading = Reading::new(&links, &reads);
                    let roots = roots::module_roots(reading, models, options, &shared, module);
                    Found::new(roots, reads)
                })
            }));
            let is_all = u32::is_multiple_of(group, GROUPS_AT_A_TIME);
            links.forget_code(if is_all { all.clone() } else { some });
        }
        let gil_calls: Vec<Found<Vec<GilUse>>> = (0..)
            .zip(&links.modules)
            .collect::<Vec<(u32, _)>>()
            .into_par_iter()
            .map(|(module, (_, facts))| {
                let known = changes.as_ref().and_then(|it| it.gil_calls(module, facts));
                known.unwrap_or_else(|| {
                    let reads = memory.reads();
                    let calls = gil::uses(Reading::new(&links, &reads), models, module);
                    Found::new(calls, reads)
                })
            })
            .collect();
        let gil_uses = gil_calls
            .iter()
            .flat_map(|it| &*it.value)
            .copied()
            .collect();
        drop(changes);
        let mut coverage = Coverage {
            functions,
            ..Coverage::default()
        };
        let count = |of: fn(&ModuleRoots) -> usize| found.iter().map(|it| of(&it.value)).sum();
        let mut roots = Vec::with_capacity(count(|it| it.roots.len()));
        let mut calls = Vec::with_capacity(count(|it| it.edges.len()));
        // What nobody writes cannot collide; of large programs it is most of what happens.
        let written: FxHashSet<u64> = found
            .par_iter()
            .flat_map_iter(|module| &module.value.records)
            .filter(
                |record| matches!(record.action, Action::Access(access) if access.access.writes()),
            )
            .map(|record| record.key)
            .collect();
        let matters = |record: &Record| {
            !matches!(record.action, Action::Access(_)) || written.contains(&record.key)
        };
        let all = found.par_iter().flat_map_iter(|it| &it.value.records);
        let mut records = Vec::with_capacity(all.filter(|it| matters(it)).count());
        // What is not kept for the next linking is moved.
        let kept_roots = if memory.is_forgetful() {
            Vec::new()
        } else {
            found.clone()
        };
        for module in found.into_iter().map(|it| it.value) {
            calls.extend(module.edges.iter().copied());
            coverage.calls += module.calls;
            coverage.unresolved_calls += module.unresolved;
            coverage.limits += module.cuts;
            let offset = u32::try_from(roots.len()).unwrap_or(u32::MAX);
            roots.extend(module.roots.iter().cloned().map(|mut root| {
                root.parent = root
                    .parent
                    .map(|(parent, number)| (parent + offset, number));
                root
            }));
            let shifted = |mut record: Record| {
                record.root += offset;
                record
            };
            match Arc::try_unwrap(module) {
                Ok(module) => {
                    let kept = module.records.into_iter().filter(|it| matters(it));
                    records.extend(kept.map(shifted));
                }
                Err(module) => {
                    let kept = module.records.iter().filter(|it| matters(it));
                    records.extend(kept.cloned().map(shifted));
                }
            }
        }
        calls.sort_unstable();
        calls.dedup();
        let left = callers::left_to_threads(&roots, &calls, &links);
        records.retain(|it| !left.contains(&roots[it.root as usize].entry));
        let (mut conflicts, torn) = if cancelled() {
            (Vec::new(), Vec::new())
        } else {
            (
                Places::new(&roots, &records).conflicts(),
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
        let links = Arc::new(links);
        if !cancelled() {
            memory.keep(Kept {
                links: Arc::clone(&links),
                options: (options.target, options.callers),
                models: models.hash,
                objects,
                module_objects: shared.module_objects,
                roots: kept_roots,
                gil_calls,
            });
        }
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
            recomputed: recomputed.into_inner(),
        }
    }

    /// How many modules were looked through for roots; of the others what `memory` had was kept.
    pub fn recomputed(&self) -> usize {
        self.recomputed
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
