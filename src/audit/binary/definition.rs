//! Module definitions and slot tables.
//!
//! `struct PyModuleDef` (CPython, `Include/moduleobject.h`) begins with an object header whose
//! layout tells which build it was compiled for: the free-threaded build's is 32 bytes with a local
//! reference count of `0xffff_ffff` at offset 12, the GIL build's 16 bytes with the reference count
//! first. `m_name` and `m_slots` follow 24 and 56 bytes after the header. A slot table is a row of
//! `{int slot; void *value}`, ended by zero. From 3.15 on there is also
//! `PySlot {uint16_t id; uint16_t flags; uint32_t; value}` (PEP 793), and `Py_mod_gil`
//! has the number 87 instead of 4.

use super::image::{Image, Pointer};

/// `Py_mod_gil` of 3.13 and 3.14, and of 3.15.
const GIL_SLOTS: [u64; 2] = [4, 87];
/// `Py_slot_subslots` of 3.15 (PEP 820), whose value is another table.
const SUBSLOTS: u64 = 92;
/// No real table is longer.
const MAX_SLOTS: u64 = 64;

const FREE_THREADED_HEADER: u64 = 32;
const GIL_HEADER: u64 = 16;

/// Something whose words can be read: an image at rest, or one during execution.
pub trait Memory {
    /// A little-endian number of `size` bytes, with pointers resolved; `None` when unknown.
    fn read(&self, address: u64, size: u64) -> Option<u64>;
}

impl Memory for Image<'_> {
    fn read(&self, address: u64, size: u64) -> Option<u64> {
        if size == 8 {
            match self.pointer(address)? {
                Pointer::Address(value) => Some(value),
                Pointer::Import(_) => None,
            }
        } else {
            self.number(address, size)
        }
    }
}

/// What a slot table says about the GIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GilSlot {
    /// `{Py_mod_gil, Py_MOD_GIL_NOT_USED}`.
    NotUsed,
    /// `{Py_mod_gil, Py_MOD_GIL_USED}`.
    Used,
    /// No such slot, which means used.
    Missing,
    /// The table could not be read to its end.
    Unreadable,
}

/// The build a definition was compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `Py_GIL_DISABLED`.
    FreeThreaded,
    /// The default build.
    Gil,
}

/// A module definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Definition {
    /// The build it was compiled for; `None` when its header is neither.
    pub layout: Option<Layout>,
    /// What its slots say; `None` when it has none.
    pub slots: Option<GilSlot>,
}

/// Reads the `PyModuleDef` at `address`.
pub fn definition(memory: &impl Memory, address: u64) -> Definition {
    let layout = layout(memory, address);
    let header = match layout {
        Some(Layout::Gil) => GIL_HEADER,
        _ => FREE_THREADED_HEADER,
    };
    let slots = match memory.read(address.wrapping_add(header + 56), 8) {
        Some(0) => None,
        Some(table) => Some(slot_table(memory, table)),
        None => Some(GilSlot::Unreadable),
    };
    Definition { layout, slots }
}

fn layout(memory: &impl Memory, address: u64) -> Option<Layout> {
    let first = memory.read(address, 8)?;
    let local = memory.read(address.wrapping_add(12), 4)?;
    if first == 0 && local == u64::from(u32::MAX) {
        Some(Layout::FreeThreaded)
    } else if first != 0 && memory.read(address.wrapping_add(8), 8) == Some(0) {
        Some(Layout::Gil)
    } else {
        None
    }
}

/// Reads an array of `PyModuleDef_Slot`.
pub fn slot_table(memory: &impl Memory, address: u64) -> GilSlot {
    for index in 0..MAX_SLOTS {
        let entry = address.wrapping_add(16 * index);
        match memory.read(entry, 4) {
            None => return GilSlot::Unreadable,
            Some(0) => return GilSlot::Missing,
            Some(id) if GIL_SLOTS.contains(&id) => {
                return gil_value(memory.read(entry.wrapping_add(8), 8));
            }
            Some(_) => {}
        }
    }
    GilSlot::Unreadable
}

/// Reads an array of `PySlot` (PEP 793, from 3.15 on).
pub fn export_table(memory: &impl Memory, address: u64) -> GilSlot {
    export_table_at_depth(memory, address, 0)
}

fn export_table_at_depth(memory: &impl Memory, address: u64, depth: u32) -> GilSlot {
    for index in 0..MAX_SLOTS {
        let entry = address.wrapping_add(16 * index);
        match memory.read(entry, 2) {
            None => return GilSlot::Unreadable,
            Some(0) => return GilSlot::Missing,
            Some(id) if GIL_SLOTS.contains(&id) => {
                return gil_value(memory.read(entry.wrapping_add(8), 8));
            }
            Some(SUBSLOTS) if depth < 4 => {
                let Some(nested) = memory.read(entry.wrapping_add(8), 8) else {
                    return GilSlot::Unreadable;
                };
                let found = export_table_at_depth(memory, nested, depth + 1);
                if found != GilSlot::Missing {
                    return found;
                }
            }
            Some(_) => {}
        }
    }
    GilSlot::Unreadable
}

fn gil_value(value: Option<u64>) -> GilSlot {
    match value {
        Some(1) => GilSlot::NotUsed,
        Some(0) => GilSlot::Used,
        _ => GilSlot::Unreadable,
    }
}

/// Finds definitions by their shape: a header of the free-threaded build, zeros where the
/// interpreter keeps its own, and a name that is `module` or ends with `.module`. Binaries hold
/// look-alikes (other definitions, tables of bindings); the name tells them apart.
pub fn definitions_named(image: &Image<'_>, module: &str) -> Vec<Definition> {
    const SHAPE: [u8; 4] = [0xff; 4];
    let mut found = Vec::new();
    for segment in image.segments.iter().filter(|segment| !segment.code) {
        for at in memchr::memmem::find_iter(segment.bytes, &SHAPE) {
            let Some(address) = segment
                .address
                .checked_add(at as u64)
                .and_then(|it| it.checked_sub(12))
            else {
                continue;
            };
            if address % 8 != 0 || layout(image, address) != Some(Layout::FreeThreaded) {
                continue;
            }
            let zeros = [16, 24, 32, 40, 48];
            if zeros
                .iter()
                .any(|offset| image.read(address + offset, 8) != Some(0))
            {
                continue;
            }
            let name = image
                .read(address + FREE_THREADED_HEADER + 24, 8)
                .and_then(|name| image.text(name));
            if name.is_some_and(|name| name.rsplit('.').next() == Some(module)) {
                found.push(definition(image, address));
            }
        }
    }
    found
}
