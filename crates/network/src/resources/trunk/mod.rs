//! Trunks: a parent port that carries, tagged, the frames of other ports.
//!
//! The routes work whatever is loaded. The aliases are not listed: no mechanism driver
//! of this release carries trunks to an instance.

mod handlers;
pub mod model;
mod policy;
pub mod rules;
pub mod store;
mod subports;
#[cfg(test)]
mod tests;
pub mod view;

use isospin_api_kit::attribute::{Absent, Attribute, Check, ResourceType, STANDARD};
use isospin_api_kit::list::Table;

use crate::routes::{Collection, Routes, Verb};

pub use policy::POLICY;
pub use subports::check_unused;

/// A trunk on the wire (reference/network-api-core §16).
pub const TYPE: ResourceType =
    ResourceType { name: "trunk", collection: "trunks", attributes: &[OWN, STANDARD] };

/// Where the rows are.
pub const TABLE: Table = Table { name: "trunks", id: "id", tags: "tags" };

const OWN: &[Attribute] = &[
    Attribute::settable("admin_state_up", Check::Bool, Absent::TRUE).column("admin_state_up"),
    Attribute::read_only("id", Check::Uuid).column("id"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).column("project_id"),
    Attribute::settable("name", Check::Text(255), Absent::EMPTY_TEXT).column("name"),
    Attribute::fixed("port_id", Check::Uuid, Absent::Required).column("port_id"),
    Attribute::read_only("status", Check::Text(16)).column("status"),
    Attribute::fixed("sub_ports", Check::Own(rules::sub_ports), Absent::EMPTY_LIST),
];

/// The URLs of trunks.
pub fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/trunks")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
        .action(Verb::Put, "add_subports", subports::add)
        .action(Verb::Put, "remove_subports", subports::remove)
        .action(Verb::Get, "get_subports", subports::list)
}
