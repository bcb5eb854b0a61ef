//! Modules to one program: imports, module-level names, who stores what where.

use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::interface::{ClassNames, Face, internal_classes};
use super::object::{ClassId, FunctionId, ModuleIndex};
use super::settings::Settings;
use super::sharing::classes_by_thread;
use super::touching::{Hints, hints, rewritten_names, touching_functions};
use crate::facts::{Class, Function, Grouped, ModuleFacts, OpKind, Value, ValueId, Variable};
use crate::models::Models;
use crate::source::name::Name;
use crate::source::span::FileId;

/// A value and the function whose values it is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Who stores it.
    pub function: FunctionId,
    /// What.
    pub value: ValueId,
}

/// Where elements are put into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Home {
    /// A container that instances of a class hold in an attribute.
    Attribute(ClassId, Name),
    /// One that a module-level name holds.
    Global(ModuleIndex, Name),
    /// One made in the body of a class.
    Class(ClassId, Name),
    /// One made by a value of a function and used under a local name.
    Local(FunctionId, ValueId),
}

/// A module to be linked.
#[derive(Debug)]
pub struct Module {
    /// Its file.
    pub file: FileId,
    /// Its facts.
    pub facts: Arc<ModuleFacts>,
    /// What it stores where, if that is known already.
    pub table: Option<Arc<Table>>,
}

/// The linked modules.
#[derive(Debug)]
pub struct Links {
    /// Facts and file of every module.
    pub modules: Vec<(FileId, Arc<ModuleFacts>)>,
    tables: Vec<Arc<Table>>,
    paths: Arc<FxHashMap<String, ModuleIndex>>,
    /// Modules that are parts of a script beside them.
    script_parts: FxHashSet<ModuleIndex>,
    /// Package of each module; see [`Links::package`].
    packages: Vec<u32>,
    /// By package: see [`Links::is_of_command`].
    commands: Vec<bool>,
    /// By package: see [`Links::is_of_loop`].
    loops: Vec<bool>,
    /// See [`Links::is_internal`].
    internal: Arc<FxHashSet<(u32, Name)>>,
    rewritten: Arc<FxHashSet<Name>>,
}

/// What one module stores where; all keys are of the module itself.
#[derive(Debug, Default)]
pub struct Table {
    module: ModuleIndex,
    /// Names with their index among the globals of the facts; sorted.
    globals: Box<[(Name, u32)]>,
    /// Stores to attributes of `self`, by class and attribute.
    attribute_stores: Grouped<(u32, Name), Stored>,
    /// Elements put into containers.
    elements: Grouped<Home, Stored>,
    /// Homes of container literals: the attribute or name they are assigned to; sorted.
    homes: Box<[((u32, ValueId), Home)]>,
    /// See [`Links::lock_fields`].
    lock_fields: FxHashMap<ClassId, Vec<Name>>,
    /// See [`Links::is_idle_lock`].
    idle_locks: FxHashSet<Name>,
    /// See [`Links::is_rewritten`]; sorted.
    rewritten: Vec<Name>,
    /// Functions that touch what threads share; see [`Links::touches`].
    touching: Vec<bool>,
    /// What else is asked of functions before they are followed.
    hints: Vec<Hints>,
    /// Classes whose methods may look things up by the identity of the thread that runs.
    by_thread: FxHashSet<u32>,
    /// Calls whose results the module keeps; see [`Links::keeps_result`]. Sorted.
    kept_calls: Vec<(u32, ValueId)>,
    /// It names a server that runs its handlers on threads.
    serves: bool,
    /// What it sets that decides which threads there are, as models spell it; sorted.
    settings: Vec<Name>,
    /// It names a function that asks about the GIL or counts on it.
    names_gil: bool,
    /// Modules that it imports by their full names, without what follows the first dot; sorted.
    imports: Box<[Name]>,
    /// It imports something that is about threads.
    knows_threads: bool,
    /// See [`Links::runs_when_imported`].
    runs_when_imported: bool,
    /// How many calls its functions have.
    calls: usize,
    /// Classes that it makes and shows.
    classes: ClassNames,
}

/// Names with a meaning, from the models.
#[derive(Debug, Default)]
pub struct Names {
    /// Functions and methods that may start a thread.
    pub spawning: FxHashSet<Name>,
    /// Servers that run their handlers on threads.
    pub serving: FxHashSet<Name>,
    /// What decides which threads there are.
    pub settings: Settings,
    /// Classes of locks.
    pub locks: FxHashSet<Name>,
    /// All classes that models describe.
    pub classes: FxHashSet<Name>,
    /// Functions that ask about the GIL or count on it.
    pub gil: FxHashSet<Name>,
    /// Methods that tell a state which may be over when the caller acts.
    pub asking: FxHashSet<Name>,
}

