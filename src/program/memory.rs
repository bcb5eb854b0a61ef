//! What one linking leaves for the next: of each module what was found, and what that depends on.
//!
//! Roots are found module by module, each from what its functions reach. While that goes on,
//! [`super::reading`] notes the parts of modules that are looked at. The next linking compares the
//! facts of modules that have changed part by part and finds roots anew only for modules that had
//! looked at a part that differs. Places in the source are compared apart: a line inserted above a
//! function changes where everything in it stands and nothing else, so what is kept of it is moved.
//!
//! Nothing is kept when files come or go, when the folders of scripts change or the
//! project begins to serve with threads, or when the models or
//! the options do: then every import may mean something else.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};

use super::effect::{Action, At};
use super::gil::GilUse;
use super::link::Links;
use super::object::{ClassId, FunctionId, ModuleIndex};
use super::reading::{self, Part, Reads};
use super::roots::ModuleRoots;
use super::{Callers, Options, Target};
use crate::facts::{Class, Function, ModuleFacts};
use crate::source::span::Range;

/// What is kept between linkings of one project. Empty at first.
#[derive(Debug, Default)]
pub struct Memory {
    kept: Mutex<Option<Arc<Kept>>>,
    forgetful: bool,
}

impl Memory {
    /// A memory that keeps nothing: for whoever links once. Nothing is noted of what is read,
    /// which of large programs is more than what is found.
    pub fn forgetful() -> Self {
        Self {
            forgetful: true,
            ..Self::default()
        }
    }

    /// Nothing is kept.
    pub(super) fn is_forgetful(&self) -> bool {
        self.forgetful
    }

    /// What an evaluation notes of what it reads.
    pub(super) fn reads(&self) -> Reads {
        Reads::new(!self.forgetful)
    }

    /// What the last linking left.
    pub(super) fn last(&self) -> Option<Arc<Kept>> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes the place of what the last linking left.
    pub(super) fn keep(&self, kept: Kept) {
        if !self.forgetful {
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(kept));
        }
    }
}

/// What a linking leaves.
#[derive(Debug)]
pub(super) struct Kept {
    pub links: Arc<Links>,
    pub options: (Target, Callers),
    /// Identity of the models.
    pub models: u64,
    /// Classes of which a module holds an instance in a name, by module.
    pub objects: Vec<Found<Vec<ClassId>>>,
    pub module_objects: FxHashSet<ClassId>,
    /// Roots, by module.
    pub roots: Vec<Found<ModuleRoots>>,
    /// Calls that have to do with the GIL, by module.
    pub gil_calls: Vec<Found<Vec<GilUse>>>,
}

/// Something found, and the parts that were read for it.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub value: Arc<T>,
    reads: Arc<[Part]>,
}

impl<T> Clone for Found<T> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            reads: Arc::clone(&self.reads),
        }
    }
}

impl<T> Found<T> {
    pub(super) fn new(value: T, reads: Reads) -> Self {
        Self {
            value: Arc::new(value),
            reads: reads.into_parts().into(),
        }
    }
}

/// What has changed since the last linking.
#[derive(Debug)]
pub(super) struct Changes {
    last: Arc<Kept>,
    /// Parts that differ, sorted.
    parts: Vec<Part>,
    /// Modules whose functions stand elsewhere, with where the ranges of those that are otherwise
    /// the same are now.
    moved: FxHashMap<ModuleIndex, FxHashMap<Range, Range>>,
}

impl Changes {
    /// Compares with the last linking; `None` when nothing of it can be kept.
    pub(super) fn since(
        last: Option<Arc<Kept>>,
        links: &Links,
        options: &Options,
        models: u64,
    ) -> Option<Self> {
        let last = last?;
        let comparable = last.options == (options.target, options.callers)
            && last.models == models
            && last.links.has_paths_of(&links.modules)
            && last.links.shows_as_much_as(links)
            && last.links.sets_the_same_as(links)
            && last.links.is_served_by_threads() == links.is_served_by_threads();
        if !comparable {
            return None;
        }
        let mut parts = Vec::new();
        let mut moved = FxHashMap::default();
        let modules = last.links.modules.iter().zip(&links.modules);
        for (index, ((_, old), (_, new))) in (0..).zip(modules) {
            if Arc::ptr_eq(old, new) {
                continue;
            }
            compare(index, old, new, &mut parts, &mut moved);
            if !last.links.table(index).agrees(links.table(index)) {
                parts.push(reading::stores(index));
            }
        }
        let names = last.links.rewritten_otherwise(links);
        parts.extend(names.into_iter().map(reading::rewritten));
        parts.sort_unstable();
        Some(Self { last, parts, moved })
    }

