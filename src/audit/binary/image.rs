//! A binary as the loader lays it out: addresses to bytes and pointers.

use std::fmt;

use object::FileKind;

use super::{elf, macho, pe};

/// The container format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Linux and most other Unix systems.
    Elf,
    /// macOS.
    MachO,
    /// Windows.
    Pe,
}

/// The instruction set, as far as we tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// 64-bit x86, whose code we can follow.
    X86_64,
    /// 64-bit Arm, whose code we can follow too.
    Aarch64,
    /// Another 64-bit little-endian machine: tables only.
    Other64,
    /// A machine whose structures are laid out differently (32-bit or big-endian).
    Unsupported,
}

/// Why a file could not be read as an extension module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageError {
    /// Not ELF, Mach-O or PE.
    UnknownFormat,
    /// Broken or cut short: what the reader stumbled on.
    Malformed(String),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFormat => f.write_str("not an ELF, Mach-O or PE file"),
            Self::Malformed(what) => write!(f, "broken binary: {what}"),
        }
    }
}

impl std::error::Error for ImageError {}

impl From<object::read::Error> for ImageError {
    fn from(error: object::read::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// A stretch of memory; what lies beyond the file's bytes is zero.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'d> {
    /// First address.
    pub address: u64,
    /// Length in memory.
    pub size: u64,
    /// What the file has for its beginning.
    pub bytes: &'d [u8],
    /// May be executed.
    pub code: bool,
}

/// Where a pointer leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointer<'d> {
    /// Into this image, or a plain number.
    Address(u64),
    /// To a symbol of another one.
    Import(&'d str),
}

/// An exported function through which the interpreter enters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Module name, without the `PyInit_` or `PyModExport_` before it.
    pub module: String,
    /// The entry of PEP 793 (`PyModExport_`) rather than `PyInit_`.
    pub export: bool,
    /// Where it starts.
    pub address: u64,
}

/// A binary as the loader lays it out.
#[derive(Debug)]
pub struct Image<'d> {
    /// Container format.
    pub format: Format,
    /// Instruction set.
    pub architecture: Architecture,
    /// Memory, sorted by address.
    pub segments: Vec<Segment<'d>>,
    /// Relocated pointers into the image, by the address they are stored at, sorted.
    pub relative: Vec<(u64, u64)>,
    /// Slots that hold the address of an imported symbol, sorted.
    pub bound: Vec<(u64, &'d str)>,
    /// Names of everything imported whose name starts with `Py`, sorted.
    pub imports: Vec<&'d str>,
    /// The interpreter's entries, sorted by name.
    pub hooks: Vec<Hook>,
}

impl<'d> Image<'d> {
    /// Reads `data`.
    ///
    /// # Errors
    /// When it is no binary of a known format, or a broken one.
    pub fn parse(data: &'d [u8]) -> Result<Self, ImageError> {
        let kind = FileKind::parse(data).map_err(|_| ImageError::UnknownFormat)?;
        let mut image = match kind {
            FileKind::Elf64 => elf::image(data)?,
            FileKind::MachO64 => macho::image(data)?,
            FileKind::MachOFat32 | FileKind::MachOFat64 => macho::fat_image(data)?,
            FileKind::Pe64 => pe::image(data)?,
            FileKind::Elf32 => Self::unsupported(data, Format::Elf)?,
            FileKind::MachO32 => Self::unsupported(data, Format::MachO)?,
            FileKind::Pe32 => Self::unsupported(data, Format::Pe)?,
            _ => return Err(ImageError::UnknownFormat),
        };
        image.segments.sort_by_key(|segment| segment.address);
        image.relative.sort_unstable();
        image.bound.sort_unstable();
        image.imports.sort_unstable();
        image.imports.dedup();
        image
            .hooks
            .sort_unstable_by(|a, b| (&a.module, a.export).cmp(&(&b.module, b.export)));
        Ok(image)
    }

