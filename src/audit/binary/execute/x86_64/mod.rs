//! What an x86-64 instruction does to a path.

use iced_x86::{
    Code, ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpAccess,
    OpKind, Register,
};

use super::machine::{Convention, Flags, State, UNKNOWN, Value, mask, sign_extend};
use super::{Executor, Step};

mod vector;

use vector::vector_index;

/// Positions in `general`: rax rcx rdx rbx rsp rbp rsi rdi r8 to r15.
pub(super) const SYSTEM_V: Convention = Convention {
    arguments: &[7, 6, 2, 1, 8, 9],
    clobbered: &[0, 1, 2, 6, 7, 8, 9, 10, 11],
    surviving: &[0, 3, 4, 5, 12, 13, 14, 15],
    stack: 4,
    pushes_return: true,
};

pub(super) const WINDOWS: Convention = Convention {
    arguments: &[1, 2, 8, 9],
    clobbered: &[0, 1, 2, 8, 9, 10, 11],
    surviving: &[0, 3, 4, 5, 6, 7, 12, 13, 14, 15],
    ..SYSTEM_V
};

impl Executor<'_, '_> {
    fn address(state: &State, instruction: &Instruction) -> Value {
        if matches!(instruction.segment_prefix(), Register::FS | Register::GS) {
            return None;
        }
        if instruction.is_ip_rel_memory_operand() {
            return Some(instruction.ip_rel_memory_address());
        }
        let mut address = instruction.memory_displacement64();
        if instruction.memory_base() != Register::None {
            address = address.wrapping_add(register(state, instruction.memory_base())?);
        }
        if instruction.memory_index() != Register::None {
            let index = register(state, instruction.memory_index())?;
            address = address
                .wrapping_add(index.wrapping_mul(u64::from(instruction.memory_index_scale())));
        }
        Some(address)
    }

    fn size(instruction: &Instruction, operand: u32) -> usize {
        match instruction.op_kind(operand) {
            OpKind::Register => instruction.op_register(operand).size(),
            OpKind::Memory => instruction.memory_size().size(),
            _ => Self::size_of_first(instruction),
        }
    }

    fn size_of_first(instruction: &Instruction) -> usize {
        match instruction.op0_kind() {
            OpKind::Register => instruction.op0_register().size(),
            OpKind::Memory => instruction.memory_size().size(),
            _ => 8,
        }
    }

    fn operand(&mut self, state: &State, instruction: &Instruction, operand: u32) -> Value {
        match instruction.op_kind(operand) {
            OpKind::Register => register(state, instruction.op_register(operand)),
            OpKind::Memory => {
                let address = Self::address(state, instruction);
                let size = instruction.memory_size().size();
                if size > 8 {
                    None
                } else {
                    self.load(state, address, size)
                }
            }
            OpKind::NearBranch64 => Some(instruction.near_branch64()),
            _ => instruction.try_immediate(operand).ok(),
        }
    }

    fn write(&mut self, state: &mut State, instruction: &Instruction, value: Value) {
        match instruction.op0_kind() {
            OpKind::Register => set_register(state, instruction.op0_register(), value),
            OpKind::Memory => {
                let address = Self::address(state, instruction);
                self.store(state, address, instruction.memory_size().size(), value);
            }
            _ => {}
        }
    }

