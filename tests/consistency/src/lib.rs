//! Several servers on one PostgreSQL, many clients, processes killed in between.
//!
//! Every client writes down what it asked for, when, and what it was told
//! ([`history`]). Afterwards the history is checked: nothing was given to two at a
//! time, no quota was overrun, and nothing that was acknowledged is lost.

pub mod client;
pub mod history;
mod lab;

pub use lab::{Lab, Server};
