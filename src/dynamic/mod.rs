//! Runs a program under a scheduler and searches its thread interleavings.
//!
//! The agent (`agent/*.py`, embedded) lives in the interpreter: it puts hooks into the program's
//! syntax tree, owns the threads and locks, and follows plans. The search lives here: strategies
//! choose plans, [`happens_before`] tells what an execution ordered, oracles judge it, [`shrink`]
//! makes a failing one short, [`witness`] keeps it. The agent has mechanism and no judgement.
//!
//! Nothing here knows the static analysis.

pub mod agent_process;
pub mod emit_test;
pub mod event;
pub mod fleet;
pub mod happens_before;
pub mod interpreter;
pub mod oracle;
pub mod protocol;
pub mod report;
pub mod search;
pub mod shrink;
pub mod strategy;
pub mod witness;
