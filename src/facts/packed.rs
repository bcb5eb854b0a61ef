//! What a function does, in a tenth of the memory: a run of bytes that is unpacked when somebody
//! follows the function.
//!
//! Of a large program few functions are ever followed, and the tables of [`Code`] are most of what
//! is known of the others. In the bytes a number is told by how far it is from where one like it
//! would be expected (the next call, the value before, the op after the last one), seven bits to a
//! byte, so most take one. Names are numbers of this process: bytes are never kept on disk.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Call, Code, Constant, Control, Function, Held, Leak, List, Literal, Look, Op, OpKind, Update,
    Value, ValueId, Variable,
};
use crate::source::name::Name;
use crate::source::span::Range;

/// What a function does, packed, and unpacked once somebody has asked.
#[derive(Default)]
pub struct Packed {
    bytes: Box<[u8]>,
    code: OnceLock<Box<Code>>,
}

impl Packed {
    /// Packs `code`, which stays at hand, in `space` that is used for one function after the other.
    pub(super) fn new(code: Code, space: &mut Vec<u8>) -> Self {
        space.clear();
        let mut writer = Writer {
            bytes: space,
            next: Expected::default(),
        };
        writer.code(&code);
        Self {
            bytes: space.as_slice().into(),
            code: OnceLock::from(Box::new(code)),
        }
    }

    /// Whether the code is at hand.
    pub(super) fn is_unpacked(&self) -> bool {
        self.code.get().is_some()
    }

    /// Unpacks anew when somebody asks again.
    pub(super) fn forget(&mut self) {
        if !self.bytes.is_empty() {
            self.code = OnceLock::new();
        }
    }

    /// What was packed, and stays unpacked from now on.
    fn code(&self) -> &Code {
        self.code.get_or_init(|| Box::new(self.unpack()))
    }

    fn unpack(&self) -> Code {
        Reader::new(&self.bytes).code()
    }

    /// The same with its code at hand.
    fn unpacked(&self) -> Self {
        Self {
            bytes: Box::default(),
            code: OnceLock::from(Box::new(self.unpack())),
        }
    }
}

impl Deref for Function {
    type Target = Code;

    /// Unpacks what the function does, where that has not been done.
    fn deref(&self) -> &Code {
        self.code.code()
    }
}

impl Function {
    /// What the function does, for whoever looks once: nothing stays unpacked.
    pub fn glance(&self) -> Cow<'_, Code> {
        match self.code.code.get() {
            Some(code) => Cow::Borrowed(code),
            None => Cow::Owned(self.code.unpack()),
        }
    }

    /// A copy with its code unpacked.
    pub(super) fn unpacked(&self) -> Self {
        Self {
            parameters: self.parameters.clone(),
            decorators: self.decorators.clone(),
            code: self.code.unpacked(),
            ..*self
        }
    }
}

/// A copy has nothing unpacked.
impl Clone for Packed {
    fn clone(&self) -> Self {
        Self {
            bytes: self.bytes.clone(),
            code: OnceLock::new(),
        }
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Packed {}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unpack().fmt(f)
    }
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.code.get() {
            Some(code) => code.serialize(serializer),
            None => self.unpack().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Code::deserialize(deserializer).map(|code| Self::new(code, &mut Vec::new()))
    }
}

/// The lower bits of a byte that begins a value or op say which it is.
const KIND: u8 = 0x1f;

/// Kinds of values. The constants without text stand in a row, as in [`CONSTANTS`].
mod value {
    pub const UNKNOWN: u8 = 0;
    pub const CONSTANT: u8 = 1;
    pub const TEXT: u8 = 7;
    pub const PARAMETER: u8 = 8;
    pub const GLOBAL: u8 = 9;
    pub const CAPTURED: u8 = 10;
    pub const ATTRIBUTE: u8 = 11;
    pub const ITEM: u8 = 12;
    pub const ELEMENT: u8 = 13;
    pub const ENTERED: u8 = 14;
    pub const CALL: u8 = 15;
    pub const CONTAINER: u8 = 16;
    pub const FUNCTION: u8 = 17;
    pub const CLASS: u8 = 18;
    pub const JOIN: u8 = 19;
    pub const COMBINED: u8 = 20;
    pub const MODULE: u8 = 21;
    pub const IMPORTED: u8 = 22;
    pub const SUPER: u8 = 23;
    pub const READ: u8 = 24;
}

