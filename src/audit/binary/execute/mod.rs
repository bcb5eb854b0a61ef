//! Follows the initialisation function of an x86-64 module.
//!
//! Many modules decide about the GIL in code: pybind11 fills its slot table at run time, single-
//! phase modules call `PyUnstable_Module_SetGIL` with an argument, PyO3 passes the choice through
//! several functions. What they decide is a constant of the build, so it can be computed without
//! the interpreter: this module executes machine code on partly known values. A register or byte
//! is either known or unknown; results of imported functions are unknown except for the few that
//! matter here. Where a branch depends on something unknown, both sides are followed. Nothing is
//! run on the processor.
//!
//! Every path that ends by returning a definition or a module is one piece of evidence. A path
//! that returns null is a failed import and proves nothing. The claim stands when all paths that
//! succeed agree. Bounds on steps, calls and forks keep hostile code from costing more than
//! milliseconds; a bound that is hit is an `incomplete` answer, never a guess.

use std::collections::hash_map::Entry;

use iced_x86::{
    Code, ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory,
    Mnemonic, OpAccess, OpKind, Register,
};
use rustc_hash::{FxHashMap, FxHashSet};

mod machine;
mod vector;

use super::definition::{Definition, GilSlot, Layout, definition, export_table};
use super::image::{Format, Hook, Image, Pointer};
use machine::{
    Flags, State, Value, View, condition, history, mask, read, register, set_register, sign_extend,
};
use vector::UNKNOWN;

/// Instructions in all, over all paths of one module.
const MAX_STEPS: u32 = 400_000;
/// Instructions of one path.
const MAX_PATH_STEPS: u32 = 60_000;
/// Paths followed to their end.
const MAX_PATHS: u32 = 400;
/// Nested calls.
const MAX_DEPTH: usize = 24;

/// Addresses that no image uses: imported functions, objects of the interpreter, the stack.
const IMPORTS: u64 = 0x7e00_0000_0000_0000;
const OBJECTS: u64 = 0x7d00_0000_0000_0000;
const STACK: u64 = 0x7c00_0000_0000_0000;
const STACK_SIZE: u64 = 0x10_0000;

/// How a path of the initialisation function ended, when it succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It handed a definition to the interpreter (multi-phase initialisation).
    Definition(Definition),
    /// It created the module itself (single-phase) and said this about the GIL.
    Module(GilSlot),
    /// It handed a slot table to the interpreter (PEP 793).
    Slots(GilSlot),
    /// It returned something whose origin lies outside the module.
    Foreign,
}

/// What following the code gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Execution {
    /// The different endings of paths that succeeded.
    pub endings: Vec<Ending>,
    /// Endings of paths whose result was lost track of, where only one object could be meant.
    pub inferred: Vec<Ending>,
    /// A definition with the layout of the build with a GIL was used to create a module.
    pub gil_layout: bool,
    /// A bound was hit before all paths were followed.
    pub incomplete: bool,
}

/// Follows `hook` of an x86-64 image.
pub fn execute(image: &Image<'_>, hook: &Hook) -> Execution {
    let mut executor = Executor::new(image, hook);
    executor.explore();
    executor.outcome
}

struct Executor<'i, 'd> {
    image: &'i Image<'d>,
    hook: Hook,
    /// Names of imported functions, by position: their addresses are `IMPORTS + 16 * position`.
    imports: Vec<&'d str>,
    import_positions: FxHashMap<&'d str, usize>,
    pending: Vec<State>,
    seen: FxHashSet<(u64, u64)>,
    info: InstructionInfoFactory,
    steps: u32,
    paths: u32,
    outcome: Execution,
}

/// What a step led to.
enum Step {
    Next,
    End,
}

