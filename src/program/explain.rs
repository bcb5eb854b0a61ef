//! What the analysis knows of one line, and why it says nothing where it says nothing.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Program;
use super::conflicts::{Conflict, Defect};
use super::effect::{Action, Mode};
use super::object::{FunctionId, ModuleIndex};
use super::roots::{Record, parallel};
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
    let Some(module) = (0..)
        .zip(&links.modules)
        .find(|(_, module)| module.0 == file)
        .map(|(index, _)| index)
    else {
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