const CONSTANTS: [Constant; 6] = [
    Constant::None,
    Constant::True,
    Constant::False,
    Constant::One,
    Constant::Number,
    Constant::Text(None),
];

const LITERALS: [Literal; 5] = [
    Literal::List,
    Literal::Dict,
    Literal::Set,
    Literal::Tuple,
    Literal::Generator,
];

const LOOKS: [Look; 4] = [Look::Use, Look::Truth, Look::IsNone, Look::Compare];

/// Kinds of ops, and what else their first byte says.
mod op {
    pub const READ: u8 = 0;
    pub const WRITE: u8 = 1;
    pub const DELETE: u8 = 2;
    pub const READ_GLOBAL: u8 = 3;
    pub const READ_CELL: u8 = 4;
    pub const WRITE_GLOBAL: u8 = 5;
    pub const WRITE_CELL: u8 = 6;
    pub const DELETE_GLOBAL: u8 = 7;
    pub const DELETE_CELL: u8 = 8;
    pub const RECALL: u8 = 9;
    pub const ITEM_READ: u8 = 10;
    pub const ITEM_WRITE: u8 = 11;
    pub const ITEM_DELETE: u8 = 12;
    pub const CONTAINS: u8 = 13;
    pub const TRUTH: u8 = 14;
    pub const ITERATE: u8 = 15;
    pub const EXTEND: u8 = 16;
    pub const CALL: u8 = 17;
    pub const ACQUIRE: u8 = 18;
    pub const RELEASE: u8 = 19;
    pub const ENTER: u8 = 20;
    pub const EXIT: u8 = 21;
    pub const RETURN: u8 = 22;
    pub const YIELD: u8 = 23;

    /// It runs in a loop.
    pub const IN_LOOP: u8 = 0x20;
    /// Locks or tests are others than those of the op before.
    pub const UNDER: u8 = 0x40;
    /// The value is looked at otherwise than to be used; the item is a slice; the context is
    /// asynchronous.
    pub const FLAG: u8 = 0x80;
}

/// What the next number of each sort is expected to be.
#[derive(Default)]
struct Expected {
    list: u32,
    op: u32,
    call: u32,
    function: u32,
    class: u32,
    value: u32,
    start: u32,
    /// Twice the locks held, and one where absence is handled.
    held: u32,
    control: u32,
}

/// Differences of either sign to numbers that are small when the difference is.
fn zigzag(difference: u32) -> u32 {
    (difference << 1) ^ (0_u32.wrapping_sub(difference >> 31))
}

fn unzigzag(number: u32) -> u32 {
    (number >> 1) ^ (0_u32.wrapping_sub(number & 1))
}

struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    next: Expected,
}

