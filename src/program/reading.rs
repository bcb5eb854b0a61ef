//! What an evaluation reads of the linked modules, so that the next linking knows what it may keep.
//!
//! Evaluators see the modules through [`Reading`] alone, which takes note of the *parts* that an
//! answer may depend on. A part is the body of one function, or the skeleton of a module (names,
//! classes, signatures, what is bound where), or the table of what its functions store. Places in
//! A name is a part of its own: whether anybody stores under it. Places in
//! the source are no part of any part: they are moved, see [`super::Memory`]. Which files there
//! are, and what their paths mean, is the same as long as anything is kept at all.

use std::cell::{Cell, RefCell};

use rustc_hash::FxHashSet;

use super::link::{Home, Links, Stored};
use super::object::{ClassId, FunctionId, ModuleIndex};
use super::touching::Hints;
use crate::facts::{Class, Function, ModuleFacts, ValueId};
use crate::source::name::Name;

/// A part of a module, as a number: the module in the upper half; in the lower one a function, or
/// one of the constants below.
pub type Part = u64;

const SKELETON: u32 = u32::MAX;
const STORES: u32 = u32::MAX - 1;

/// Stands for a module in parts that are names.
const NAMES: ModuleIndex = u32::MAX;

fn part(module: ModuleIndex, within: u32) -> Part {
    u64::from(module) << 32 | u64::from(within)
}

/// The body of a function.
pub fn body(id: FunctionId) -> Part {
    part(id.module, id.index)
}

/// What a module is but for the bodies of its functions.
pub fn skeleton(module: ModuleIndex) -> Part {
    part(module, SKELETON)
}

/// What the functions of a module store in attributes and containers that have names.
pub fn stores(module: ModuleIndex) -> Part {
    part(module, STORES)
}

/// Whether a name is stored anywhere, by whatever module; see [`Links::is_rewritten`].
pub fn rewritten(name: Name) -> Part {
    part(NAMES, name.number())
}

/// The module a part belongs to.
pub fn module_of(part: Part) -> ModuleIndex {
    u32::try_from(part >> 32).unwrap_or(u32::MAX)
}

/// The parts that were read.
#[derive(Debug)]
pub struct Reads {
    noted: bool,
    parts: RefCell<FxHashSet<Part>>,
    /// The last one: the same function is asked for many times in a row.
    last: Cell<Option<Part>>,
}

impl Reads {
    /// Nothing read yet; `noted` when somebody will ask what was.
    pub fn new(noted: bool) -> Self {
        Self {
            noted,
            parts: RefCell::default(),
            last: Cell::default(),
        }
    }

    fn note(&self, part: Part) {
        if !self.noted {
            return;
        }
        if self.last.replace(Some(part)) != Some(part) {
            self.parts.borrow_mut().insert(part);
        }
    }

    /// Everything that was read, sorted.
    pub fn into_parts(self) -> Box<[Part]> {
        let mut parts: Vec<Part> = self.parts.into_inner().into_iter().collect();
        parts.sort_unstable();
        parts.into()
    }
}

/// The linked modules for one evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'p> {
    links: &'p Links,
    reads: &'p Reads,
}

impl<'p> Reading<'p> {
    /// Reads `links` and takes note of it in `reads`.
    pub fn new(links: &'p Links, reads: &'p Reads) -> Self {
        Self { links, reads }
    }

