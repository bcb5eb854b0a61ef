//! What an instruction of 64-bit Arm does to a path.
//!
//! Instructions are 32 bits wide and are told apart as the Arm Architecture Reference Manual does
//! (DDI 0487, chapter C4, "A64 instruction set encoding"). Modelled is what compilers use to fill
//! structures and to pass constants on; of the others, what they write becomes unknown.

use super::machine::{Convention, Flags, State, Value, mask, sign_extend};
use super::{Executor, Step};

mod vector;

/// Positions in `general` are the numbers of the registers; the one that means zero or the stack
/// pointer, by instruction, is kept for the stack pointer.
pub(super) const CONVENTION: Convention = Convention {
    arguments: &[0, 1, 2, 3, 4, 5, 6, 7],
    clobbered: &[
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 30,
    ],
    surviving: &[0, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 31],
    stack: 31,
    pushes_return: false,
};

/// `count` bits of an instruction, from bit `low` on.
fn bits(word: u32, low: u32, count: u32) -> u32 {
    (word >> low) & ((1 << count) - 1)
}

/// The same, as the position of a register.
fn register(word: u32, low: u32) -> usize {
    bits(word, low, 5) as usize
}

/// The same, as a signed number in units of `unit`.
fn offset(word: u32, low: u32, count: u32, unit: u64) -> u64 {
    let value = u64::from(bits(word, low, count));
    let shift = 64 - count;
    (((value << shift).cast_signed() >> shift).cast_unsigned()).wrapping_mul(unit)
}

/// A register as data: number 31 is zero.
fn data(state: &State, position: usize, wide: bool) -> Value {
    let value = if position == 31 {
        Some(0)
    } else {
        state.general[position]
    };
    value.map(|it| if wide { it } else { it & mask(4) })
}

/// Writes a register as data: number 31 swallows it.
fn set_data(state: &mut State, position: usize, wide: bool, value: Value) {
    if position != 31 {
        state.general[position] = value.map(|it| if wide { it } else { it & mask(4) });
    }
}

/// Whether a condition (Arm ARM, C1.2.4) holds. The carry of a subtraction means "no borrow" here.
fn condition(flags: Flags, code: u32) -> Option<bool> {
    let Flags {
        zero,
        sign,
        carry,
        overflow,
    } = flags;
    let not = |it: Option<bool>| it.map(|it| !it);
    let both = |a: Option<bool>, b: Option<bool>| match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    };
    let no_less = sign.zip(overflow).map(|(sign, overflow)| sign == overflow);
    let holds = match code >> 1 {
        0 => zero,
        1 => carry,
        2 => sign,
        3 => overflow,
        4 => both(carry, not(zero)),
        5 => no_less,
        6 => both(no_less, not(zero)),
        _ => return Some(true),
    };
    if code & 1 == 1 { not(holds) } else { holds }
}

/// The mask of a logical instruction's immediate (`DecodeBitMasks`); `None` for a reserved one.
fn bit_mask(word: u32, wide: bool) -> Option<u64> {
    let (n, rotation, ones) = (bits(word, 22, 1), bits(word, 16, 6), bits(word, 10, 6));
    let length = 31_u32.checked_sub(((n << 6) | (!ones & 0x3f)).leading_zeros())?;
    if length == 0 || (!wide && n == 1) {
        return None;
    }
    let size = 1 << length;
    let (ones, rotation) = (ones & (size - 1), rotation & (size - 1));
    if ones == size - 1 {
        return None;
    }
    let element = (1_u64 << (ones + 1)) - 1;
    let low = if size == 64 {
        u64::MAX
    } else {
        (1 << size) - 1
    };
    let element = if rotation == 0 {
        element
    } else {
        ((element >> rotation) | (element << (size - rotation))) & low
    };
    let mut value = 0;
    for at in (0..64).step_by(size as usize) {
        value |= element << at;
    }
    Some(value)
}

