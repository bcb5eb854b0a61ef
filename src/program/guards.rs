//! Declared guards, checked to the letter: `# guarded-by: self._lock` on an attribute or a global,
//! `# requires: self._lock` on a function. No second thread needs to be known.

use super::Program;
use super::effect::{Action, At};
use super::object::{ClassId, FunctionId};
use crate::facts::{DirectiveKind, Function, ModuleFacts, OpKind, Value, ValueId, Variable};
use crate::source::name::Name;
use crate::source::span::Range;

/// A place where a declared guard is not held.
#[derive(Debug, Clone)]
pub struct Unguarded {
    /// The access or call.
    pub at: At,
    /// What is guarded: an attribute, a global, or a function that requires the lock.
    pub what: String,
    /// The lock, as the declaration spells it.
    pub lock: String,
    /// It is a function that is called.
    pub is_call: bool,
    /// Where the guard is declared.
    pub declared: At,
}

/// What a declaration names: an attribute of the object at hand, or a global.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Own(Name),
    Global(Name),
}

impl Subject {
    /// `self._lock`, `cls._lock` or `lock`; other paths are not followed.
    fn parse(text: &str) -> Option<Self> {
        let text = text.split_whitespace().next()?;
        match text.split('.').collect::<Vec<_>>()[..] {
            [name] if !name.is_empty() => Some(Self::Global(Name::new(name))),
            ["self" | "cls", name] => Some(Self::Own(Name::new(name))),
            _ => None,
        }
    }
}

struct Declaration<'a> {
    module: u32,
    facts: &'a ModuleFacts,
    class: Option<ClassId>,
    lock: Subject,
    spelled: &'a str,
    at: At,
}

/// All places where a declared guard is not held, in source order.
pub fn unguarded(program: &Program) -> Vec<Unguarded> {
    let mut found = Vec::new();
    let links = program.links();
    for (module, (_, facts)) in links.modules.iter().enumerate() {
        let module = u32::try_from(module).unwrap_or(u32::MAX);
        for directive in &facts.directives {
            let (text, requires) = match &directive.kind {
                DirectiveKind::GuardedBy(text) => (text, false),
                DirectiveKind::Requires(text) => (text, true),
                DirectiveKind::ThreadSafe | DirectiveKind::Confined => continue,
            };
            let Some(lock) = Subject::parse(text) else {
                continue;
            };
            let subject = if requires {
                required_function(facts, directive.line)
            } else {
                guarded_place(facts, directive.line)
            };
            let Some((subject, owner)) = subject else {
                continue;
            };
            let function = FunctionId {
                module,
                index: owner,
            };
            let declaration = Declaration {
                module,
                facts,
                class: links.enclosing_class(function),
                lock,
                spelled: text.trim(),
                at: At {
                    function,
                    range: directive.range,
                },
            };
            if requires {
                calls(program, &declaration, subject, owner, &mut found);
            } else {
                accesses(program, &declaration, subject, &mut found);
            }
        }
    }
    found.sort_by_key(|it| it.at);
    found
}

fn contains(line: Range, range: Range) -> bool {
    (line.start..line.end).contains(&range.start)
}

/// The attribute or global stored on a line, with the function that stores it.
fn guarded_place(facts: &ModuleFacts, line: Range) -> Option<(Subject, u32)> {
    facts
        .functions
        .iter()
        .enumerate()
        .find_map(|(index, function)| {
            let subject = function
                .ops
                .iter()
                .filter(|op| contains(line, op.range))
                .find_map(|op| match op.kind {
                    OpKind::Write { base, name, .. } if is_self(facts, function, base) => {
                        Some(Subject::Own(name))
                    }
                    OpKind::WriteVariable {
                        variable: Variable::Global(name),
                        ..
                    } => Some(Subject::Global(name)),
                    _ => None,
                })?;
            Some((subject, u32::try_from(index).ok()?))
        })
}

/// The function defined on a line.
fn required_function(facts: &ModuleFacts, line: Range) -> Option<(Subject, u32)> {
    let index = facts
        .functions
        .iter()
        .position(|function| contains(line, function.name_range))?;
    let function = &facts.functions[index];
    let subject = match function.class {
        Some(_) => Subject::Own(function.name),
        None => Subject::Global(function.name),
    };
    Some((subject, u32::try_from(index).ok()?))
}

