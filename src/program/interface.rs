//! What a package shows to the outside: which of its functions and classes others than itself use.
//!
//! That any thread may call a function is assumed of what callers can get at. A command has no
//! callers, and a class that its package makes itself and exports nowhere is used by whoever the
//! package gives it to: its methods are followed from there.

use rustc_hash::FxHashSet;

use super::sharing::is_test_path;
use crate::facts::{ModuleFacts, Value};
use crate::source::name::Name;

/// What a package shows, as far as its modules have been looked at.
#[derive(Debug)]
pub(super) struct Face {
    /// All its modules and packages begin with an underscore, and its `__init__` defines nothing.
    only_private: bool,
    /// It has a `__main__`.
    runs: bool,
    /// It defines an event loop.
    loops: bool,
}

impl Default for Face {
    fn default() -> Self {
        Self {
            only_private: true,
            runs: false,
            loops: false,
        }
    }
}

impl Face {
    /// Takes a module of the package into account; `folder` is the package's own.
    pub fn add(&mut self, folder: &str, facts: &ModuleFacts, names: &ClassNames) {
        let inside = facts.path.strip_prefix(folder).unwrap_or_default();
        let package = folder.rsplit('/').next().unwrap_or_default();
        let is_private = |name: &str| name.starts_with('_');
        let hidden = is_private(package);
        let member = inside.trim_start_matches('/').split('/').next();
        self.only_private &= hidden || member.is_some_and(is_private);
        self.only_private &= hidden || inside != "/__init__.py" || names.exports_nothing;
        self.runs |= inside == "/__main__.py";
        self.loops |= names.loops;
    }

    /// The package defines an event loop, and with it the one function for calls from other threads:
    /// all else is called on the thread of the loop.
    pub fn is_of_loop(&self) -> bool {
        self.loops
    }

    /// The package is a program: it runs, and it has nothing for others to call.
    pub fn is_of_command(&self) -> bool {
        self.only_private && self.runs
    }
}

/// Whether the `__init__` of a package defines no more than an entry point, and takes nothing over
/// from its modules.
fn exports_nothing(facts: &ModuleFacts) -> bool {
    let package = facts.path.rsplit('/').nth(1).unwrap_or_default();
    let takes_over = facts.functions[0].values.iter().any(|value| match value {
        Value::Imported { module, .. } => {
            let first = module.as_str().split('.').next().unwrap_or_default();
            first.is_empty() || first == package
        }
        _ => false,
    });
    facts.classes.is_empty() && facts.stars.is_empty() && facts.functions.len() <= 2 && !takes_over
}

/// What a module does with classes by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ClassNames {
    /// Its functions make instances of these; sorted.
    made: Vec<Name>,
    /// Others get at these: it keeps an instance, or takes the class over into a package; sorted.
    shown: Vec<Name>,
    /// It has nothing for others.
    exports_nothing: bool,
    /// One of its classes takes calls from other threads to the thread of an event loop.
    loops: bool,
}

impl ClassNames {
    /// The names in a module, classes being known by a capital letter. Nobody else uses what a test
    /// makes.
    pub fn new(facts: &ModuleFacts) -> Self {
        let mut names = Self {
            exports_nothing: exports_nothing(facts),
            loops: takes_calls_to_loop(facts),
            ..Self::default()
        };
        if is_test_path(&facts.path) {
            return names;
        }
        for (index, function) in facts.functions.iter().enumerate() {
            for call in &function.calls {
                let name = match *function.value(call.callee) {
                    Value::Global(name)
                    | Value::Captured(name)
                    | Value::Imported { name, .. }
                    | Value::Attribute { name, .. } => name,
                    Value::Class(class) => facts.classes[class as usize].name,
                    _ => continue,
                };
                let initial = name.as_str().trim_start_matches('_').chars().next();
                if !initial.is_some_and(char::is_uppercase) {
                    continue;
                }
                if index == 0 {
                    names.shown.push(name);
                } else {
                    names.made.push(name);
                }
            }
        }
        if facts.path.ends_with("__init__.py") {
            let values = facts.functions[0].values.iter();
            names.shown.extend(values.filter_map(|value| match value {
                Value::Imported { name, .. } => Some(*name),
                _ => None,
            }));
            names.shown.extend(facts.classes.iter().map(|it| it.name));
        }
        for list in [&mut names.made, &mut names.shown] {
            list.sort_unstable();
            list.dedup();
            list.shrink_to_fit();
        }
        names
    }
}

fn takes_calls_to_loop(facts: &ModuleFacts) -> bool {
    let mut methods = facts.functions.iter().filter(|it| it.class.is_some());
    methods.any(|it| matches!(it.name.as_str(), "call_soon_threadsafe" | "callFromThread"))
}

/// Classes that a package makes itself and shows nobody, by package and name.
pub(super) fn internal_classes<'a>(
    modules: impl Iterator<Item = (u32, &'a ClassNames)> + Clone,
) -> FxHashSet<(u32, Name)> {
    let made = modules.clone().flat_map(|(package, names)| {
        let made = names.made.iter();
        made.map(move |&name| (package, name))
    });
    let mut internal: FxHashSet<(u32, Name)> = made.collect();
    for (package, names) in modules {
        for &name in &names.shown {
            internal.remove(&(package, name));
        }
    }
    internal
}
