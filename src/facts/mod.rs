//! One module's syntax to facts: pure, owned, without knowledge of other files.
//!
//! A function becomes a list of [`Op`]s in the order of evaluation and a table of [`Value`]s they
//! refer to. Values are symbolic and in single-assignment form: a local variable is replaced by
//! what was assigned to it, joined where paths meet, so that whoever evaluates them needs no
//! control flow. What stays flow-sensitive is recorded on each op: the locks held there
//! ([`Held`], by intersection over paths) and the tests that decide whether it runs
//! ([`Control`]).

mod body;
mod directive;
mod expression;
mod grouped;
mod held;
mod packed;
mod scope;
mod statement;
pub mod suppress;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use directive::{Directive, DirectiveKind};
pub use grouped::Grouped;
pub use packed::Packed;

use crate::source::name::Name;
use crate::source::span::Range;

/// Index into [`Code::values`]; 0 is [`Value::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ValueId(pub u32);

impl ValueId {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self(0);
}

impl Default for ValueId {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

/// A run of [`Code::lists`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct List {
    /// First index.
    pub start: u32,
    /// How many.
    pub len: u32,
}

/// A literal whose identity does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Constant {
    /// `None`
    None,
    /// `True`
    True,
    /// `False`
    False,
    /// The number 1, as in `Semaphore(1)`.
    One,
    /// Another number.
    Number,
    /// A string, interned when it may be a name: it is short and has no blanks.
    Text(Option<Name>),
}

/// Which literal made a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Literal {
    List,
    Dict,
    Set,
    Tuple,
    /// A generator expression: an iterator.
    Generator,
}

/// What an expression stands for, in terms of the function's own inputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value {
    /// Not known.
    Unknown,
    /// A literal.
    Constant(Constant),
    /// A parameter, by position in [`Function::parameters`].
    Parameter(u16),
    /// A name of the module or of the built-ins.
    Global(Name),
    /// A variable of an enclosing function.
    Captured(Name),
    /// `base.name`, as loaded by the op with this index (`u32::MAX` when no op was needed).
    Attribute {
        /// The object.
        base: ValueId,
        /// The attribute.
        name: Name,
        /// Index of the [`OpKind::Read`].
        op: u32,
    },
    /// `base[key]`, as loaded by the op with this index.
    Item {
        /// The container.
        base: ValueId,
        /// The key.
        key: ValueId,
        /// Index of the [`OpKind::ItemRead`].
        op: u32,
    },
    /// What iteration over the value yields.
    Element(ValueId),
    /// The value bound by `with value as ...`.
    Entered(ValueId),
    /// The result of the [`OpKind::Call`] with this index.
    Call(u32),
    /// A container made here, with the values of its elements (of a dict: keys are left out).
    Container {
        /// By which literal.
        literal: Literal,
        /// Its elements; a starred one is wrapped in [`Value::Element`].
        elements: List,
        /// Made inside a loop or comprehension: many of them.
        many: bool,
    },
    /// A function or lambda defined here, by index into [`ModuleFacts::functions`].
    Function(u32),
    /// A class defined here, by index into [`ModuleFacts::classes`].
    Class(u32),
    /// One of several, where paths meet.
    Join(List),
    /// Computed from these by operators.
    Combined(List),
    /// The module of this dotted name (absolute, or relative with leading dots).
    Module(Name),
    /// `from module import name`.
    Imported {
        /// Dotted, with leading dots when relative.
        module: Name,
        /// What is imported from it.
        name: Name,
    },
    /// `super()` in a method.
    Super,
    /// The last value read from a global or captured variable by the op with this index.
    Read(u32),
}

/// How a value is looked at when it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Look {
    /// Its value is used.
    Use,
    /// Tested for truth.
    Truth,
    /// Compared with `None` by identity.
    IsNone,
    /// Part of a comparison that decides a branch.
    Compare,
}

/// Where a variable lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Variable {
    /// In the module.
    Global(Name),
    /// In this or an enclosing function, shared with a nested one.
    Cell(Name),
}

/// What a store has to do with the old value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Update {
    /// Nothing.
    Replace,
    /// `place op= ...`
    Augmented,
    /// The stored value is computed from the one that the op with this index loaded.
    From(u32),
}