/// Bits moved to the left, to the right, to the right with their sign, or round.
fn shifted(value: u64, kind: u32, count: u32, wide: bool) -> u64 {
    let (value, count) = if wide {
        (value, count % 64)
    } else {
        (value & mask(4), count % 32)
    };
    let moved = match (kind, wide) {
        (0, _) => value << count,
        (1, _) => value >> count,
        (2, true) => (value.cast_signed() >> count).cast_unsigned(),
        (2, false) => (sign_extend(value, 4).cast_signed() >> count).cast_unsigned(),
        (_, true) => value.rotate_right(count),
        (_, false) => u64::from((value as u32).rotate_right(count)),
    };
    if wide { moved } else { moved & mask(4) }
}

/// The sum or difference, and its flags.
fn sum(left: Value, right: Value, subtract: bool, wide: bool) -> (Value, Flags) {
    let size = if wide { 8 } else { 4 };
    let (Some(left), Some(right)) = (left, right) else {
        return (None, Flags::default());
    };
    let (left, right) = (left & mask(size), right & mask(size));
    let value = if subtract {
        left.wrapping_sub(right)
    } else {
        left.wrapping_add(right)
    } & mask(size);
    let top = |it: u64| it >> (8 * size - 1) & 1 == 1;
    let flags = Flags {
        zero: Some(value == 0),
        sign: Some(top(value)),
        carry: Some(if subtract {
            left >= right
        } else {
            value < left
        }),
        overflow: Some(if subtract {
            top(left) != top(right) && top(value) != top(left)
        } else {
            top(left) == top(right) && top(value) != top(left)
        }),
    };
    (Some(value), flags)
}

/// What a logical instruction leaves in the flags.
fn logic_flags(value: Value, wide: bool) -> Flags {
    Flags {
        zero: value.map(|it| it == 0),
        sign: value.map(|it| (it >> (if wide { 63 } else { 31 })) & 1 == 1),
        carry: Some(false),
        overflow: Some(false),
    }
}

/// Conjunction, disjunction, difference; zero and all ones decide without the other side.
fn logic(kind: u32, left: Value, right: Value, wide: bool) -> Value {
    let all = mask(if wide { 8 } else { 4 });
    match (kind, left, right) {
        (0 | 3, Some(a), Some(b)) => Some(a & b),
        (0 | 3, Some(0), _) | (0 | 3, _, Some(0)) => Some(0),
        (1, Some(a), Some(b)) => Some(a | b),
        (1, Some(a), _) | (1, _, Some(a)) if a & all == all => Some(all),
        (2, Some(a), Some(b)) => Some(a ^ b),
        _ => None,
    }
}

impl Executor<'_, '_> {
    pub(super) fn step_aarch64(&mut self, state: &mut State) -> Step {
        let Some(bytes) = self.image.bytes_at(state.ip).first_chunk::<4>() else {
            return Step::End;
        };
        let word = u32::from_le_bytes(*bytes);
        let here = state.ip;
        state.ip = here.wrapping_add(4);
        match bits(word, 25, 4) {
            0b1000 | 0b1001 => self.immediate(state, word, here),
            0b1010 | 0b1011 => return self.control(state, word, here),
            0b0100 | 0b0110 | 0b1100 | 0b1110 => self.memory(state, word, here),
            0b0101 | 0b1101 => registers(state, word),
            0b0111 | 0b1111 => vector::compute(state, word),
            // Reserved, or an extension that no initialisation function needs.
            _ => return Step::End,
        }
        Step::Next
    }