impl Names {
    /// The names of models.
    pub fn new(models: &Models) -> Self {
        Self {
            spawning: models.spawning_names().map(Name::new).collect(),
            serving: models.serving_names().map(Name::new).collect(),
            settings: Settings::new(models),
            locks: models.lock_names().map(Name::new).collect(),
            classes: models.class_names().map(Name::new).collect(),
            gil: models.gil_names().map(Name::new).collect(),
            asking: models.asking_names().map(|it| Name::new(it.0)).collect(),
        }
    }
}

impl Table {
    /// Looks through all functions of a module that will have this index when it is linked, with
    /// the names of the models it is linked with. Best done while their code is at hand.
    pub fn new(module: ModuleIndex, facts: &ModuleFacts, names: &Names) -> Self {
        let facts = &*facts.unpacked();
        let rewritten = rewritten_names(facts, names);
        let mut globals: Vec<(Name, u32)> = (0..)
            .zip(facts.globals.iter())
            .map(|(at, (name, _))| (*name, at))
            .collect();
        globals.sort_unstable();
        let mut table = Self {
            module,
            globals: globals.into(),
            touching: touching_functions(facts, names, &rewritten),
            rewritten,
            runs_when_imported: runs_when_imported(facts),
            calls: facts.functions.iter().map(|it| it.calls.len()).sum(),
            classes: ClassNames::new(facts),
            ..Self::default()
        };
        let mut imports: FxHashSet<Name> = FxHashSet::default();
        for value in facts.functions.iter().flat_map(|it| &it.values) {
            match value {
                Value::Imported { name, .. } | Value::Attribute { name, .. } => {
                    table.serves |= names.serving.contains(name);
                    table.names_gil |= names.gil.contains(name);
                }
                _ => {}
            }
            if let Value::Module(module) | Value::Imported { module, .. } = value {
                table.knows_threads |= is_about_threads(module.as_str());
                imports.insert(*module);
            }
        }
        let mut imports: Vec<Name> = imports
            .into_iter()
            .filter_map(|it| match it.as_str().split_once('.') {
                Some(("", _)) => None,
                Some((first, _)) => Some(Name::new(first)),
                None => Some(it),
            })
            .collect();
        imports.sort_unstable();
        imports.dedup();
        table.imports = imports.into();
        table.settings = names.settings.made_in(facts);
        table.hints = hints(facts, &names.spawning);
        table.by_thread = classes_by_thread(facts);
        table.collect_stores(module, facts);
        table.collect_lock_fields(module, facts, &names.locks);
        table.collect_kept_calls(facts);
        table
    }

    /// Both tables say the same of what has a name that other functions know.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let named = |(home, _): &(&Home, &[Stored])| !matches!(home, Home::Local(..));
        self.attribute_stores == other.attribute_stores
            && self.lock_fields == other.lock_fields
            && self.idle_locks == other.idle_locks
            && self.touching == other.touching
            && self.hints == other.hints
            && self.by_thread == other.by_thread
            && self.kept_calls == other.kept_calls
            && self
                .elements
                .iter()
                .filter(named)
                .eq(other.elements.iter().filter(named))
    }
}

/// The class in whose body, or in a function of whose body, a function is defined.
pub fn class_of_method(facts: &ModuleFacts, function: &Function) -> Option<u32> {
    let mut current = function;
    loop {
        if current.class.is_some() {
            return current.class;
        }
        if current.parent == 0 {
            return None;
        }
        current = &facts.functions[current.parent as usize];
    }
}

/// What all contexts share that set no value of their own, if a value is a new context variable.
fn default_of_context_variable(function: &Function, value: ValueId) -> Option<ValueId> {
    let Value::Call(call) = *function.value(value) else {
        return None;
    };
    let call = &function.calls[call as usize];
    let makes_variable = matches!(function.value(call.callee),
        Value::Attribute { name, .. } | Value::Global(name) | Value::Imported { name, .. }
            if name.as_str() == "ContextVar");
    let mut keywords = call.keywords.iter();
    let default = keywords.find(|(name, _)| makes_variable && name.as_str() == "default");
    default.map(|(_, value)| *value)
}

/// A folder that is no package and holds more modules than this is not one program.
const MAX_LOOSE: u32 = 64;

