//! What the analysis knows of one line, and why it says nothing where it says nothing.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Program;
use super::conflicts::{Conflict, Defect};
use super::effect::{Action, Mode};
use super::object::{FunctionId, ModuleIndex};
use super::roots::{Record, parallel};
use crate::facts::{OpKind, Value, Variable};
use crate::source::name::Name;
use crate::source::span::{FileId, Range};

/// What is known of one line.
#[derive(Debug, Default)]
pub struct Explanation {
    /// The functions whose code stands on it, innermost first.
    pub functions: Vec<String>,
    /// Roots that reach it, by index; through a call where it touches nothing shared itself.
    pub roots: Vec<u32>,
    /// What the roots do on it, by index into the records, each way once.
    pub records: Vec<u32>,
    /// The places touched on it, with what is to be said of each.
    pub places: Vec<PlaceVerdict>,
}

/// What is to be said of a place.
#[derive(Debug)]
pub struct PlaceVerdict {
    /// It in words.
    pub words: String,
    /// Accesses elsewhere, by index into the records, each place in the source once.
    pub others: Vec<u32>,
    /// The conflict on it, by index; it may be reported at another line.
    pub conflict: Option<usize>,
    /// Why there is no conflict, or none worth reporting.
    pub quiet: Vec<&'static str>,
}

/// Explains what stands between two offsets of a file.
pub fn explain(program: &Program, file: FileId, line: Range) -> Explanation {
    let mut explanation = Explanation::default();
    let links = program.links();
    let Some(module) = module_of(program, file) else {
        return explanation;
    };
    let around = functions_at(program, module, line);
    explanation.functions = around
        .iter()
        .map(|&id| match links.qualified_name(id) {
            name if name.is_empty() => "the body of the module".to_owned(),
            name => name,
        })
        .collect();

    let on_line: Vec<u32> = (0..)
        .zip(program.records())
        .filter(|(_, record)| record.at.function.module == module && touches(record.at.range, line))
        .map(|(index, _)| index)
        .collect();
    let mut ways = FxHashSet::default();
    for &index in &on_line {
        let record = program.record(index);
        let held: Vec<(u64, Mode)> = record.held.iter().map(|it| (it.key, it.mode)).collect();
        let root = program.root_of(record);
        let who = (root.kind, root.function, root.spawn);
        if ways.insert((record.at, record.words, held, who, kind(&record.action))) {
            explanation.records.push(index);
        }
    }
    let reaching: BTreeSet<u32> = on_line
        .iter()
        .map(|&index| program.record(index).root)
        .collect();
    explanation.roots = if reaching.is_empty() {
        roots_calling(program, around.first().copied())
    } else {
        reaching.into_iter().collect()
    };
    explanation.roots = distinct_roots(program, &explanation.roots);

    let mut seen = FxHashSet::default();
    for &index in &on_line {
        let record = program.record(index);
        if matches!(record.action, Action::Access(_)) && seen.insert(record.key) {
            explanation.places.push(verdict(program, record.key));
        }
    }
    explanation
}

fn kind(
    action: &Action,
) -> (
    std::mem::Discriminant<Action>,
    Option<super::atomicity::Access>,
) {
    let access = match action {
        Action::Access(access) => Some(access.access),
        _ => None,
    };
    (std::mem::discriminant(action), access)
}

fn touches(range: Range, line: Range) -> bool {
    range.start < line.end && range.end > line.start
}

/// The functions around the line, innermost first; the last is the body of the module.
fn functions_at(program: &Program, module: ModuleIndex, line: Range) -> Vec<FunctionId> {
    let facts = program.links().module(module);
    let mut around: Vec<(u32, FunctionId)> = (0..)
        .zip(&facts.functions)
        .filter(|(index, function)| *index == 0 || touches(function.range, line))
        .map(|(index, function)| {
            let length = match index {
                0 => u32::MAX,
                _ => function.range.end - function.range.start,
            };
            (length, FunctionId { module, index })
        })
        .collect();
    around.sort_unstable();
    around.into_iter().map(|(_, id)| id).collect()
}

