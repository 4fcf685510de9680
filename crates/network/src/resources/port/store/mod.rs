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
mod inactive;
mod read;
mod write;

pub use addresses::{as_wanted, set_addresses, set_addresses_from};
pub use binding::{bind, bind_to, rebind, segments_of_host, status_before_reports};
#[cfg(test)]
pub(super) use create::create_with;
pub use create::{create, create_many, random_mac};
pub use inactive::{add_inactive, inactive, remove_inactive, replace_inactive};
pub use read::{Found, SELECTED, SELECTED_FROM, find, find_for, found_many, found_rows, get, has_mac};
pub use write::{delete, save};
