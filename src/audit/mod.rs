//! Will the dependencies of a project keep the GIL off, and is it ready for a free-threaded build?

pub mod binary;