impl<'i, 'd> Executor<'i, 'd> {
    fn new(image: &'i Image<'d>, hook: &Hook) -> Self {
        let mut executor = Self {
            image,
            hook: hook.clone(),
            imports: Vec::new(),
            import_positions: FxHashMap::default(),
            pending: Vec::new(),
            seen: FxHashSet::default(),
            info: InstructionInfoFactory::new(),
            steps: 0,
            paths: 0,
            outcome: Execution::default(),
        };
        let mut state = State {
            ip: hook.address,
            general: [None; 16],
            vector: vec![[UNKNOWN; 2]; 32],
            flags: Flags::default(),
            memory: FxHashMap::default(),
            calls: Vec::new(),
            next_object: OBJECTS,
            definitions: Vec::new(),
            modules: Vec::new(),
            steps: 0,
        };
        state.general[4] = Some(STACK + STACK_SIZE / 2 + 8);
        executor.pending.push(state);
        executor
    }

    fn explore(&mut self) {
        while let Some(mut state) = self.pending.pop() {
            if self.paths >= MAX_PATHS || self.steps >= MAX_STEPS {
                self.outcome.incomplete = true;
                return;
            }
            self.paths += 1;
            loop {
                if state.steps >= MAX_PATH_STEPS || self.steps >= MAX_STEPS {
                    self.outcome.incomplete = true;
                    break;
                }
                state.steps += 1;
                self.steps += 1;
                if matches!(self.step(&mut state), Step::End) {
                    break;
                }
            }
        }
    }

