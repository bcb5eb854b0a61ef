//! Places in source text.

use serde::{Deserialize, Serialize};

/// A file of the analysed project: an index into the list of files of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// A range of bytes within one file; `start <= end`, both offsets into its decoded UTF-8 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Range {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A range of bytes in a file of the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Site {
    /// The file.
    pub file: FileId,
    /// Where in it.
    pub range: Range,
}

/// A place for people: line and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column in characters (Unicode scalar values).
    pub column: u32,
}

/// What one unit of a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// Bytes of UTF-8.
    Utf8,
    /// UTF-16 code units, as editors count.
    Utf16,
    /// Characters (Unicode scalar values), as SARIF and people count.
    Chars,
}