impl Writer<'_> {
    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn number(&mut self, mut number: u32) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn length(&mut self, length: usize) {
        self.number(u32::try_from(length).unwrap_or(u32::MAX));
    }

    fn name(&mut self, name: Name) {
        self.number(name.number());
    }

    fn near(&mut self, number: u32, expected: u32) {
        self.number(zigzag(number.wrapping_sub(expected)));
    }

    /// A kind and a number; a small one takes no byte of its own.
    fn head(&mut self, kind: u8, number: u32) {
        match u8::try_from(number) {
            Ok(small) if small < 7 => self.byte(kind | (small + 1) << 5),
            _ => {
                self.byte(kind);
                self.number(number);
            }
        }
    }

    fn head_near(&mut self, kind: u8, number: u32, expected: u32) {
        self.head(kind, zigzag(number.wrapping_sub(expected)));
    }

    fn run(&mut self, kind: u8, list: List) {
        self.head(kind, list.len);
        self.near(list.start, self.next.list);
        self.next.list = list.start.wrapping_add(list.len);
    }

    fn code(&mut self, code: &Code) {
        self.length(code.values.len());
        for (index, value) in (0..).zip(&code.values) {
            self.value(index, value);
        }
        self.length(code.lists.len());
        self.next.value = 0;
        for &value in &code.lists {
            self.operand(value);
        }
        self.next = Expected::default();
        self.length(code.ops.len());
        for op in &code.ops {
            self.op(op);
        }
        self.next = Expected::default();
        self.length(code.calls.len());
        for call in &code.calls {
            self.call(call);
        }
        self.length(code.held.len());
        for set in &code.held {
            self.length(set.len());
            for held in set {
                self.number(held.lock.0);
                self.number(held.region);
            }
        }
        self.length(code.controls.len());
        for (index, control) in (0..).zip(&code.controls) {
            self.control(index, control);
        }
        self.length(code.cells.len());
        for (name, values) in &code.cells {
            self.name(*name);
            self.values(values);
        }
        self.length(code.local_names.len());
        for &(value, name) in &code.local_names {
            self.operand(value);
            self.name(name);
        }
        self.values(&code.returns);
        self.length(code.leaks.len());
        for leak in &code.leaks {
            self.number(leak.lock.0);
            self.range(leak.acquired);
            self.range(leak.exit);
        }
    }

    fn values(&mut self, values: &[ValueId]) {
        self.length(values.len());
        for &value in values {
            self.operand(value);
        }
    }

    /// A value, expected to be the one mentioned last.
    fn operand(&mut self, value: ValueId) {
        self.near(value.0, self.next.value);
        self.next.value = value.0;
    }

    fn loaded_by(&mut self, op: u32) {
        self.near(op, self.next.op);
        self.next.op = op.wrapping_add(1);
    }

    fn value(&mut self, index: u32, value: &Value) {
        // What a value is made of mostly comes right before it.
        let back = |other: ValueId| index.wrapping_sub(other.0);
        match *value {
            Value::Unknown => self.byte(value::UNKNOWN),
            Value::Constant(Constant::Text(Some(name))) => {
                self.byte(value::TEXT);
                self.name(name);
            }
            Value::Constant(constant) => {
                let at = CONSTANTS.iter().position(|&it| it == constant);
                self.byte(value::CONSTANT + at.unwrap_or_default() as u8);
            }
            Value::Parameter(position) => self.head(value::PARAMETER, position.into()),
            Value::Global(name) => {
                self.byte(value::GLOBAL);
                self.name(name);
            }
            Value::Captured(name) => {
                self.byte(value::CAPTURED);
                self.name(name);
            }
            Value::Attribute { base, name, op } => {
                self.head(value::ATTRIBUTE, back(base));
                self.name(name);
                self.loaded_by(op);
            }
            Value::Item { base, key, op } => {
                self.head(value::ITEM, back(base));
                self.number(back(key));
                self.loaded_by(op);
            }
            Value::Element(of) => self.head(value::ELEMENT, back(of)),
            Value::Entered(of) => self.head(value::ENTERED, back(of)),
            Value::Call(call) => {
                self.head_near(value::CALL, call, self.next.call);
                self.next.call = call.wrapping_add(1);
            }
            Value::Container {
                literal,
                elements,
                many,
            } => {
                self.run(value::CONTAINER, elements);
                let at = LITERALS.iter().position(|&it| it == literal);
                self.byte((at.unwrap_or_default() as u8) << 1 | u8::from(many));
            }
            Value::Function(function) => {
                self.head_near(value::FUNCTION, function, self.next.function);
                self.next.function = function.wrapping_add(1);
            }
            Value::Class(class) => {
                self.head_near(value::CLASS, class, self.next.class);
                self.next.class = class.wrapping_add(1);
            }
            Value::Join(list) => self.run(value::JOIN, list),
            Value::Combined(list) => self.run(value::COMBINED, list),
            Value::Module(name) => {
                self.byte(value::MODULE);
                self.name(name);
            }
            Value::Imported { module, name } => {
                self.byte(value::IMPORTED);
                self.name(module);
                self.name(name);
            }
            Value::Super => self.byte(value::SUPER),
            Value::Read(op) => {
                self.byte(value::READ);
                self.loaded_by(op);
            }
        }
    }

    fn range(&mut self, range: Range) {
        self.near(range.start, self.next.start);
        self.number(range.end.wrapping_sub(range.start));
        self.next.start = range.start;
    }

    fn update(&mut self, update: Update) {
        match update {
            Update::Replace => self.number(0),
            Update::Augmented => self.number(1),
            Update::From(op) => {
                self.number(2);
                self.number(op);
            }
        }
    }

    fn op(&mut self, it: &Op) {
        let (kind, flag) = op_kind(&it.kind);
        let mut first = kind;
        if it.in_loop {
            first |= op::IN_LOOP;
        }
        if flag {
            first |= op::FLAG;
        }
        let held = it.held << 1 | u32::from(it.absence_handled);
        let moved = (held, it.control) != (self.next.held, self.next.control);
        if moved {
            first |= op::UNDER;
        }
        self.byte(first);
        if moved {
            self.near(held, self.next.held);
            self.near(it.control, self.next.control);
            (self.next.held, self.next.control) = (held, it.control);
        }
        self.range(it.range);
        match it.kind {
            OpKind::Read { base, name, look } => {
                self.operand(base);
                self.name(name);
                self.look(look);
            }
            OpKind::Write {
                base,
                name,
                value,
                update,
            } => {
                self.operand(base);
                self.name(name);
                self.operand(value);
                self.update(update);
            }
            OpKind::Delete { base, name } => {
                self.operand(base);
                self.name(name);
            }
            OpKind::ReadVariable {
                variable: Variable::Global(name) | Variable::Cell(name),
                look,
            } => {
                self.name(name);
                self.look(look);
            }
            OpKind::WriteVariable {
                variable: Variable::Global(name) | Variable::Cell(name),
                value,
                update,
            } => {
                self.name(name);
                self.operand(value);
                self.update(update);
            }
            OpKind::DeleteVariable {
                variable: Variable::Global(name) | Variable::Cell(name),
            } => self.name(name),
            OpKind::Recall { load, look } => {
                self.number(load);
                self.look(look);
            }
            OpKind::ItemRead { base, key }
            | OpKind::Contains { base, key }
            | OpKind::ItemDelete { base, key, .. } => {
                self.operand(base);
                self.operand(key);
            }
            OpKind::ItemWrite {
                base,
                key,
                value,
                update,
                ..
            } => {
                self.operand(base);
                self.operand(key);
                self.operand(value);
                self.update(update);
            }
            OpKind::Extend { base, value } => {
                self.operand(base);
                self.operand(value);
            }
            OpKind::Call(call) => {
                self.near(call, self.next.call);
                self.next.call = call.wrapping_add(1);
            }
            OpKind::Acquire { lock: it, region }
            | OpKind::Enter {
                context: it,
                region,
                ..
            }
            | OpKind::Exit {
                context: it,
                region,
            } => {
                self.operand(it);
                self.number(region);
            }
            OpKind::Truth { base: it }
            | OpKind::Iterate { base: it }
            | OpKind::Release { lock: it }
            | OpKind::Return { value: it }
            | OpKind::Yield { value: it } => self.operand(it),
        }
    }

    /// How a value is looked at, where the flag of its op does not say it all.
    fn look(&mut self, look: Look) {
        if look != Look::Use {
            let at = LOOKS.iter().position(|&it| it == look);
            self.byte(at.unwrap_or_default() as u8);
        }
    }

    fn call(&mut self, call: &Call) {
        self.byte(
            u8::from(call.starred)
                | u8::from(call.statement) << 1
                | u8::from(call.awaited) << 2
                | u8::from(call.many) << 3
                | u8::from(!call.keywords.is_empty()) << 4,
        );
        self.operand(call.result);
        self.near(call.callee.0, call.result.0);
        self.number(call.arguments.len);
        self.near(call.arguments.start, self.next.list);
        self.next.list = call.arguments.start.wrapping_add(call.arguments.len);
        if !call.keywords.is_empty() {
            self.length(call.keywords.len());
            for &(name, value) in &call.keywords {
                self.name(name);
                self.near(value.0, call.result.0);
            }
        }
    }

    fn control(&mut self, index: u32, control: &Control) {
        let kind = u8::from(control.absent);
        self.head(kind, index.wrapping_sub(control.parent));
        self.near(control.first, self.next.op);
        self.number(control.end.wrapping_sub(control.first));
        self.next.op = control.end;
    }
}

