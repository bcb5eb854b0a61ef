//! `raceproof server`: the analysis in an editor, over the language server protocol.
//!
//! [`serve`] is the whole interface. The only module that knows the protocol's types; everything
//! it says comes from the same [`crate::engine::Host`] that the command line uses.

mod analyst;
mod code_action;
mod code_lens;
mod convert;
mod diagnostics;
mod document;
mod folder;
mod hover;
mod inlay_hint;
mod main_loop;
mod other_side;
mod requests;
mod session;
mod transport;
mod workers;

pub use main_loop::{Ended, serve};
