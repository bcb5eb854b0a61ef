//! Bytes to syntax; the only place that reads files.

pub mod files;
pub mod name;
pub mod parse;
pub mod span;