/// Accesses to a guarded place without its lock.
fn accesses(
    program: &Program,
    declaration: &Declaration<'_>,
    subject: Subject,
    found: &mut Vec<Unguarded>,
) {
    for (id, function) in candidates(program, declaration, subject) {
        let mut broken: Vec<(Range, bool)> = Vec::new();
        for op in &function.ops {
            let writes = match op.kind {
                OpKind::Read { base, name, .. }
                    if is_own(declaration, function, base, name, subject) =>
                {
                    false
                }
                OpKind::Write { base, name, .. } | OpKind::Delete { base, name }
                    if is_own(declaration, function, base, name, subject) =>
                {
                    true
                }
                OpKind::ReadVariable {
                    variable: Variable::Global(name),
                    ..
                } if subject == Subject::Global(name) => false,
                OpKind::WriteVariable {
                    variable: Variable::Global(name),
                    ..
                } if subject == Subject::Global(name) => true,
                _ => continue,
            };
            if !is_held(program, declaration, id, function, op.held)
                && !callers_hold(
                    program,
                    declaration,
                    At {
                        function: id,
                        range: op.range,
                    },
                )
            {
                broken.push((op.range, writes));
            }
        }
        // `self.n += 1` is one access to the reader of the report.
        let writes: Vec<Range> = broken.iter().filter(|it| it.1).map(|it| it.0).collect();
        for (range, is_write) in broken {
            let within = |it: &Range| it.start <= range.start && range.end <= it.end;
            if !is_write && writes.iter().any(within) {
                continue;
            }
            let at = At {
                function: id,
                range,
            };
            push(
                found,
                declaration,
                at,
                words(program, declaration, subject),
                false,
            );
        }
    }
}

/// Calls of a function without the lock it requires.
fn calls(
    program: &Program,
    declaration: &Declaration<'_>,
    subject: Subject,
    owner: u32,
    found: &mut Vec<Unguarded>,
) {
    for (id, function) in candidates(program, declaration, subject) {
        if id.index == owner {
            continue;
        }
        for op in &function.ops {
            let OpKind::Call(call) = op.kind else {
                continue;
            };
            let callee = function.calls[call as usize].callee;
            let is_subject = match *function.value(callee) {
                Value::Attribute { base, name, .. } => {
                    is_own(declaration, function, base, name, subject)
                }
                Value::Global(name) => subject == Subject::Global(name),
                _ => false,
            };
            let at = At {
                function: id,
                range: op.range,
            };
            if is_subject
                && !is_held(program, declaration, id, function, op.held)
                && !callers_hold(program, declaration, at)
            {
                push(
                    found,
                    declaration,
                    at,
                    words(program, declaration, subject),
                    true,
                );
            }
        }
    }
}

fn push(
    found: &mut Vec<Unguarded>,
    declaration: &Declaration<'_>,
    at: At,
    what: String,
    is_call: bool,
) {
    if found.iter().any(|it| it.at == at && it.what == what) {
        return;
    }
    found.push(Unguarded {
        at,
        what,
        lock: declaration.spelled.to_owned(),
        is_call,
        declared: declaration.at,
    });
}

/// The functions in which a declaration is checked: those of the class and of its subclasses in
/// the module, or all of the module. Constructors have the object to themselves, and the module
/// body runs before the others; a function that requires the lock has it.
fn candidates<'p>(
    program: &'p Program,
    declaration: &Declaration<'p>,
    subject: Subject,
) -> Vec<(FunctionId, &'p Function)> {
    let links = program.links();
    let facts = declaration.facts;
    let mut chosen = Vec::new();
    for (index, function) in facts.functions.iter().enumerate().skip(1) {
        let id = FunctionId {
            module: declaration.module,
            index: u32::try_from(index).unwrap_or(0),
        };
        if let Subject::Own(_) = subject {
            let class = links.enclosing_class(id);
            let related = class.is_some_and(|class| is_subclass(program, class, declaration.class));
            if !related || function.name.as_str() == "__init__" && function.class.is_some() {
                continue;
            }
        }
        if requires(facts, id.index, declaration.spelled) {
            continue;
        }
        chosen.push((id, function));
    }
    chosen
}

