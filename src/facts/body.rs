//! Modules and functions: the frame in which statements and expressions are walked.

use ruff_python_ast::{Expr, ModModule, Parameters, Stmt};
use ruff_python_parser::Parsed;
use ruff_text_size::Ranged;
use rustc_hash::{FxHashMap, FxHashSet};

use super::held::{Flow, HeldSets, Taken};
use super::scope::Names;
use super::{
    Class, Code, Constant, Control, Function, List, ModuleFacts, Op, OpKind, Packed, Parameter,
    ParameterKind, Shape, ShapeKind, Value, ValueId, Variable, WayOut, directive,
};
use crate::source::name::Name;
use crate::source::span::Range;

/// Extracts the facts of one module.
///
/// `path` is relative to the project with `/` between its parts; `parsed` is the tree of `text`,
/// partial where there are syntax errors.
pub fn module_facts(path: &str, text: &str, parsed: &Parsed<ModModule>) -> ModuleFacts {
    let body = &parsed.syntax().body;
    let names = Names::of_module(body);
    let mut walker = Walker {
        text,
        interned: FxHashMap::default(),
        frames: Vec::new(),
        functions: vec![None],
        classes: Vec::new(),
        module_values: names
            .assigned
            .iter()
            .chain(&names.globals_inside)
            .copied()
            .collect(),
        globals: FxHashMap::default(),
        global_order: Vec::new(),
        stars: Vec::new(),
        shapes: Vec::new(),
        is_script: false,
        space: Vec::new(),
    };
    let module = walker.name("<module>");
    walker.frames.push(Frame::new(0, module, Names::default()));
    walker.statements(body);
    walker.finish_frame();
    let lines = u32::try_from(line_count(text)).unwrap_or(u32::MAX);
    let functions = walker.functions.into_iter().flatten().collect();
    let mut globals = walker.globals;
    ModuleFacts {
        path: path.to_owned(),
        lines,
        functions,
        classes: walker.classes,
        globals: walker
            .global_order
            .into_iter()
            .map(|name| (name, globals.remove(&name).unwrap_or_default()))
            .collect(),
        stars: walker.stars,
        is_script: walker.is_script,
        ignores: super::suppress::ignores(text, parsed),
        directives: directive::directives(text, parsed),
        shapes: walker.shapes,
    }
}

fn line_count(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
        + usize::from(!text.is_empty() && !text.ends_with('\n'))
}

/// The names bound so far in a class body that is being walked.
pub(super) struct ClassScope<'a> {
    pub index: u32,
    pub names: FxHashMap<&'a str, ValueId>,
}

/// What leaves a loop early.
#[derive(Default)]
pub(super) struct LoopFrame<'a> {
    /// The first op of a turn.
    pub first: u32,
    pub breaks: Vec<Flow<'a>>,
    /// Regions taken before the loop.
    pub taken_before: Vec<u32>,
    /// `with` statements around the loop.
    pub with_depth: usize,
    /// How many releases in `finally` clauses were around it.
    pub finally_depth: usize,
    /// Spellings of the locks that its body releases.
    pub releases: Vec<&'a str>,
}

/// A statement around the one at hand that catches exceptions, or gives locks back when there is
/// one.
pub(super) struct Attended<'a> {
    /// It may catch any.
    pub catches: bool,
    /// Spellings of the locks that its handlers release.
    pub releases: Vec<&'a str>,
    /// The first region inside it.
    pub first_region: u32,
}

/// The turn of a loop in which something runs, and how many `if` statements lie around it: of two
/// that agree the one runs whenever the other has, as long as the value of the other is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// The first op of the innermost loop.
    first: u32,
    depth: u32,
    branches: u32,
}

/// An `acquire` whose result has not been looked at yet.
#[derive(Clone)]
pub(super) struct Attempt<'a> {
    pub lock: ValueId,
    pub text: &'a str,
    pub region: u32,
    pub range: Range,
    /// Whether the lock is taken for certain, or its outcome tested: a leak can be told.
    pub kept: bool,
}