    /// Data processing with a constant.
    fn immediate(&mut self, state: &mut State, word: u32, here: u64) {
        let wide = bits(word, 31, 1) == 1;
        let target = register(word, 0);
        let source = register(word, 5);
        let kind = bits(word, 29, 2);
        match bits(word, 23, 3) {
            0b000 | 0b001 => {
                let low = u64::from(bits(word, 29, 2));
                let value = offset(word, 5, 19, 4) | low;
                let value = if wide {
                    (here & !0xfff).wrapping_add(value << 12)
                } else {
                    here.wrapping_add(value)
                };
                set_data(state, target, true, Some(value));
            }
            0b010 => {
                let constant = u64::from(bits(word, 10, 12)) << (12 * bits(word, 22, 1));
                let (value, flags) =
                    sum(state.general[source], Some(constant), kind & 2 == 2, wide);
                if kind & 1 == 1 {
                    state.flags = flags;
                    set_data(state, target, wide, value);
                } else {
                    state.general[target] = value;
                }
            }
            0b100 => {
                let value = logic(kind, data(state, source, wide), bit_mask(word, wide), wide)
                    .map(|it| it & mask(if wide { 8 } else { 4 }));
                if kind == 3 {
                    state.flags = logic_flags(value, wide);
                    set_data(state, target, wide, value);
                } else {
                    state.general[target] = value;
                }
            }
            0b101 => {
                let shift = 16 * bits(word, 21, 2);
                let constant = u64::from(bits(word, 5, 16)) << shift;
                let value = match kind {
                    0 => Some(!constant),
                    2 => Some(constant),
                    _ => data(state, target, wide).map(|it| it & !(0xffff << shift) | constant),
                };
                set_data(state, target, wide, value);
            }
            0b110 => {
                let value = bit_field(
                    data(state, source, wide),
                    data(state, target, wide),
                    word,
                    wide,
                );
                set_data(state, target, wide, value);
            }
            // Extraction, and tags of memory.
            _ => set_data(state, target, wide, None),
        }
    }

    /// Branches, exceptions and the system's registers.
    fn control(&mut self, state: &mut State, word: u32, here: u64) -> Step {
        let near = |low, count| here.wrapping_add(offset(word, low, count, 4));
        match word >> 24 {
            0x14..=0x17 => {
                state.ip = near(0, 26);
                Step::Next
            }
            0x94..=0x97 => {
                state.general[30] = Some(state.ip);
                self.call(state, Some(near(0, 26)))
            }
            0x54 => self.branch(state, condition(state.flags, bits(word, 0, 4)), near(5, 19)),
            0x34 | 0x35 | 0xb4 | 0xb5 => {
                let value = data(state, register(word, 0), bits(word, 31, 1) == 1);
                let wanted = bits(word, 24, 1) == 0;
                self.branch(state, value.map(|it| (it == 0) == wanted), near(5, 19))
            }
            0x36 | 0x37 | 0xb6 | 0xb7 => {
                let bit = bits(word, 31, 1) << 5 | bits(word, 19, 5);
                let value = data(state, register(word, 0), true);
                let wanted = u64::from(bits(word, 24, 1));
                let taken = value.map(|it| it >> bit & 1 == wanted);
                self.branch(state, taken, near(5, 14))
            }
            // With or without a signed pointer.
            0xd6 | 0xd7 => {
                let target = state.general[register(word, 5)].filter(|_| register(word, 5) != 31);
                match bits(word, 21, 2) {
                    0 => self.jump(state, target),
                    1 => self.call(state, target),
                    2 => self.leave(state),
                    _ => Step::End,
                }
            }
            0xd5 => {
                // Reading a register of the system.
                if bits(word, 21, 1) == 1 {
                    set_data(state, register(word, 0), true, None);
                }
                Step::Next
            }
            _ => Step::End,
        }
    }

