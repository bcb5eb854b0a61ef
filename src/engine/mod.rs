//! Drives the one path from files to findings.