/// A function that is being walked.
pub(super) struct Frame<'a> {
    pub index: u32,
    pub function: Function,
    pub code: Code,
    pub held: HeldSets,
    pub slots: FxHashMap<&'a str, usize>,
    pub slot_names: Vec<&'a str>,
    pub names: Names<'a>,
    pub flow: Flow<'a>,
    pub control: u32,
    pub loop_depth: u32,
    /// How many statements around this one catch the absence of an element.
    pub absence_handled: u32,
    /// How many catch the refusal of a queue, a future or the file system.
    pub refusal_handled: u32,
    /// How many handlers of exceptions are around.
    pub handlers: u32,
    pub loops: Vec<LoopFrame<'a>>,
    pub regions: u32,
    pub classes: Vec<ClassScope<'a>>,
    /// Where each call stands, by its index.
    pub turns: Vec<Turn>,
    /// What variables that others can see were given last.
    pub given: FxHashMap<Variable, ValueId>,
    /// By call index.
    pub attempts: FxHashMap<u32, Attempt<'a>>,
    /// Spellings of the locks that enclosing `finally` clauses release.
    pub finally_releases: Vec<&'a str>,
    /// Spellings of the locks released anywhere in the function, and whether a test decides on
    /// each release.
    pub released: FxHashMap<&'a str, bool>,
    /// Spellings of the locks whose `release` others were given to call.
    pub handed_on: Vec<&'a str>,
    /// Statements around the one at hand that see to exceptions.
    pub attended: Vec<Attended<'a>>,
    /// Spellings of the contexts of enclosing `with` statements.
    pub with_spelled: Vec<&'a str>,
    /// `if` statements around the statement at hand.
    pub branches: u32,
    /// The first region of each enclosing `with` statement.
    pub with_regions: Vec<u32>,
    /// Leaks that count if the lock is in `released`.
    pub leaks: Vec<(Taken<'a>, Range, WayOut)>,
    /// Generator expressions, with the ops that run whenever one is advanced.
    pub generators: Vec<(ValueId, std::ops::Range<u32>)>,
    cells: FxHashMap<Name, Vec<ValueId>>,
    constants: FxHashMap<Constant, ValueId>,
    plain: FxHashMap<Value, ValueId>,
}

impl<'a> Frame<'a> {
    fn new(index: u32, name: Name, names: Names<'a>) -> Self {
        Self {
            index,
            function: Function {
                name,
                parent: 0,
                class: None,
                parameters: Box::default(),
                decorators: Box::default(),
                is_async: false,
                is_generator: names.is_generator,
                left_to_callers: false,
                orders: false,
                range: Range { start: 0, end: 0 },
                name_range: Range { start: 0, end: 0 },
                code: Packed::default(),
            },
            code: Code {
                values: vec![Value::Unknown],
                controls: vec![Control {
                    parent: 0,
                    first: 0,
                    end: 0,
                    absent: false,
                }],
                ..Code::default()
            },
            held: HeldSets::new(),
            slots: FxHashMap::default(),
            slot_names: Vec::new(),
            names,
            flow: Flow {
                env: Vec::new(),
                held: 0,
                taken: Vec::new(),
                alive: true,
            },
            control: 0,
            loop_depth: 0,
            absence_handled: 0,
            refusal_handled: 0,
            handlers: 0,
            loops: Vec::new(),
            regions: 0,
            classes: Vec::new(),
            turns: Vec::new(),
            given: FxHashMap::default(),
            attempts: FxHashMap::default(),
            finally_releases: Vec::new(),
            released: FxHashMap::default(),
            handed_on: Vec::new(),
            attended: Vec::new(),
            with_spelled: Vec::new(),
            with_regions: Vec::new(),
            branches: 0,
            leaks: Vec::new(),
            generators: Vec::new(),
            cells: FxHashMap::default(),
            constants: FxHashMap::default(),
            plain: FxHashMap::default(),
        }
    }

    /// The turn of the statement at hand.
    pub fn turn(&self) -> Turn {
        Turn {
            first: self.loops.last().map_or(0, |it| it.first),
            depth: self.loop_depth,
            branches: self.branches,
        }
    }

