//! What a function does, in a tenth of the memory: a run of bytes that is unpacked when somebody
//! follows the function.
//!
//! Of a large program few functions are ever followed, and the tables of [`Code`] are most of what
//! is known of the others. In the bytes a number is told by how far it is from where one like it
//! would be expected (the next call, the value before, the op after the last one), seven bits to a
//! byte, so most take one. Names are numbers of this process: bytes are never kept on disk.
mod reader;
mod writer;

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Code, Constant, Function, Literal, Look};
use reader::Reader;
use writer::Writer;

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
    pub const UPSET: u8 = 24;

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

#[cfg(test)]
mod tests {
    use super::Packed;
    use crate::facts::{
        Call, Code, Control, Held, Leak, List, Loop, Op, OpKind, Update, Value, ValueId, WayOut,
        module_facts,
    };
    use crate::source::name::Name;
    use crate::source::parse::parse;
    use crate::source::span::Range;

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
            for key in seen:
                seen.pop(key)
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
                // Three bits beside it tell of exceptions.
                held: number >> 3,
                control: number,
                in_loop: number == 0,
                absence_handled: number == 7,
                refusal_handled: number % 3 == 1,
                in_handler: number > 7,
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
                caught: number == 6,
                in_turn: true,
            });
            code.loops.push(Loop {
                first: number,
                end: number.wrapping_add(3),
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
            code.leaks.push(Leak {
                lock: id,
                acquired: Range {
                    start: 2,
                    end: number,
                },
                exit: Range {
                    start: number,
                    end: 7,
                },
                by: WayOut::Call(number),
            });
        }
        code.raises = true;
        let packed = Packed::new(code.clone(), &mut Vec::new());
        assert_eq!(packed.unpack(), code);
    }
}
