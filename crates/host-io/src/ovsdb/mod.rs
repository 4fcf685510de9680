//! The door to the database of Open vSwitch (RFC 7047, ovsdb-server(7)).
//!
//! One connection: a monitor that keeps a copy of the tables we read, and transactions.
//! Changes come as events; nothing is polled.

mod client;
mod value;

pub use client::{Ovsdb, OvsdbEvents};
pub use value::{Change, Row, Tables, Touched, map, named, set, uuid};