/// Whether a module of this name is about threads.
fn is_about_threads(module: &str) -> bool {
    let first = module.split('.').next().unwrap_or_default();
    matches!(
        first,
        "threading" | "_thread" | "concurrent" | "multiprocessing" | "queue"
    )
}

fn runs_when_imported(facts: &ModuleFacts) -> bool {
    let body = &facts.functions[0];
    let is_main = |name: &Name| name.as_str() == "main";
    body.calls.iter().any(|call| {
        call.statement
            && match body.value(call.callee) {
                Value::Attribute { base, name, .. } => match name.as_str() {
                    "start" | "submit" | "serve_forever" | "mainloop" => true,
                    "run" => matches!(body.value(*base),
                            Value::Module(module) if module.as_str() == "asyncio"),
                    _ => false,
                },
                Value::Function(index) => facts
                    .functions
                    .get(*index as usize)
                    .is_some_and(|it| is_main(&it.name)),
                Value::Global(name) => is_main(name),
                _ => false,
            }
    })
}

impl Links {
    /// Links modules; their order decides their indices.
    ///
    /// What `last`, made with the same names, knows of modules that are the same is taken from
    /// there.
    pub fn new(modules: Vec<Module>, names: &Names, last: Option<&Self>) -> Self {
        let (modules, tables): (Vec<_>, Vec<_>) = modules
            .into_iter()
            .map(|it| ((it.file, it.facts), it.table))
            .unzip();
        let last = last.filter(|it| it.has_paths_of(&modules));
        let paths = match last {
            Some(last) => Arc::clone(&last.paths),
            None => Arc::new(paths(&modules)),
        };
        let tables = modules
            .par_iter()
            .zip(tables)
            .enumerate()
            .map(|(index, ((_, facts), table))| match last {
                Some(last) if Arc::ptr_eq(&last.modules[index].1, facts) => {
                    Arc::clone(&last.tables[index])
                }
                _ => {
                    let index = u32::try_from(index).unwrap_or(u32::MAX);
                    let table = table.filter(|it| it.module == index);
                    table.unwrap_or_else(|| Arc::new(Table::new(index, facts, names)))
                }
            })
            .collect();
        let mut links = Self {
            modules,
            tables,
            paths,
            script_parts: FxHashSet::default(),
            packages: Vec::new(),
            commands: Vec::new(),
            loops: Vec::new(),
            internal: Arc::default(),
            rewritten: Arc::default(),
        };
        links.collect_rewritten(last);
        links.collect_script_parts();
        links.collect_packages();
        links.collect_internal(last);
        links
    }

    /// Whether the tables of two programs with the same modules say the same, as far as `same` asks.
    fn agrees_with(&self, other: &Self, same: impl Fn(&Table, &Table) -> bool) -> bool {
        let mut tables = self.tables.iter().zip(&other.tables);
        tables.all(|(one, other)| Arc::ptr_eq(one, other) || same(one, other))
    }

    fn collect_rewritten(&mut self, last: Option<&Self>) {
        let same = |one: &Table, other: &Table| one.rewritten == other.rewritten;
        if let Some(last) = last.filter(|it| it.agrees_with(self, same)) {
            self.rewritten = Arc::clone(&last.rewritten);
            return;
        }
        let names = self.tables.iter().flat_map(|table| &table.rewritten);
        self.rewritten = Arc::new(names.copied().collect());
    }

    /// The same files are in the same packages.
    fn collect_internal(&mut self, last: Option<&Self>) {
        let same = |one: &Table, other: &Table| one.classes == other.classes;
        if let Some(last) = last.filter(|it| it.agrees_with(self, same)) {
            self.internal = Arc::clone(&last.internal);
            return;
        }
        let tables = self.packages.iter().zip(&self.tables);
        let names = tables.map(|(&package, table)| (package, &table.classes));
        self.internal = Arc::new(internal_classes(names));
    }

    /// Keeps the code of functions of these modules packed only, where nobody else has the facts of
    /// their module.
    pub(super) fn forget_code(&mut self, modules: std::ops::Range<ModuleIndex>) {
        let modules = modules.start as usize..modules.end as usize;
        self.modules[modules].par_iter_mut().for_each(|(_, facts)| {
            if let Some(facts) = Arc::get_mut(facts) {
                facts.forget_code();
            }
        });
    }