    /// The classes held in names of a module, when they are the same.
    pub(super) fn objects(&self, module: ModuleIndex) -> Option<Found<Vec<ClassId>>> {
        let found = self.last.objects.get(module as usize)?;
        self.holds(&found.reads).then(|| found.clone())
    }

    /// The calls of a module that have to do with the GIL, when its facts are the same.
    pub(super) fn gil_calls(
        &self,
        module: ModuleIndex,
        facts: &Arc<ModuleFacts>,
    ) -> Option<Found<Vec<GilUse>>> {
        let (_, known) = self.last.links.modules.get(module as usize)?;
        let found = self.last.gil_calls.get(module as usize)?;
        (Arc::ptr_eq(known, facts) && self.holds(&found.reads)).then(|| found.clone())
    }

    /// The roots of a module, moved with the text, when they are the same.
    pub(super) fn roots(
        &self,
        module: ModuleIndex,
        module_objects: &FxHashSet<ClassId>,
    ) -> Option<Found<ModuleRoots>> {
        let found = self.last.roots.get(module as usize)?;
        if self.last.module_objects != *module_objects || !self.holds(&found.reads) {
            return None;
        }
        let reads_moved = self.moved.keys().any(|&module| {
            let first = found
                .reads
                .partition_point(|&it| reading::module_of(it) < module);
            found
                .reads
                .get(first)
                .is_some_and(|&it| reading::module_of(it) == module)
        });
        if !reads_moved {
            return Some(found.clone());
        }
        let mut value = (*found.value).clone();
        self.move_places(&mut value)?;
        Some(Found {
            value: Arc::new(value),
            reads: Arc::clone(&found.reads),
        })
    }

    fn holds(&self, reads: &[Part]) -> bool {
        self.parts
            .iter()
            .all(|part| reads.binary_search(part).is_err())
    }

    /// Moves every place in moved modules; `None` when one is not among the ranges that are known.
    fn move_places(&self, found: &mut ModuleRoots) -> Option<()> {
        let place = |at: &mut At| {
            if let Some(ranges) = self.moved.get(&at.function.module) {
                at.range = *ranges.get(&at.range)?;
            }
            Some(())
        };
        for root in &mut found.roots {
            root.spawn.as_mut().map_or(Some(()), place)?;
        }
        for record in &mut found.records {
            match &mut record.action {
                Action::Access(access) => {
                    access.relies_on.as_mut().map_or(Some(()), place)?;
                }
                Action::Acquire { made, .. } => made.as_mut().map_or(Some(()), place)?,
                Action::Leak { exit: range, .. } | Action::Upset { change: range, .. } => {
                    if let Some(ranges) = self.moved.get(&record.at.function.module) {
                        *range = *ranges.get(range)?;
                    }
                }
                _ => {}
            }
            if let Some(meeting) = &mut record.meeting {
                let meeting = Arc::make_mut(meeting);
                place(&mut meeting.asks)?;
                place(&mut meeting.acts)?;
            }
            place(&mut record.at)?;
            place(&mut record.via)?;
            record.under.as_mut().map_or(Some(()), place)?;
        }
        Some(())
    }
}

