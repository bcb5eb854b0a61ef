//! All facts together: what rules may ask.

/// A linked program.
pub struct Program;
