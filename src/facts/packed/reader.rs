//! Reading: bytes to the code that was written.

use super::{CONSTANTS, Expected, KIND, LITERALS, LOOKS, op, unzigzag, value};
use crate::facts::{
    Call, Code, Constant, Control, Held, Leak, List, Look, Loop, Op, OpKind, Update, Value,
    ValueId, Variable, WayOut,
};
use crate::source::name::Name;
use crate::source::span::Range;

/// Reads what a [`Writer`](super::writer::Writer) has written, in the same order.
pub(super) struct Reader<'a> {
    bytes: std::slice::Iter<'a, u8>,
    next: Expected,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
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

    pub(super) fn code(&mut self) -> Code {
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
        let loops = self.many(|it, _| {
            let first = it.number();
            let end = first.wrapping_add(it.number());
            Loop { first, end }
        });
        let cells = self.many(|it, _| (it.name(), it.values()));
        let local_names = self.many(|it, _| (it.operand(), it.name()));
        let returns = self.values();
        let leaks = self.many(|it, _| Leak {
            lock: ValueId(it.number()),
            acquired: it.range(),
            exit: it.range(),
            by: match it.number() {
                0 => WayOut::Statement,
                1 => WayOut::Raise,
                2 => WayOut::Thrown,
                _ => WayOut::Call(it.number()),
            },
        });
        let raises = self.byte() != 0;
        Code {
            values,
            lists,
            ops,
            calls,
            held,
            controls,
            loops,
            cells,
            local_names,
            returns,
            leaks,
            raises,
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
            held: self.next.held >> 3,
            control: self.next.control,
            in_loop: first & op::IN_LOOP != 0,
            absence_handled: self.next.held & 1 != 0,
            in_handler: self.next.held & 2 != 0,
            refusal_handled: self.next.held & 4 != 0,
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
            op::UPSET => OpKind::Upset {
                base: self.operand(),
                change: self.number(),
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
            caught: flag(5),
            in_turn: flag(6),
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
