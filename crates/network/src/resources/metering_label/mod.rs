//! Metering labels: names under which traffic of a project's routers is to be
//! counted (reference/network-api-core §20). Their rules say which traffic.
//!
//! The hosts of routers count what passes their gateways, and show the counts in their
//! own status: one for each router and label.

mod handlers;
pub mod model;
pub mod store;

#[cfg(test)]
mod tests;

use isospin_api_kit::attribute::{Absent, Attribute, Check, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;
use isospin_api_kit::policy::Rule;
use isospin_api_kit::{Fault, FaultType};

use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};

pub use handlers::visible;

/// What a metering label is on the wire.
pub const TYPE: ResourceType = ResourceType {
    name: "metering_label",
    collection: "metering_labels",
    attributes: &[&[
        Attribute::read_only("id", Check::Uuid).column("id").alias(ALIAS),
        Attribute::fixed("name", Check::Text(255), Absent::EMPTY_TEXT).column("name").alias(ALIAS),
        Attribute::fixed("description", Check::Text(1024), Absent::EMPTY_TEXT)
            .column("description")
            .alias(ALIAS),
        Attribute::fixed("shared", Check::Bool, Absent::FALSE).column("shared").alias(ALIAS),
        Attribute::fixed("project_id", Check::Text(255), Absent::Unset).column("project_id").alias(ALIAS),
    ]],
};

/// Where metering labels are stored.
pub const TABLE: Table = Table { name: "metering_labels", id: "id", tags: "" };

/// Default rules (reference/policy.md §2).
const POLICY: &[Rule] = &[
    Rule::new("create_metering_label", "rule:admin_or_owner_manager"),
    Rule::new("get_metering_label", "rule:admin_or_owner_reader"),
    Rule::new("delete_metering_label", "rule:admin_or_owner_manager"),
];

/// The extension that brings labels and rules.
pub const ALIAS: &str = "metering";

/// What clients detect it by.
const EXTENSIONS: &[Extension] = &[Extension {
    alias: ALIAS,
    name: "Neutron Metering",
    description: "Neutron Metering extension.",
    updated: "2013-06-12T10:00:00-00:00",
}];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS);

/// The URLs of metering labels.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/metering/metering-labels")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .delete(handlers::delete)
}

/// 404.
pub fn not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::MeteringLabelNotFound, format!("Metering label {id} does not exist"))
}
