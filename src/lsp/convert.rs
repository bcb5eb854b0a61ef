//! Our paths, places and severities in the protocol's words.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use lsp_types::{DiagnosticSeverity, Position, PositionEncodingKind, Range, Uri};

use crate::findings::Severity;
use crate::source::span::{self, Units};
use crate::source::text::SourceText;

/// The file a `file:` address names; `None` for any other address.
pub(super) fn path_of(uri: &Uri) -> Option<PathBuf> {
    if !uri.scheme()?.as_str().eq_ignore_ascii_case("file") {
        return None;
    }
    let bytes = percent_decode(uri.path().as_str());
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
        path.is_absolute().then_some(path)
    }
    #[cfg(not(unix))]
    {
        let text = String::from_utf8(bytes).ok()?;
        // `/c:/directory` is `c:\directory`.
        let text = text.strip_prefix('/').unwrap_or(&text);
        let path = PathBuf::from(text.replace('/', "\\"));
        path.is_absolute().then_some(path)
    }
}

/// The address of an absolute path.
pub(super) fn uri_of(path: &Path) -> Option<Uri> {
    #[cfg(unix)]
    let bytes = {
        use std::os::unix::ffi::OsStrExt;
        path.as_os_str().as_bytes().to_vec()
    };
    #[cfg(not(unix))]
    let bytes = format!("/{}", path.to_str()?.replace('\\', "/")).into_bytes();
    let mut text = String::from("file://");
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"/-._~:".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    Uri::from_str(&text).ok()
}

fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let escaped = (byte == b'%')
            .then(|| text.get(index + 1..index + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(byte));
        index += if escaped.is_some() { 3 } else { 1 };
    }
    decoded
}

/// The unit of columns to use with a client: the cheapest one it offers, UTF-16 when it is silent.
pub(super) fn negotiate(offered: Option<&[PositionEncodingKind]>) -> (Units, PositionEncodingKind) {
    let offered = offered.unwrap_or_default();
    if offered.contains(&PositionEncodingKind::UTF8) {
        (Units::Utf8, PositionEncodingKind::UTF8)
    } else if offered.contains(&PositionEncodingKind::UTF16) || offered.is_empty() {
        (Units::Utf16, PositionEncodingKind::UTF16)
    } else if offered.contains(&PositionEncodingKind::UTF32) {
        (Units::Chars, PositionEncodingKind::UTF32)
    } else {
        (Units::Utf16, PositionEncodingKind::UTF16)
    }
}

/// A range of bytes in the client's units.
pub(super) fn range(text: &SourceText, range: span::Range, units: Units) -> Range {
    let position = |offset| {
        let (line, character) = text.location(offset, units);
        Position { line, character }
    };
    Range::new(position(range.start), position(range.end))
}

/// The client's word for a severity.
pub(super) fn severity(severity: Severity) -> DiagnosticSeverity {
    match severity {
        Severity::Error => DiagnosticSeverity::ERROR,
        Severity::Warning => DiagnosticSeverity::WARNING,
        Severity::Info => DiagnosticSeverity::INFORMATION,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    #[cfg(unix)]
    fn paths_survive_as_addresses() {
        for path in ["/a/b.py", "/with space/é%41.py", "/#?[]&=+"] {
            let path = Path::new(path);
            assert_eq!(path_of(&uri_of(path).unwrap()).unwrap(), path);
        }
        assert_eq!(path_of(&Uri::from_str("untitled:One").unwrap()), None);
        assert_eq!(path_of(&Uri::from_str("file:relative").unwrap()), None);
        let cut = Uri::from_str("file:///a%20b").unwrap();
        assert_eq!(path_of(&cut).unwrap(), Path::new("/a b"));
    }
}