    /// Whether an attribute or variable of this name is stored anywhere, on whatever object, other
    /// than while a constructor builds its own object or a module is imported. Loads of names for
    /// which this is false race with nothing; they are most loads of most programs. True also of
    /// methods that tell a state (`lock.locked`), where they are called: taking what nobody asks for
    /// makes no answer stale.
    pub fn is_rewritten(&self, name: Name) -> bool {
        self.rewritten.contains(&name)
    }

    /// The names of which one of two programs says [`Self::is_rewritten`] and the other does not.
    pub(super) fn rewritten_otherwise(&self, other: &Self) -> Vec<Name> {
        if Arc::ptr_eq(&self.rewritten, &other.rewritten) {
            return Vec::new();
        }
        self.rewritten
            .symmetric_difference(&other.rewritten)
            .copied()
            .collect()
    }

    /// Modules in a folder of scripts, outside any package, that something there or below imports.
    /// What lies beside a `setup.py` is a library and the scripts that try it.
    fn collect_script_parts(&mut self) {
        let folder_of = |path: &str| path.rsplit_once('/').map_or(0, |(folder, _)| folder.len());
        let mut folders: FxHashSet<&str> = FxHashSet::default();
        for (module, (_, facts)) in (0..).zip(&self.modules) {
            let folder = &facts.path[..folder_of(&facts.path)];
            let is_library = self.paths.contains_key(join(folder, "setup").as_str());
            if self.is_program(module) && !is_library && !self.paths.contains_key(folder) {
                folders.insert(folder);
            }
        }
        let mut parts = FxHashSet::default();
        for ((_, facts), table) in self.modules.iter().zip(&self.tables) {
            let mut folder = facts.path.as_str();
            while !folder.is_empty() {
                folder = &folder[..folder_of(folder)];
                if folders.contains(folder) {
                    let beside = table.imports.iter().map(|it| join(folder, it.as_str()));
                    let modules = beside.filter_map(|it| self.paths.get(it.as_str()).copied());
                    // A package there is one, whoever imports it.
                    parts.extend(modules.filter(|&it| {
                        let path = &self.modules[it as usize].1.path;
                        path.len() > folder.len() && folder_of(path) == folder.len()
                    }));
                }
            }
        }
        self.script_parts = parts;
    }

    fn collect_packages(&mut self) {
        let mut ids: FxHashMap<String, u32> = FxHashMap::default();
        let mut loose: FxHashMap<&str, u32> = FxHashMap::default();
        for (_, facts) in &self.modules {
            let folder = facts.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            *loose.entry(folder).or_default() += 1;
        }
        let mut packages = Vec::with_capacity(self.modules.len());
        let mut faces: Vec<Face> = Vec::new();
        for ((_, facts), table) in self.modules.iter().zip(&self.tables) {
            let mut folder = facts.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let mut name = if loose.get(folder).is_some_and(|&it| it > MAX_LOOSE) {
                // Many modules in one folder that is no package: each stands for itself.
                facts.path.clone()
            } else {
                folder.to_owned()
            };
            while self.paths.contains_key(folder) {
                name = folder.to_owned();
                match folder.rsplit_once('/') {
                    Some((above, _)) => folder = above,
                    None => break,
                }
            }
            let id = match ids.get(&name) {
                Some(&id) => id,
                None => {
                    let id = u32::try_from(ids.len()).unwrap_or(u32::MAX);
                    ids.insert(name.clone(), id);
                    faces.push(Face::default());
                    id
                }
            };
            faces[id as usize].add(&name, facts, &table.classes);
            packages.push(id);
        }
        self.packages = packages;
        self.commands = faces.iter().map(Face::is_of_command).collect();
        self.loops = faces.iter().map(Face::is_of_loop).collect();
    }

    /// The package a module belongs to: the outermost folder with an `__init__` above it, or the
    /// folder itself. What lies in another package is a library.
    pub fn package(&self, module: ModuleIndex) -> u32 {
        self.packages[module as usize]
    }

    /// Whether a module belongs to a package that runs, and all of whose modules are private: its
    /// functions have no callers but its own.
    pub fn is_of_command(&self, module: ModuleIndex) -> bool {
        self.commands[self.package(module) as usize]
    }

    /// Whether a module belongs to a package that defines an event loop.
    pub fn is_of_loop(&self, module: ModuleIndex) -> bool {
        self.loops[self.package(module) as usize]
    }

    /// Whether a class is made by its own package and shown to nobody outside, as far as names tell.
    pub fn is_internal(&self, class: ClassId) -> bool {
        let name = self.class(class).name;
        self.internal.contains(&(self.package(class.module), name))
    }

