//! Mach-O files, 64-bit, thin and universal.

use object::macho::{self, MachHeader64};
use object::read::macho::{
    FatArch, Fixup, LoadCommandVariant, MachHeader, MachOFatFile32, MachOFatFile64, MachOFile64,
    Segment as _,
};
use object::read::{ExportTarget, FileKind, NameOrOrdinal};
use object::{Endianness, Object};

use super::image::{Architecture, Format, Image, ImageError, Segment};

/// Lays out the slice of a universal file that we read best: x86-64, else the first.
///
/// # Errors
/// When the file is broken or has no 64-bit slice.
pub fn fat_image(data: &[u8]) -> Result<Image<'_>, ImageError> {
    let slices: Vec<(object::Architecture, &[u8])> = match FileKind::parse(data)? {
        FileKind::MachOFat32 => slices(MachOFatFile32::parse(data)?.arches(), data)?,
        _ => slices(MachOFatFile64::parse(data)?.arches(), data)?,
    };
    let best = slices
        .iter()
        .find(|(architecture, _)| *architecture == object::Architecture::X86_64)
        .or_else(|| slices.first())
        .ok_or_else(|| ImageError::Malformed("a universal file without a slice".into()))?;
    match FileKind::parse(best.1)? {
        FileKind::MachO64 => image(best.1),
        _ => Err(ImageError::Malformed(
            "a universal file without a 64-bit slice".into(),
        )),
    }
}

fn slices<'d, A: FatArch>(
    arches: &[A],
    data: &'d [u8],
) -> Result<Vec<(object::Architecture, &'d [u8])>, ImageError> {
    arches
        .iter()
        .map(|arch| Ok((arch.architecture(), arch.data(data)?)))
        .collect()
}

/// Lays out a thin Mach-O file.
///
/// # Errors
/// When its headers or tables lead outside the file.
pub fn image(data: &[u8]) -> Result<Image<'_>, ImageError> {
    let file = MachOFile64::<Endianness>::parse(data)?;
    let endian = file.endian();
    let architecture = match file.architecture() {
        _ if !file.is_little_endian() => Architecture::Unsupported,
        object::Architecture::X86_64 => Architecture::X86_64,
        object::Architecture::Aarch64 => Architecture::Aarch64,
        _ => Architecture::Other64,
    };
    let mut image = Image::empty(Format::MachO, architecture);

    for import in file.imports()? {
        if let NameOrOrdinal::Name(name) = import?.name() {
            image.add_import(name.strip_prefix(b"_").unwrap_or(name));
        }
    }
    for export in file.exports()? {
        let export = export?;
        if let (NameOrOrdinal::Name(name), ExportTarget::Address { address, .. }) =
            (export.name(), export.target())
        {
            image.add_hook(name, address, true);
        }
    }
    if image.hooks.is_empty() {
        return Ok(image);
    }

    // Segments in the order of their load commands: the fixup tables name them by index.
    let mut segments = Vec::new();
    let mut base = None;
    let mut commands =
        MachHeader64::<Endianness>::parse(data, 0)?.load_commands(endian, data, 0)?;
    while let Some(command) = commands.next()? {
        let LoadCommandVariant::Segment64(segment, _) = command.variant()? else {
            continue;
        };
        let bytes = segment
            .data(endian, data)
            .map_err(|()| ImageError::Malformed("a segment lies outside the file".into()))?;
        let address = segment.vmaddr(endian);
        if segment.name() == b"__TEXT" {
            base = Some(address);
        }
        segments.push(Segment {
            address,
            size: segment.vmsize(endian),
            bytes,
            code: segment.initprot(endian).contains(macho::VM_PROT_EXECUTE),
        });
    }
    let base = base.unwrap_or(0);

    // A run-length encoded table can name more slots than the file has bytes.
    let limit = data.len() / 4 + 1;
    let mut commands =
        MachHeader64::<Endianness>::parse(data, 0)?.load_commands(endian, data, 0)?;
    while let Some(command) = commands.next()? {
        match command.variant()? {
            LoadCommandVariant::DyldInfo(info) => {
                let binds = info
                    .binds(endian, data, 8)?
                    .chain(info.lazy_binds(endian, data, 8)?)
                    .chain(info.weak_binds(endian, data, 8)?);
                for bind in binds.take(limit) {
                    let bind = bind?;
                    if let Some(segment) = segments.get(usize::from(bind.segment_index)) {
                        let slot = segment.address.wrapping_add(bind.segment_offset);
                        bind_slot(&mut image, slot, bind.symbol);
                    }
                }
                // Rebased slots hold the address they are rebased from: read in place.
            }
            LoadCommandVariant::LinkeditData(command)
                if command.cmd.get(endian) == macho::LC_DYLD_CHAINED_FIXUPS =>
            {
                let fixups = command.chained_fixups(endian, data)?;
                let mut imports = Vec::new();
                for import in fixups.imports(endian)?.take(limit) {
                    imports.push(import?.name);
                }
                for chain in fixups.segments(endian)?.take(segments.len()) {
                    let chain = chain?;
                    let Some(segment) = segments.get(chain.index() as usize) else {
                        continue;
                    };
                    for fixup in chain.fixups(endian, base, segment.bytes).take(limit) {
                        let (offset, fixup) = fixup?;
                        let slot = segment.address.wrapping_add(offset);
                        match fixup {
                            Fixup::Rebase(rebase) => image
                                .relative
                                .push((slot, base.wrapping_add(rebase.target_offset))),
                            Fixup::Bind(bind) => {
                                if let Some(name) = imports.get(bind.ordinal as usize) {
                                    bind_slot(&mut image, slot, name);
                                }
                            }
                            _ => {}
                        }
                    }
                }
            }
            _ => {}
        }
    }
    image.segments = segments;
    Ok(image)
}

fn bind_slot<'d>(image: &mut Image<'d>, slot: u64, symbol: &'d [u8]) {
    let symbol = symbol.strip_prefix(b"_").unwrap_or(symbol);
    if let Ok(symbol) = std::str::from_utf8(symbol) {
        image.bound.push((slot, symbol));
    }
}
