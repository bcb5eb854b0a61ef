//! All facts together: what rules may ask.

pub mod atomicity;
pub mod effect;
pub mod evaluate;
pub mod link;
pub mod object;
pub mod summary;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::facts::ModuleFacts;
use crate::models::Models;
use crate::source::span::FileId;

/// The free-threaded interpreter the code will run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Target {
    /// CPython 3.13t.
    #[serde(rename = "3.13t")]
    Py313t,
    /// CPython 3.14t.
    #[default]
    #[serde(rename = "3.14t")]
    Py314t,
    /// CPython 3.15t.
    #[serde(rename = "3.15t")]
    Py315t,
}

/// Who calls the public functions of the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Callers {
    /// Many threads may.
    #[default]
    Many,
    /// One thread does.
    Single,
}

/// What the answers depend on beside the facts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The interpreter.
    pub target: Target,
    /// The callers.
    pub callers: Callers,
}

/// How much of the program is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coverage {
    /// Functions.
    pub functions: usize,
    /// Calls.
    pub calls: usize,
    /// Calls whose callee is unknown.
    pub unresolved_calls: usize,
    /// Bounds that were hit.
    pub limits: usize,
}

/// A linked program.
pub struct Program {
    modules: Vec<(FileId, Arc<ModuleFacts>)>,
}

impl Program {
    /// Links modules.
    pub fn link(
        modules: Vec<(FileId, Arc<ModuleFacts>)>,
        _models: &Models,
        _options: &Options,
        _cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Self {
        Self { modules }
    }

    /// How much is known.
    pub fn coverage(&self) -> Coverage {
        Coverage {
            functions: self.modules.iter().map(|(_, it)| it.function_count()).sum(),
            ..Coverage::default()
        }
    }
}
