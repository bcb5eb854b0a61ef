//! One module's syntax to facts: pure, owned, without knowledge of other files.