/// The roots from which calls lead to the function.
fn roots_calling(program: &Program, function: Option<FunctionId>) -> Vec<u32> {
    let Some(function) = function else {
        return Vec::new();
    };
    let mut callers: FxHashMap<FunctionId, Vec<FunctionId>> = FxHashMap::default();
    for &(caller, callee) in program.calls() {
        callers.entry(callee).or_default().push(caller);
    }
    let mut reached = FxHashSet::default();
    let mut pending = vec![function];
    while let Some(id) = pending.pop() {
        if reached.insert(id) {
            pending.extend(callers.get(&id).into_iter().flatten());
        }
    }
    (0..)
        .zip(program.roots())
        .filter(|(_, root)| reached.contains(&root.function))
        .map(|(index, _)| index)
        .collect()
}

/// The functions of a file by the ranges of their names, each with the roots whose threads may run
/// it, by index.
pub fn roots_reaching(program: &Program, file: FileId) -> Vec<(Range, Vec<u32>)> {
    let links = program.links();
    let Some(module) = module_of(program, file) else {
        return Vec::new();
    };
    let mut callees: FxHashMap<FunctionId, Vec<FunctionId>> = FxHashMap::default();
    for &(caller, callee) in program.calls() {
        callees.entry(caller).or_default().push(callee);
    }
    let mut reaching: FxHashMap<FunctionId, Vec<u32>> = FxHashMap::default();
    // Roots of one function reach the same.
    let mut starts: FxHashMap<FunctionId, Vec<u32>> = FxHashMap::default();
    for (index, root) in (0..).zip(program.roots()) {
        starts.entry(root.function).or_default().push(index);
    }
    for (start, roots) in starts {
        let mut reached = FxHashSet::default();
        let mut pending = vec![start];
        while let Some(id) = pending.pop() {
            if reached.insert(id) {
                pending.extend(callees.get(&id).into_iter().flatten());
            }
        }
        for id in reached.into_iter().filter(|it| it.module == module) {
            reaching.entry(id).or_default().extend(&roots);
        }
    }
    let mut functions: Vec<(Range, Vec<u32>)> = reaching
        .into_iter()
        .filter(|(id, _)| id.index != 0)
        .map(|(id, mut roots)| {
            roots.sort_unstable();
            (
                links.function(id).name_range,
                distinct_roots(program, &roots),
            )
        })
        .collect();
    functions.sort_by_key(|(range, _)| range.start);
    functions
}

/// A place and the lock that most of its accesses hold.
#[derive(Debug)]
pub struct Guard {
    /// Where the place is first stored.
    pub range: Range,
    /// The lock in words.
    pub lock: String,
    /// Sites of accesses that hold it.
    pub held: usize,
    /// Sites of accesses, those of the constructor not counted.
    pub accesses: usize,
}

/// The guards of the places that are defined in a file, by the rule of the majority: more than
/// half of at least two sites.
pub fn guards(program: &Program, file: FileId) -> Vec<Guard> {
    let Some(module) = module_of(program, file) else {
        return Vec::new();
    };
    let defined = definitions(program, module);
    let mut sites: FxHashMap<Name, FxHashMap<Range, &Record>> = FxHashMap::default();
    for record in program.records() {
        if defined.contains_key(&record.words)
            && !record.in_constructor
            && matches!(record.action, Action::Access(_))
        {
            // Of several ways to one site, the one that holds least counts.
            let sites = sites.entry(record.words).or_default();
            let known = sites.entry(record.at.range).or_insert(record);
            if record.held.len() < known.held.len() {
                *known = record;
            }
        }
    }
    let mut guards: Vec<Guard> = sites
        .into_iter()
        .filter_map(|(words, sites)| {
            let mut locks: FxHashMap<u64, (String, usize)> = FxHashMap::default();
            for record in sites.values() {
                for lock in record.held.iter().filter(|it| it.mode == Mode::Exclusive) {
                    let words = || (lock.words.to_string(), 0);
                    locks.entry(lock.key).or_insert_with(words).1 += 1;
                }
            }
            let (lock, held) = locks
                .into_values()
                .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)))?;
            let accesses = sites.len();
            (accesses >= 2 && held * 2 > accesses).then(|| Guard {
                range: defined[&words],
                lock,
                held,
                accesses,
            })
        })
        .collect();
    guards.sort_by_key(|it| (it.range.start, it.range.end));
    guards
}