    /// The facts of a module. Of its functions only the signatures may be looked at; ask
    /// [`Reading::function`] for more.
    pub fn module(self, index: ModuleIndex) -> &'p ModuleFacts {
        self.reads.note(skeleton(index));
        self.links.module(index)
    }

    /// A function.
    pub fn function(self, id: FunctionId) -> &'p Function {
        self.reads.note(body(id));
        self.links.function(id)
    }

    /// A class.
    pub fn class(self, id: ClassId) -> &'p Class {
        self.reads.note(skeleton(id.module));
        self.links.class(id)
    }

    /// As [`Links::global`].
    pub fn global(self, module: ModuleIndex, name: Name) -> Option<&'p [(u32, ValueId)]> {
        self.reads.note(skeleton(module));
        self.links.global(module, name)
    }

    /// As [`Links::enclosing_class`].
    pub fn enclosing_class(self, id: FunctionId) -> Option<ClassId> {
        self.reads.note(skeleton(id.module));
        self.links.enclosing_class(id)
    }

    /// As [`Links::qualified_name`].
    pub fn qualified_name(self, id: FunctionId) -> String {
        self.reads.note(skeleton(id.module));
        self.links.qualified_name(id)
    }

    /// As [`Links::resolve`].
    pub fn resolve(self, from: ModuleIndex, dotted: &str) -> Option<ModuleIndex> {
        self.links.resolve(from, dotted)
    }

    /// As [`Links::module_name`].
    pub fn module_name(self, index: ModuleIndex) -> String {
        self.links.module_name(index)
    }

    /// As [`Links::package`].
    pub fn package(self, module: ModuleIndex) -> u32 {
        self.links.package(module)
    }

    /// As [`Links::touches`].
    pub fn touches(self, id: FunctionId) -> bool {
        self.reads.note(stores(id.module));
        self.links.touches(id)
    }

    /// As [`Links::hints`].
    pub fn hints(self, id: FunctionId) -> Hints {
        self.reads.note(stores(id.module));
        self.links.hints(id)
    }

    /// As [`Links::may_keep_by_thread`].
    pub fn may_keep_by_thread(self, class: ClassId) -> bool {
        self.reads.note(stores(class.module));
        self.links.may_keep_by_thread(class)
    }

    /// As [`Links::keeps_result`].
    pub fn keeps_result(self, function: FunctionId, value: ValueId) -> bool {
        self.reads.note(stores(function.module));
        self.links.keeps_result(function, value)
    }

    /// As [`Links::is_rewritten`].
    pub fn is_rewritten(self, name: Name) -> bool {
        self.reads.note(rewritten(name));
        self.links.is_rewritten(name)
    }

    /// As [`Links::is_served_by_threads`].
    pub fn is_served_by_threads(self) -> bool {
        self.links.is_served_by_threads()
    }

    /// As [`Links::is_set`].
    pub fn is_set(self, setting: Name) -> bool {
        self.links.is_set(setting)
    }

    /// As [`Links::is_set_in`].
    pub fn is_set_in(self, module: ModuleIndex, setting: Name) -> bool {
        self.links.is_set_in(module, setting)
    }

    /// As [`Links::is_program`].
    pub fn is_program(self, module: ModuleIndex) -> bool {
        self.reads.note(body(FunctionId { module, index: 0 }));
        self.reads.note(skeleton(module));
        self.links.is_program(module)
    }

    /// As [`Links::runs_when_imported`].
    pub fn runs_when_imported(self, module: ModuleIndex) -> bool {
        self.reads.note(body(FunctionId { module, index: 0 }));
        self.links.runs_when_imported(module)
    }

    /// As [`Links::knows_threads`].
    pub fn knows_threads(self, module: ModuleIndex) -> bool {
        self.reads.note(skeleton(module));
        self.links.knows_threads(module)
    }

    /// As [`Links::names_gil`], of a module that is asked about itself.
    pub fn names_gil(self, module: ModuleIndex) -> bool {
        self.links.names_gil(module)
    }

    /// As [`Links::calls`]. That bounds what is looked at; what is found hardly depends on it, and
    /// nothing is noted.
    pub fn calls(self, module: ModuleIndex) -> usize {
        self.links.calls(module)
    }

    /// As [`Links::is_of_command`].
    pub fn is_of_command(self, module: ModuleIndex) -> bool {
        self.links.is_of_command(module)
    }

    /// As [`Links::is_of_loop`].
    pub fn is_of_loop(self, module: ModuleIndex) -> bool {
        self.links.is_of_loop(module)
    }

    /// As [`Links::is_internal`]; known of all classes before anything is evaluated.
    pub fn is_internal(self, class: ClassId) -> bool {
        self.links.is_internal(class)
    }

    /// As [`Links::is_package`].
    pub fn is_package(self, folder: &str) -> bool {
        self.links.is_package(folder)
    }

    /// As [`Links::is_part_of_script`].
    pub fn is_part_of_script(self, module: ModuleIndex) -> bool {
        self.links.is_part_of_script(module)
    }

    /// As [`Links::lock_fields`].
    pub fn lock_fields(self, class: ClassId) -> &'p [Name] {
        self.reads.note(stores(class.module));
        self.links.lock_fields(class)
    }

    /// As [`Links::is_idle_lock`].
    pub fn is_idle_lock(self, module: ModuleIndex, name: Name) -> bool {
        self.reads.note(stores(module));
        self.links.is_idle_lock(module, name)
    }

    /// As [`Links::attribute_stores`].
    pub fn attribute_stores(self, class: ClassId, name: Name) -> Option<&'p [Stored]> {
        self.reads.note(stores(class.module));
        self.links.attribute_stores(class, name)
    }

    /// As [`Links::elements`].
    pub fn elements(self, home: Home) -> Option<&'p [Stored]> {
        self.reads.note(match home {
            Home::Attribute(class, _) | Home::Class(class, _) => stores(class.module),
            Home::Global(module, _) => stores(module),
            Home::Local(function, _) => body(function),
        });
        self.links.elements(home)
    }

    /// As [`Links::home`].
    pub fn home(self, function: FunctionId, value: ValueId) -> Option<Home> {
        self.reads.note(body(function));
        self.links.home(function, value)
    }
}