    /// A 32-bit binary: its entries only.
    fn unsupported(data: &'d [u8], format: Format) -> Result<Self, ImageError> {
        use object::read::ExportTarget;
        use object::{NameOrOrdinal, Object};

        let file = object::File::parse(data)?;
        let mut image = Self::empty(format, Architecture::Unsupported);
        for export in file.exports()? {
            let export = export?;
            if let (NameOrOrdinal::Name(name), ExportTarget::Address { address, .. }) =
                (export.name(), export.target())
            {
                image.add_hook(name, address, format == Format::MachO);
            }
        }
        Ok(image)
    }

    pub(super) fn empty(format: Format, architecture: Architecture) -> Self {
        Self {
            format,
            architecture,
            segments: Vec::new(),
            relative: Vec::new(),
            bound: Vec::new(),
            imports: Vec::new(),
            hooks: Vec::new(),
        }
    }

    /// Notes an exported function if the interpreter would enter through it.
    pub(super) fn add_hook(&mut self, name: &[u8], address: u64, underscored: bool) {
        let name = if underscored {
            name.strip_prefix(b"_").unwrap_or(name)
        } else {
            name
        };
        let (rest, export) = if let Some(rest) = name.strip_prefix(b"PyInit_") {
            (rest, false)
        } else if let Some(rest) = name.strip_prefix(b"PyModExport_") {
            (rest, true)
        } else {
            return;
        };
        if let Ok(module) = std::str::from_utf8(rest) {
            self.hooks.push(Hook {
                module: module.to_owned(),
                export,
                address,
            });
        }
    }

    /// Notes an imported symbol if it belongs to the interpreter.
    pub(super) fn add_import(&mut self, name: &'d [u8]) {
        if let Ok(name) = std::str::from_utf8(name)
            && is_interpreter_symbol(name)
        {
            self.imports.push(name);
        }
    }

    /// Whether the interpreter's function `name` is imported.
    pub fn imports(&self, name: &str) -> bool {
        self.imports.binary_search(&name).is_ok()
    }

    fn segment(&self, address: u64) -> Option<&Segment<'d>> {
        let after = self
            .segments
            .partition_point(|segment| segment.address <= address);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        (address - segment.address < segment.size).then_some(segment)
    }

    /// Whether `address` belongs to the image.
    pub fn contains(&self, address: u64) -> bool {
        self.segment(address).is_some()
    }

    /// The bytes of the file from `address` to the end of its segment, without relocation.
    pub fn bytes_at(&self, address: u64) -> &'d [u8] {
        self.segment(address)
            .and_then(|segment| {
                let offset = usize::try_from(address - segment.address).ok()?;
                segment.bytes.get(offset..)
            })
            .unwrap_or_default()
    }

    /// One byte as the loader leaves it, relocations aside; zero past the file's bytes.
    pub fn byte(&self, address: u64) -> Option<u8> {
        let segment = self.segment(address)?;
        let offset = usize::try_from(address - segment.address).ok()?;
        Some(segment.bytes.get(offset).copied().unwrap_or(0))
    }

    /// The pointer stored at `address`.
    pub fn pointer(&self, address: u64) -> Option<Pointer<'d>> {
        if let Ok(found) = self.relative.binary_search_by_key(&address, |it| it.0) {
            return Some(Pointer::Address(self.relative[found].1));
        }
        if let Ok(found) = self.bound.binary_search_by_key(&address, |it| it.0) {
            return Some(Pointer::Import(self.bound[found].1));
        }
        self.number(address, 8).map(Pointer::Address)
    }

    /// A little-endian number of up to eight bytes, without relocation.
    pub fn number(&self, address: u64, size: u64) -> Option<u64> {
        let mut value = 0;
        for index in 0..size.min(8) {
            value |= u64::from(self.byte(address.checked_add(index)?)?) << (8 * index);
        }
        Some(value)
    }

    /// The zero-terminated text at `address`, if it is short and UTF-8.
    pub fn text(&self, address: u64) -> Option<&'d str> {
        let bytes = self.bytes_at(address);
        let bytes = &bytes[..bytes.len().min(512)];
        let end = bytes.iter().position(|&byte| byte == 0)?;
        std::str::from_utf8(&bytes[..end]).ok()
    }
}

/// Whether a symbol is one of the interpreter's.
pub(super) fn is_interpreter_symbol(name: &str) -> bool {
    name.starts_with("Py") || name.starts_with("_Py")
}
