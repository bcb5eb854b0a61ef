//! Follows the initialisation function of a module for x86-64 or 64-bit Arm.
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
//!
//! Here are paths, calls and what is known of imported functions; `x86_64/` and `aarch64/` say what
//! an instruction does, `machine.rs` what the state of a path is.

use std::collections::hash_map::Entry;

use iced_x86::InstructionInfoFactory;
use rustc_hash::{FxHashMap, FxHashSet};

mod aarch64;
mod machine;
mod x86_64;

use super::definition::{Definition, GilSlot, Layout, definition, export_table};
use super::image::{Architecture, Format, Hook, Image, Pointer};
use machine::{Cell, Convention, Flags, Half, State, UNKNOWN, Value, View, history, read, split};

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

/// Follows `hook` of an image for a machine whose code we know; another one's gives nothing.
pub fn execute(image: &Image<'_>, hook: &Hook) -> Execution {
    let mut executor = Executor::new(image, hook);
    executor.explore();
    executor.outcome
}

struct Executor<'i, 'd> {
    image: &'i Image<'d>,
    hook: Hook,
    convention: &'static Convention,
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
            convention: match (image.architecture, image.format) {
                (Architecture::Aarch64, _) => &aarch64::CONVENTION,
                (_, Format::Pe) => &x86_64::WINDOWS,
                _ => &x86_64::SYSTEM_V,
            },
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
            general: [None; 32],
            vector: vec![[UNKNOWN; 2]; 32],
            flags: Flags::default(),
            memory: FxHashMap::default(),
            calls: Vec::new(),
            next_object: OBJECTS,
            definitions: Vec::new(),
            modules: Vec::new(),
            steps: 0,
        };
        let misaligned = if executor.convention.pushes_return {
            8
        } else {
            0
        };
        state.general[executor.convention.stack] = Some(STACK + STACK_SIZE / 2 + misaligned);
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
                let step = match self.image.architecture {
                    Architecture::X86_64 => self.step_x86_64(&mut state),
                    Architecture::Aarch64 => self.step_aarch64(&mut state),
                    _ => Step::End,
                };
                if matches!(step, Step::End) {
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
                if image.contains(cell)
                    && let Some(Pointer::Address(value)) = image.pointer(cell)
                {
                    Cell {
                        bytes: value.to_le_bytes(),
                        known: 0xff,
                        written: 0xff,
                    }
                } else {
                    Cell::default()
                }
            });
            let position = (at & 7) as usize;
            entry.written |= 1 << position;
            match value {
                Some(value) => {
                    entry.bytes[position] = (value >> (8 * index.min(7))) as u8;
                    entry.known |= 1 << position;
                }
                None => entry.known &= !(1 << position),
            }
        }
    }

    /// Calls `target`, to return to the instruction after this one.
    fn call(&mut self, state: &mut State, target: Value) -> Step {
        match target {
            Some(target) if self.import_name(target).is_some() => {
                self.enter(state);
                self.imported(state, target)
            }
            Some(target) if self.image.contains(target) && state.calls.len() < MAX_DEPTH => {
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

    /// Jumps through a pointer: the stub of an import, or a tail call.
    fn jump(&mut self, state: &mut State, target: Value) -> Step {
        match target {
            Some(target) if self.import_name(target).is_some() => self.imported(state, target),
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

    /// Notes where the call returns to.
    fn enter(&self, state: &mut State) {
        state.calls.push(state.ip);
        self.move_stack(state, 8_u64.wrapping_neg());
    }

    /// Leaves the current function.
    fn leave(&mut self, state: &mut State) -> Step {
        self.move_stack(state, 8);
        if let Some(ip) = state.calls.pop() {
            state.ip = ip;
            return Step::Next;
        }
        self.finish(state);
        Step::End
    }

    /// Makes room for a return address, or takes it away, where calls keep one on the stack.
    fn move_stack(&self, state: &mut State, by: u64) {
        if self.convention.pushes_return {
            let stack = &mut state.general[self.convention.stack];
            *stack = stack.map(|it| it.wrapping_add(by));
        }
    }

    /// Goes to `target`, goes on, or follows both.
    fn branch(&mut self, state: &mut State, taken: Option<bool>, target: u64) -> Step {
        match taken {
            Some(true) => state.ip = target,
            Some(false) => {}
            None => {
                let history = history(state, self.convention);
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

    fn argument(&self, state: &State, index: usize) -> Value {
        let position = self.convention.arguments.get(index)?;
        state.general[*position]
    }

    /// Registers and memory that a call to unknown code leaves unknown.
    fn forget_call(&self, state: &mut State) {
        for index in 0..self.convention.arguments.len() {
            if let Some(pointer) = self.argument(state, index)
                && (STACK..STACK + STACK_SIZE).contains(&pointer)
            {
                self.store(state, Some(pointer), 8, None);
            }
        }
        for &position in self.convention.clobbered {
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

    /// Loads eight bytes, of which either half may be unknown.
    fn load_half(&mut self, state: &State, address: Value) -> Half {
        match self.load(state, address, 8) {
            Some(value) => split(Some(value)),
            None => [
                self.load(state, address, 4),
                self.load(state, address.map(|it| it.wrapping_add(4)), 4),
            ],
        }
    }

    /// Stores what [`Self::load_half`] loaded.
    fn store_half(&self, state: &mut State, address: Value, half: Half) {
        self.store(state, address, 4, half[0]);
        let upper = address.map(|it| it.wrapping_add(4));
        self.store(state, upper, 4, half[1]);
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
}
