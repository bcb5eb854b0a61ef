//! Which classes are meant to be used by many threads: what the code itself says about it.
//!
//! A library rarely starts the threads that use it. What tells is how a class is made: it holds a
//! lock, keeps something for each thread, says in its docstring that threads may share it; or how
//! its instances are kept: by a module, by a cache or registry of a module, by the function they
//! decorate. A class of which nothing of this is true belongs to whoever made it.

use rustc_hash::FxHashSet;

use super::evaluate::{Binding, Evaluator};
use super::link::Home;
use super::object::{ClassId, FunctionId, ModuleIndex, Object, Origin, SetId};
use super::reading::Reading;
use crate::facts::{DirectiveKind, Function, ModuleFacts, OpKind, ParameterKind, Value, ValueId};
use crate::models::{LockKind, Models, SyncKind};
use crate::source::name::Name;

/// How instances of a class are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// As far as the code says, each by one thread.
    Unknown,
    /// A comment or the docstring says that each is used by one thread.
    Confined,
    /// A comment says that threads share them.
    Declared,
    /// By the threads of whoever uses the library.
    Shared,
    /// By all calls of the function that an instance decorates, each of which enters it.
    Entered,
}

/// The classes whose instances a module keeps: in a name, in a class attribute, in a container
/// that a name holds, or in the cache of a function.
///
/// What a test or a script keeps, only its own threads see.
pub fn module_objects(links: Reading<'_>, models: &Models, module: ModuleIndex) -> Vec<ClassId> {
    let facts = links.module(module);
    if is_test_path(&facts.path) || facts.is_script {
        return Vec::new();
    }
    let mut kept = Kept {
        links,
        models,
        evaluator: None,
        found: Vec::new(),
    };
    for (name, values) in facts.globals.iter() {
        for &(index, value) in values {
            kept.add(FunctionId { module, index }, value);
        }
        let elements = links.elements(Home::Global(module, *name));
        for stored in elements.into_iter().flatten() {
            kept.add(stored.function, stored.value);
        }
    }
    for (index, class) in (0..).zip(&facts.classes) {
        for &(name, value) in &class.attributes {
            let owner = FunctionId {
                module,
                index: class.owner,
            };
            kept.add(owner, value);
            let elements = links.elements(Home::Class(ClassId { module, index }, name));
            for stored in elements.into_iter().flatten() {
                kept.add(stored.function, stored.value);
            }
        }
    }
    for (index, function) in (0..).zip(&facts.functions) {
        if function.class.is_none() && function.parent == 0 && !function.decorators.is_empty() {
            kept.add_cached(FunctionId { module, index });
        }
    }
    kept.found
}

struct Kept<'p> {
    links: Reading<'p>,
    models: &'p Models,
    evaluator: Option<Evaluator<'p>>,
    found: Vec<ClassId>,
}

impl<'p> Kept<'p> {
    /// Adds the classes of what a call in a function makes.
    fn add(&mut self, id: FunctionId, value: ValueId) {
        if !self.links.keeps_result(id, value) {
            return;
        }
        let eval = self.eval();
        let frame = if id.index == 0 {
            eval.module_frame(id.module)
        } else {
            eval.generic_frame(id, None)
        };
        let set = eval.value(frame, value);
        self.add_classes(set);
    }

    /// Adds the classes of what a function with a cache returns.
    fn add_cached(&mut self, id: FunctionId) {
        let eval = self.eval();
        if !eval.is_decorated_with(id, &["lru_cache", "cache"]) {
            return;
        }
        let frame = eval.generic_frame(id, None);
        let set = eval.returned(frame);
        self.add_classes(set);
    }

    fn add_classes(&mut self, set: SetId) {
        let arena = &self.eval().arena;
        let mut classes = Vec::new();
        for &object in arena.members(set) {
            if let Object::Instance(class, _) = arena.get(object) {
                classes.push(*class);
            }
        }
        self.found.extend(classes);
    }

    fn eval(&mut self) -> &mut Evaluator<'p> {
        let (links, models) = (self.links, self.models);
        self.evaluator
            .get_or_insert_with(|| Evaluator::new(links, models))
    }
}