/// Where the module first stores its globals, and constructors the attributes of their objects, by
/// the words records have for such places.
fn definitions(program: &Program, module: ModuleIndex) -> FxHashMap<Name, Range> {
    let facts = program.links().module(module);
    let mut defined = FxHashMap::default();
    for (index, function) in (0_u32..).zip(&facts.functions) {
        let class = function.class.map(|it| facts.classes[it as usize].name);
        for op in &function.ops {
            let words = match (&op.kind, class) {
                (
                    OpKind::WriteVariable {
                        variable: Variable::Global(name),
                        ..
                    },
                    _,
                ) if index == 0 => *name,
                (OpKind::Write { base, name, .. }, Some(class))
                    if function.name.as_str() == "__init__"
                        && *function.value(*base) == Value::Parameter(0) =>
                {
                    Name::new(&format!("{class}.{name}"))
                }
                _ => continue,
            };
            defined.entry(words).or_insert(op.range);
        }
    }
    defined
}

fn module_of(program: &Program, file: FileId) -> Option<ModuleIndex> {
    (0..)
        .zip(&program.links().modules)
        .find(|(_, module)| module.0 == file)
        .map(|(index, _)| index)
}

fn distinct_roots(program: &Program, roots: &[u32]) -> Vec<u32> {
    let mut seen = FxHashSet::default();
    let all = program.roots();
    roots
        .iter()
        .copied()
        .filter(|&index| {
            let root = &all[index as usize];
            seen.insert((root.kind, root.function, root.spawn))
        })
        .collect()
}

fn verdict(program: &Program, key: u64) -> PlaceVerdict {
    let records: Vec<(u32, &Record)> = (0..)
        .zip(program.records())
        .filter(|(_, record)| record.key == key && matches!(record.action, Action::Access(_)))
        .collect();
    let mut sites = FxHashSet::default();
    let others = records
        .iter()
        .filter(|(_, record)| sites.insert(record.at))
        .map(|(index, _)| *index)
        .collect();
    let of_place = |conflict: &Conflict| program.record(conflict.primary).key == key;
    let conflict = program.conflicts().iter().position(of_place);
    let mut quiet: BTreeSet<&'static str> = BTreeSet::new();
    match conflict.map(|index| program.conflicts()[index].defect) {
        Some(Defect::Atomic) => {
            quiet.insert("threads collide here, but each operation is one atomic step");
        }
        Some(_) => {}
        None => reasons(program, &records, &mut quiet),
    }
    PlaceVerdict {
        words: records
            .first()
            .map(|(_, record)| record.words.to_string())
            .unwrap_or_default(),
        others,
        conflict,
        quiet: quiet.into_iter().collect(),
    }
}

/// Pairs beyond this many say nothing new.
const MAX_PAIRS: usize = 20_000;

fn reasons(program: &Program, records: &[(u32, &Record)], quiet: &mut BTreeSet<&'static str>) {
    let writes = |record: &Record| match record.action {
        Action::Access(access) => access.access.writes(),
        _ => false,
    };
    if !records.iter().any(|(_, record)| writes(record)) {
        quiet.insert("nothing writes it once threads can see it");
        return;
    }
    let pairs = records
        .iter()
        .enumerate()
        .flat_map(|(at, (_, one))| records[at..].iter().map(move |(_, other)| (*one, *other)))
        .filter(|(one, other)| writes(one) || writes(other))
        .take(MAX_PAIRS);
    for (one, other) in pairs {
        quiet.insert(if !parallel(program.roots(), one, other) {
            if one.root == other.root {
                "one thread at a time runs the accesses, or each has an object of its own"
            } else {
                "no two threads run the accesses at the same time: they are one thread, or one comes after the other"
            }
        } else if common_lock(one, other) {
            "both sides hold the same lock"
        } else if one.in_constructor || other.in_constructor {
            "one side builds the object, before others can see it"
        } else if one.own || other.own {
            "one side owns the object: it made it and has not handed it on"
        } else {
            "each side is a single atomic step, and either order of them is what the program means"
        });
    }
}

fn common_lock(one: &Record, other: &Record) -> bool {
    one.held
        .iter()
        .any(|lock| lock.mode == Mode::Exclusive && other.held.iter().any(|it| it.key == lock.key))
}