/// The kind of an op, and its [`op::FLAG`].
fn op_kind(kind: &OpKind) -> (u8, bool) {
    let looked = |look: Look| look != Look::Use;
    let either = |variable: Variable, global: u8, cell: u8| match variable {
        Variable::Global(_) => global,
        Variable::Cell(_) => cell,
    };
    match *kind {
        OpKind::Read { look, .. } => (op::READ, looked(look)),
        OpKind::Write { .. } => (op::WRITE, false),
        OpKind::Delete { .. } => (op::DELETE, false),
        OpKind::ReadVariable { variable, look } => (
            either(variable, op::READ_GLOBAL, op::READ_CELL),
            looked(look),
        ),
        OpKind::WriteVariable { variable, .. } => {
            (either(variable, op::WRITE_GLOBAL, op::WRITE_CELL), false)
        }
        OpKind::DeleteVariable { variable } => {
            (either(variable, op::DELETE_GLOBAL, op::DELETE_CELL), false)
        }
        OpKind::Recall { look, .. } => (op::RECALL, looked(look)),
        OpKind::ItemRead { .. } => (op::ITEM_READ, false),
        OpKind::ItemWrite { slice, .. } => (op::ITEM_WRITE, slice),
        OpKind::ItemDelete { slice, .. } => (op::ITEM_DELETE, slice),
        OpKind::Contains { .. } => (op::CONTAINS, false),
        OpKind::Truth { .. } => (op::TRUTH, false),
        OpKind::Iterate { .. } => (op::ITERATE, false),
        OpKind::Extend { .. } => (op::EXTEND, false),
        OpKind::Call(_) => (op::CALL, false),
        OpKind::Acquire { .. } => (op::ACQUIRE, false),
        OpKind::Release { .. } => (op::RELEASE, false),
        OpKind::Enter { is_async, .. } => (op::ENTER, is_async),
        OpKind::Exit { .. } => (op::EXIT, false),
        OpKind::Return { .. } => (op::RETURN, false),
        OpKind::Yield { .. } => (op::YIELD, false),
    }
}