/// How instances of a class are shared. `module_objects` are the classes that modules keep
/// instances of.
pub fn of_class(
    eval: &mut Evaluator<'_>,
    class: ClassId,
    module_objects: &FxHashSet<ClassId>,
) -> Sharing {
    let links = eval.links;
    match directive(links, class) {
        Some(DirectiveKind::Confined) => return Sharing::Confined,
        Some(DirectiveKind::ThreadSafe) => return Sharing::Declared,
        _ => {}
    }
    let sharing = by_what_it_has(eval, class, module_objects);
    let confined = matches!(sharing, Sharing::Shared | Sharing::Entered)
        && (remembers_its_thread(eval, class)
            || belongs_to_a_loop(eval, class)
            || keeps_position(eval, class));
    if confined { Sharing::Confined } else { sharing }
}

/// How instances of a class are shared as far as its lock, its docstring and who keeps it tell.
fn by_what_it_has(
    eval: &mut Evaluator<'_>,
    class: ClassId,
    module_objects: &FxHashSet<ClassId>,
) -> Sharing {
    let links = eval.links;
    let facts = links.module(class.module);
    // A lock says more than a docstring: nobody takes one for a single thread.
    if owns_lock(eval, class) {
        return Sharing::Shared;
    }
    match links.class(class).documented {
        Some(true) => return Sharing::Shared,
        Some(false) => return Sharing::Confined,
        None => {}
    }
    if enters_itself(eval, class) {
        return Sharing::Entered;
    }
    let shared = (module_objects.contains(&class) && !is_asynchronous(facts, links, class))
        || is_metaclass(eval, class)
        || (is_lock(eval, class) && !is_asynchronous(facts, links, class))
        || keeps_by_thread(eval, class)
        || serves_requests(eval, class)
        || eval.inherited_models(class).iter().any(|it| it.shared);
    if shared {
        Sharing::Shared
    } else {
        Sharing::Unknown
    }
}

/// Whether instances read or write at a position that they keep, as files do: two threads that do so
/// get or leave a mixture, whatever is locked.
fn keeps_position(eval: &mut Evaluator<'_>, class: ClassId) -> bool {
    let mut offers = |name| eval.method_of(class, Name::new(name)).is_some();
    (offers("read") || offers("write")) && (offers("seek") || offers("tell"))
}

/// Whether instances are an event loop, or used on one alone: by the models, or by how the class is
/// made.
fn belongs_to_a_loop(eval: &mut Evaluator<'_>, class: ClassId) -> bool {
    let lineage = eval.lineage(class);
    let links = eval.links;
    let named = lineage.order.iter().any(|&owner| {
        let name = format!(
            "{}.{}",
            links.module_name(owner.module),
            links.class(owner).name
        );
        eval.models.class(&name).is_some_and(|it| it.loop_bound)
    });
    let offers = |eval: &mut Evaluator<'_>, name| eval.method_of(class, Name::new(name)).is_some();
    named
        || eval.inherited_models(class).iter().any(|it| it.loop_bound)
        || offers(eval, "call_soon") && (offers(eval, "run_forever") || offers(eval, "run_once"))
}

/// Whether the constructor notes which thread it runs on: to turn others away later.
fn remembers_its_thread(eval: &mut Evaluator<'_>, class: ClassId) -> bool {
    let lineage = eval.lineage(class);
    let links = eval.links;
    lineage.order.iter().any(|&owner| {
        let Some(constructor) = eval.own_method(owner, Name::new("__init__")) else {
            return false;
        };
        let function = links.function(constructor);
        function.ops.iter().any(|op| match op.kind {
            OpKind::Write { base, value, .. } => {
                *function.value(base) == Value::Parameter(0)
                    && is_thread_identity(eval, constructor.module, function, value)
            }
            _ => false,
        })
    })
}

/// What a comment on the line of a class says.
fn directive(links: Reading<'_>, class: ClassId) -> Option<&DirectiveKind> {
    let facts = links.module(class.module);
    let name = links.class(class).name_range;
    facts
        .directives
        .iter()
        .find(|directive| {
            matches!(
                directive.kind,
                DirectiveKind::ThreadSafe | DirectiveKind::Confined
            ) && (directive.line.start..directive.line.end).contains(&name.start)
        })
        .map(|directive| &directive.kind)
}

/// A class with coroutines lives on an event loop unless something says otherwise.
fn is_asynchronous(facts: &ModuleFacts, links: Reading<'_>, class: ClassId) -> bool {
    let methods = &links.class(class).methods;
    methods
        .iter()
        .any(|&index| facts.functions[index as usize].is_async)
}

