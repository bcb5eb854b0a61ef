//! Fields that one critical section changes together, and that another thread reads together
//! without the lock: each load is whole, the pair is not.

use rustc_hash::{FxHashMap, FxHashSet};

use super::atomicity::Access;
use super::effect::{Action, Mode, Slot};
use super::object::FunctionId;
use super::roots::{Record, Root, parallel};
use crate::facts::Look;
use crate::source::name::Name;

/// Two loads that may see one field from before and one from after a change.
#[derive(Debug, Clone)]
pub struct Torn {
    /// The loads, indices of records.
    pub reads: [u32; 2],
    /// The stores to the same fields, in one critical section.
    pub writes: [u32; 2],
    /// The lock of that section.
    pub lock: Name,
}

/// What one function does to the fields of one object on one thread; the last part is the
/// critical section of a writer.
type Group = (u32, FunctionId, u64, u64);

/// All torn pairs, one for each reading function and object. Only threads that the program itself
/// starts count: that callers of a library read two fields at once says little.
pub fn torn(roots: &[Root], records: &[Record]) -> Vec<Torn> {
    let mut writers: FxHashMap<Group, Vec<u32>> = FxHashMap::default();
    let mut readers: FxHashMap<Group, Vec<u32>> = FxHashMap::default();
    for (index, record) in records.iter().enumerate() {
        let Action::Access(access) = record.action else {
            continue;
        };
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let explicit = roots[record.root as usize].explicit;
        if record.in_constructor || !explicit || !matches!(access.place.slot, Slot::Field(_)) {
            continue;
        }
        let group = |section| (record.root, record.at.function, record.owner, section);
        match access.access {
            Access::Write | Access::Update => {
                for held in &record.held {
                    if held.mode == Mode::Exclusive && held.covers {
                        writers.entry(group(held.section)).or_default().push(index);
                    }
                }
            }
            Access::Read if access.look == Look::Use => {
                readers.entry(group(0)).or_default().push(index);
            }
            _ => {}
        }
    }
    // Of sections and readers with one field no pair can come, and most have one: each section is
    // compared with each reader.
    for groups in [&mut writers, &mut readers] {
        groups.retain(|_, accesses| {
            accesses.sort_by_key(|&it| records[it as usize].key);
            let key = |at: usize| accesses.get(at).map(|&it| records[it as usize].key);
            key(0) != accesses.len().checked_sub(1).and_then(key)
        });
    }
    let mut by_owner: FxHashMap<u64, Vec<(&Group, &Vec<u32>)>> = FxHashMap::default();
    for (group, stores) in &writers {
        by_owner.entry(group.2).or_default().push((group, stores));
    }
    let mut found = Vec::new();
    for (group, loads) in &readers {
        let Some(sections) = by_owner.get(&group.2) else {
            continue;
        };
        let mut pairs: Vec<Torn> = sections
            .iter()
            .filter_map(|(section, stores)| pair(roots, records, section.3, stores, loads))
            .collect();
        pairs.sort_by_key(|it| records[it.writes[0] as usize].at);
        found.extend(pairs.into_iter().next());
    }
    found.sort_by_key(|it| records[it.reads[0] as usize].at);
    let mut seen = FxHashSet::default();
    found.retain(|it| {
        let read = &records[it.reads[0] as usize];
        seen.insert((read.at.function, read.owner))
    });
    found
}

/// Two fields that a section stores and a function loads in parallel without its lock. Both are sorted
/// by field.
fn pair(
    roots: &[Root],
    records: &[Record],
    section: u64,
    stores: &[u32],
    loads: &[u32],
) -> Option<Torn> {
    let held = records[*stores.first()? as usize]
        .held
        .iter()
        .find(|held| held.section == section)?;
    let mut matched: Vec<(u32, u32)> = Vec::new();
    let key = |it: &u32| records[*it as usize].key;
    let mut stores = stores;
    for loads in loads.chunk_by(|one, other| key(one) == key(other)) {
        let Some(field) = loads.first().map(key) else {
            continue;
        };
        stores = &stores[stores.partition_point(|it| key(it) < field)..];
        let stores = &stores[..stores.partition_point(|it| key(it) == field)];
        let mut loads = loads.iter().copied();
        matched.extend(loads.find_map(|load| {
            let read = &records[load as usize];
            if stores.is_empty() || read.held.iter().any(|it| it.key == held.key) {
                return None;
            }
            let mut stores = stores.iter().copied();
            let store = stores.find(|&it| parallel(roots, &records[it as usize], read))?;
            Some((load, store))
        }));
    }
    matched.sort_by_key(|(load, _)| records[*load as usize].at);
    match matched[..] {
        [(first, one), (second, other), ..] => Some(Torn {
            reads: [first, second],
            writes: [one, other],
            lock: held.words,
        }),
        _ => None,
    }
}
