//! Text files of the audited project and environment: bounded, and never a pipe or a device.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;

/// Reads a text of at most `limit` bytes; those that are not UTF-8 are replaced.
///
/// # Errors
/// What opening and reading say; and when it is no regular file, or larger.
pub(super) fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let (file, size) = open(path, limit)?;
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(limit));
    }
    // `pip freeze > requirements.txt` in PowerShell writes UTF-16.
    if let [0xff, 0xfe, rest @ ..] = &bytes[..] {
        let units: Vec<u16> = rest
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        return Ok(String::from_utf16_lossy(&units));
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Calls `each` with the lines of a text of at most `limit` bytes, until it breaks off. What comes
/// after is not read, and nothing is kept: an environment holds hundreds of megabytes of metadata
/// of which a few lines matter.
///
/// # Errors
/// As [`read_text`].
pub(super) fn read_lines(
    path: &Path,
    limit: u64,
    mut each: impl FnMut(&str) -> ControlFlow<()>,
) -> io::Result<()> {
    let (file, _) = open(path, limit)?;
    let mut reader = BufReader::with_capacity(1 << 15, file.take(limit));
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if each(text.trim_end_matches(['\n', '\r'])).is_break() {
            return Ok(());
        }
        line.clear();
    }
    Ok(())
}

/// Opens a regular file of at most `limit` bytes; also its size.
fn open(path: &Path, limit: u64) -> io::Result<(File, u64)> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        let kind = io::ErrorKind::InvalidInput;
        return Err(io::Error::new(kind, "not a regular file"));
    }
    if metadata.len() > limit {
        return Err(too_large(limit));
    }
    Ok((File::open(path)?, metadata.len()))
}

fn too_large(limit: u64) -> io::Error {
    let why = format!("more than {limit} bytes, which no honest one has; not read");
    io::Error::new(io::ErrorKind::InvalidData, why)
}
