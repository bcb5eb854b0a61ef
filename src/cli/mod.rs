//! The command line: arguments to settings, outcome to exit code.

use std::process::ExitCode;

/// Runs the command named by the process arguments and returns its exit code:
/// 0 clean, 1 findings, 2 something could not be analysed or the invocation was wrong.
pub fn main() -> ExitCode {
    ExitCode::from(2)
}
