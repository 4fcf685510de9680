//! Address scopes: within one, no two subnet pools have an address in common, so
//! its subnets can be routed to each other as they are.

mod handlers;
pub mod model;
mod policy;
pub mod rules;
pub mod store;
#[cfg(test)]
mod tests;
mod view;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Filter, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::rbac_policy::Shareable;
use crate::resources::registration::Resource;
use crate::resources::{subnet, subnet_pool};
use crate::routes::{Collection, Routes};

use policy::POLICY;
pub use policy::target;

/// An address scope on the wire (reference/network-api-core §5).
pub const TYPE: ResourceType =
    ResourceType { name: "address_scope", collection: "address_scopes", attributes: &[ATTRIBUTES] };

const ATTRIBUTES: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id").alias("address-scope"),
    Attribute::settable("name", Check::Text(255), Absent::EMPTY_TEXT).column("name").alias("address-scope"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset)
        .column("project_id")
        .alias("address-scope"),
    Attribute::settable("shared", Check::Bool, Absent::FALSE).filter(Filter::Own).alias("address-scope"),
    Attribute::fixed("ip_version", Check::Own(subnet::rules::ip_version), Absent::Required)
        .form(subnet::IP_VERSION)
        .filter(Filter::Own)
        .sort("ip_version")
        .alias("address-scope"),
];

/// Scopes can be opened to others, whose pools then rely on it.
pub const SHAREABLE: Shareable = Shareable::new("address_scope", "address_scopes", subnet_pool::IN_SCOPE);

/// Where the rows are.
pub const TABLE: Table = Table { name: "address_scopes", id: "id", tags: "" };

/// What works.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "address-scope",
        name: "Address scope",
        description: "Address scopes extension.",
        updated: "2015-07-26T10:00:00-00:00",
    },
    Extension {
        alias: "rbac-address-scope",
        name: "Add address_scope type to RBAC",
        description: "Add address_scope type to RBAC",
        updated: "2020-02-12T00:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource =
    Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS).shareable(&SHAREABLE);

/// The URLs of address scopes.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/address-scopes")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
}