    /// Whether a function, or one of its module that it calls by name, touches state of a module
    /// or class, takes a lock or starts a thread.
    pub fn touches(&self, id: FunctionId) -> bool {
        self.table(id.module).touching[id.index as usize]
    }

    /// What a function may do, as far as names tell.
    pub fn hints(&self, id: FunctionId) -> Hints {
        self.table(id.module).hints[id.index as usize]
    }

    /// Whether methods of a class may look things up by the identity of the thread that runs, as
    /// far as names tell.
    pub fn may_keep_by_thread(&self, class: ClassId) -> bool {
        self.table(class.module).by_thread.contains(&class.index)
    }

    /// Whether a value that a module keeps in a name, a class attribute, or a container that one of
    /// these holds, is the result of a call.
    pub fn keeps_result(&self, function: FunctionId, value: ValueId) -> bool {
        let kept = &self.table(function.module).kept_calls;
        kept.binary_search(&(function.index, value)).is_ok()
    }

    /// The same files, in the same order.
    pub(super) fn has_paths_of(&self, modules: &[(FileId, Arc<ModuleFacts>)]) -> bool {
        self.modules.len() == modules.len()
            && self.modules.iter().zip(modules).all(|(one, other)| {
                one.0 == other.0 && (Arc::ptr_eq(&one.1, &other.1) || one.1.path == other.1.path)
            })
    }

    /// The same folders hold scripts, and the packages show the same to the outside.
    pub(super) fn shows_as_much_as(&self, other: &Self) -> bool {
        self.script_parts == other.script_parts
            && self.commands == other.commands
            && self.loops == other.loops
            && self.internal == other.internal
    }

    /// Whether the project names a server that runs its handlers on threads.
    pub fn is_served_by_threads(&self) -> bool {
        self.tables.iter().any(|it| it.serves)
    }

    /// Whether any module makes a setting of this name.
    pub fn is_set(&self, setting: Name) -> bool {
        self.tables.iter().any(|it| it.settings.contains(&setting))
    }

    /// Whether a module makes a setting of this name.
    pub fn is_set_in(&self, module: ModuleIndex, setting: Name) -> bool {
        self.table(module).settings.contains(&setting)
    }

    /// All modules make the same settings.
    pub(super) fn sets_the_same_as(&self, other: &Self) -> bool {
        self.agrees_with(other, |one, other| one.settings == other.settings)
    }

    /// A module that runs when it is imported: with `if __name__ == "__main__"`, or with a body
    /// that starts threads, a loop or its own `main`. Nobody imports it for its functions.
    pub fn is_program(&self, module: ModuleIndex) -> bool {
        self.module(module).is_script || self.runs_when_imported(module)
    }

    /// A module whose body starts threads, a loop or its own `main`.
    pub fn runs_when_imported(&self, module: ModuleIndex) -> bool {
        self.table(module).runs_when_imported
    }

    /// Whether a module imports something that is about threads.
    pub fn knows_threads(&self, module: ModuleIndex) -> bool {
        self.table(module).knows_threads
    }

    /// Whether a module names a function that asks about the GIL or counts on it.
    pub fn names_gil(&self, module: ModuleIndex) -> bool {
        self.table(module).names_gil
    }

    /// How many calls the functions of a module have.
    pub fn calls(&self, module: ModuleIndex) -> usize {
        self.table(module).calls
    }

    /// What a module stores where.
    pub(super) fn table(&self, module: ModuleIndex) -> &Table {
        &self.tables[module as usize]
    }

    /// Whether a folder is a package.
    pub fn is_package(&self, folder: &str) -> bool {
        self.paths.contains_key(folder)
    }

    /// Whether a module belongs to a script beside it.
    pub fn is_part_of_script(&self, module: ModuleIndex) -> bool {
        self.script_parts.contains(&module)
    }

    /// The attributes of a class and of its instances, its own methods and body alone, that may be
    /// locks by their name or by what makes them. A lock from a factory that does not sound like
    /// one, under such a name, is not among them: to evaluate every attribute of every class costs
    /// more than all else that is asked of most classes.
    pub fn lock_fields(&self, class: ClassId) -> &[Name] {
        let fields = &self.table(class.module).lock_fields;
        fields.get(&class).map_or(&[], Vec::as_slice)
    }

    /// Whether an attribute of this name, private and one of the [`Self::lock_fields`] of a class of
    /// the module, is never loaded there.
    pub fn is_idle_lock(&self, module: ModuleIndex, name: Name) -> bool {
        self.table(module).idle_locks.contains(&name)
    }

