//! Vector instructions, as far as compilers use them to fill and copy structures.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::{register, set_register};
use crate::audit::binary::execute::Executor;
use crate::audit::binary::execute::machine::{Half, State, UNKNOWN, join, split};

const ZERO: Half = [Some(0); 2];

/// The position of a vector register, whatever part of it is named.
pub fn vector_index(register: Register) -> Option<usize> {
    register
        .is_vector_register()
        .then(|| register.number() % 32)
}

impl Executor<'_, '_> {
    /// The vector instructions that compilers use to fill structures. Returns false for others.
    pub(super) fn vector(&mut self, state: &mut State, instruction: &Instruction) -> bool {
        use Mnemonic as M;
        let lanes = |executor: &mut Self, state: &State, operand: u32, size: usize| -> [Half; 2] {
            match instruction.op_kind(operand) {
                OpKind::Register => {
                    let register_ = instruction.op_register(operand);
                    match vector_index(register_) {
                        Some(index) => state.vector[index],
                        None => [split(register(state, register_)), ZERO],
                    }
                }
                OpKind::Memory => {
                    let address = Self::address(state, instruction);
                    match size {
                        16 => [
                            executor.load_half(state, address),
                            executor.load_half(state, address.map(|it| it.wrapping_add(8))),
                        ],
                        8 => [executor.load_half(state, address), ZERO],
                        _ => [[executor.load(state, address, 4), Some(0)], ZERO],
                    }
                }
                _ => [UNKNOWN; 2],
            }
        };
        let store = |executor: &mut Self, state: &mut State, value: [Half; 2], size: usize| {
            match instruction.op0_kind() {
                OpKind::Register => {
                    let register = instruction.op0_register();
                    match vector_index(register) {
                        Some(index) if register.is_xmm() => state.vector[index] = value,
                        Some(index) => state.vector[index] = [UNKNOWN; 2],
                        None if size == 4 => set_register(state, register, value[0][0]),
                        None => set_register(state, register, join(value[0])),
                    }
                }
                _ => {
                    let address = Self::address(state, instruction);
                    if size == 4 {
                        executor.store(state, address, 4, value[0][0]);
                        return;
                    }
                    executor.store_half(state, address, value[0]);
                    if size == 16 {
                        let upper = address.map(|it| it.wrapping_add(8));
                        executor.store_half(state, upper, value[1]);
                    }
                }
            }
        };
        let wide = |operand| {
            instruction.op_kind(operand) == OpKind::Register
                && (instruction.op_register(operand).is_ymm()
                    || instruction.op_register(operand).is_zmm())
        };
        if wide(0) || wide(1) {
            return false;
        }
        match instruction.mnemonic() {
            M::Movaps
            | M::Movups
            | M::Movdqa
            | M::Movdqu
            | M::Movapd
            | M::Movupd
            | M::Vmovaps
            | M::Vmovups
            | M::Vmovdqa
            | M::Vmovdqu
            | M::Vmovapd
            | M::Vmovupd
            | M::Movntdq
            | M::Movntps => {
                let value = lanes(self, state, 1, 16);
                store(self, state, value, 16);
            }
            M::Movq | M::Vmovq => {
                let value = [lanes(self, state, 1, 8)[0], ZERO];
                store(self, state, value, 8);
            }
            M::Movd | M::Vmovd => {
                let value = lanes(self, state, 1, 4)[0][0];
                store(self, state, [[value, Some(0)], ZERO], 4);
            }
            M::Movhps | M::Movhpd => {
                if instruction.op0_kind() == OpKind::Register {
                    let upper = lanes(self, state, 1, 8)[0];
                    if let Some(index) = vector_index(instruction.op0_register()) {
                        state.vector[index][1] = upper;
                    }
                } else {
                    let value = lanes(self, state, 1, 16)[1];
                    store(self, state, [value, UNKNOWN], 8);
                }
            }
            M::Movlps | M::Movlpd => {
                if instruction.op0_kind() == OpKind::Register {
                    let lower = lanes(self, state, 1, 8)[0];
                    if let Some(index) = vector_index(instruction.op0_register()) {
                        state.vector[index][0] = lower;
                    }
                } else {
                    let value = lanes(self, state, 1, 16)[0];
                    store(self, state, [value, UNKNOWN], 8);
                }
            }
            M::Punpcklqdq | M::Movlhps | M::Unpcklpd => {
                let lower = lanes(self, state, 0, 16)[0];
                let upper = lanes(self, state, 1, 16)[0];
                store(self, state, [lower, upper], 16);
            }
            M::Movddup => {
                let lower = lanes(self, state, 1, 8)[0];
                store(self, state, [lower, lower], 16);
            }
            M::Pinsrq => {
                let value = self.operand(state, instruction, 1);
                let lane = (instruction.immediate8() & 1) as usize;
                if let Some(index) = vector_index(instruction.op0_register()) {
                    state.vector[index][lane] = split(value);
                }
            }
            M::Pxor | M::Xorps | M::Xorpd | M::Vpxor | M::Vxorps | M::Vxorpd => {
                let last = instruction.op_count() - 1;
                let same = instruction.op_kind(last) == OpKind::Register
                    && instruction.op_kind(last - 1) == OpKind::Register
                    && instruction.op_register(last) == instruction.op_register(last - 1);
                if same {
                    store(self, state, [ZERO; 2], 16);
                } else if last == 1 {
                    let left = lanes(self, state, 0, 16);
                    let right = lanes(self, state, 1, 16);
                    let word = |half: usize, word: usize| {
                        left[half][word].zip(right[half][word]).map(|(a, b)| a ^ b)
                    };
                    let lane = |half| [word(half, 0), word(half, 1)];
                    store(self, state, [lane(0), lane(1)], 16);
                } else {
                    return false;
                }
            }
            _ => return false,
        }
        true
    }
}
