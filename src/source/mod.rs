//! Bytes to syntax; the only place that reads files.

pub mod decode;
pub mod depth;
pub mod discover;
pub mod files;
pub mod name;
pub mod parse;
pub mod span;
pub mod text;
