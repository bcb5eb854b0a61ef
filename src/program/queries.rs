//! Questions that several rules ask of a linked program, apart from conflicts on places.

use rustc_hash::FxHashMap;

use super::Program;
use super::effect::{At, Mode};
use super::object::{FunctionId, ModuleIndex};
use super::roots::{self, Record};
use crate::facts::{Function, OpKind, ShapeKind, Value, ValueId, Variable};

/// A lock that some path out of a function leaves taken.
pub struct Leak {
    /// The lock, as the code spells it.
    pub lock: String,
    /// Where it is taken.
    pub acquired: At,
    /// Where the path leaves.
    pub exit: At,
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

    /// Locks that some path leaves taken.
    pub fn leaks(&self) -> Vec<Leak> {
        let mut leaks = Vec::new();
        for (module, (_, facts)) in self.links().modules.iter().enumerate() {
            for (index, body) in facts.functions.iter().enumerate() {
                let function = function_id(module, index);
                leaks.extend(body.leaks.iter().map(|leak| Leak {
                    lock: spelled(body, leak.lock),
                    acquired: At {
                        function,
                        range: leak.acquired,
                    },
                    exit: At {
                        function,
                        range: leak.exit,
                    },
                }));
            }
        }
        leaks
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
            .filter_map(|uses| {
                let sides = uses.iter().enumerate();
                sides
                    .flat_map(|(index, &one)| uses[index..].iter().map(move |&other| (one, other)))
                    .find(|(one, other)| {
                        roots::parallel(self.roots(), one, other) && !have_common_lock(one, other)
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

/// A value as the code spells it, as far as names go.
fn spelled(body: &Function, value: ValueId) -> String {
    match body.value(value) {
        Value::Global(name) | Value::Captured(name) => name.to_string(),
        Value::Parameter(index) => body
            .parameters
            .get(*index as usize)
            .map_or_else(|| "the lock".to_owned(), |it| it.name.to_string()),
        Value::Attribute { base, name, .. } => format!("{}.{name}", spelled(body, *base)),
        Value::Item { base, .. } => format!("{}[...]", spelled(body, *base)),
        Value::Imported { name, .. } => name.to_string(),
        Value::Read(op) => match body.ops.get(*op as usize).map(|it| &it.kind) {
            Some(OpKind::ReadVariable {
                variable: Variable::Global(name) | Variable::Cell(name),
                ..
            }) => name.to_string(),
            _ => "the lock".to_owned(),
        },
        _ => "the lock".to_owned(),
    }
}
