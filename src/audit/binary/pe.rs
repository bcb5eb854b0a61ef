//! PE files, 64-bit.

use object::pe::{self, ImageNtHeaders64};
use object::read::pe::{ImageThunkData, Import, PeFile64};
use object::read::{ExportTarget, NameOrOrdinal};
use object::{LittleEndian as LE, Object};

use super::image::{Architecture, Format, Image, ImageError, Segment};

/// Lays out a PE file at its preferred address, where base relocations are already applied.
///
/// # Errors
/// When its headers or tables lead outside the file.
pub fn image(data: &[u8]) -> Result<Image<'_>, ImageError> {
    let file = PeFile64::parse(data)?;
    let architecture = match file.architecture() {
        object::Architecture::X86_64 => Architecture::X86_64,
        object::Architecture::Aarch64 => Architecture::Aarch64,
        _ => Architecture::Other64,
    };
    let mut image = Image::empty(Format::Pe, architecture);
    let base = file.relative_address_base();

    for section in file.section_table().iter() {
        let bytes = section.pe_data(data).unwrap_or_default();
        image.segments.push(Segment {
            address: base.wrapping_add(u64::from(section.virtual_address.get(LE))),
            size: u64::from(
                section
                    .virtual_size
                    .get(LE)
                    .max(section.size_of_raw_data.get(LE)),
            ),
            bytes,
            code: section
                .characteristics
                .get(LE)
                .contains(pe::IMAGE_SCN_MEM_EXECUTE),
        });
    }
    for export in file.exports()? {
        let export = export?;
        if let (NameOrOrdinal::Name(name), ExportTarget::Address { address, .. }) =
            (export.name(), export.target())
        {
            image.add_hook(name, address, false);
        }
    }
    if image.hooks.is_empty() {
        return Ok(image);
    }

    if let Some(table) = file.import_table()? {
        let limit = data.len() / 8 + 1;
        let mut count = 0;
        let mut descriptors = table.descriptors()?;
        while let Some(descriptor) = descriptors.next()? {
            let lookup = match descriptor.original_first_thunk.get(LE) {
                0 => descriptor.first_thunk.get(LE),
                lookup => lookup,
            };
            let mut slot = base.wrapping_add(u64::from(descriptor.first_thunk.get(LE)));
            let mut thunks = table.thunks(lookup)?;
            while let Some(thunk) = thunks.next::<ImageNtHeaders64>()? {
                count += 1;
                if count > limit {
                    return Err(ImageError::Malformed("import tables overlap".into()));
                }
                if !thunk.is_ordinal()
                    && let Import::Name(_, name) = table.import::<ImageNtHeaders64>(thunk)?
                {
                    image.add_import(name);
                    if let Ok(name) = std::str::from_utf8(name) {
                        image.bound.push((slot, name));
                    }
                }
                slot = slot.wrapping_add(8);
            }
        }
    }
    Ok(image)
}
