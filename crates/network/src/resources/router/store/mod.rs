//! Routers in the database: rows with what answers show ([`find`], [`list`]),
//! changes to them, and the subnets they are attached to.

mod attached;
mod read;
mod write;

pub use attached::{
    Interface, add_interface, connected, floating_ips, floating_ips_into, interfaces, legs, remove_interface,
};
pub use read::{SELECTED, SELECTED_FROM, find, get, list, read, routes};
pub use write::{delete, insert, part_from_gateway, save, set_policy, set_routes};