/// One thing a function does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpKind {
    /// Loads `base.name`.
    #[allow(missing_docs)]
    Read {
        base: ValueId,
        name: Name,
        look: Look,
    },
    /// Stores `base.name`.
    #[allow(missing_docs)]
    Write {
        base: ValueId,
        name: Name,
        value: ValueId,
        update: Update,
    },
    /// `del base.name`
    #[allow(missing_docs)]
    Delete { base: ValueId, name: Name },
    /// Loads a variable that other functions can see.
    #[allow(missing_docs)]
    ReadVariable { variable: Variable, look: Look },
    /// Stores one.
    #[allow(missing_docs)]
    WriteVariable {
        variable: Variable,
        value: ValueId,
        update: Update,
    },
    /// `del name` of one.
    #[allow(missing_docs)]
    DeleteVariable { variable: Variable },
    /// A local variable is tested that still has what the op with this index loaded.
    #[allow(missing_docs)]
    Recall { load: u32, look: Look },
    /// Loads `base[key]`.
    #[allow(missing_docs)]
    ItemRead { base: ValueId, key: ValueId },
    /// Stores `base[key]`.
    #[allow(missing_docs)]
    ItemWrite {
        base: ValueId,
        key: ValueId,
        value: ValueId,
        update: Update,
        slice: bool,
    },
    /// `del base[key]`
    #[allow(missing_docs)]
    ItemDelete {
        base: ValueId,
        key: ValueId,
        slice: bool,
    },
    /// `key in base`
    #[allow(missing_docs)]
    Contains { base: ValueId, key: ValueId },
    /// The truth of `base` is tested.
    #[allow(missing_docs)]
    Truth { base: ValueId },
    /// Iterates over `base`, running Python code between the steps.
    #[allow(missing_docs)]
    Iterate { base: ValueId },
    /// The body of the loop over `base`, or over a view of it, changes how many elements it has, by
    /// the op with this index, and walks on.
    #[allow(missing_docs)]
    Upset { base: ValueId, change: u32 },
    /// `base += ...` on a local variable that may be a container.
    #[allow(missing_docs)]
    Extend { base: ValueId, value: ValueId },
    /// A call, by index into [`Code::calls`].
    Call(u32),
    /// Takes a lock by method and certainly has it from here on.
    #[allow(missing_docs)]
    Acquire { lock: ValueId, region: u32 },
    /// Gives one back.
    #[allow(missing_docs)]
    Release { lock: ValueId },
    /// Enters a `with` block (which takes the lock if `context` is one).
    #[allow(missing_docs)]
    Enter {
        context: ValueId,
        region: u32,
        is_async: bool,
    },
    /// Leaves it.
    #[allow(missing_docs)]
    Exit { context: ValueId, region: u32 },
    /// Returns a value.
    #[allow(missing_docs)]
    Return { value: ValueId },
    /// Yields one.
    #[allow(missing_docs)]
    Yield { value: ValueId },
}

/// An op with where and under what it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// What it does.
    pub kind: OpKind,
    /// The expression or statement.
    pub range: Range,
    /// Index into [`Code::held`].
    pub held: u32,
    /// Index into [`Code::controls`]; 0 is "always".
    pub control: u32,
    /// Runs more than once a call.
    pub in_loop: bool,
    /// Whoever wrote it expects what it asks for to be absent: inside `try: ... except KeyError`
    /// or `with suppress(KeyError)`.
    pub absence_handled: bool,
    /// The same of what a queue, a future or the file system may refuse: inside `try: ... except Empty`.
    pub refusal_handled: bool,
    /// Runs because of an exception: inside `except`.
    pub in_handler: bool,
}

/// A lock expression that is held; whether it really is a lock only the program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Held {
    /// The lock.
    pub lock: ValueId,
    /// Which acquisition: accesses with the same region lie in one critical section.
    pub region: u32,
}

/// A test whose outcome decides whether an op runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The test around it; 0 ends the chain.
    pub parent: u32,
    /// First op of the test; one that looks at local variables alone has none.
    pub first: u32,
    /// One past its last op.
    pub end: u32,
    /// What decides is that something looked up there was absent: an `except KeyError`.
    pub absent: bool,
}