/// Adds the parts of a module that differ, and where its ranges are now if they have moved.
fn compare(
    module: ModuleIndex,
    old: &ModuleFacts,
    new: &ModuleFacts,
    parts: &mut Vec<Part>,
    moved: &mut FxHashMap<ModuleIndex, FxHashMap<Range, Range>>,
) {
    let body = |index: usize| {
        reading::body(FunctionId {
            module,
            index: u32::try_from(index).unwrap_or(u32::MAX),
        })
    };
    if !same_skeleton(old, new) {
        parts.push(reading::skeleton(module));
    }
    let most = old.functions.len().max(new.functions.len());
    let shared = old.functions.len().min(new.functions.len());
    parts.extend((shared..most).map(body));
    let mut ranges = FxHashMap::default();
    let mut is_moved = false;
    for (index, (old, new)) in old.functions.iter().zip(&new.functions).enumerate() {
        if same_body(old, new) {
            is_moved |= old.range != new.range;
            let ops = old.ops.iter().zip(&new.ops);
            ranges.extend(ops.map(|(old, new)| (old.range, new.range)));
            for (old, new) in old.leaks.iter().zip(&new.leaks) {
                ranges.insert(old.acquired, new.acquired);
                ranges.insert(old.exit, new.exit);
            }
        } else {
            parts.push(body(index));
            // Its places are kept by nobody, but its name may stand for it.
            is_moved = true;
        }
        ranges.insert(old.range, new.range);
        ranges.insert(old.name_range, new.name_range);
    }
    for (old, new) in old.classes.iter().zip(&new.classes) {
        ranges.insert(old.range, new.range);
        ranges.insert(old.name_range, new.name_range);
    }
    if is_moved {
        moved.insert(module, ranges);
    }
}

/// The modules agree in everything but the bodies of functions and where things stand.
fn same_skeleton(old: &ModuleFacts, new: &ModuleFacts) -> bool {
    let same_class = |old: &Class, new: &Class| {
        let unplaced = Class {
            range: new.range,
            name_range: new.name_range,
            ..old.clone()
        };
        unplaced == *new
    };
    old.is_script == new.is_script
        && old.stars == new.stars
        && old.globals == new.globals
        && old.functions.len() == new.functions.len()
        && old
            .functions
            .iter()
            .zip(&new.functions)
            .all(|(old, new)| same_signature(old, new))
        && old.classes.len() == new.classes.len()
        && old
            .classes
            .iter()
            .zip(&new.classes)
            .all(|(old, new)| same_class(old, new))
        && anchored_directives(old) == anchored_directives(new)
}

/// The directives of a module, each with how many ops and definitions begin before its line ends:
/// what a directive is about depends on where it stands among them.
fn anchored_directives(facts: &ModuleFacts) -> Vec<(&crate::facts::DirectiveKind, usize)> {
    facts
        .directives
        .iter()
        .map(|directive| {
            let before = |range: &Range| range.start < directive.line.end;
            let ops = facts.functions.iter().flat_map(|it| &it.ops);
            let count = ops.filter(|it| before(&it.range)).count()
                + facts
                    .functions
                    .iter()
                    .filter(|it| before(&it.range))
                    .count()
                + facts.classes.iter().filter(|it| before(&it.range)).count();
            (&directive.kind, count)
        })
        .collect()
}

/// The functions do the same, wherever they stand.
fn same_body(old: &Function, new: &Function) -> bool {
    old.values == new.values
        && old.lists == new.lists
        && old.ops.len() == new.ops.len()
        && old.ops.iter().zip(&new.ops).all(|(old, new)| {
            old.kind == new.kind
                && old.held == new.held
                && old.control == new.control
                && old.in_loop == new.in_loop
        })
        && old.calls == new.calls
        && old.held == new.held
        && old.controls == new.controls
        && old.loops == new.loops
        && old.cells == new.cells
        && old.local_names == new.local_names
        && old.returns == new.returns
        && old.leaks.len() == new.leaks.len()
        && old
            .leaks
            .iter()
            .zip(&new.leaks)
            .all(|(old, new)| (old.lock, old.by) == (new.lock, new.by))
        && old.raises == new.raises
        && same_signature(old, new)
}

/// The functions are defined alike, whatever they do.
fn same_signature(old: &Function, new: &Function) -> bool {
    (old.name, old.parent, old.class) == (new.name, new.parent, new.class)
        && old.parameters == new.parameters
        && old.decorators == new.decorators
        && (old.is_async, old.is_generator) == (new.is_async, new.is_generator)
        && old.left_to_callers == new.left_to_callers
        && old.orders == new.orders
}
