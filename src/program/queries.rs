//! Questions that several rules ask of a linked program, apart from conflicts on places.

use rustc_hash::FxHashMap;

use super::Program;
use super::conflicts::Conflict;
use super::effect::{At, Mode};
use super::object::{FunctionId, ModuleIndex};
use super::roots::{self, Record};
use crate::facts::{DirectiveKind, Function, Op, OpKind, ShapeKind};
use crate::source::span::Range;

/// Uses of one thing beyond this many are left out.
const MAX_USES: usize = 120;

/// A lock that a comment declares to be needed.
pub struct Declared {
    /// The lock, as the comment spells it.
    pub lock: String,
    /// The function that needs it, or in which the guarded place is first set.
    pub function: FunctionId,
    /// The line of the declaration.
    pub line: Range,
}

impl Declared {
    /// Where it is declared.
    pub fn at(&self) -> At {
        At {
            function: self.function,
            range: self.line,
        }
    }
}

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

    /// `# guarded-by:` comments, each with the function that sets the place on that line.
    pub fn declared_guards(&self) -> Vec<Declared> {
        self.declared(|kind, function, line| {
            let DirectiveKind::GuardedBy(lock) = kind else {
                return None;
            };
            let sets = |op: &Op| {
                let stores = matches!(op.kind, OpKind::Write { .. } | OpKind::WriteVariable { .. });
                stores && contains(line, op.range)
            };
            function.ops.iter().any(sets).then(|| lock.clone())
        })
    }

    /// `# requires:` comments, each with the function that it stands on.
    pub fn declared_requirements(&self) -> Vec<Declared> {
        self.declared(|kind, function, line| match kind {
            DirectiveKind::Requires(lock) => {
                contains(line, function.name_range).then(|| lock.clone())
            }
            _ => None,
        })
    }

    fn declared(
        &self,
        lock_of: impl Fn(&DirectiveKind, &Function, Range) -> Option<String>,
    ) -> Vec<Declared> {
        let mut found = Vec::new();
        for (module, (_, facts)) in self.links().modules.iter().enumerate() {
            for directive in &facts.directives {
                let line = directive.line;
                found.extend(
                    facts
                        .functions
                        .iter()
                        .enumerate()
                        .filter_map(|(index, body)| {
                            let lock = lock_of(&directive.kind, body, line)?;
                            let function = function_id(module, index);
                            Some(Declared {
                                lock,
                                function,
                                line,
                            })
                        }),
                );
            }
        }
        found
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

fn contains(outer: Range, inner: Range) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn function_id(module: usize, index: usize) -> FunctionId {
    FunctionId {
        module: ModuleIndex::try_from(module).unwrap_or_default(),
        index: u32::try_from(index).unwrap_or_default(),
    }
}
