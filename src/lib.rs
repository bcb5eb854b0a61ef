//! raceproof: where will Python code break when the GIL is gone?
//!
//! Data flows one way: `source` turns bytes into syntax, `facts` one module's syntax into owned
//! facts, `program` all facts into what rules may ask, `rules` questions into findings, `report`
//! findings into text. `engine` drives that path for every front end. `docs/architecture.md`
//! defines the vocabulary.

pub mod config;
pub mod engine;
pub mod facts;
pub mod findings;
pub mod fixes;
pub mod models;
pub mod program;
pub mod report;
pub mod rule;
pub mod rules;
pub mod source;

pub mod audit;
pub mod cli;
pub mod dynamic;
pub mod lsp;