/// Whether instances of a class hold a lock for threads, or something that differs for each
/// thread; or the class does.
fn owns_lock(eval: &mut Evaluator<'_>, class: ClassId) -> bool {
    let links = eval.links;
    let lineage = eval.lineage(class);
    let object = eval
        .arena
        .object(Object::Instance(class, Origin::Assumed { shared: true }));
    let order = lineage.order.iter();
    // A lock that nobody takes says nothing; one of a base may be there for classes elsewhere.
    let idle = |owner: ClassId, name| {
        owner.module == class.module && links.is_idle_lock(owner.module, name)
    };
    let names: Vec<Name> = order
        .flat_map(|&owner| links.lock_fields(owner).iter().map(move |it| (owner, *it)))
        .filter(|&(owner, name)| !idle(owner, name))
        .map(|(_, name)| name)
        .collect();
    names.into_iter().any(|name| {
        let set = eval.attribute(object, name);
        let values = eval.arena.members(set).to_vec();
        values.into_iter().any(|value| {
            // `self._acquire = lock.acquire` keeps the lock as well.
            let value = match *eval.arena.get(value) {
                Object::Method(receiver, _) => receiver,
                _ => value,
            };
            match *eval.arena.get(value) {
                Object::Foreign(class, _) => eval.class_models(class).iter().any(|model| {
                    model.thread_local
                        || model.sync == Some(SyncKind::Queue)
                        || matches!(
                            model.lock,
                            Some(LockKind::Mutex | LockKind::Reentrant | LockKind::Condition)
                        )
                }),
                _ => false,
            }
        })
    })
}

/// The instances of a metaclass are classes, and a class is state of its module.
fn is_metaclass(eval: &mut Evaluator<'_>, class: ClassId) -> bool {
    let lineage = eval.lineage(class);
    let mut bases = lineage.external.iter();
    bases.any(|base| matches!(base.as_str(), "builtins.type" | "abc.ABCMeta"))
}

/// A class whose instances are taken and given back, by `with` too and without saying what for, is
/// a lock of some kind.
fn is_lock(eval: &mut Evaluator<'_>, class: ClassId) -> bool {
    let Some(acquire) = eval.own_method(class, Name::new("acquire")) else {
        return false;
    };
    let mut parameters = eval.links.function(acquire).parameters.iter().skip(1);
    parameters.all(|it| it.default.is_some() || it.kind != ParameterKind::Positional)
        && eval.own_method(class, Name::new("release")).is_some()
        && eval.own_method(class, Name::new("__enter__")).is_some()
}

/// Whether methods of a class look things up by the identity of the thread that runs.
fn keeps_by_thread(eval: &mut Evaluator<'_>, class: ClassId) -> bool {
    let links = eval.links;
    if !links.may_keep_by_thread(class) {
        return false;
    }
    let facts = links.module(class.module);
    links.class(class).methods.iter().any(|&index| {
        let function = &facts.functions[index as usize];
        let mut keys = keys(function);
        keys.any(|key| is_thread_identity(eval, class.module, function, key))
    })
}

/// The classes of a module whose methods look things up by what may be the identity of a thread, as
/// far as names tell.
pub fn classes_by_thread(facts: &ModuleFacts) -> FxHashSet<u32> {
    let looks_up = |index: &u32| {
        let function = &facts.functions[*index as usize];
        keys(function).any(|key| may_be_thread_identity(function, key))
    };
    (0..)
        .zip(&facts.classes)
        .filter(|(_, class)| class.methods.iter().any(looks_up))
        .map(|(index, _)| index)
        .collect()
}

/// By what a function looks up elements.
fn keys(function: &Function) -> impl Iterator<Item = ValueId> + '_ {
    function.ops.iter().filter_map(|op| match op.kind {
        OpKind::ItemRead { key, .. }
        | OpKind::ItemWrite { key, .. }
        | OpKind::ItemDelete { key, .. }
        | OpKind::Contains { key, .. } => Some(key),
        _ => None,
    })
}

/// Whether a value is called by a name like that of the identity of the thread that runs.
fn may_be_thread_identity(function: &Function, key: ValueId) -> bool {
    let Value::Call(call) = function.value(key) else {
        return false;
    };
    match function.value(function.calls[*call as usize].callee) {
        Value::Attribute { name, .. } => name.as_str() == "get_ident",
        Value::Global(name) => {
            let name = name.as_str();
            name.contains("thread") || name.contains("ident")
        }
        _ => false,
    }
}

