//! The language server, through the binary and the protocol.
#![allow(clippy::unwrap_used, missing_docs)]

mod client;
mod insight;
mod lifecycle;
mod robust;
mod sync;
