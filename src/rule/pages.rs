//! The pages of `rules/`. Written by `tests/registry.rs`; do not edit.

/// Name and text of every page, sorted by name.
pub(super) const PAGES: &[(&str, &str)] = &[];