    /// Stores to an attribute of `self` in the methods of a class.
    pub fn attribute_stores(&self, class: ClassId, name: Name) -> Option<&[Stored]> {
        let stores = &self.table(class.module).attribute_stores;
        stores.get(&(class.index, name))
    }

    /// Elements put into the container of this home.
    pub fn elements(&self, home: Home) -> Option<&[Stored]> {
        let module = match home {
            Home::Attribute(class, _) | Home::Class(class, _) => class.module,
            Home::Global(module, _) => module,
            Home::Local(function, _) => function.module,
        };
        self.table(module).elements.get(&home)
    }

    /// The attribute or name that a container literal is assigned to.
    pub fn home(&self, function: FunctionId, value: ValueId) -> Option<Home> {
        let homes = &self.table(function.module).homes;
        let at = homes.binary_search_by_key(&(function.index, value), |(key, _)| *key);
        Some(homes[at.ok()?].1)
    }

    /// The facts of a module.
    pub fn module(&self, index: ModuleIndex) -> &ModuleFacts {
        &self.modules[index as usize].1
    }

    /// A function.
    pub fn function(&self, id: FunctionId) -> &Function {
        &self.module(id.module).functions[id.index as usize]
    }

    /// A class.
    pub fn class(&self, id: ClassId) -> &Class {
        &self.module(id.module).classes[id.index as usize]
    }

    /// Everything assigned to a module-level name.
    pub fn global(&self, module: ModuleIndex, name: Name) -> Option<&[(u32, ValueId)]> {
        let names = &self.table(module).globals;
        let at = names.binary_search_by_key(&name, |(name, _)| *name).ok()?;
        self.module(module).globals.at(names[at].1 as usize)
    }

    /// The class in whose body (or a function of whose body) a function is defined.
    pub fn enclosing_class(&self, id: FunctionId) -> Option<ClassId> {
        class_of_method(self.module(id.module), self.function(id)).map(|index| ClassId {
            module: id.module,
            index,
        })
    }

    /// The module of the program that an import in `from` means, if it is one of them.
    ///
    /// Absolute names are looked for beside the importing file first, then in every folder above
    /// it (and in a `src` folder there), as if each were on the path.
    pub fn resolve(&self, from: ModuleIndex, dotted: &str) -> Option<ModuleIndex> {
        let path = &self.module(from).path;
        let dots = dotted.bytes().take_while(|&it| it == b'.').count();
        let tail = dotted[dots..].replace('.', "/");
        let mut folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if dots > 0 {
            for _ in 1..dots {
                folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
            }
            let full = join(folder, &tail);
            return self.paths.get(full.as_str()).copied();
        }
        loop {
            if let Some(&found) = self.paths.get(join(folder, &tail).as_str()) {
                return Some(found);
            }
            let under_src = join(&join(folder, "src"), &tail);
            if let Some(&found) = self.paths.get(under_src.as_str()) {
                return Some(found);
            }
            if folder.is_empty() {
                return None;
            }
            folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
        }
    }

    /// The name under which a module is imported, as well as its path tells.
    pub fn module_name(&self, index: ModuleIndex) -> String {
        let path = &self.module(index).path;
        let stem = path.strip_suffix(".py").unwrap_or(path);
        stem.strip_suffix("/__init__")
            .unwrap_or(stem)
            .replace('/', ".")
    }

    /// The dotted name of a function within its module: `Class.method`, `outer.inner`.
    pub fn qualified_name(&self, id: FunctionId) -> String {
        if id.index == 0 {
            return String::new();
        }
        let facts = self.module(id.module);
        let mut parts = Vec::new();
        let mut index = id.index;
        while index != 0 {
            let function = &facts.functions[index as usize];
            parts.push(function.name.as_str());
            let mut class = function.class;
            while let Some(at) = class {
                let class_facts = &facts.classes[at as usize];
                parts.push(class_facts.name.as_str());
                class = class_facts.outer;
            }
            index = function.parent;
        }
        parts.reverse();
        parts.join(".")
    }

    /// The file of a module.
    pub fn file(&self, module: ModuleIndex) -> FileId {
        self.modules[module as usize].0
    }
}