fn is_subclass(program: &Program, class: ClassId, of: Option<ClassId>) -> bool {
    if Some(class) == of {
        return true;
    }
    let links = program.links();
    let Some(base) = of.filter(|it| it.module == class.module) else {
        return false;
    };
    let facts = links.module(class.module);
    let name = links.class(base).name;
    let own = links.class(class);
    let owner = &facts.functions[own.owner as usize];
    own.bases.iter().any(|&it| match *owner.value(it) {
        Value::Global(it) => it == name,
        _ => false,
    })
}

/// Whether a function, or one around it, declares that its callers hold the lock.
fn requires(facts: &ModuleFacts, mut index: u32, lock: &str) -> bool {
    while index != 0 {
        let function = &facts.functions[index as usize];
        let declared = facts.directives.iter().any(|directive| {
            matches!(&directive.kind, DirectiveKind::Requires(text) if text.trim() == lock)
                && contains(directive.line, function.name_range)
        });
        if declared {
            return true;
        }
        index = function.parent;
    }
    false
}

fn is_own(
    declaration: &Declaration<'_>,
    function: &Function,
    base: ValueId,
    name: Name,
    subject: Subject,
) -> bool {
    subject == Subject::Own(name) && is_self(declaration.facts, function, base)
}

/// Whether a value is the first parameter of the method at hand.
fn is_self(facts: &ModuleFacts, function: &Function, value: ValueId) -> bool {
    match *function.value(value) {
        Value::Parameter(0) => function.class.is_some(),
        Value::Captured(name) => {
            let mut current = function;
            while current.class.is_none() && current.parent != 0 {
                current = &facts.functions[current.parent as usize];
            }
            current.class.is_some() && current.parameters.first().is_some_and(|it| it.name == name)
        }
        _ => false,
    }
}

fn is_held(
    program: &Program,
    declaration: &Declaration<'_>,
    id: FunctionId,
    function: &Function,
    held: u32,
) -> bool {
    function.held[held as usize]
        .iter()
        .any(|held| is_lock(program, declaration, id, function, held.lock))
}

fn is_lock(
    program: &Program,
    declaration: &Declaration<'_>,
    id: FunctionId,
    function: &Function,
    value: ValueId,
) -> bool {
    match *function.value(value) {
        Value::Attribute { base, name, .. } if is_self(declaration.facts, function, base) => {
            declaration.lock == Subject::Own(name) || wraps(program, declaration, id, name)
        }
        Value::Global(name) => declaration.lock == Subject::Global(name),
        Value::Read(op) => matches!(
            function.ops[op as usize].kind,
            OpKind::ReadVariable { variable: Variable::Global(name), .. }
                if declaration.lock == Subject::Global(name)
        ),
        _ => false,
    }
}

/// Whether an attribute holds a condition made with the lock: `Condition(self._lock)`.
fn wraps(program: &Program, declaration: &Declaration<'_>, id: FunctionId, name: Name) -> bool {
    let links = program.links();
    let Some(class) = links.enclosing_class(id) else {
        return false;
    };
    let stores = links.attribute_stores(class, name);
    stores.into_iter().flatten().any(|stored| {
        let function = links.function(stored.function);
        let Value::Call(call) = *function.value(stored.value) else {
            return false;
        };
        let call = &function.calls[call as usize];
        function.list(call.arguments).iter().any(|&argument| {
            matches!(*function.value(argument), Value::Attribute { base, name, .. }
                if is_own(declaration, function, base, name, declaration.lock))
        })
    })
}

/// Whether all threads that are known to get here hold the lock further out.
fn callers_hold(program: &Program, declaration: &Declaration<'_>, at: At) -> bool {
    let name = match declaration.lock {
        Subject::Own(name) | Subject::Global(name) => name,
    };
    let words = match (declaration.lock, declaration.class) {
        (Subject::Own(_), Some(class)) => {
            format!("{}.{name}", program.links().class(class).name)
        }
        _ => name.to_string(),
    };
    let mut known = false;
    for record in program.records() {
        if record.at != at || !matches!(record.action, Action::Access(_)) {
            continue;
        }
        known = true;
        if !record.held.iter().any(|held| held.words.as_str() == words) {
            return false;
        }
    }
    known
}

fn words(program: &Program, declaration: &Declaration<'_>, subject: Subject) -> String {
    match (subject, declaration.class) {
        (Subject::Own(name), Some(class)) => {
            format!("{}.{name}", program.links().class(class).name)
        }
        (Subject::Own(name) | Subject::Global(name), _) => name.to_string(),
    }
}