/// A loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Loop {
    /// The first op that each turn runs.
    pub first: u32,
    /// One past the last.
    pub end: u32,
}

/// A call site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// What is called.
    pub callee: ValueId,
    /// The value of the call.
    pub result: ValueId,
    /// Positional arguments; a starred one is wrapped in [`Value::Element`].
    pub arguments: List,
    /// Keyword arguments, `**` left out.
    pub keywords: Vec<(Name, ValueId)>,
    /// The last positional argument is starred.
    pub starred: bool,
    /// The result is thrown away.
    pub statement: bool,
    /// Awaited.
    pub awaited: bool,
    /// Inside a loop or comprehension.
    pub many: bool,
    /// The function may catch what the call raises.
    pub caught: bool,
    /// Of a method of what another call returned: it runs in every turn of a loop in which that call
    /// ran, and after it.
    pub in_turn: bool,
}

/// How a parameter takes arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ParameterKind {
    Positional,
    KeywordOnly,
    Star,
    DoubleStar,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// How it takes arguments.
    pub kind: ParameterKind,
    /// Its annotation, evaluated in the enclosing function.
    pub annotation: ValueId,
    /// Its default, evaluated in the enclosing function.
    pub default: Option<ValueId>,
}

/// How a path leaves a function, or a round of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WayOut {
    /// By a statement, or at its end.
    Statement,
    /// By a `raise`.
    Raise,
    /// By what is thrown in at a `yield`, if the function is a context manager.
    Thrown,
    /// By an exception of the call with this index, if it lets one out.
    Call(u32),
}

/// A lock that some path out of the function leaves taken while another gives it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// The lock.
    pub lock: ValueId,
    /// Where it was taken.
    pub acquired: Range,
    /// Where the path leaves.
    pub exit: Range,
    /// How.
    pub by: WayOut,
}

/// A function, a lambda, or (index 0) the body of the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its name; `<lambda>` or `<module>` where it has none.
    pub name: Name,
    /// The function whose variables it can see; 0 for module functions and methods.
    pub parent: u32,
    /// The class in whose body it is defined.
    pub class: Option<u32>,
    /// Its parameters.
    pub parameters: Box<[Parameter]>,
    /// Its decorators, evaluated in the parent, outermost first.
    pub decorators: Box<[ValueId]>,
    /// `async def`
    pub is_async: bool,
    /// Has a `yield`.
    pub is_generator: bool,
    /// Its docstring or first comment says that its callers see to threads: they hold a lock, or one
    /// thread alone calls it.
    pub left_to_callers: bool,
    /// It asks which of two things is less, or sorts.
    pub orders: bool,
    /// The whole definition.
    pub range: Range,
    /// Its name in the definition.
    pub name_range: Range,
    /// What it does.
    pub code: Packed,
}

/// What a function does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Code {
    /// All values.
    pub values: Vec<Value>,
    /// Runs of values.
    pub lists: Vec<ValueId>,
    /// What it does, in order.
    pub ops: Vec<Op>,
    /// Its calls.
    pub calls: Vec<Call>,
    /// Sets of held locks; 0 is the empty one.
    pub held: Vec<Vec<Held>>,
    /// Tests; 0 stands for none.
    pub controls: Vec<Control>,
    /// Its loops, inner ones first.
    pub loops: Vec<Loop>,
    /// Everything assigned to its variables that nested functions use.
    pub cells: Vec<(Name, Vec<ValueId>)>,
    /// Names of local variables that containers and calls were assigned to.
    pub local_names: Vec<(ValueId, Name)>,
    /// What it returns.
    pub returns: Vec<ValueId>,
    /// Locks it leaks, ways out by statements first.
    pub leaks: Vec<Leak>,
    /// It has a `raise` that tells of a failure, and does not catch it itself.
    pub raises: bool,
}

/// A class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its name.
    pub name: Name,
    /// The function whose body defines it; its values are that function's.
    pub owner: u32,
    /// The class around it.
    pub outer: Option<u32>,
    /// Its bases.
    pub bases: Vec<ValueId>,
    /// Its metaclass.
    pub metaclass: Option<ValueId>,
    /// Its decorators.
    pub decorators: Vec<ValueId>,
    /// Names assigned in its body, functions included.
    pub attributes: Vec<(Name, ValueId)>,
    /// Its methods: functions defined in its body.
    pub methods: Vec<u32>,
    /// What its docstring says of threads: that they may share instances, or that they must not.
    pub documented: Option<bool>,
    /// The whole definition.
    pub range: Range,
    /// Its name in the definition.
    pub name_range: Range,
}