    fn import_address(&mut self, name: &'d str) -> u64 {
        let position = match self.import_positions.entry(name) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                self.imports.push(name);
                *entry.insert(self.imports.len() - 1)
            }
        };
        IMPORTS + 16 * position as u64
    }

    fn import_name(&self, address: u64) -> Option<&'d str> {
        let position = usize::try_from(address.checked_sub(IMPORTS)? / 16).ok()?;
        self.imports.get(position).copied()
    }

    fn load(&mut self, state: &State, address: Value, size: usize) -> Value {
        let address = address?;
        if size == 8
            && !state.memory.contains_key(&(address & !7))
            && let Some(Pointer::Import(name)) = self.image.pointer(address)
        {
            return Some(self.import_address(name));
        }
        read(state, self.image, address, size as u64)
    }

    fn store(&self, state: &mut State, address: Value, size: usize, value: Value) {
        // A store through an unknown pointer is taken to hit nothing we look at: slot tables and
        // definitions are reached through constants.
        let Some(address) = address else { return };
        for index in 0..size as u64 {
            let at = address.wrapping_add(index);
            let cell = at & !7;
            let image = self.image;
            let entry = state.memory.entry(cell).or_insert_with(|| {
                let mut bytes = [0; 8];
                let mut known = 0;
                if image.contains(cell)
                    && let Some(Pointer::Address(value)) = image.pointer(cell)
                {
                    bytes = value.to_le_bytes();
                    known = 0xff;
                }
                (bytes, known)
            });
            let position = (at & 7) as usize;
            match value {
                Some(value) => {
                    entry.0[position] = (value >> (8 * index.min(7))) as u8;
                    entry.1 |= 1 << position;
                }
                None => entry.1 &= !(1 << position),
            }
        }
    }

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

    fn step(&mut self, state: &mut State) -> Step {
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
            FlowControl::ConditionalBranch => self.branch(state, &instruction),
            FlowControl::UnconditionalBranch => {
                state.ip = instruction.near_branch64();
                Step::Next
            }
            FlowControl::IndirectBranch => {
                // A jump through a pointer: the stub of an import, or a tail call.
                match self.operand(state, &instruction, 0) {
                    Some(target) if self.import_name(target).is_some() => {
                        self.imported(state, target)
                    }
                    Some(target) if self.image.contains(target) => {
                        state.ip = target;
                        Step::Next
                    }
                    _ => {
                        self.forget_call(state);
                        self.leave(state)
                    }
                }
            }
            FlowControl::Call | FlowControl::IndirectCall => {
                let target = self.operand(state, &instruction, 0);
                match target {
                    Some(target) if self.import_name(target).is_some() => {
                        self.enter(state);
                        self.imported(state, target)
                    }
                    Some(target)
                        if self.image.contains(target) && state.calls.len() < MAX_DEPTH =>
                    {
                        self.enter(state);
                        state.ip = target;
                        Step::Next
                    }
                    _ => {
                        self.forget_call(state);
                        Step::Next
                    }
                }
            }
            FlowControl::Return => self.leave(state),
            _ => Step::End,
        }
    }

    /// Pushes the return address.
    fn enter(&self, state: &mut State) {
        state.calls.push(state.ip);
        state.general[4] = state.general[4].map(|it| it.wrapping_sub(8));
    }

    /// Leaves the current function, whose return address is on top of the stack.
    fn leave(&mut self, state: &mut State) -> Step {
        state.general[4] = state.general[4].map(|it| it.wrapping_add(8));
        if let Some(ip) = state.calls.pop() {
            state.ip = ip;
            return Step::Next;
        }
        self.finish(state);
        Step::End
    }

    /// A path has come to its end: what did the interpreter get?
    fn finish(&mut self, state: &State) {
        let result = state.general[0];
        if result == Some(0) {
            return;
        }
        let view = View {
            state,
            image: self.image,
        };
        let ending = if self.hook.export {
            match result {
                Some(table) => Ending::Slots(export_table(&view, table)),
                None => Ending::Foreign,
            }
        } else if let Some(&(_, gil)) = state
            .modules
            .iter()
            .find(|(module, _)| Some(*module) == result)
        {
            Ending::Module(gil)
        } else if let Some(&found) = state.definitions.iter().find(|it| Some(**it) == result) {
            Ending::Definition(definition(&view, found))
        } else if let (None, &[found], []) = (result, &state.definitions[..], &state.modules[..]) {
            return self.infer(Ending::Definition(definition(&view, found)));
        } else if let (None, [], &[(_, gil)]) = (result, &state.definitions[..], &state.modules[..])
        {
            return self.infer(Ending::Module(gil));
        } else {
            Ending::Foreign
        };
        if !self.outcome.endings.contains(&ending) {
            self.outcome.endings.push(ending);
        }
    }

    fn infer(&mut self, ending: Ending) {
        if !self.outcome.inferred.contains(&ending) {
            self.outcome.inferred.push(ending);
        }
    }

    fn branch(&mut self, state: &mut State, instruction: &Instruction) -> Step {
        let target = instruction.near_branch64();
        let taken = match instruction.condition_code() {
            ConditionCode::None => None,
            code => condition(state.flags, code),
        };
        match taken {
            Some(true) => state.ip = target,
            Some(false) => {}
            None => {
                let history = history(state);
                let jump = self.seen.insert((target, history));
                let fall = self.seen.insert((state.ip, history));
                match (jump, fall) {
                    (true, true) => {
                        let mut other = state.clone();
                        other.ip = target;
                        self.pending.push(other);
                    }
                    (true, false) => state.ip = target,
                    (false, true) => {}
                    (false, false) => return Step::End,
                }
            }
        }
        Step::Next
    }

    fn argument(&self, state: &State, index: usize) -> Value {
        // Positions in `general`: rax rcx rdx rbx rsp rbp rsi rdi r8...
        let order: &[usize] = if self.image.format == Format::Pe {
            &[1, 2, 8, 9]
        } else {
            &[7, 6, 2, 1, 8, 9]
        };
        order
            .get(index)
            .and_then(|&position| state.general[position])
    }

    /// Registers and memory that a call to unknown code leaves unknown.
    fn forget_call(&self, state: &mut State) {
        for index in 0..6 {
            if let Some(pointer) = self.argument(state, index)
                && (STACK..STACK + STACK_SIZE).contains(&pointer)
            {
                self.store(state, Some(pointer), 8, None);
            }
        }
        let clobbered: &[usize] = if self.image.format == Format::Pe {
            &[0, 1, 2, 8, 9, 10, 11]
        } else {
            &[0, 1, 2, 6, 7, 8, 9, 10, 11]
        };
        for &position in clobbered {
            state.general[position] = None;
        }
        for register in &mut state.vector {
            *register = [UNKNOWN; 2];
        }
        state.flags = Flags::default();
    }

    fn new_object(state: &mut State, size: u64) -> u64 {
        let object = state.next_object;
        state.next_object = object + ((size.min(1 << 20) + 4096) & !15);
        object
    }

    /// Runs an imported function, reached by a call or a jump, and returns from it.
    fn imported(&mut self, state: &mut State, target: u64) -> Step {
        let name = self.import_name(target).unwrap_or_default();
        let first = self.argument(state, 0);
        let second = self.argument(state, 1);
        let third = self.argument(state, 2);
        let mut result = None;
        match name {
            "PyModuleDef_Init" => {
                if let Some(found) = first {
                    if !state.definitions.contains(&found) {
                        state.definitions.push(found);
                    }
                    result = Some(found);
                }
            }
            "PyModule_Create2"
            | "PyModule_FromDefAndSpec2"
            | "PyModule_NewObject"
            | "PyModule_New" => {
                if let Some(found) = first
                    && name != "PyModule_NewObject"
                    && name != "PyModule_New"
                {
                    let view = View {
                        state,
                        image: self.image,
                    };
                    self.outcome.gil_layout |= definition(&view, found).layout == Some(Layout::Gil);
                }
                let module = Self::new_object(state, 0);
                state.modules.push((module, GilSlot::Missing));
                result = Some(module);
            }
            "PyUnstable_Module_SetGIL" => {
                let said = match second {
                    Some(0) => GilSlot::Used,
                    Some(1) => GilSlot::NotUsed,
                    _ => GilSlot::Unreadable,
                };
                let only = state.modules.len() == 1;
                for (module, gil) in &mut state.modules {
                    if first == Some(*module) || (first.is_none() && only) {
                        *gil = said;
                    }
                }
                self.forget_call(state);
                state.general[0] = Some(0);
                return self.leave(state);
            }
            "__cxa_guard_acquire" => result = Some(1),
            // Nothing is found when a module is imported for the first time.
            "PyState_FindModule" => result = Some(0),
            "malloc" | "_Znwm" | "_Znam" | "PyMem_Malloc" | "PyObject_Malloc"
            | "PyMem_RawMalloc" => {
                result = Some(Self::new_object(state, first.unwrap_or(4096)));
            }
            "calloc" | "PyMem_Calloc" | "PyObject_Calloc" | "PyMem_RawCalloc" => {
                let size = first.unwrap_or(1).saturating_mul(second.unwrap_or(256));
                let object = Self::new_object(state, size);
                for offset in (0..size.min(1024)).step_by(8) {
                    self.store(state, Some(object + offset), 8, Some(0));
                }
                result = Some(object);
            }
            "memset" => {
                if let (Some(to), Some(byte), Some(size)) = (first, second, third) {
                    for offset in 0..size.min(4096) {
                        self.store(state, Some(to.wrapping_add(offset)), 1, Some(byte & 0xff));
                    }
                }
                result = first;
            }
            "memcpy" | "memmove" => {
                if let (Some(to), Some(from), Some(size)) = (first, second, third) {
                    self.copy(state, to, from, size);
                }
                result = first;
            }
            "abort"
            | "exit"
            | "_exit"
            | "__stack_chk_fail"
            | "_Unwind_Resume"
            | "__cxa_throw"
            | "__cxa_rethrow"
            | "_ZSt9terminatev"
            | "_ZSt17__throw_bad_allocv"
            | "_ZSt20__throw_length_errorPKc"
            | "_ZSt19__throw_logic_errorPKc"
            | "_ZSt20__throw_out_of_rangePKc"
            | "_ZSt25__throw_bad_function_callv"
            | "_Py_FatalErrorFunc"
            | "Py_FatalError"
            | "__assert_fail"
            | "__cxa_bad_cast"
            | "__cxa_pure_virtual"
            | "__cxa_throw_bad_array_new_length" => return Step::End,
            _ => {}
        }
        self.forget_call(state);
        state.general[0] = result;
        self.leave(state)
    }

    fn copy(&mut self, state: &mut State, to: u64, from: u64, size: u64) {
        let mut offset = 0;
        while offset < size.min(4096) {
            let step = (size - offset).min(8);
            let (source, sink) = (from.wrapping_add(offset), to.wrapping_add(offset));
            if step == 8 {
                let half = self.load_half(state, Some(source));
                self.store_half(state, Some(sink), half);
            } else {
                let value = self.load(state, Some(source), step as usize);
                self.store(state, Some(sink), step as usize, value);
            }
            offset += step;
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
