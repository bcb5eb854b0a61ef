//! The state of a path: partly known registers, flags and memory.

use std::hash::{Hash, Hasher};

use iced_x86::{ConditionCode, Register};
use rustc_hash::{FxHashMap, FxHasher};

use super::vector::{Half, UNKNOWN, vector_index};
use crate::audit::binary::definition::{GilSlot, Memory};
use crate::audit::binary::image::Image;

/// How much of the stack distinguishes two paths, in 8-byte cells.
const FRAME_CELLS: u64 = 24;

/// A number, when it is known.
pub type Value = Option<u64>;

/// Comparison results; `None` is unknown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub zero: Option<bool>,
    pub sign: Option<bool>,
    pub carry: Option<bool>,
    pub overflow: Option<bool>,
}

/// One path: registers, memory written so far, and what the interpreter was told.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub ip: u64,
    pub general: [Value; 16],
    pub vector: Vec<[Half; 2]>,
    pub flags: Flags,
    /// Written memory in 8-byte cells: bytes, and which of them are known.
    pub memory: FxHashMap<u64, ([u8; 8], u8)>,
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
    let mut value = 0;
    for index in 0..size.min(8) {
        let at = address.wrapping_add(index);
        let byte = match state.memory.get(&(at & !7)) {
            Some((bytes, known)) => {
                let position = (at & 7) as usize;
                if known & (1 << position) == 0 {
                    return None;
                }
                bytes[position]
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
pub(super) fn history(state: &State) -> u64 {
    const SURVIVING: [usize; 8] = [0, 3, 4, 5, 12, 13, 14, 15];
    let mut hasher = FxHasher::default();
    (&state.calls, &state.definitions, &state.modules).hash(&mut hasher);
    for position in SURVIVING {
        state.general[position].hash(&mut hasher);
    }
    if let Some(stack) = state.general[4] {
        for cell in 0..FRAME_CELLS {
            state
                .memory
                .get(&((stack & !7).wrapping_add(8 * cell)))
                .hash(&mut hasher);
        }
    }
    hasher.finish()
}

pub(super) fn register(state: &State, register: Register) -> Value {
    if !register.is_gpr() {
        return match register {
            Register::RIP => Some(state.ip),
            _ => None,
        };
    }
    let value = state.general[register.full_register().number() % 16]?;
    Some(match register.size() {
        8 => value,
        4 => value & mask(4),
        2 => value & mask(2),
        _ if is_high_byte(register) => value >> 8 & 0xff,
        _ => value & 0xff,
    })
}

pub(super) fn is_high_byte(register: Register) -> bool {
    matches!(
        register,
        Register::AH | Register::BH | Register::CH | Register::DH
    )
}

pub(super) fn set_register(state: &mut State, register: Register, value: Value) {
    if let Some(index) = vector_index(register) {
        state.vector[index] = [UNKNOWN; 2];
        return;
    }
    if !register.is_gpr() {
        return;
    }
    let slot = &mut state.general[register.full_register().number() % 16];
    *slot = match register.size() {
        8 => value,
        4 => value.map(|it| it & mask(4)),
        2 => slot
            .zip(value)
            .map(|(old, new)| old & !mask(2) | new & mask(2)),
        _ if is_high_byte(register) => slot
            .zip(value)
            .map(|(old, new)| old & !0xff00 | (new & 0xff) << 8),
        _ => slot.zip(value).map(|(old, new)| old & !0xff | new & 0xff),
    };
}

pub(super) fn condition(flags: Flags, code: ConditionCode) -> Option<bool> {
    let Flags {
        zero,
        sign,
        carry,
        overflow,
    } = flags;
    let less = sign.zip(overflow).map(|(sign, overflow)| sign != overflow);
    let either = |a: Option<bool>, b: Option<bool>| match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    };
    let not = |it: Option<bool>| it.map(|it| !it);
    match code {
        ConditionCode::o => overflow,
        ConditionCode::no => not(overflow),
        ConditionCode::b => carry,
        ConditionCode::ae => not(carry),
        ConditionCode::e => zero,
        ConditionCode::ne => not(zero),
        ConditionCode::be => either(carry, zero),
        ConditionCode::a => not(either(carry, zero)),
        ConditionCode::s => sign,
        ConditionCode::ns => not(sign),
        ConditionCode::l => less,
        ConditionCode::ge => not(less),
        ConditionCode::le => either(less, zero),
        ConditionCode::g => not(either(less, zero)),
        _ => None,
    }
}
