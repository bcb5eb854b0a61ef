//! ELF files, 64-bit.

use object::elf;
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Object, ObjectSymbol, ObjectSymbolTable, RelocationTarget};

use super::image::{Architecture, Format, Image, ImageError, Segment};

/// Lays out an ELF file.
///
/// # Errors
/// When its headers or tables lead outside the file.
pub fn image(data: &[u8]) -> Result<Image<'_>, ImageError> {
    let file = ElfFile64::<object::Endianness>::parse(data)?;
    let endian = file.endian();
    let architecture = match file.architecture() {
        _ if !file.is_little_endian() => Architecture::Unsupported,
        object::Architecture::X86_64 => Architecture::X86_64,
        object::Architecture::Aarch64 => Architecture::Aarch64,
        _ => Architecture::Other64,
    };
    let mut image = Image::empty(Format::Elf, architecture);

    for header in file.elf_program_headers() {
        if header.p_type(endian) != elf::PT_LOAD {
            continue;
        }
        let bytes = header
            .data(endian, data)
            .map_err(|()| ImageError::Malformed("a segment lies outside the file".into()))?;
        image.segments.push(Segment {
            address: header.p_vaddr(endian),
            size: header.p_memsz(endian),
            bytes,
            code: header.p_flags(endian).contains(elf::PF_X),
        });
    }

    let Some(symbols) = file.dynamic_symbol_table() else {
        return Ok(image);
    };
    for symbol in symbols.symbols() {
        let Ok(name) = symbol.name_bytes() else {
            continue;
        };
        if symbol.is_undefined() {
            image.add_import(name);
        } else {
            image.add_hook(name, symbol.address(), false);
        }
    }
    if image.hooks.is_empty() {
        // A plain shared library: nobody will ask for its pointers.
        return Ok(image);
    }

    // Every honest relocation takes at least eight bytes of the file; overlapping tables of a
    // hostile one must not cost more than that.
    let limit = data.len() / 8 + 1;
    for (address, relocation) in file.dynamic_relocations().into_iter().flatten().take(limit) {
        match relocation.target() {
            RelocationTarget::Absolute => {
                image
                    .relative
                    .push((address, relocation.addend().cast_unsigned()));
            }
            RelocationTarget::Symbol(index) => {
                let Ok(symbol) = symbols.symbol_by_index(index) else {
                    continue;
                };
                if symbol.is_undefined() {
                    if let Ok(name) = symbol.name() {
                        image.bound.push((address, name));
                    }
                } else {
                    let target = symbol
                        .address()
                        .wrapping_add(relocation.addend().cast_unsigned());
                    image.relative.push((address, target));
                }
            }
            _ => {}
        }
    }
    Ok(image)
}
