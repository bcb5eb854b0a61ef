//! What the user asked for: `[tool.raceproof]` in `pyproject.toml`, or `raceproof.toml`.
//!
//! [`find`] looks for the project, [`Table::read`] reads what is written there, and
//! [`Settings::resolve`] puts it together with the defaults. The root of a project is the nearest
//! directory upwards with a `raceproof.toml` or a `pyproject.toml`; its table is the only one that
//! counts, and `raceproof.toml` goes before `pyproject.toml`. Which Python is meant is in
//! `python.rs`.

mod error;
mod find;
pub mod python;
mod settings;
mod table;

pub use error::ConfigError;
pub use find::{Project, find};
pub use settings::{FailOn, Level, NamedText, Origin, PathRules, Settings};
pub(crate) use table::nearest;
pub use table::{KEYS, Table};
