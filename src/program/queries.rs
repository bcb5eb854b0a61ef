//! Questions that several rules ask of a linked program, apart from conflicts on places.

use rustc_hash::FxHashMap;

use super::Program;
use super::conflicts::Conflict;
use super::effect::{At, Mode};
use super::object::{FunctionId, ModuleIndex};
use super::roots::{self, Record};
use crate::facts::ShapeKind;

/// Uses of one thing beyond this many are left out.
const MAX_USES: usize = 120;

impl Program {
    /// What syntax alone shows, with the places.
    pub fn shapes(&self) -> impl Iterator<Item = (At, ShapeKind)> {
        self.links()
            .modules
            .iter()
            .enumerate()
            .flat_map(|(module, (_, facts))| {
                facts.shapes.iter().map(move |shape| {
                    let function = function_id(module, shape.function as usize);
                    let range = shape.range;
                    (At { function, range }, shape.kind)
                })
            })
    }

    /// Of a place that is set too late: where the constructor that sets it has started the thread
    /// that uses it.
    pub fn start_in_constructor(&self, conflict: &Conflict) -> Option<At> {
        let set = self.record(conflict.primary);
        let start = self.root_of(self.record(conflict.other)).spawn?;
        let constructor = self.links().function(set.at.function);
        let same = start.function == set.at.function && constructor.name.as_str() == "__init__";
        (same && start.range.start < set.at.range.start).then_some(start)
    }

    /// For each thing that several threads use at a time without a common lock, one use and
    /// another. `wanted` chooses the uses.
    pub fn unprotected_pairs(&self, wanted: impl Fn(&Record) -> bool) -> Vec<(&Record, &Record)> {
        let mut groups: FxHashMap<u64, Vec<&Record>> = FxHashMap::default();
        for record in self.records().iter().filter(|it| wanted(it)) {
            groups.entry(record.key).or_default().push(record);
        }
        let mut pairs: Vec<_> = groups
            .into_values()
            .filter_map(|mut uses| {
                // A pair that the program itself brings about says more than an assumed one.
                uses.sort_by_key(|it| !self.root_of(it).explicit);
                uses.truncate(MAX_USES);
                let sides = uses.iter().enumerate();
                sides
                    .flat_map(|(index, &one)| uses[index..].iter().map(move |&other| (one, other)))
                    .find(|(one, other)| {
                        roots::parallel(self.roots(), one, other)
                            && !(one.own && other.own)
                            && !have_common_lock(one, other)
                    })
            })
            .collect();
        pairs.sort_by_key(|(one, _)| one.at);
        pairs
    }
}

/// Whether a lock excludes two uses of one object from one another.
pub fn have_common_lock(one: &Record, other: &Record) -> bool {
    one.held.iter().any(|held| {
        held.covers
            && held.mode == Mode::Exclusive
            && other
                .held
                .iter()
                .any(|it| it.key == held.key && it.covers && it.mode == Mode::Exclusive)
    })
}

fn function_id(module: usize, index: usize) -> FunctionId {
    FunctionId {
        module: ModuleIndex::try_from(module).unwrap_or_default(),
        index: u32::try_from(index).unwrap_or_default(),
    }
}
