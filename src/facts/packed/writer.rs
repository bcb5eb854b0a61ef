//! Writing: code to bytes.

use super::{CONSTANTS, Expected, LITERALS, LOOKS, op, value, zigzag};
use crate::facts::{
    Call, Code, Constant, Control, List, Look, Op, OpKind, Update, Value, ValueId, Variable, WayOut,
};
use crate::source::name::Name;
use crate::source::span::Range;

/// Writes code.
pub(super) struct Writer<'a> {
    pub(super) bytes: &'a mut Vec<u8>,
    pub(super) next: Expected,
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

    pub(super) fn code(&mut self, code: &Code) {
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
        self.length(code.loops.len());
        for it in &code.loops {
            self.number(it.first);
            self.number(it.end.wrapping_sub(it.first));
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
            match leak.by {
                WayOut::Statement => self.number(0),
                WayOut::Raise => self.number(1),
                WayOut::Thrown => self.number(2),
                WayOut::Call(call) => {
                    self.number(3);
                    self.number(call);
                }
            }
        }
        self.byte(u8::from(code.raises));
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
        let exceptions = u32::from(it.refusal_handled) << 2
            | u32::from(it.in_handler) << 1
            | u32::from(it.absence_handled);
        let held = it.held << 3 | exceptions;
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
            OpKind::Upset { base, change } => {
                self.operand(base);
                self.number(change);
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
                | u8::from(!call.keywords.is_empty()) << 4
                | u8::from(call.caught) << 5
                | u8::from(call.in_turn) << 6,
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
        OpKind::Upset { .. } => (op::UPSET, false),
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