/// Reads what a [`Writer`] has written, in the same order.
struct Reader<'a> {
    bytes: std::slice::Iter<'a, u8>,
    next: Expected,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes: bytes.iter(),
            next: Expected::default(),
        }
    }

    /// Behind the end, which only a [`Packed`] that holds nothing has read, stand zeros.
    fn byte(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or_default()
    }

    fn number(&mut self) -> u32 {
        let mut byte = self.byte();
        let mut number = u32::from(byte & 0x7f);
        let mut shift = 7;
        while byte >= 0x80 && shift < 32 {
            byte = self.byte();
            number |= u32::from(byte & 0x7f) << shift;
            shift += 7;
        }
        number
    }

    fn many<T>(&mut self, mut read: impl FnMut(&mut Self, u32) -> T) -> Vec<T> {
        let length = self.number();
        (0..length).map(|index| read(self, index)).collect()
    }

    fn name(&mut self) -> Name {
        Name::numbered(self.number())
    }

    fn near(&mut self, expected: u32) -> u32 {
        expected.wrapping_add(unzigzag(self.number()))
    }

    /// The number of a head.
    fn head(&mut self, first: u8) -> u32 {
        match first >> 5 {
            0 => self.number(),
            small => u32::from(small) - 1,
        }
    }

    fn head_near(&mut self, first: u8, expected: u32) -> u32 {
        expected.wrapping_add(unzigzag(self.head(first)))
    }

    fn run(&mut self, first: u8) -> List {
        let len = self.head(first);
        let start = self.near(self.next.list);
        self.next.list = start.wrapping_add(len);
        List { start, len }
    }

    fn code(&mut self) -> Code {
        let values = self.many(Self::value);
        self.next.value = 0;
        let lists = self.many(|it, _| it.operand());
        self.next = Expected::default();
        let ops = self.many(|it, _| it.op());
        self.next = Expected::default();
        let calls = self.many(|it, _| it.call());
        let held = self.many(|it, _| {
            it.many(|it, _| Held {
                lock: ValueId(it.number()),
                region: it.number(),
            })
        });
        let controls = self.many(Self::control);
        let cells = self.many(|it, _| (it.name(), it.values()));
        let local_names = self.many(|it, _| (it.operand(), it.name()));
        let returns = self.values();
        let leaks = self.many(|it, _| Leak {
            lock: ValueId(it.number()),
            acquired: it.range(),
            exit: it.range(),
        });
        Code {
            values,
            lists,
            ops,
            calls,
            held,
            controls,
            cells,
            local_names,
            returns,
            leaks,
        }
    }

    fn values(&mut self) -> Vec<ValueId> {
        self.many(|it, _| it.operand())
    }

    fn operand(&mut self) -> ValueId {
        let value = self.near(self.next.value);
        self.next.value = value;
        ValueId(value)
    }

    fn loaded_by(&mut self) -> u32 {
        let op = self.near(self.next.op);
        self.next.op = op.wrapping_add(1);
        op
    }

    fn value(&mut self, index: u32) -> Value {
        let back = |distance: u32| ValueId(index.wrapping_sub(distance));
        let first = self.byte();
        match first & KIND {
            value::TEXT => Value::Constant(Constant::Text(Some(self.name()))),
            constant @ value::CONSTANT..value::TEXT => {
                Value::Constant(CONSTANTS[usize::from(constant - value::CONSTANT)])
            }
            value::PARAMETER => Value::Parameter(self.head(first) as u16),
            value::GLOBAL => Value::Global(self.name()),
            value::CAPTURED => Value::Captured(self.name()),
            value::ATTRIBUTE => Value::Attribute {
                base: back(self.head(first)),
                name: self.name(),
                op: self.loaded_by(),
            },
            value::ITEM => Value::Item {
                base: back(self.head(first)),
                key: back(self.number()),
                op: self.loaded_by(),
            },
            value::ELEMENT => Value::Element(back(self.head(first))),
            value::ENTERED => Value::Entered(back(self.head(first))),
            value::CALL => {
                let call = self.head_near(first, self.next.call);
                self.next.call = call.wrapping_add(1);
                Value::Call(call)
            }
            value::CONTAINER => {
                let elements = self.run(first);
                let byte = self.byte();
                Value::Container {
                    literal: LITERALS[usize::from(byte >> 1) % LITERALS.len()],
                    elements,
                    many: byte & 1 != 0,
                }
            }
            value::FUNCTION => {
                let function = self.head_near(first, self.next.function);
                self.next.function = function.wrapping_add(1);
                Value::Function(function)
            }
            value::CLASS => {
                let class = self.head_near(first, self.next.class);
                self.next.class = class.wrapping_add(1);
                Value::Class(class)
            }
            value::JOIN => Value::Join(self.run(first)),
            value::COMBINED => Value::Combined(self.run(first)),
            value::MODULE => Value::Module(self.name()),
            value::IMPORTED => Value::Imported {
                module: self.name(),
                name: self.name(),
            },
            value::SUPER => Value::Super,
            value::READ => Value::Read(self.loaded_by()),
            _ => Value::Unknown,
        }
    }

    fn range(&mut self) -> Range {
        let start = self.near(self.next.start);
        self.next.start = start;
        let end = start.wrapping_add(self.number());
        Range { start, end }
    }

    fn update(&mut self) -> Update {
        match self.number() {
            0 => Update::Replace,
            1 => Update::Augmented,
            _ => Update::From(self.number()),
        }
    }

    fn look(&mut self, flag: bool) -> Look {
        if flag {
            LOOKS[usize::from(self.byte()) % LOOKS.len()]
        } else {
            Look::Use
        }
    }

    fn op(&mut self) -> Op {
        let first = self.byte();
        let flag = first & op::FLAG != 0;
        if first & op::UNDER != 0 {
            self.next.held = self.near(self.next.held);
            self.next.control = self.near(self.next.control);
        }
        let range = self.range();
        Op {
            kind: self.op_kind(first & KIND, flag),
            range,
            held: self.next.held >> 1,
            control: self.next.control,
            in_loop: first & op::IN_LOOP != 0,
            absence_handled: self.next.held & 1 != 0,
        }
    }

    fn op_kind(&mut self, kind: u8, flag: bool) -> OpKind {
        match kind {
            op::READ => OpKind::Read {
                base: self.operand(),
                name: self.name(),
                look: self.look(flag),
            },
            op::WRITE => OpKind::Write {
                base: self.operand(),
                name: self.name(),
                value: self.operand(),
                update: self.update(),
            },
            op::DELETE => OpKind::Delete {
                base: self.operand(),
                name: self.name(),
            },
            op::READ_GLOBAL | op::READ_CELL => OpKind::ReadVariable {
                variable: self.variable(kind == op::READ_CELL),
                look: self.look(flag),
            },
            op::WRITE_GLOBAL | op::WRITE_CELL => OpKind::WriteVariable {
                variable: self.variable(kind == op::WRITE_CELL),
                value: self.operand(),
                update: self.update(),
            },
            op::DELETE_GLOBAL | op::DELETE_CELL => OpKind::DeleteVariable {
                variable: self.variable(kind == op::DELETE_CELL),
            },
            op::RECALL => OpKind::Recall {
                load: self.number(),
                look: self.look(flag),
            },
            op::ITEM_READ => OpKind::ItemRead {
                base: self.operand(),
                key: self.operand(),
            },
            op::ITEM_WRITE => OpKind::ItemWrite {
                base: self.operand(),
                key: self.operand(),
                value: self.operand(),
                update: self.update(),
                slice: flag,
            },
            op::ITEM_DELETE => OpKind::ItemDelete {
                base: self.operand(),
                key: self.operand(),
                slice: flag,
            },
            op::CONTAINS => OpKind::Contains {
                base: self.operand(),
                key: self.operand(),
            },
            op::TRUTH => OpKind::Truth {
                base: self.operand(),
            },
            op::ITERATE => OpKind::Iterate {
                base: self.operand(),
            },
            op::EXTEND => OpKind::Extend {
                base: self.operand(),
                value: self.operand(),
            },
            op::ACQUIRE => OpKind::Acquire {
                lock: self.operand(),
                region: self.number(),
            },
            op::RELEASE => OpKind::Release {
                lock: self.operand(),
            },
            op::ENTER => OpKind::Enter {
                context: self.operand(),
                region: self.number(),
                is_async: flag,
            },
            op::EXIT => OpKind::Exit {
                context: self.operand(),
                region: self.number(),
            },
            op::RETURN => OpKind::Return {
                value: self.operand(),
            },
            op::YIELD => OpKind::Yield {
                value: self.operand(),
            },
            // `op::CALL`; nothing else is written.
            _ => {
                let call = self.near(self.next.call);
                self.next.call = call.wrapping_add(1);
                OpKind::Call(call)
            }
        }
    }

    fn variable(&mut self, cell: bool) -> Variable {
        let name = self.name();
        if cell {
            Variable::Cell(name)
        } else {
            Variable::Global(name)
        }
    }

    fn call(&mut self) -> Call {
        let flags = self.byte();
        let flag = |bit: u8| flags & 1 << bit != 0;
        let result = self.operand();
        let callee = ValueId(self.near(result.0));
        let len = self.number();
        let start = self.near(self.next.list);
        self.next.list = start.wrapping_add(len);
        let keywords = if flag(4) {
            self.many(|it, _| (it.name(), ValueId(it.near(result.0))))
        } else {
            Vec::new()
        };
        Call {
            callee,
            result,
            arguments: List { start, len },
            keywords,
            starred: flag(0),
            statement: flag(1),
            awaited: flag(2),
            many: flag(3),
        }
    }

    fn control(&mut self, index: u32) -> Control {
        let head = self.byte();
        let parent = index.wrapping_sub(self.head(head));
        let first = self.near(self.next.op);
        let end = first.wrapping_add(self.number());
        self.next.op = end;
        Control {
            parent,
            first,
            end,
            absent: head & KIND != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::module_facts;
    use crate::source::parse::parse;

    /// Every kind of value and op, some of them far from where they are expected.
    const SOURCE: &str = r#"
import os.path, threading
from queue import Queue as Q

count = 0
lock = threading.Lock()

class Base:
    table = {}

class Store(Base):
    def __init__(self, size=1, *rest, **more):
        super().__init__()
        self.items: list = [None, True, False, 1, 2.5, "name", b"bytes", "not a name " * 40]
        self.first, *self.others = rest
        self.key = size or more.get("size", 3) + 1

    @property
    def total(self):
        return sum(it for it in self.items if it is not None)

    def take(self, key, *, wait=False):
        global count
        seen = {"a": 1, **{}}
        if lock.acquire(wait):
            try:
                count += 1
                if key in self.table and not self.table[key]:
                    del self.table[key]
                self.table[key] = self.table.get(key, 0) + len(seen)
                self.table[1:2] = []
                del self.table[:]
            except KeyError:
                return None
            finally:
                lock.release()
        while self.items:
            with lock, open(os.path.join("a", key)) as file:
                for line in file:
                    self.items += [line]
                    if self.key is None:
                        break
            seen += [key, (key,), {key}]
        del self.key, seen
        return lambda: (key, self.table)

def outer(function):
    cell = Q(maxsize=3)
    def inner(*args):
        nonlocal cell
        cell = yield from function(*args)
        yield cell
        if cell == 3:
            del cell
    return inner

async def run(session):
    async with session.get("x") as reply:
        await reply.read(**{"a": 1})
    async for part in reply:
        print(part)
    found = await session.find(1, *[2], key=3)
    return found

def forget():
    global count
    del count
"#;

    #[test]
    fn what_is_packed_is_unpacked() {
        let parsed = parse(SOURCE).ok();
        let facts = parsed.map(|parsed| module_facts("module.py", SOURCE, &parsed));
        let functions = facts.map(|it| it.functions).unwrap_or_default();
        assert_eq!(functions.len(), 9);
        for function in &functions {
            assert_eq!(function.code.unpack(), **function, "{}", function.name);
        }
    }

    #[test]
    fn numbers_of_any_size_are_kept() {
        let numbers = [
            0,
            1,
            6,
            7,
            0x7f,
            0x80,
            1 << 16,
            1 << 31,
            u32::MAX - 1,
            u32::MAX,
        ];
        let mut code = Code::default();
        for number in numbers {
            let id = ValueId(number);
            let list = List {
                start: number,
                len: number,
            };
            let name = Name::new("name");
            code.values.extend([
                Value::Attribute {
                    base: id,
                    name,
                    op: number,
                },
                Value::Call(number),
                Value::Join(list),
                Value::Parameter(number as u16),
                Value::Read(number),
            ]);
            code.lists.push(id);
            code.ops.push(Op {
                kind: OpKind::Write {
                    base: id,
                    name,
                    value: id,
                    update: Update::From(number),
                },
                range: Range {
                    start: number,
                    end: 5,
                },
                // One bit beside it tells whether absence is handled.
                held: number >> 1,
                control: number,
                in_loop: number == 0,
                absence_handled: number == 7,
            });
            code.calls.push(Call {
                callee: id,
                result: ValueId(3),
                arguments: list,
                keywords: vec![(name, id)],
                starred: true,
                statement: false,
                awaited: true,
                many: false,
            });
            code.controls.push(Control {
                parent: number,
                first: 9,
                end: number,
                absent: number > 3,
            });
            let held = Held {
                lock: id,
                region: number,
            };
            code.held.push(vec![held]);
            code.cells.push((name, vec![id]));
            code.local_names.push((id, name));
            code.returns.push(id);
        }
        let packed = Packed::new(code.clone(), &mut Vec::new());
        assert_eq!(packed.unpack(), code);
    }
}