impl Table {
    fn collect_kept_calls(&mut self, facts: &ModuleFacts) {
        let globals = facts.globals.iter().flat_map(|(_, values)| values).copied();
        let attributes = facts.classes.iter().flat_map(|class| {
            let values = class.attributes.iter();
            values.map(|&(_, value)| (class.owner, value))
        });
        let elements = self
            .elements
            .iter()
            .filter(|(home, _)| matches!(home, Home::Global(..) | Home::Class(..)))
            .flat_map(|(_, stored)| stored.iter().map(|it| (it.function.index, it.value)));
        self.kept_calls = globals
            .chain(attributes)
            .chain(elements)
            .filter(|&(function, value)| {
                let function = &facts.functions[function as usize];
                matches!(function.value(value), Value::Call(_))
            })
            .collect();
        self.kept_calls.sort_unstable();
        self.kept_calls.dedup();
        self.kept_calls.shrink_to_fit();
    }

    fn collect_lock_fields(
        &mut self,
        module: ModuleIndex,
        facts: &ModuleFacts,
        locks: &FxHashSet<Name>,
    ) {
        let makes_lock = |function: &Function, value: ValueId| {
            let call = match function.value(value) {
                Value::Call(call) => call,
                Value::Attribute { name, .. } => {
                    return matches!(name.as_str(), "acquire" | "release");
                }
                _ => return false,
            };
            match function.value(function.calls[*call as usize].callee) {
                Value::Global(name)
                | Value::Attribute { name, .. }
                | Value::Imported { name, .. } => {
                    locks.contains(name) || sounds_like_lock(name.as_str())
                }
                _ => false,
            }
        };
        let mut found: Vec<(ClassId, Name)> = Vec::new();
        for (&(class, name), stores) in self.attribute_stores.iter() {
            let class = ClassId {
                module,
                index: class,
            };
            let mut stores = stores.iter();
            if sounds_like_lock(name.as_str())
                || stores
                    .any(|it| makes_lock(&facts.functions[it.function.index as usize], it.value))
            {
                found.push((class, name));
            }
        }
        for (index, class) in (0..).zip(&facts.classes) {
            let body = &facts.functions[class.owner as usize];
            for &(name, value) in &class.attributes {
                if sounds_like_lock(name.as_str()) || makes_lock(body, value) {
                    found.push((ClassId { module, index }, name));
                }
            }
        }
        let private = found.iter().map(|it| it.1);
        self.idle_locks = private.filter(|it| it.as_str().starts_with('_')).collect();
        if !self.idle_locks.is_empty() {
            for value in facts.functions.iter().flat_map(|it| &it.values) {
                if let Value::Attribute { name, .. } = value {
                    self.idle_locks.remove(name);
                }
            }
        }
        found.sort_unstable_by(|a, b| (a.0, a.1.as_str()).cmp(&(b.0, b.1.as_str())));
        found.dedup();
        for (class, name) in found {
            self.lock_fields.entry(class).or_default().push(name);
        }
    }

