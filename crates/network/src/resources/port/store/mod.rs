//! Ports in the database.
//!
//! Everything that makes, changes or removes a port goes through here, also for
//! routers, floating IPs and DHCP: addresses, MACs, groups, binding, quota and the
//! change record are kept together.
//!
//! To change a port: clone it, change the clone, [`save`] it. To change addresses:
//! [`set_addresses`] first. [`bind`] binds and saves; [`rebind`] only decides.

mod addresses;
mod binding;
mod create;
mod read;
mod write;

pub use addresses::{as_wanted, set_addresses};
pub use binding::{bind, rebind, status_before_reports};
#[cfg(test)]
pub(super) use create::create_with;
pub use create::{create, create_many, random_mac};
pub use read::{Found, SELECTED, SELECTED_FROM, find, found_many, found_rows, get, has_mac};
pub use write::{delete, save};
