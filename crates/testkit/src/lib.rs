//! What tests share: databases, simulated hosts, a lab of namespaces.

// This crate runs inside tests only: a panic there is a failed test, which is what a
// broken prerequisite should be, and what cannot be cleaned up is said aloud.
#![allow(clippy::expect_used, clippy::print_stderr)]

pub mod databases;
#[cfg(feature = "lab")]
pub mod lab;
#[cfg(feature = "agents")]
pub mod simulated;