    fn collect_stores(&mut self, module: ModuleIndex, facts: &ModuleFacts) {
        let mut homes: Vec<((u32, ValueId), Home)> = Vec::new();
        let mut stores: Vec<((u32, Name), Stored)> = Vec::new();
        let mut elements = Vec::new();
        for (index, class) in facts.classes.iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(0);
            for &(name, value) in &class.attributes {
                let home = Home::Class(ClassId { module, index }, name);
                homes.push(((class.owner, value), home));
            }
        }
        for (index, function) in facts.functions.iter().enumerate() {
            let id = FunctionId {
                module,
                index: u32::try_from(index).unwrap_or(0),
            };
            let class = class_of_method(facts, function).map(|index| ClassId { module, index });
            let own_self = self_name(facts, function);
            let is_self = |base: ValueId| match function.value(base) {
                Value::Parameter(0) => function.class.is_some(),
                Value::Captured(name) => Some(*name) == own_self,
                _ => false,
            };
            let home = |base: ValueId| Self::home(id, function, class, &is_self, base, 0);
            let mut add = |base: ValueId, value: ValueId| {
                let says_nothing = matches!(
                    function.value(value),
                    Value::Unknown | Value::Constant(_) | Value::Combined(_)
                );
                if !says_nothing && let Some(home) = home(base) {
                    let function = id;
                    elements.push((home, Stored { function, value }));
                }
            };
            let parts = |value: ValueId| match function.value(value) {
                Value::Container { elements, .. } => function.list(*elements),
                _ => &[],
            };
            for op in &function.ops {
                match op.kind {
                    OpKind::Write {
                        base, name, value, ..
                    } => {
                        if let Some(class) = class
                            && is_self(base)
                        {
                            let stored = Stored {
                                function: id,
                                value,
                            };
                            stores.push(((class.index, name), stored));
                            homes.push(((id.index, value), Home::Attribute(class, name)));
                        }
                    }
                    OpKind::WriteVariable {
                        variable: Variable::Global(name),
                        value,
                        ..
                    } => {
                        let default = default_of_context_variable(function, value);
                        for kept in [Some(value), default].into_iter().flatten() {
                            homes.push(((id.index, kept), Home::Global(module, name)));
                        }
                    }
                    OpKind::ItemWrite { base, value, .. } => {
                        add(base, value);
                    }
                    OpKind::Extend { base, value } => {
                        parts(value).iter().for_each(|&it| add(base, it));
                    }
                    OpKind::Call(call) => {
                        let call = &function.calls[call as usize];
                        let Value::Attribute { base, name, .. } = *function.value(call.callee)
                        else {
                            continue;
                        };
                        let arguments = function.list(call.arguments);
                        let added = match name.as_str() {
                            "append" | "appendleft" | "add" | "put" | "put_nowait" => {
                                arguments.first()
                            }
                            "insert" | "setdefault" => arguments.get(1),
                            _ => None,
                        };
                        if let Some(&value) = added {
                            add(base, value);
                        }
                        if matches!(name.as_str(), "extend" | "update")
                            && let Some(&value) = arguments.first()
                        {
                            parts(value).iter().for_each(|&it| add(base, it));
                        }
                    }
                    _ => {}
                }
            }
        }
        homes.sort_by_key(|(key, _)| *key);
        // Where a value is stored first, it lives.
        homes.dedup_by_key(|(key, _)| *key);
        self.homes = homes.into();
        self.attribute_stores = Grouped::sorted(stores);
        self.elements = Grouped::sorted(elements);
    }

    /// What a container is called, as far as its function tells.
    fn home(
        id: FunctionId,
        function: &Function,
        class: Option<ClassId>,
        is_self: &dyn Fn(ValueId) -> bool,
        base: ValueId,
        depth: u32,
    ) -> Option<Home> {
        // Values that loops join with themselves are cyclic.
        if depth > 4 {
            return None;
        }
        match function.value(base) {
            Value::Attribute { base, name, .. } if is_self(*base) => {
                Some(Home::Attribute(class?, *name))
            }
            Value::Global(name) => Some(Home::Global(id.module, *name)),
            Value::Read(op) => match function.ops.get(*op as usize)?.kind {
                OpKind::ReadVariable {
                    variable: Variable::Global(name),
                    ..
                } => Some(Home::Global(id.module, name)),
                _ => None,
            },
            Value::Container { .. } | Value::Call(_) => Some(Home::Local(id, base)),
            Value::Join(list) => function
                .list(*list)
                .iter()
                .find_map(|&part| Self::home(id, function, class, is_self, part, depth + 1)),
            Value::Combined(list) => function
                .list(*list)
                .first()
                .and_then(|&part| Self::home(id, function, class, is_self, part, depth + 1)),
            _ => None,
        }
    }
}

fn paths(modules: &[(FileId, Arc<ModuleFacts>)]) -> FxHashMap<String, ModuleIndex> {
    let mut paths = FxHashMap::default();
    for (index, (_, facts)) in modules.iter().enumerate() {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let stem = facts.path.strip_suffix(".py").unwrap_or(&facts.path);
        let stem = match stem {
            "__init__" => "",
            stem => stem.strip_suffix("/__init__").unwrap_or(stem),
        };
        paths.entry(stem.to_owned()).or_insert(index);
    }
    paths
}

/// The name of the first parameter of the method around a function.
fn self_name(facts: &ModuleFacts, function: &Function) -> Option<Name> {
    let mut current = function;
    while current.class.is_none() {
        if current.parent == 0 {
            return None;
        }
        current = &facts.functions[current.parent as usize];
    }
    current.parameters.first().map(|it| it.name)
}

fn join(folder: &str, tail: &str) -> String {
    match (folder.is_empty(), tail.is_empty()) {
        (true, _) => tail.to_owned(),
        (_, true) => folder.to_owned(),
        _ => format!("{folder}/{tail}"),
    }
}

/// The canonical name of something imported from a library.
pub fn external(models: &Models, module: &str, name: &str) -> Name {
    Name::new(&models.canonical(&format!("{module}.{name}")))
}

/// A name that people give to locks.
pub fn sounds_like_lock(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [
        "lock",
        "mutex",
        "cond",
        "semaphore",
        "guard",
        "monitor",
        "synchron",
        "critical",
        "_cv",
    ]
    .iter()
    .any(|word| lower.contains(word))
}
