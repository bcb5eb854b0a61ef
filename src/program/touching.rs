//! What a module's functions may do to state that threads share, from the facts of the module
//! alone: a filter in front of the summaries, which cost a thousand times as much.
//!
//! Both questions are answered by name and err on the side of yes. A name is *rewritten* when
//! somebody stores under it after what it belongs to was built. A function *touches* when it, or a
//! function of its module that it calls by name, may change or read such state of modules and
//! classes, takes locks, or starts threads.

use rustc_hash::{FxHashMap, FxHashSet};

use super::atomicity;
use super::link::{Names, sounds_like_lock};
use crate::facts::{Call, Code, Constant, Function, ModuleFacts, OpKind, Value, ValueId, Variable};
use crate::models::ContainerKind;
use crate::source::name::Name;

/// The names under which a module stores, other than while a constructor builds its own object or
/// the module is imported, and of the methods by which it asks for a state; sorted.
pub fn rewritten_names(facts: &ModuleFacts, known: &Names) -> Vec<Name> {
    let Names {
        spawning, asking, ..
    } = known;
    let mut names = Vec::new();
    for (index, function) in facts.functions.iter().enumerate() {
        // What is still being built nobody else sees, unless something that may start a thread was
        // called before.
        let mut seen = index != 0 && function.name.as_str() != "__init__";
        let is_own = |base: ValueId| index == 0 || *function.value(base) == Value::Parameter(0);
        for op in &function.ops {
            match op.kind {
                OpKind::Write { base, name, .. } if seen || !is_own(base) => names.push(name),
                OpKind::WriteVariable {
                    variable: Variable::Global(name) | Variable::Cell(name),
                    ..
                } if seen || index != 0 => names.push(name),
                OpKind::Delete { name, .. }
                | OpKind::DeleteVariable {
                    variable: Variable::Global(name) | Variable::Cell(name),
                } => names.push(name),
                OpKind::Call(call) => {
                    let call = &function.calls[call as usize];
                    match *function.value(call.callee) {
                        Value::Attribute { base, name, .. } => {
                            if asking.contains(&name) {
                                names.push(name);
                            }
                            let mut given = function.list(call.arguments).iter();
                            let registers = name.as_str() != "__init__"
                                && given.any(|&it| *function.value(it) == Value::Parameter(0));
                            seen |= is_own(base) || spawning.contains(&name) || registers;
                        }
                        Value::Global(_) | Value::Function(_) | Value::Captured(_) => seen = true,
                        _ => {}
                    }
                    // `setattr(x, "name", ...)`, under whatever name it is imported.
                    let arguments = function.list(call.arguments).iter();
                    names.extend(arguments.filter_map(|&it| match *function.value(it) {
                        Value::Constant(Constant::Text(text)) => text,
                        _ => None,
                    }));
                }
                _ => {}
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// Which functions of a module touch; `rewritten` are the names of the module itself.
pub fn touching_functions(facts: &ModuleFacts, names: &Names, rewritten: &[Name]) -> Vec<bool> {
    let state = State::new(facts, names, rewritten);
    let mut touching: Vec<bool> = facts
        .functions
        .iter()
        .map(|function| state.is_touched_by(function))
        .collect();
    let mut by_name: FxHashMap<Name, Vec<usize>> = FxHashMap::default();
    for (index, function) in facts.functions.iter().enumerate() {
        for call in &function.calls {
            if let Value::Attribute { name, .. } | Value::Global(name) | Value::Captured(name) =
                function.value(call.callee)
            {
                by_name.entry(*name).or_default().push(index);
            }
        }
    }
    let mut pending: Vec<usize> = (0..touching.len()).filter(|&it| touching[it]).collect();
    while let Some(index) = pending.pop() {
        let name = facts.functions[index].name;
        for &caller in by_name.get(&name).into_iter().flatten() {
            if !touching[caller] {
                touching[caller] = true;
                pending.push(caller);
            }
        }
    }
    touching
}

/// What is asked of a function before it is followed, by name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hints {
    /// It calls something by a name that may start a thread.
    pub may_spawn: bool,
    /// It gives a nested function, or an attribute of its first parameter, to something it calls.
    pub hands_over: bool,
    /// It stores attributes.
    pub sets_attributes: bool,
    /// The function around it returns it, or what calls make of it: `update_wrapper(wrapper, f)`.
    pub is_returned: bool,
    /// The function around it returns it, or gives it to something that it calls.
    pub is_handed_out: bool,
}

/// The hints for all functions of a module.
pub fn hints(facts: &ModuleFacts, spawning: &FxHashSet<Name>) -> Vec<Hints> {
    let mut hints = vec![Hints::default(); facts.functions.len()];
    let mut built = Vec::new();
    for (index, function) in facts.functions.iter().enumerate() {
        let own = &mut hints[index];
        own.may_spawn = function.calls.iter().any(|call| {
            let name = called_name(function, call);
            name.is_some_and(|name| spawning.contains(&name))
        });
        own.hands_over = function.calls.iter().any(|call| {
            let mut given = function.given(call);
            given.any(|value| match *function.value(value) {
                Value::Function(_) => true,
                Value::Attribute { base, .. } => *function.value(base) == Value::Parameter(0),
                _ => false,
            })
        });
        own.sets_attributes = function
            .ops
            .iter()
            .any(|op| matches!(op.kind, OpKind::Write { .. }));
        let returned = function.returns.iter().copied();
        let given = function.calls.iter().flat_map(|call| function.given(call));
        for value in returned.chain(given) {
            if let Value::Function(nested) = *function.value(value) {
                hints[nested as usize].is_handed_out = true;
            }
        }
        for &value in &function.returns {
            functions_in(function, value, 0, &mut built);
        }
        for nested in built.drain(..) {
            hints[nested as usize].is_returned = true;
        }
    }
    hints
}

/// The name by which something is called.
pub fn called_name(function: &Code, call: &Call) -> Option<Name> {
    match *function.value(call.callee) {
        Value::Attribute { name, .. } | Value::Global(name) | Value::Imported { name, .. } => {
            Some(name)
        }
        _ => None,
    }
}

/// The functions that a value is, or is made from by calls.
fn functions_in(function: &Function, value: ValueId, depth: u32, found: &mut Vec<u32>) {
    match *function.value(value) {
        Value::Function(index) => found.push(index),
        Value::Call(call) if depth < 3 => {
            let call = &function.calls[call as usize];
            for &given in function.list(call.arguments) {
                functions_in(function, given, depth + 1, found);
            }
        }
        _ => {}
    }
}

/// Where the chain of attributes and elements that leads to a value begins.
enum Start {
    /// A variable of the module, a class, or something imported.
    Outside(Option<Name>),
    /// The class, in a class method.
    Class,
    /// The object of a method, with the first attribute of the chain.
    Own(Name),
    /// A parameter that may be its default, which all calls share.
    Default(ValueId),
    /// Anything else.
    Elsewhere,
}

/// The state that a module itself defines.
struct State<'a> {
    facts: &'a ModuleFacts,
    names: &'a Names,
    rewritten: &'a [Name],
    /// Variables that hold what may be changed without storing to them.
    held: FxHashSet<Name>,
}

impl<'a> State<'a> {
    fn new(facts: &'a ModuleFacts, names: &'a Names, rewritten: &'a [Name]) -> Self {
        let mut state = Self {
            facts,
            names,
            rewritten,
            held: FxHashSet::default(),
        };
        for (name, values) in facts.globals.iter() {
            let mut values = values.iter();
            if values
                .any(|&(index, value)| state.is_object(&facts.functions[index as usize], value))
            {
                state.held.insert(*name);
            }
        }
        // A container that no function changes is a table.
        let mut changed = FxHashSet::default();
        for function in facts.functions.iter().skip(1) {
            for op in &function.ops {
                let base = match op.kind {
                    OpKind::ItemWrite { base, .. }
                    | OpKind::ItemDelete { base, .. }
                    | OpKind::Extend { base, .. } => base,
                    OpKind::Call(call) => {
                        match *function.value(function.calls[call as usize].callee) {
                            Value::Attribute { base, name, .. } if changes(name) => base,
                            _ => continue,
                        }
                    }
                    _ => continue,
                };
                if let Start::Outside(Some(name)) = start_of(function, base) {
                    changed.insert(name);
                }
            }
        }
        state.held.retain(|name| {
            let container = facts.globals.iter().any(|(global, values)| {
                global == name
                    && values.iter().all(|&(index, value)| {
                        let function = &facts.functions[index as usize];
                        matches!(function.value(value), Value::Container { .. })
                    })
            });
            !container || changed.contains(name)
        });
        state
    }

    /// A container, an instance of a class of this package, or of one that a model describes.
    fn is_object(&self, function: &Function, value: ValueId) -> bool {
        match function.value(value) {
            Value::Container { .. } => true,
            Value::Call(call) => match function.value(function.calls[*call as usize].callee) {
                Value::Global(name) => {
                    self.names.classes.contains(name) || self.is_of_package(*name)
                }
                Value::Class(_) | Value::Function(_) => true,
                Value::Attribute { name, .. } => self.names.classes.contains(name),
                Value::Imported { module, name } => {
                    self.names.classes.contains(name) || self.is_package(*module)
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a name of the module is defined in it or imported from its own package.
    fn is_of_package(&self, name: Name) -> bool {
        let body = &self.facts.functions[0];
        let values = self.facts.globals.iter().find(|it| *it.0 == name);
        values.is_some_and(|(_, values)| {
            values.iter().any(|&(index, value)| {
                index != 0
                    || match *body.value(value) {
                        Value::Imported { module, .. } => self.is_package(module),
                        Value::Class(_) | Value::Function(_) => true,
                        _ => false,
                    }
            })
        })
    }

    /// Whether a module that is imported by this name is of the same package, as far as names say.
    fn is_package(&self, module: Name) -> bool {
        let module = module.as_str();
        let top = module.split('.').next().unwrap_or_default();
        top.is_empty() || self.facts.path.split('/').any(|folder| folder == top)
    }

    fn is_touched_by(&self, function: &Function) -> bool {
        let reaches = |value: ValueId| match start_of(function, value) {
            Start::Outside(_) | Start::Class => true,
            Start::Own(attribute) => self.is_in_class_body(function, attribute),
            Start::Default(default) => {
                self.is_object(&self.facts.functions[function.parent as usize], default)
            }
            Start::Elsewhere => false,
        };
        let spawning = &self.names.spawning;
        function.ops.iter().any(|op| match op.kind {
            OpKind::ReadVariable { variable, .. } => match variable {
                Variable::Global(name) => {
                    self.held.contains(&name) || self.rewritten.binary_search(&name).is_ok()
                }
                Variable::Cell(_) => false,
            },
            OpKind::WriteVariable { .. }
            | OpKind::DeleteVariable { .. }
            | OpKind::Acquire { .. }
            | OpKind::Release { .. } => true,
            OpKind::Enter { context, .. } => self.may_enter_lock(function, context),
            OpKind::Write { base, .. } | OpKind::Delete { base, .. } => {
                function.name.as_str() == "__new__"
                    || !matches!(start_of(function, base), Start::Own(_)) && reaches(base)
            }
            OpKind::ItemWrite { base, .. } | OpKind::ItemDelete { base, .. } => reaches(base),
            OpKind::Call(call) => match *function.value(function.calls[call as usize].callee) {
                Value::Attribute { name, base, .. } => {
                    spawning.contains(&name)
                        || name.as_str() == "import_module"
                        || changes(name) && reaches(base)
                }
                Value::Global(name) | Value::Imported { name, .. } => {
                    spawning.contains(&name) || name.as_str() == "import_module"
                }
                _ => false,
            },
            _ => false,
        })
    }

    /// Whether the attribute of an object may be a container that its class holds for all.
    fn is_in_class_body(&self, function: &Function, attribute: Name) -> bool {
        function.class.is_some_and(|class| {
            let class = &self.facts.classes[class as usize];
            let body = &self.facts.functions[class.owner as usize];
            let mut attributes = class.attributes.iter();
            attributes.any(|&(name, value)| name == attribute && self.is_object(body, value))
        })
    }

    /// Whether a `with` may take a lock: it names an object, or calls something of the module or
    /// of `self`, or what sounds like it.
    fn may_enter_lock(&self, function: &Function, context: ValueId) -> bool {
        let Value::Call(call) = function.value(context) else {
            return true;
        };
        match *function.value(function.calls[*call as usize].callee) {
            Value::Attribute { base, name, .. } => {
                self.names.locks.contains(&name)
                    || sounds_like_lock(name.as_str())
                    || *function.value(base) == Value::Parameter(0)
            }
            Value::Global(name) => self.is_of_package(name) || sounds_like_lock(name.as_str()),
            Value::Imported { name, .. } => sounds_like_lock(name.as_str()),
            Value::Function(_) | Value::Class(_) => true,
            _ => false,
        }
    }
}

/// A method of this name changes the container it is called on.
fn changes(name: Name) -> bool {
    atomicity::method(ContainerKind::Dict, name.as_str()).is_some_and(atomicity::Access::writes)
}

fn start_of(function: &Function, value: ValueId) -> Start {
    let mut value = value;
    let mut attribute = None;
    for _ in 0..12 {
        value = match *function.value(value) {
            Value::Attribute { base, name, .. } => {
                attribute = Some(name);
                base
            }
            Value::Item { base, .. } | Value::Element(base) => base,
            Value::Read(op) => {
                let name = match function.ops.get(op as usize).map(|op| &op.kind) {
                    Some(OpKind::ReadVariable {
                        variable: Variable::Global(name),
                        ..
                    }) => Some(*name),
                    _ => return Start::Elsewhere,
                };
                return Start::Outside(name);
            }
            Value::Global(name) => return Start::Outside(Some(name)),
            Value::Imported { .. } | Value::Class(_) => return Start::Outside(None),
            Value::Parameter(0) => {
                let is_class = function
                    .parameters
                    .first()
                    .is_some_and(|it| matches!(it.name.as_str(), "cls" | "klass" | "mcs"));
                return match attribute {
                    _ if is_class => Start::Class,
                    Some(name) if function.class.is_some() => Start::Own(name),
                    _ => Start::Elsewhere,
                };
            }
            Value::Parameter(position) => {
                let parameter = function.parameters.get(position as usize);
                let default = parameter.and_then(|it| it.default);
                return default.map_or(Start::Elsewhere, Start::Default);
            }
            _ => return Start::Elsewhere,
        };
    }
    Start::Elsewhere
}