/// All that is known of one module by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleFacts {
    /// Path relative to the project, `/` between its parts.
    pub path: String,
    /// Lines.
    pub lines: u32,
    /// Functions; the first is the body of the module.
    pub functions: Vec<Function>,
    /// Classes.
    pub classes: Vec<Class>,
    /// Everything bound at module level, with all values ever assigned there; they belong to
    /// the function given first.
    pub globals: Grouped<Name, (u32, ValueId)>,
    /// Modules imported with `*`.
    pub stars: Vec<Name>,
    /// Has `if __name__ == "__main__"`.
    pub is_script: bool,
    /// Comments that silence findings.
    pub ignores: Vec<suppress::Ignore>,
    /// Comments that declare guards and confinement.
    pub directives: Vec<Directive>,
    /// Strings that some test compares a configuration variable with, and other shapes that
    /// only syntax shows.
    pub shapes: Vec<Shape>,
}

/// Something only syntax shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// What.
    pub kind: ShapeKind,
    /// Where.
    pub range: Range,
    /// In which function.
    pub function: u32,
}

/// Kinds of [`Shape`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShapeKind {
    /// `sysconfig.get_config_var("Py_GIL_DISABLED")` is compared with a string, which it never
    /// equals.
    BuildFlagComparedWithText,
    /// `sys._is_free_threaded`, which does not exist.
    NoSuchFreeThreadedTest,
}

impl ModuleFacts {
    /// These facts with the code of all functions at hand, for whoever looks through the whole
    /// module; where it is not, this is a copy to be dropped.
    pub fn unpacked(&self) -> Cow<'_, Self> {
        if self.functions.iter().all(|it| it.code.is_unpacked()) {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self {
            functions: self.functions.iter().map(Function::unpacked).collect(),
            path: self.path.clone(),
            classes: self.classes.clone(),
            globals: self.globals.clone(),
            stars: self.stars.clone(),
            ignores: Vec::new(),
            directives: self.directives.clone(),
            shapes: self.shapes.clone(),
            ..*self
        })
    }

    /// Keeps the code of all functions packed only, until somebody asks for it again.
    pub fn forget_code(&mut self) {
        for function in &mut self.functions {
            function.code.forget();
        }
    }

    /// How many functions and lambdas the module defines.
    pub fn function_count(&self) -> usize {
        self.functions.len() - 1
    }
}

impl Code {
    /// The values of a run.
    pub fn list(&self, list: List) -> &[ValueId] {
        &self.lists[list.start as usize..(list.start + list.len) as usize]
    }

    /// What a call is given: positional arguments, then keyword ones.
    pub fn given<'a>(&'a self, call: &'a Call) -> impl Iterator<Item = ValueId> + 'a {
        let keywords = call.keywords.iter().map(|(_, value)| *value);
        self.list(call.arguments).iter().copied().chain(keywords)
    }

    /// The local variable a container or the result of a call was assigned to.
    pub fn local_name(&self, value: ValueId) -> Option<Name> {
        self.local_names
            .iter()
            .find(|(known, _)| *known == value)
            .map(|(_, name)| *name)
    }

    /// What the function itself gave last to the variable from which a value was loaded: the body of a
    /// module keeps nothing in variables of its own.
    pub fn as_given(&self, value: ValueId) -> ValueId {
        let Value::Read(load) = *self.value(value) else {
            return value;
        };
        let Some(&OpKind::ReadVariable { variable, .. }) =
            self.ops.get(load as usize).map(|it| &it.kind)
        else {
            return value;
        };
        let given = self.ops[..load as usize]
            .iter()
            .rev()
            .find_map(|op| match op.kind {
                OpKind::WriteVariable {
                    variable: given,
                    value,
                    ..
                } if given == variable => Some(value),
                _ => None,
            });
        given.unwrap_or(value)
    }

    /// The value with this index.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }
}

pub use body::module_facts;
