//! Bytes to text, as Python reads them: byte order mark, then the cookie of PEP 263, then UTF-8.

use std::fmt;

use encoding_rs::Encoding;

/// Why bytes are not Python source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// A NUL byte; the interpreter refuses such files.
    Nul {
        /// Offset of the first one.
        offset: usize,
    },
    /// A UTF-16 or UTF-32 byte order mark; the interpreter reads neither.
    Wide,
    /// The cookie names an encoding nobody knows.
    UnknownEncoding(String),
    /// A UTF-8 byte order mark and a cookie that says otherwise.
    MarkAgainstCookie(String),
    /// A byte that the encoding does not have.
    Invalid {
        /// Name of the encoding.
        encoding: String,
        /// Offset of the byte, where the decoder tells it.
        offset: Option<usize>,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nul { offset } => write!(
                f,
                "contains a NUL byte at offset {offset}, which Python source cannot; is it a binary file?"
            ),
            Self::Wide => f.write_str(
                "starts with a UTF-16 or UTF-32 byte order mark, which Python does not read; save it as UTF-8",
            ),
            Self::UnknownEncoding(name) => write!(
                f,
                "declares the unknown encoding `{name}`; correct the `coding:` comment"
            ),
            Self::MarkAgainstCookie(name) => write!(
                f,
                "has a UTF-8 byte order mark but declares the encoding `{name}`; remove one of them"
            ),
            Self::Invalid {
                encoding,
                offset: Some(offset),
            } => write!(
                f,
                "is not valid {encoding}: byte at offset {offset}; declare the encoding in a `# -*- coding: NAME -*-` comment"
            ),
            Self::Invalid {
                encoding,
                offset: None,
            } => write!(
                f,
                "is not valid {encoding}; correct the `coding:` comment"
            ),
        }
    }
}

/// Decodes a source file. The byte order mark is not part of the text.
///
/// # Errors
/// The bytes are not text that the interpreter would read; see [`DecodeError`].
pub fn decode(bytes: Vec<u8>) -> Result<String, DecodeError> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(DecodeError::Wide);
    }
    let marked = bytes.starts_with(&[0xef, 0xbb, 0xbf]);
    let start = if marked { 3 } else { 0 };
    if let Some(offset) = memchr::memchr(0, &bytes) {
        return Err(DecodeError::Nul { offset });
    }
    let cookie = cookie(&bytes[start..]);
    let name = cookie.as_deref().map_or("utf-8".to_owned(), normalise);
    let utf8 = matches!(
        name.as_str(),
        "utf-8" | "utf8" | "u8" | "utf" | "utf8-ucs2" | "utf8-ucs4" | "cp65001" | "utf-8-sig"
    ) || name.starts_with("utf-8-");
    if marked && !utf8 {
        return Err(DecodeError::MarkAgainstCookie(name));
    }
    if utf8 {
        return match String::from_utf8(bytes) {
            Ok(text) if marked => Ok(text[start..].to_owned()),
            Ok(text) => Ok(text),
            Err(error) => Err(DecodeError::Invalid {
                encoding: "UTF-8".to_owned(),
                offset: Some(error.utf8_error().valid_up_to()),
            }),
        };
    }
    // The WHATWG labels that `encoding_rs` follows take Latin-1 and ASCII for Windows-1252;
    // Python does not.
    match name.as_str() {
        "latin-1" | "iso-8859-1" | "iso8859-1" | "latin1" | "l1" | "latin" | "8859" | "cp819"
        | "iso-ir-100" | "iso-latin-1" => {
            return Ok(bytes.iter().map(|&byte| char::from(byte)).collect());
        }
        "ascii" | "us-ascii" | "646" | "ansi-x3.4-1968" | "iso646-us" => {
            return match bytes.iter().position(|byte| !byte.is_ascii()) {
                Some(offset) => Err(DecodeError::Invalid {
                    encoding: "ASCII".to_owned(),
                    offset: Some(offset),
                }),
                None => Ok(bytes.iter().map(|&byte| char::from(byte)).collect()),
            };
        }
        _ => {}
    }
    let Some(encoding) = lookup(&name) else {
        return Err(DecodeError::UnknownEncoding(name));
    };
    encoding
        .decode_without_bom_handling_and_without_replacement(&bytes)
        .map(std::borrow::Cow::into_owned)
        .ok_or_else(|| DecodeError::Invalid {
            encoding: encoding.name().to_owned(),
            offset: None,
        })
}

/// The encoding named by a comment in one of the first two lines, as PEP 263 has it: the second
/// line counts only when the first one is blank or a comment.
fn cookie(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    for _ in 0..2 {
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, tail) = rest.split_at(end);
        let line = line.trim_ascii_start();
        if !line.is_empty() {
            if line[0] != b'#' {
                return None;
            }
            if let Some(name) = cookie_in(line) {
                return Some(name);
            }
        }
        rest = match tail {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => return None,
        };
    }
    None
}

/// `coding[:=][ \t]*([-_.a-zA-Z0-9]+)` in a comment.
fn cookie_in(line: &[u8]) -> Option<String> {
    memchr::memmem::find_iter(line, b"coding").find_map(|at| {
        let [b':' | b'=', value @ ..] = &line[at + b"coding".len()..] else {
            return None;
        };
        let start = value
            .iter()
            .take_while(|&&b| b == b' ' || b == b'\t')
            .count();
        let name: String = value[start..]
            .iter()
            .take_while(|&&b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            .map(|&b| char::from(b))
            .collect();
        (!name.is_empty()).then_some(name)
    })
}

/// Lower case, `-` for `_`: Python does not tell them apart.
fn normalise(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// Python's codec names that differ from the WHATWG labels, then the labels.
fn lookup(name: &str) -> Option<&'static Encoding> {
    let label = match name {
        "cp932" | "ms932" | "mskanji" | "shiftjis" | "shift-jis" => "shift_jis",
        "cp936" | "gb2312-80" | "euc-cn" | "euccn" => "gbk",
        "cp949" | "uhc" | "ms949" => "euc-kr",
        "cp950" => "big5",
        "eucjp" | "ujis" => "euc-jp",
        "euckr" => "euc-kr",
        "mac-roman" | "macroman" => "macintosh",
        "mac-cyrillic" => "x-mac-cyrillic",
        other => {
            if let Some(page) = other
                .strip_prefix("cp")
                .filter(|page| page.starts_with("125"))
            {
                return Encoding::for_label(format!("windows-{page}").as_bytes());
            }
            if let Some(part) = other.strip_prefix("iso8859-") {
                return Encoding::for_label(format!("iso-8859-{part}").as_bytes());
            }
            return Encoding::for_label(other.as_bytes());
        }
    };
    Encoding::for_label(label.as_bytes())
}