/// Whether instances are called once for each of many requests: `__call__` hands a method of the
/// object to what it was called with, so that one object serves all of them.
fn serves_requests(eval: &mut Evaluator<'_>, class: ClassId) -> bool {
    let Some(call) = eval.own_method(class, Name::new("__call__")) else {
        return false;
    };
    let function = eval.links.function(call);
    let is_own_method = |value: ValueId| match *function.value(value) {
        Value::Attribute { base, name, .. } => {
            *function.value(base) == Value::Parameter(0) && eval.own_method(class, name).is_some()
        }
        _ => false,
    };
    function.calls.iter().any(|call| {
        let on_argument = match *function.value(call.callee) {
            Value::Attribute { base, .. } => {
                matches!(function.value(base), Value::Parameter(at) if *at > 0)
            }
            _ => false,
        };
        on_argument
            && function
                .list(call.arguments)
                .iter()
                .any(|&it| is_own_method(it))
    })
}

/// Whether a value is the identity of the thread that runs.
pub fn is_thread_identity(
    eval: &mut Evaluator<'_>,
    module: ModuleIndex,
    function: &Function,
    key: ValueId,
) -> bool {
    if !may_be_thread_identity(function, key) {
        return false;
    }
    let Value::Call(call) = function.value(key) else {
        return false;
    };
    match function.value(function.calls[*call as usize].callee) {
        Value::Attribute { .. } => true,
        Value::Global(name) => {
            let set = eval.global(module, *name);
            let mut callees = eval.arena.members(set).iter();
            callees.any(|&callee| {
                matches!(eval.arena.get(callee), Object::External(name)
                    if name.as_str().ends_with(".get_ident"))
            })
        }
        _ => false,
    }
}

/// Whether a method wraps a function so that each call of it enters the one object: a context
/// manager used as a decorator.
fn enters_itself(eval: &mut Evaluator<'_>, class: ClassId) -> bool {
    if eval.method_of(class, Name::new("__enter__")).is_none() {
        return false;
    }
    let lineage = eval.lineage(class);
    if lineage
        .external
        .iter()
        .any(|base| base.as_str() == "contextlib.ContextDecorator")
    {
        return eval.method_of(class, Name::new("_recreate_cm")).is_none();
    }
    let Some(call) = eval.method_of(class, Name::new("__call__")) else {
        return false;
    };
    if eval.binding(call) != Binding::Method {
        return false;
    }
    let facts = eval.links.module(call.module);
    let Some(own) = eval
        .links
        .function(call)
        .parameters
        .first()
        .map(|it| it.name)
    else {
        return false;
    };
    facts.functions.iter().any(|nested| {
        nested.parent == call.index
            && nested.ops.iter().any(|op| match op.kind {
                OpKind::Enter { context, .. } => *nested.value(context) == Value::Captured(own),
                _ => false,
            })
    })
}

/// Whether a nested function wraps another one: the function around it returns it, and it calls a
/// function that was handed to one of those around it. It is called in place of that function.
pub fn wraps_function(links: Reading<'_>, id: FunctionId) -> bool {
    if !links.hints(id).is_returned {
        return false;
    }
    let function = links.function(id);
    let mut around = function.parent;
    let mut handed_in: Vec<Name> = Vec::new();
    while around != 0 {
        let outer = links.function(FunctionId {
            index: around,
            ..id
        });
        handed_in.extend(outer.parameters.iter().map(|it| it.name));
        around = outer.parent;
    }
    function.calls.iter().any(|call| {
        matches!(function.value(call.callee), Value::Captured(name) if handed_in.contains(name))
    })
}

/// Whether a path is that of a test, a benchmark or an example.
pub fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| {
        matches!(
            part,
            "test"
                | "tests"
                | "testing"
                | "conftest.py"
                | "unittest"
                | "benchmarks"
                | "example"
                | "demo"
                | "demos"
        ) || part.starts_with("test_")
            || part.starts_with("testing_")
            || part.starts_with("pytest_")
            || part.ends_with("_test.py")
            || part.ends_with("examples")
            || part.ends_with("demo")
    })
}
