//! Whether new security groups are stateful when nobody says: for one project, or for
//! all that have no word of their own. Without any word they are.

mod handlers;
pub mod model;
pub mod policy;
mod rules;
pub mod store;
#[cfg(test)]
mod tests;
mod view;

use isospin_api_kit::attribute::{Absent, Attribute, Check, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};

use policy::POLICY;

/// A setting on the wire (reference §21); one and several have the same name.
pub const TYPE: ResourceType = ResourceType {
    name: "security_groups_default_statefulness",
    collection: "security_groups_default_statefulness",
    attributes: &[ATTRIBUTES],
};

/// Where the rows are.
pub const TABLE: Table = Table { name: "security_group_default_statefulness", id: "id", tags: "" };

const ATTRIBUTES: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id"),
    Attribute::fixed("project_id", Check::Text(255), Absent::NULL).or_null().column("project_id"),
    Attribute::settable("stateful", Check::Bool, Absent::TRUE).column("stateful"),
];

/// What works.
const EXTENSIONS: &[Extension] = &[Extension {
    alias: "security-groups-default-statefulness",
    name: "Security Groups Default Statefulness",
    description: "Allows configuring the default value of the 'stateful' attribute for new security groups, on \
                  a per-project or system-wide basis",
    updated: "2026-04-13T00:00:00-00:00",
}];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS);

/// The URLs of settings.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/security-groups-default-statefulness")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
}