    /// Loads and stores.
    fn memory(&mut self, state: &mut State, word: u32, here: u64) {
        let is_vector = bits(word, 26, 1) == 1;
        let base = register(word, 5);
        let first = register(word, 0);
        match (bits(word, 27, 3), bits(word, 24, 2)) {
            // One register, with an address relative to here.
            (0b011, 0b00) => {
                let address = Some(here.wrapping_add(offset(word, 5, 19, 4)));
                let kind = bits(word, 30, 2);
                if is_vector {
                    let size = 4 << kind.min(2);
                    self.load_vector(state, first, address, size);
                } else if kind < 3 {
                    let size = if kind == 1 { 8 } else { 4 };
                    let value = self.load(state, address, size);
                    let value = value.map(|it| if kind == 2 { sign_extend(it, 4) } else { it });
                    set_data(state, first, true, value);
                }
            }
            // Loads and stores with ordering, at a distance.
            (0b011, 0b01) if !is_vector && bits(word, 21, 1) == 0 && bits(word, 10, 2) == 0 => {
                let size = 1 << bits(word, 30, 2);
                let address = self.indexed(state, base, offset(word, 12, 9, 1), 2);
                match bits(word, 22, 2) {
                    0 => {
                        let value = data(state, first, true);
                        self.store(state, address, size, value);
                    }
                    1 => {
                        let value = self.load(state, address, size);
                        set_data(state, first, true, value);
                    }
                    _ => set_data(state, first, true, None),
                }
            }
            // Two registers.
            (0b101, _) => {
                let kind = bits(word, 30, 2);
                let size: usize = match (is_vector, kind) {
                    (true, kind) => 4 << kind.min(2),
                    (false, 2) => 8,
                    (false, _) => 4,
                };
                let delta = offset(word, 15, 7, size as u64);
                let address = self.indexed(state, base, delta, bits(word, 23, 2));
                let second = register(word, 10);
                for (position, at) in [(first, 0), (second, size as u64)] {
                    let address = address.map(|it| it.wrapping_add(at));
                    match (bits(word, 22, 1) == 1, is_vector) {
                        (true, true) => self.load_vector(state, position, address, size),
                        (false, true) => self.store_vector(state, position, address, size),
                        (true, false) => {
                            let value = self.load(state, address, size);
                            let value =
                                value.map(|it| if kind == 1 { sign_extend(it, 4) } else { it });
                            set_data(state, position, true, value);
                        }
                        (false, false) => {
                            let value = data(state, position, size == 8);
                            self.store(state, address, size, value);
                        }
                    }
                }
            }
            (0b111, mode) => {
                let kind = bits(word, 30, 2);
                let operation = bits(word, 22, 2);
                let size: usize = if is_vector && operation & 2 == 2 {
                    16
                } else {
                    1 << kind
                };
                let address = match (mode, bits(word, 21, 1), bits(word, 10, 2)) {
                    (0b01, _, _) => {
                        let delta = u64::from(bits(word, 10, 12)) * size as u64;
                        state.general[base].map(|it| it.wrapping_add(delta))
                    }
                    (0b00, 0, how) => {
                        // Plain, after, unprivileged, before: the modes of pairs, but for names.
                        let mode = [2, 1, 2, 3][how as usize];
                        self.indexed(state, base, offset(word, 12, 9, 1), mode)
                    }
                    (0b00, 1, 0b10) => {
                        let index =
                            extended(data(state, register(word, 16), true), bits(word, 13, 3));
                        let shift = if bits(word, 12, 1) == 1 {
                            size.trailing_zeros()
                        } else {
                            0
                        };
                        state.general[base]
                            .zip(index)
                            .map(|(base, index)| base.wrapping_add(index << shift))
                    }
                    // Loads with ordering (`LDAPR`) are loads; other atomic operations give what was
                    // there before and leave something else. Signed pointers are not followed.
                    (_, _, how) => {
                        let address = state.general[base].filter(|_| how == 0);
                        let value = self.load(state, address, size.min(8));
                        set_data(state, first, true, value);
                        if word & 0x3fff_fc00 != 0x38bf_c000 {
                            self.store(state, address, size.min(8), None);
                        }
                        return;
                    }
                };
                match (is_vector, operation) {
                    (true, 0 | 2) => self.store_vector(state, first, address, size),
                    (true, _) => self.load_vector(state, first, address, size),
                    (false, 0) => {
                        let value = data(state, first, true);
                        self.store(state, address, size, value);
                    }
                    (false, 1) => {
                        let value = self.load(state, address, size);
                        set_data(state, first, true, value);
                    }
                    // A hint to the cache.
                    (false, 2) if kind == 3 => {}
                    (false, signed) => {
                        let value = self.load(state, address, size);
                        let value = value.map(|it| sign_extend(it, size));
                        set_data(state, first, signed == 2, value);
                    }
                }
            }
            // Exclusive, ordered, compare and swap.
            (0b001, _) if !is_vector => {
                let address = state.general[base];
                let size = 1 << bits(word, 30, 2);
                let (ordered, load) = (bits(word, 23, 1) == 1, bits(word, 22, 1) == 1);
                let status = register(word, 16);
                if bits(word, 21, 1) == 1 {
                    self.store(state, address, size, None);
                    for position in [status, first, register(word, 10)] {
                        set_data(state, position, true, None);
                    }
                } else if load {
                    let value = self.load(state, address, size);
                    set_data(state, first, true, value);
                } else {
                    let value = data(state, first, true);
                    self.store(state, address, size, value);
                    if !ordered {
                        // Nobody interferes.
                        set_data(state, status, false, Some(0));
                    }
                }
            }
            // Structures of vectors, and tags of memory.
            _ => {
                let address = state.general[base];
                if !is_vector {
                    set_data(state, first, true, None);
                } else if bits(word, 22, 1) == 1 {
                    for register in 0..4 {
                        state.vector[(first + register) % 32] = vector::NOTHING;
                    }
                } else {
                    for at in (0..64).step_by(8) {
                        self.store(state, address.map(|it| it.wrapping_add(at)), 8, None);
                    }
                }
                if bits(word, 23, 1) == 1 {
                    state.general[base] = None;
                }
            }
        }
    }