    /// The call whose result a value is, or was given to the variable that it was loaded from.
    fn made_by(&self, value: ValueId) -> Option<u32> {
        match self.code.values[value.0 as usize] {
            Value::Call(call) => Some(call),
            Value::Read(op) => {
                let OpKind::ReadVariable { variable, .. } = self.code.ops[op as usize].kind else {
                    return None;
                };
                match self.code.values[self.given.get(&variable)?.0 as usize] {
                    Value::Call(call) => Some(call),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Whether a value was made by a call in the turn of the loop at hand.
    pub fn is_made_in_turn(&self, value: ValueId) -> bool {
        let made = self.made_by(value).map(|it| self.turns.get(it as usize));
        self.loop_depth > 0 && made == Some(Some(&self.turn()))
    }

    pub fn slot(&mut self, name: &'a str) -> usize {
        if let Some(&slot) = self.slots.get(name) {
            return slot;
        }
        let slot = self.slot_names.len();
        self.slots.insert(name, slot);
        self.slot_names.push(name);
        slot
    }
}

/// Walks one module.
pub(super) struct Walker<'a> {
    pub text: &'a str,
    interned: FxHashMap<&'a str, Name>,
    pub frames: Vec<Frame<'a>>,
    pub functions: Vec<Option<Function>>,
    pub classes: Vec<Class>,
    /// Names of the module that hold values, other than its functions, classes and imports.
    pub module_values: FxHashSet<&'a str>,
    globals: FxHashMap<Name, Vec<(u32, ValueId)>>,
    global_order: Vec<Name>,
    pub stars: Vec<Name>,
    pub shapes: Vec<Shape>,
    pub is_script: bool,
    /// Where functions are packed.
    space: Vec<u8>,
}

pub(super) fn range_of(node: &impl Ranged) -> Range {
    Range {
        start: node.start().to_u32(),
        end: node.end().to_u32(),
    }
}

impl<'a> Walker<'a> {
    pub fn name(&mut self, text: &'a str) -> Name {
        *self.interned.entry(text).or_insert_with(|| Name::new(text))
    }

    pub fn frame(&mut self) -> &mut Frame<'a> {
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    pub fn source(&self, range: Range) -> &'a str {
        self.text
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
    }

    pub fn value(&mut self, value: Value) -> ValueId {
        let frame = self.frame();
        let id = ValueId(u32::try_from(frame.code.values.len()).unwrap_or(0));
        frame.code.values.push(value);
        id
    }

    /// A value without identity of its own: equal ones share an id.
    pub fn plain(&mut self, value: Value) -> ValueId {
        if let Some(&known) = self.frame().plain.get(&value) {
            return known;
        }
        let id = self.value(value.clone());
        self.frame().plain.insert(value, id);
        id
    }

    pub fn constant(&mut self, constant: Constant) -> ValueId {
        if let Some(&known) = self.frame().constants.get(&constant) {
            return known;
        }
        let id = self.value(Value::Constant(constant));
        self.frame().constants.insert(constant, id);
        id
    }

    pub fn list(&mut self, values: &[ValueId]) -> List {
        let code = &mut self.frame().code;
        let start = u32::try_from(code.lists.len()).unwrap_or(0);
        code.lists.extend_from_slice(values);
        List {
            start,
            len: u32::try_from(values.len()).unwrap_or(0),
        }
    }

    pub fn get(&self, id: ValueId) -> &Value {
        let frame = &self.frames[self.frames.len() - 1];
        &frame.code.values[id.0 as usize]
    }

    pub fn op(&mut self, kind: OpKind, range: Range) -> u32 {
        let frame = self.frame();
        let index = u32::try_from(frame.code.ops.len()).unwrap_or(u32::MAX);
        let op = Op {
            kind,
            range,
            held: frame.flow.held,
            control: frame.control,
            in_loop: frame.loop_depth > 0,
            absence_handled: frame.absence_handled > 0,
            refusal_handled: frame.refusal_handled > 0,
            in_handler: frame.handlers > 0,
        };
        frame.code.ops.push(op);
        index
    }

    pub fn next_op(&mut self) -> u32 {
        u32::try_from(self.frame().code.ops.len()).unwrap_or(u32::MAX)
    }

    /// Everything evaluated from `first` on decides what runs next.
    pub fn control_since(&mut self, first: u32) -> u32 {
        let end = self.next_op();
        self.control_by(first, end, false)
    }

    /// What is evaluated from `first` up to `end` decides what runs next.
    pub fn control_by(&mut self, first: u32, end: u32, absent: bool) -> u32 {
        let frame = self.frame();
        let parent = frame.control;
        let index = u32::try_from(frame.code.controls.len()).unwrap_or(0);
        frame.code.controls.push(Control {
            parent,
            first,
            end,
            absent,
        });
        index
    }

    /// Joins what two paths know.
    pub fn join(&mut self, left: Flow<'a>, right: Flow<'a>) -> Flow<'a> {
        if !left.alive {
            return right;
        }
        if !right.alive {
            return left;
        }
        let slots = left.env.len().max(right.env.len());
        let mut env = Vec::with_capacity(slots);
        for slot in 0..slots {
            let a = left.env.get(slot).copied().unwrap_or(ValueId::UNKNOWN);
            let b = right.env.get(slot).copied().unwrap_or(ValueId::UNKNOWN);
            env.push(self.join_values(a, b));
        }
        let held = self.intersect(left.held, right.held);
        let mut taken = left.taken;
        for other in right.taken {
            if !taken.contains(&other) {
                taken.push(other);
            }
        }
        Flow {
            env,
            held,
            taken,
            alive: true,
        }
    }

    pub fn join_values(&mut self, a: ValueId, b: ValueId) -> ValueId {
        if a == b || b == ValueId::UNKNOWN {
            return a;
        }
        if a == ValueId::UNKNOWN {
            return b;
        }
        let list = self.list(&[a, b]);
        self.value(Value::Join(list))
    }

    pub fn intersect(&mut self, left: u32, right: u32) -> u32 {
        if left == right {
            return left;
        }
        let a = self.frame().held.sets[left as usize].clone();
        let b = self.frame().held.sets[right as usize].clone();
        let both = a
            .into_iter()
            .filter(|one| {
                b.iter()
                    .any(|other| one.lock == other.lock || self.same(one.lock, other.lock))
            })
            .collect();
        self.frame().held.intern(both)
    }

    /// Whether two values are certainly the same object, read at about the same time.
    pub fn same(&self, a: ValueId, b: ValueId) -> bool {
        if a == b {
            return a != ValueId::UNKNOWN;
        }
        match (self.get(a), self.get(b)) {
            (
                Value::Attribute { base, name, .. },
                Value::Attribute {
                    base: other_base,
                    name: other_name,
                    ..
                },
            ) => name == other_name && self.same(*base, *other_base),
            (
                Value::Item { base, key, .. },
                Value::Item {
                    base: other_base,
                    key: other_key,
                    ..
                },
            ) => self.same(*base, *other_base) && self.same(*key, *other_key),
            (Value::Read(one), Value::Read(other)) => {
                match (self.variable_of(*one), self.variable_of(*other)) {
                    (Some(one), Some(other)) => one == other,
                    _ => false,
                }
            }
            (one, other) => {
                matches!(
                    one,
                    Value::Parameter(_)
                        | Value::Global(_)
                        | Value::Captured(_)
                        | Value::Constant(_)
                        | Value::Module(_)
                        | Value::Imported { .. }
                        | Value::Class(_)
                ) && one == other
            }
        }
    }

    pub fn variable_of(&self, op: u32) -> Option<super::Variable> {
        let frame = &self.frames[self.frames.len() - 1];
        match frame.code.ops.get(op as usize)?.kind {
            OpKind::ReadVariable { variable, .. } => Some(variable),
            _ => None,
        }
    }

    /// Records a value of a module-level name, assigned by the function being walked.
    pub fn bind_global(&mut self, name: Name, value: ValueId) {
        let function = self.frame().index;
        let values = self.globals.entry(name).or_insert_with(|| {
            self.global_order.push(name);
            Vec::new()
        });
        values.push((function, value));
    }

    /// Records a value of a variable that nested functions use.
    pub fn bind_cell(&mut self, name: Name, value: ValueId) {
        self.frame().cells.entry(name).or_default().push(value);
    }

    pub fn shape(&mut self, kind: ShapeKind, range: Range) {
        let function = self.frame().index;
        self.shapes.push(Shape {
            kind,
            range,
            function,
        });
    }

    /// Walks a function or lambda and returns its index.
    pub fn function(&mut self, name: Name, definition: Definition<'a, '_>) -> u32 {
        let index = u32::try_from(self.functions.len()).unwrap_or(0);
        self.functions.push(None);
        let mut parameters = Vec::new();
        let mut bound = Vec::new();
        if let Some(list) = definition.parameters {
            self.parameters(list, &mut parameters, &mut bound);
        }
        let names = match definition.body {
            Body::Statements(body) => Names::of_body(body),
            Body::Expression(body) => Names::of_expression(body),
        };
        let (parent, class) = {
            let frame = self.frame();
            (frame.index, frame.classes.last().map(|scope| scope.index))
        };
        let mut frame = Frame::new(index, name, names);
        frame.function.parent = parent;
        frame.function.class = class;
        frame.function.parameters = parameters.into();
        frame.function.decorators = definition.decorators.into();
        frame.function.is_async = definition.is_async;
        frame.function.left_to_callers = definition.left_to_callers;
        frame.function.range = definition.range;
        frame.function.name_range = definition.name_range;
        self.frames.push(frame);
        for (position, name) in bound.into_iter().enumerate() {
            let value = self.value(Value::Parameter(
                u16::try_from(position).unwrap_or(u16::MAX),
            ));
            self.assign_name(name, value, definition.name_range);
        }
        match definition.body {
            Body::Statements(body) => {
                self.statements(body);
                if self.frame().flow.alive {
                    let end = definition.range.end;
                    let start = body.last().map_or(end, |last| last.start().to_u32());
                    self.leave(Range { start, end });
                }
            }
            Body::Expression(body) => {
                let value = self.expression(body);
                self.frame().code.returns.push(value);
                self.op(OpKind::Return { value }, range_of(body));
            }
        }
        self.finish_frame();
        index
    }

    fn parameters(
        &mut self,
        list: &'a Parameters,
        parameters: &mut Vec<Parameter>,
        bound: &mut Vec<&'a str>,
    ) {
        let positional = list.posonlyargs.iter().chain(&list.args);
        for (parameter, kind) in positional.map(|it| (it, ParameterKind::Positional)).chain(
            list.kwonlyargs
                .iter()
                .map(|it| (it, ParameterKind::KeywordOnly)),
        ) {
            let default = parameter
                .default
                .as_deref()
                .map(|default| self.expression(default));
            let annotation = self.annotation(parameter.parameter.annotation.as_deref());
            bound.push(&parameter.parameter.name);
            parameters.push(Parameter {
                name: self.name(&parameter.parameter.name),
                kind,
                annotation,
                default,
            });
        }
        for (parameter, kind) in [
            (&list.vararg, ParameterKind::Star),
            (&list.kwarg, ParameterKind::DoubleStar),
        ] {
            if let Some(parameter) = parameter {
                bound.push(&parameter.name);
                parameters.push(Parameter {
                    name: self.name(&parameter.name),
                    kind,
                    annotation: ValueId::UNKNOWN,
                    default: None,
                });
            }
        }
    }

    fn finish_frame(&mut self) {
        let Some(mut frame) = self.frames.pop() else {
            return;
        };
        frame.code.held = frame.held.sets;
        // A generator expression that is returned is walked by the caller: whatever was held where it
        // stands has been given back by then.
        for (made, ops) in frame.generators {
            if frame.code.returns.contains(&made) {
                let ops = ops.start as usize..ops.end as usize;
                frame.code.ops[ops].iter_mut().for_each(|op| op.held = 0);
            }
        }
        let mut cells: Vec<_> = frame.cells.into_iter().collect();
        cells.sort_by_key(|(name, _)| name.as_str());
        frame.code.cells = cells;
        let name = frame.function.name.as_str();
        // Who asks a function with this name to do it gives the lock back.
        let acquires = name.contains("acquire");
        // `__exit__` gives it back, but is not called when this fails.
        let enters = matches!(name, "__enter__" | "__aenter__");
        frame.leaks.sort_by_key(|(_, _, by)| *by);
        frame.code.leaks = frame
            .leaks
            .iter()
            .filter(|(taken, _, by)| {
                let is_meant = acquires || enters && *by == WayOut::Statement;
                if is_meant || frame.handed_on.contains(&taken.text) {
                    return false;
                }
                // Where tests decide on both, they are taken for the same one.
                let released = frame.released.get(taken.text);
                released.map_or(enters, |conditional| !(taken.conditional && *conditional))
            })
            .map(|&(ref taken, exit, by)| super::Leak {
                lock: taken.lock,
                acquired: taken.acquired,
                exit,
                by,
            })
            .collect();
        // What a nested function releases, it releases whenever it is called.
        if let Some(around) = self.frames.last_mut()
            && frame.function.parent != 0
        {
            around.handed_on.extend(frame.released.keys());
        }
        frame.function.code = Packed::new(frame.code, &mut self.space);
        let index = frame.index as usize;
        self.functions[index] = Some(frame.function);
    }
}

/// The parts of a definition that are known before its body is walked.
pub(super) struct Definition<'a, 'b> {
    pub parameters: Option<&'a Parameters>,
    pub body: Body<'a>,
    pub decorators: &'b [ValueId],
    pub is_async: bool,
    /// See [`Function::left_to_callers`].
    pub left_to_callers: bool,
    pub range: Range,
    pub name_range: Range,
}

/// A function's statements or a lambda's expression.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    Statements(&'a [Stmt]),
    Expression(&'a Expr),
}
