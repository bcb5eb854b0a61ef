//! The state of a path: partly known registers, flags and memory.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

use crate::audit::binary::definition::{GilSlot, Memory};
use crate::audit::binary::image::Image;

/// How much of the stack distinguishes two paths, in 8-byte cells.
const FRAME_CELLS: u64 = 24;

/// A number, when it is known.
pub type Value = Option<u64>;

/// Half a vector register, as two words: structures have padding of that size, so a slot's number is
/// known where the bytes beside it are not.
pub(super) type Half = [Value; 2];

/// Nothing known.
pub(super) const UNKNOWN: Half = [None; 2];

pub(super) fn split(value: Value) -> Half {
    [
        value.map(|it| it & u64::from(u32::MAX)),
        value.map(|it| it >> 32),
    ]
}

pub(super) fn join(half: Half) -> Value {
    half[0].zip(half[1]).map(|(low, high)| low | high << 32)
}

/// Where a machine's calling convention keeps things, as positions in [`State::general`]. The
/// result is at position 0 everywhere.
pub(super) struct Convention {
    pub arguments: &'static [usize],
    /// What a call leaves unknown.
    pub clobbered: &'static [usize],
    /// What distinguishes two paths that meet: registers that survive calls, and the result.
    pub surviving: &'static [usize],
    pub stack: usize,
    /// A call pushes the return address.
    pub pushes_return: bool,
}

/// Comparison results; `None` is unknown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub zero: Option<bool>,
    pub sign: Option<bool>,
    pub carry: Option<bool>,
    pub overflow: Option<bool>,
}

/// Eight bytes of memory; bit n of the masks is byte n.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cell {
    pub bytes: [u8; 8],
    pub known: u8,
    /// Known or not, something was stored there.
    pub written: u8,
}

impl Cell {
    /// The number it holds, with zero for unknown bytes.
    fn known_bytes(&self) -> u64 {
        let mut bytes = self.bytes;
        for (position, byte) in bytes.iter_mut().enumerate() {
            if self.known & (1 << position) == 0 {
                *byte = 0;
            }
        }
        u64::from_le_bytes(bytes)
    }

    /// The whole of it. The upper half of a cell of which only the lower one was ever written is
    /// padding: compilers copy it along, and nothing depends on what it holds.
    fn whole(&self) -> Option<u64> {
        let padded = self.known == 0x0f && self.written == 0x0f;
        if padded {
            Some(u64::from_le_bytes(self.bytes) & mask(4))
        } else {
            (self.known == 0xff).then(|| u64::from_le_bytes(self.bytes))
        }
    }
}

/// One path: registers, memory written so far, and what the interpreter was told.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub ip: u64,
    pub general: [Value; 32],
    pub vector: Vec<[Half; 2]>,
    pub flags: Flags,
    /// Written memory, by the address of its cell.
    pub memory: FxHashMap<u64, Cell>,
    /// Where calls return to. Return addresses are kept apart from the stack, which unknown code
    /// may have written.
    pub calls: Vec<u64>,
    pub next_object: u64,
    /// Definitions given to `PyModuleDef_Init`.
    pub definitions: Vec<u64>,
    /// Modules created here, and what was said about their GIL.
    pub modules: Vec<(u64, GilSlot)>,
    pub steps: u32,
}

pub(super) struct View<'s, 'i, 'd> {
    pub state: &'s State,
    pub image: &'i Image<'d>,
}

impl Memory for View<'_, '_, '_> {
    fn read(&self, address: u64, size: u64) -> Option<u64> {
        read(self.state, self.image, address, size)
    }
}

pub(super) fn read(state: &State, image: &Image<'_>, address: u64, size: u64) -> Option<u64> {
    let last = address.wrapping_add(size.saturating_sub(1));
    let untouched = |at: u64| !state.memory.contains_key(&(at & !7));
    if untouched(address) && untouched(last) {
        return image.read(address, size);
    }
    if size == 8
        && address & 7 == 0
        && let Some(cell) = state.memory.get(&address)
    {
        return cell.whole();
    }
    let mut value = 0;
    for index in 0..size.min(8) {
        let at = address.wrapping_add(index);
        let byte = match state.memory.get(&(at & !7)) {
            Some(cell) => {
                let position = (at & 7) as usize;
                if cell.known & (1 << position) == 0 {
                    return None;
                }
                cell.bytes[position]
            }
            None => image.byte(at)?,
        };
        value |= u64::from(byte) << (8 * index);
    }
    Some(value)
}

pub(super) fn mask(size: usize) -> u64 {
    if size >= 8 {
        u64::MAX
    } else {
        (1 << (8 * size)) - 1
    }
}

pub(super) fn sign_extend(value: u64, size: usize) -> u64 {
    let shift = 64 - 8 * size.clamp(1, 8) as u32;
    (((value << shift) as i64) >> shift).cast_unsigned()
}

/// Two paths that meet again with the same history are one: what the interpreter was told, where
/// calls return to, the registers that survive calls, and the stack frame.
pub(super) fn history(state: &State, convention: &Convention) -> u64 {
    let mut hasher = FxHasher::default();
    (&state.calls, &state.definitions, &state.modules).hash(&mut hasher);
    for &position in convention.surviving {
        state.general[position].hash(&mut hasher);
    }
    if let Some(stack) = state.general[convention.stack] {
        for cell in 0..FRAME_CELLS {
            let cell = state.memory.get(&((stack & !7).wrapping_add(8 * cell)));
            cell.map(|it| (it.known, it.known_bytes()))
                .hash(&mut hasher);
        }
    }
    hasher.finish()
}
