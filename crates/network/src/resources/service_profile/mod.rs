//! Service profiles: how a flavor is provided, by a driver or by what an operator
//! notes in `metainfo` (reference §13). Operators only.

pub mod handlers;
pub mod model;
pub mod store;

#[cfg(test)]
mod tests;

use isospin_api_kit::attribute::{Absent, Attribute, Check, ResourceType};
use isospin_api_kit::list::Table;
use isospin_api_kit::policy::Rule;
use isospin_api_kit::{Fault, FaultType};

use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};

/// What a service profile is on the wire.
pub const TYPE: ResourceType = ResourceType {
    name: "service_profile",
    collection: "service_profiles",
    attributes: &[&[
        Attribute::read_only("id", Check::Uuid).column("id").alias("flavors"),
        Attribute::settable("description", Check::Text(1024), Absent::EMPTY_TEXT)
            .or_null()
            .column("description")
            .alias("flavors"),
        Attribute::settable("driver", Check::Text(1024), Absent::EMPTY_TEXT)
            .column("driver")
            .alias("flavors"),
        Attribute::settable("enabled", Check::Bool, Absent::TRUE)
            .or_null()
            .column("enabled")
            .alias("flavors"),
        Attribute::settable("metainfo", Check::Text(4096), Absent::EMPTY_TEXT)
            .sort("metainfo")
            .alias("flavors"),
    ]],
};

/// Where service profiles are stored.
pub const TABLE: Table = Table { name: "service_profiles", id: "id", tags: "" };

/// Default rules (reference/policy.md §2).
const POLICY: &[Rule] = &[
    Rule::new("create_service_profile", "rule:admin_only"),
    Rule::new("get_service_profile", "rule:admin_only"),
    Rule::new("update_service_profile", "rule:admin_only"),
    Rule::new("delete_service_profile", "rule:admin_only"),
];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into());

/// The URLs of service profiles.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/service-profiles")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
}

/// 404.
pub fn not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::ServiceProfileNotFound, format!("Service Profile {id} could not be found."))
}
