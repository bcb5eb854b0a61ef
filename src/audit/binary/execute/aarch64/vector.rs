//! Vector instructions, as far as compilers use them to fill and copy structures.

use super::{bits, register, set_data};
use crate::audit::binary::execute::Executor;
use crate::audit::binary::execute::machine::{Flags, Half, State, UNKNOWN, Value, join, split};

const ZERO: Half = [Some(0); 2];

/// A vector register of which nothing is known.
pub(super) const NOTHING: [Half; 2] = [UNKNOWN; 2];

impl Executor<'_, '_> {
    pub(super) fn load_vector(
        &mut self,
        state: &mut State,
        position: usize,
        address: Value,
        size: usize,
    ) {
        state.vector[position] = match size {
            16 => [
                self.load_half(state, address),
                self.load_half(state, address.map(|it| it.wrapping_add(8))),
            ],
            8 => [self.load_half(state, address), ZERO],
            _ => [[self.load(state, address, size), Some(0)], ZERO],
        };
    }

    pub(super) fn store_vector(
        &mut self,
        state: &mut State,
        position: usize,
        address: Value,
        size: usize,
    ) {
        let [low, high] = state.vector[position];
        if size < 8 {
            self.store(state, address, size, low[0]);
            return;
        }
        self.store_half(state, address, low);
        if size == 16 {
            self.store_half(state, address.map(|it| it.wrapping_add(8)), high);
        }
    }
}

/// Data processing between vector registers, and between them and general ones.
pub(super) fn compute(state: &mut State, word: u32) {
    let (target, source) = (register(word, 0), register(word, 5));
    let other = register(word, 16);
    let full = bits(word, 30, 1) == 1;
    let from_general = |state: &State| match source {
        31 => Some(0),
        position => state.general[position],
    };
    // An element of eight bytes is named by a one in bit 3 of its field, its number by bit 4.
    let element = bits(word, 16, 5);
    let lane = (element >> 4) as usize;
    let doubles = element & 0b1111 == 0b1000;
    match word {
        // MOVI of zero, in all its forms.
        _ if word & 0x9ff8_0c00 == 0x0f00_0400
            && bits(word, 16, 3) == 0
            && bits(word, 5, 5) == 0
            && !inverts(word) =>
        {
            state.vector[target] = [ZERO; 2];
        }
        // FMOV between a general register and the low part of a vector register.
        _ if word & 0xffff_fc00 == 0x9e67_0000 => {
            state.vector[target] = [split(from_general(state)), ZERO];
        }
        _ if word & 0xffff_fc00 == 0x1e27_0000 => {
            let low = split(from_general(state))[0];
            state.vector[target] = [[low, Some(0)], ZERO];
        }
        _ if word & 0xffff_fc00 == 0x9e66_0000 => {
            let value = join(state.vector[source][0]);
            set_data(state, target, true, value);
        }
        _ if word & 0xffff_fc00 == 0x1e26_0000 => {
            let value = state.vector[source][0][0];
            set_data(state, target, false, value);
        }
        // FMOV, ORR with itself: a copy.
        _ if word & 0xffff_fc00 == 0x1e60_4000 => {
            state.vector[target] = [state.vector[source][0], ZERO];
        }
        _ if word & 0xbfe0_fc00 == 0x0ea0_1c00 && source == other => {
            let upper = if full { state.vector[source][1] } else { ZERO };
            state.vector[target] = [state.vector[source][0], upper];
        }
        // DUP and INS, from a general register and from an element.
        _ if word & 0xbfe0_fc00 == 0x0e00_0c00 => {
            let value = from_general(state);
            let half = match element & 0b1111 {
                0b1000 => split(value),
                0b0100 | 0b1100 => [split(value)[0]; 2],
                _ => UNKNOWN,
            };
            state.vector[target] = [half, if full { half } else { ZERO }];
        }
        _ if word & 0xffe0_fc00 == 0x4e00_1c00 && doubles => {
            state.vector[target][lane] = split(from_general(state));
        }
        _ if word & 0xffe0_fc00 == 0x4e00_0400 && doubles => {
            state.vector[target] = [state.vector[source][lane]; 2];
        }
        _ if word & 0xffe0_8400 == 0x6e00_0400 && doubles => {
            state.vector[target][lane] = state.vector[source][bits(word, 14, 1) as usize];
        }
        // UMOV of an element of eight bytes.
        _ if word & 0xffe0_fc00 == 0x4e00_3c00 && doubles => {
            let value = join(state.vector[source][lane]);
            set_data(state, target, true, value);
        }
        // ZIP1 of elements of eight bytes.
        _ if word & 0xffe0_fc00 == 0x4ec0_3800 => {
            state.vector[target] = [state.vector[source][0], state.vector[other][0]];
        }
        _ => {
            state.vector[target] = NOTHING;
            // UMOV, SMOV and conversions write a general register, comparisons the flags.
            let moves = word & 0xbfe0_ec00 == 0x0e00_2c00;
            let converts = word & 0x7f20_fc00 == 0x1e20_0000 || word & 0x7f20_0000 == 0x1e00_0000;
            if moves || converts {
                set_data(state, target, true, None);
            }
            let compares = word & 0xff20_fc00 == 0x1e20_2000 || word & 0xff20_0c00 == 0x1e20_0400;
            if compares {
                state.flags = Flags::default();
            }
        }
    }
}

/// Whether a constant of zero for a vector is not zero there: inverted (`MVNI`), combined with
/// what is there, shifted with ones after it, or a number with a fraction.
fn inverts(word: u32) -> bool {
    let (invert, mode) = (bits(word, 29, 1) == 1, bits(word, 12, 4));
    match mode {
        0b1110 => false,
        0b1100 | 0b1101 | 0b1111 => true,
        // Odd modes below 12 are ORR and BIC.
        _ => invert || (mode < 12 && mode & 1 == 1),
    }
}