    pub(super) fn step_x86_64(&mut self, state: &mut State) -> Step {
        let bytes = self.image.bytes_at(state.ip);
        let bytes = &bytes[..bytes.len().min(16)];
        if bytes.is_empty() {
            return Step::End;
        }
        let mut decoder = Decoder::with_ip(64, bytes, state.ip, DecoderOptions::NONE);
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return Step::End;
        }
        state.ip = instruction.next_ip();
        match instruction.flow_control() {
            FlowControl::Next => {
                self.compute(state, &instruction);
                Step::Next
            }
            FlowControl::ConditionalBranch => {
                let taken = match instruction.condition_code() {
                    ConditionCode::None => None,
                    code => condition(state.flags, code),
                };
                self.branch(state, taken, instruction.near_branch64())
            }
            FlowControl::UnconditionalBranch => {
                state.ip = instruction.near_branch64();
                Step::Next
            }
            FlowControl::IndirectBranch => {
                let target = self.operand(state, &instruction, 0);
                self.jump(state, target)
            }
            FlowControl::Call | FlowControl::IndirectCall => {
                let target = self.operand(state, &instruction, 0);
                self.call(state, target)
            }
            FlowControl::Return => self.leave(state),
            _ => Step::End,
        }
    }

    fn compute(&mut self, state: &mut State, instruction: &Instruction) {
        match instruction.mnemonic() {
            Mnemonic::Mov => {
                let value = self.operand(state, instruction, 1);
                self.write(state, instruction, value);
            }
            Mnemonic::Movzx => {
                let value = self.operand(state, instruction, 1);
                self.write(state, instruction, value);
            }
            Mnemonic::Movsx | Mnemonic::Movsxd => {
                let size = Self::size(instruction, 1);
                let value = self
                    .operand(state, instruction, 1)
                    .map(|it| sign_extend(it, size));
                self.write(state, instruction, value);
            }
            Mnemonic::Lea => {
                let value = Self::address(state, instruction);
                self.write(state, instruction, value);
            }
            Mnemonic::Push => {
                let value = self.operand(state, instruction, 0);
                state.general[4] = state.general[4].map(|it| it.wrapping_sub(8));
                let stack = state.general[4];
                self.store(state, stack, 8, value);
            }
            Mnemonic::Pop => {
                let stack = state.general[4];
                let value = self.load(state, stack, 8);
                state.general[4] = stack.map(|it| it.wrapping_add(8));
                self.write(state, instruction, value);
            }
            Mnemonic::Leave => {
                let frame = state.general[5];
                state.general[5] = self.load(state, frame, 8);
                state.general[4] = frame.map(|it| it.wrapping_add(8));
            }
            Mnemonic::Nop
            | Mnemonic::Endbr64
            | Mnemonic::Pause
            | Mnemonic::Mfence
            | Mnemonic::Lfence
            | Mnemonic::Sfence
            | Mnemonic::Prefetcht0 => {}
            Mnemonic::Xor | Mnemonic::Sub
                if instruction.op0_kind() == OpKind::Register
                    && instruction.op1_kind() == OpKind::Register
                    && instruction.op0_register() == instruction.op1_register() =>
            {
                self.write(state, instruction, Some(0));
                state.flags = Flags {
                    zero: Some(true),
                    sign: Some(false),
                    carry: Some(false),
                    overflow: Some(false),
                };
            }
            Mnemonic::And | Mnemonic::Or | Mnemonic::Xor | Mnemonic::Test => {
                self.logic(state, instruction);
            }
            Mnemonic::Add
            | Mnemonic::Sub
            | Mnemonic::Cmp
            | Mnemonic::Inc
            | Mnemonic::Dec
            | Mnemonic::Neg => self.arithmetic(state, instruction),
            Mnemonic::Not => {
                let size = Self::size_of_first(instruction);
                let value = self
                    .operand(state, instruction, 0)
                    .map(|it| !it & mask(size));
                self.write(state, instruction, value);
            }
            Mnemonic::Shl | Mnemonic::Shr | Mnemonic::Sar => self.shift(state, instruction),
            Mnemonic::Imul if instruction.op_count() >= 2 => {
                let last = instruction.op_count() - 1;
                let left = self.operand(state, instruction, last - 1);
                let right = self.operand(state, instruction, last);
                let size = Self::size_of_first(instruction);
                let value = left.zip(right).map(|(a, b)| a.wrapping_mul(b) & mask(size));
                self.write(state, instruction, value);
                state.flags = Flags::default();
            }
            Mnemonic::Cdqe => {
                state.general[0] = state.general[0].map(|it| sign_extend(it, 4));
            }
            Mnemonic::Xchg => {
                let left = self.operand(state, instruction, 0);
                let right = self.operand(state, instruction, 1);
                self.write(state, instruction, right);
                if instruction.op1_kind() == OpKind::Register {
                    set_register(state, instruction.op1_register(), left);
                }
            }
            _ if instruction.condition_code() != ConditionCode::None => {
                self.conditional(state, instruction);
            }
            _ if self.vector(state, instruction) => {}
            Mnemonic::Stosq | Mnemonic::Stosd | Mnemonic::Stosb => {
                let size = match instruction.mnemonic() {
                    Mnemonic::Stosq => 8,
                    Mnemonic::Stosd => 4,
                    _ => 1,
                };
                let count = if instruction.has_rep_prefix() {
                    state.general[1]
                } else {
                    Some(1)
                };
                if let (Some(count), Some(to)) = (count, state.general[7]) {
                    let value = state.general[0].map(|it| it & mask(size as usize));
                    for index in 0..count.min(1024) {
                        let at = to.wrapping_add(index * size);
                        self.store(state, Some(at), size as usize, value);
                    }
                    state.general[7] = Some(to.wrapping_add(count.wrapping_mul(size)));
                } else {
                    state.general[7] = None;
                }
                if instruction.has_rep_prefix() {
                    state.general[1] = Some(0);
                }
            }
            Mnemonic::Movsq | Mnemonic::Movsb
                if instruction.code() == Code::Movsq_m64_m64
                    || instruction.code() == Code::Movsb_m8_m8 =>
            {
                let size = if instruction.mnemonic() == Mnemonic::Movsq {
                    8
                } else {
                    1
                };
                let count = if instruction.has_rep_prefix() {
                    state.general[1]
                } else {
                    Some(1)
                };
                if let (Some(count), Some(to), Some(from)) =
                    (count, state.general[7], state.general[6])
                {
                    let length = count.wrapping_mul(size);
                    self.copy(state, to, from, length);
                    state.general[7] = Some(to.wrapping_add(length));
                    state.general[6] = Some(from.wrapping_add(length));
                } else {
                    state.general[7] = None;
                    state.general[6] = None;
                }
                if instruction.has_rep_prefix() {
                    state.general[1] = Some(0);
                }
            }
            _ => self.forget_written(state, instruction),
        }
    }

    /// An instruction we do not model: everything it writes becomes unknown.
    fn forget_written(&mut self, state: &mut State, instruction: &Instruction) {
        let writes = |access| {
            matches!(
                access,
                OpAccess::Write
                    | OpAccess::CondWrite
                    | OpAccess::ReadWrite
                    | OpAccess::ReadCondWrite
            )
        };
        let mut registers = Vec::new();
        let mut writes_memory = false;
        {
            let info = self.info.info(instruction);
            for used in info.used_registers() {
                if writes(used.access()) {
                    registers.push(used.register());
                }
            }
            for used in info.used_memory() {
                writes_memory |= writes(used.access());
            }
        }
        for register in registers {
            set_register(state, register, None);
        }
        if writes_memory {
            let address = Self::address(state, instruction);
            let size = instruction.memory_size().size().min(64);
            self.store(state, address, size, None);
        }
        if instruction.rflags_modified() != 0 {
            state.flags = Flags::default();
        }
    }

    fn logic(&mut self, state: &mut State, instruction: &Instruction) {
        let size = Self::size_of_first(instruction);
        let left = self.operand(state, instruction, 0);
        let right = self
            .operand(state, instruction, 1)
            .map(|it| it & mask(size));
        let value = match (instruction.mnemonic(), left, right) {
            (Mnemonic::Or, Some(a), Some(b)) => Some(a | b),
            (Mnemonic::Xor, Some(a), Some(b)) => Some(a ^ b),
            (Mnemonic::And | Mnemonic::Test, Some(a), Some(b)) => Some(a & b),
            (Mnemonic::And | Mnemonic::Test, Some(0), _)
            | (Mnemonic::And | Mnemonic::Test, _, Some(0)) => Some(0),
            (Mnemonic::Or, _, Some(b)) | (Mnemonic::Or, Some(b), _) if b == mask(size) => Some(b),
            _ => None,
        };
        if instruction.mnemonic() != Mnemonic::Test {
            self.write(state, instruction, value);
        }
        state.flags = Flags {
            zero: value.map(|it| it == 0),
            sign: value.map(|it| it >> (8 * size - 1) & 1 == 1),
            carry: Some(false),
            overflow: Some(false),
        };
    }

    fn arithmetic(&mut self, state: &mut State, instruction: &Instruction) {
        let size = Self::size_of_first(instruction).clamp(1, 8);
        let first = self.operand(state, instruction, 0);
        let (left, right, add) = match instruction.mnemonic() {
            Mnemonic::Inc => (first, Some(1), true),
            Mnemonic::Dec => (first, Some(1), false),
            Mnemonic::Neg => (Some(0), first, false),
            Mnemonic::Add => (first, self.operand(state, instruction, 1), true),
            _ => (first, self.operand(state, instruction, 1), false),
        };
        let keeps_carry = matches!(instruction.mnemonic(), Mnemonic::Inc | Mnemonic::Dec);
        let carry_before = state.flags.carry;
        let value = match (left, right) {
            (Some(a), Some(b)) => {
                let (a, b) = (a & mask(size), b & mask(size));
                let value = if add {
                    a.wrapping_add(b)
                } else {
                    a.wrapping_sub(b)
                } & mask(size);
                let top = |it: u64| it >> (8 * size - 1) & 1 == 1;
                state.flags = Flags {
                    zero: Some(value == 0),
                    sign: Some(top(value)),
                    carry: Some(if add { value < a } else { a < b }),
                    overflow: Some(if add {
                        top(a) == top(b) && top(value) != top(a)
                    } else {
                        top(a) != top(b) && top(value) != top(a)
                    }),
                };
                Some(value)
            }
            _ => {
                state.flags = Flags::default();
                None
            }
        };
        if keeps_carry {
            state.flags.carry = carry_before;
        }
        if instruction.mnemonic() != Mnemonic::Cmp {
            self.write(state, instruction, value);
        }
    }

    fn shift(&mut self, state: &mut State, instruction: &Instruction) {
        let size = Self::size_of_first(instruction).clamp(1, 8);
        let left = self.operand(state, instruction, 0);
        let right = self.operand(state, instruction, 1);
        let value = left.zip(right).map(|(a, b)| {
            let count = (b & if size == 8 { 63 } else { 31 }) as u32;
            match instruction.mnemonic() {
                Mnemonic::Shl => a.checked_shl(count).unwrap_or(0) & mask(size),
                Mnemonic::Shr => (a & mask(size)).checked_shr(count).unwrap_or(0),
                _ => {
                    ((sign_extend(a, size).cast_signed() >> count.min(63)).cast_unsigned())
                        & mask(size)
                }
            }
        });
        self.write(state, instruction, value);
        state.flags = Flags {
            zero: value.map(|it| it == 0),
            sign: value.map(|it| it >> (8 * size - 1) & 1 == 1),
            carry: None,
            overflow: None,
        };
    }

    /// `setcc` and `cmovcc`.
    fn conditional(&mut self, state: &mut State, instruction: &Instruction) {
        let holds = condition(state.flags, instruction.condition_code());
        if instruction.op_count() == 1 {
            self.write(state, instruction, holds.map(u64::from));
            return;
        }
        let value = match holds {
            Some(true) => self.operand(state, instruction, 1),
            Some(false) => self.operand(state, instruction, 0),
            None => {
                let left = self.operand(state, instruction, 0);
                let right = self.operand(state, instruction, 1);
                if left == right { left } else { None }
            }
        };
        self.write(state, instruction, value);
    }
}

fn register(state: &State, register: Register) -> Value {
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

fn is_high_byte(register: Register) -> bool {
    matches!(
        register,
        Register::AH | Register::BH | Register::CH | Register::DH
    )
}

fn set_register(state: &mut State, register: Register, value: Value) {
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

fn condition(flags: Flags, code: ConditionCode) -> Option<bool> {
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
