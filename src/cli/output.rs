//! Lines for people on standard error.

use std::io::Write;

/// Writes one line to standard error. A closed standard error is nobody's loss.
pub(super) fn complain(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "raceproof: {text}");
}
