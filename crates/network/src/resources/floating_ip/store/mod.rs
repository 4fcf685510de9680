//! Floating IPs in the database: rows with what answers show ([`find`], [`list`]),
//! changes to them, and what decides about them.

mod facts;
mod read;
mod write;

pub use facts::{associated_addresses, leading_to, router_between, sources};
pub use read::{find, list, unused};
pub use write::{delete, disassociate_port, insert, save};