    /// The address of an access, with the base register moved after (1) or before (3) it.
    fn indexed(&self, state: &mut State, base: usize, delta: u64, mode: u32) -> Value {
        let plain = state.general[base];
        let moved = plain.map(|it| it.wrapping_add(delta));
        if mode & 1 == 1 {
            state.general[base] = moved;
        }
        if mode == 1 { plain } else { moved }
    }
}

/// `SBFM`, `BFM`, `UBFM`: shifts by constants, and moves of bit fields.
fn bit_field(source: Value, target: Value, word: u32, wide: bool) -> Value {
    let width = if wide { 64 } else { 32 };
    let (rotation, last) = (bits(word, 16, 6), bits(word, 10, 6));
    if rotation >= width || last >= width {
        return None;
    }
    let source = source?;
    // The field lies from `rotation` to `last` of the source, or from 0 to `last`, moved up.
    let (field, length, to) = if last >= rotation {
        (source >> rotation, last - rotation + 1, 0)
    } else {
        (source, last + 1, width - rotation)
    };
    let ones = if length == 64 {
        u64::MAX
    } else {
        (1 << length) - 1
    };
    let field = field & ones;
    Some(match bits(word, 29, 2) {
        0 => {
            let shift = 64 - length;
            ((field << shift).cast_signed() >> shift).cast_unsigned() << to
        }
        1 => target? & !(ones << to) | field << to,
        _ => field << to,
    })
}

/// The low part of a register, made wide (`UXTB` to `SXTX`).
fn extended(value: Value, kind: u32) -> Value {
    let size = 1 << (kind & 3);
    value.map(|it| {
        if kind & 4 == 4 {
            sign_extend(it, size)
        } else {
            it & mask(size)
        }
    })
}

