//! A wheel laid out in a folder as an installer would, so that its modules can be imported. Only
//! `--run` comes here; otherwise wheels are read in memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use zip::ZipArchive;

use super::wheel::{MAX_MEMBERS, is_suspicious, root_folder};

/// All members together; the largest wheels of the index are below it.
const MAX_TOTAL: u64 = 16 << 30;

/// Unpacks the wheel at `path` into `folder`, which exists.
///
/// # Errors
/// The archive cannot be read, a member leads out of the folder, is a link, or claims more bytes
/// than an honest one has; or writing fails. What was written stays for the caller to remove.
pub fn unpack(path: &Path, folder: &Path) -> io::Result<()> {
    let refused = |name: &str, why: &str| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("member `{}` {why}", name.escape_debug()),
        )
    };
    let mut archive = ZipArchive::new(File::open(path)?).map_err(io::Error::other)?;
    if archive.len() > MAX_MEMBERS {
        return Err(io::Error::other(format!("{} members", archive.len())));
    }
    let mut total = 0;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(io::Error::other)?;
        let name = member.name().map_err(io::Error::other)?.into_owned();
        if member.enclosed_name().is_none() {
            return Err(refused(&name, "leads out of the folder"));
        }
        if member.is_symlink() {
            return Err(refused(&name, "is a link"));
        }
        let size = member.size();
        total += size;
        if is_suspicious(size, member.compressed_size()) || total > MAX_TOTAL {
            return Err(refused(&name, "may be a zip bomb"));
        }
        if !member.is_file() {
            continue;
        }
        // The name is enclosed, so what is left of it after its first folders is so too.
        let Some(inner) = root_folder(&name) else {
            continue;
        };
        let target = folder.join(inner);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        let written = io::copy(
            &mut member.by_ref().take(size + 1),
            &mut File::create(&target)?,
        )?;
        if written > size {
            return Err(refused(&name, "unpacks to more than it claims"));
        }
    }
    Ok(())
}