/// Data processing between registers.
fn registers(state: &mut State, word: u32) {
    let wide = bits(word, 31, 1) == 1;
    let kind = bits(word, 29, 2);
    let target = register(word, 0);
    let left = data(state, register(word, 5), wide);
    let right = data(state, register(word, 16), wide);
    match (bits(word, 24, 5), bits(word, 21, 3)) {
        // Logic, with a shift and perhaps an inversion.
        (0b01010, _) => {
            let right = right.map(|it| {
                let it = shifted(it, bits(word, 22, 2), bits(word, 10, 6), wide);
                let it = if bits(word, 21, 1) == 1 { !it } else { it };
                if wide { it } else { it & mask(4) }
            });
            let value = logic(kind, left, right, wide);
            if kind == 3 {
                state.flags = logic_flags(value, wide);
            }
            set_data(state, target, wide, value);
        }
        (0b01011, form) if form & 1 == 0 => {
            let right = right.map(|it| shifted(it, bits(word, 22, 2), bits(word, 10, 6), wide));
            let (value, flags) = sum(left, right, kind & 2 == 2, wide);
            if kind & 1 == 1 {
                state.flags = flags;
            }
            set_data(state, target, wide, value);
        }
        // The same with a part of the register; here number 31 is the stack pointer.
        (0b01011, _) => {
            let right = extended(right, bits(word, 13, 3)).map(|it| it << bits(word, 10, 3));
            let left = state.general[register(word, 5)];
            let (value, flags) = sum(left, right, kind & 2 == 2, wide);
            if kind & 1 == 1 {
                state.flags = flags;
                set_data(state, target, wide, value);
            } else {
                state.general[target] = value;
            }
        }
        // Comparison, if a condition holds.
        (0b11010, 0b010) => {
            let right = if bits(word, 11, 1) == 1 {
                Some(u64::from(bits(word, 16, 5)))
            } else {
                right
            };
            let given = Flags {
                sign: Some(bits(word, 3, 1) == 1),
                zero: Some(bits(word, 2, 1) == 1),
                carry: Some(bits(word, 1, 1) == 1),
                overflow: Some(bits(word, 0, 1) == 1),
            };
            state.flags = match condition(state.flags, bits(word, 12, 4)) {
                Some(true) => sum(left, right, kind & 2 == 2, wide).1,
                Some(false) => given,
                None => Flags::default(),
            };
        }
        // Selection.
        (0b11010, 0b100) => {
            let other = right.map(|it| match (kind & 2 == 2, bits(word, 10, 1) == 1) {
                (false, false) => it,
                (false, true) => it.wrapping_add(1),
                (true, false) => !it,
                (true, true) => it.wrapping_neg(),
            });
            let value = match condition(state.flags, bits(word, 12, 4)) {
                Some(true) => left,
                Some(false) => other,
                None if left == other => left,
                None => None,
            };
            set_data(state, target, wide, value);
        }
        // Shifts by a register; division and checksums are not needed.
        (0b11010, 0b110) => {
            let operation = bits(word, 10, 6);
            let value = match (bits(word, 30, 1), operation) {
                (0, 0b001000..=0b001011) => left
                    .zip(right)
                    .map(|(left, right)| shifted(left, operation & 3, (right & 63) as u32, wide)),
                _ => None,
            };
            set_data(state, target, wide, value);
        }
        // Addition with carry.
        (0b11010, _) => {
            set_data(state, target, wide, None);
            if kind & 1 == 1 {
                state.flags = Flags::default();
            }
        }
        // Multiplication and addition, or subtraction.
        _ => {
            let product = left.zip(right).map(|(a, b)| a.wrapping_mul(b));
            let addend = data(state, register(word, 10), wide);
            let value = match (bits(word, 21, 3), bits(word, 15, 1)) {
                (0, 0) => product.zip(addend).map(|(a, b)| b.wrapping_add(a)),
                (0, _) => product.zip(addend).map(|(a, b)| b.wrapping_sub(a)),
                _ => None,
            };
            set_data(state, target, wide, value);
        }
    }
}
