//! Address groups: named lists of prefixes that security group rules can name as the
//! other end. Changing the list changes what such rules let through, at once and
//! without touching them.

mod handlers;
pub mod model;
pub mod policy;
pub mod rules;
pub mod store;
#[cfg(test)]
mod tests;
mod view;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Form, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use super::rbac_policy::Shareable;
use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes, Verb};

use policy::POLICY;

/// An address group on the wire (reference §5).
pub const TYPE: ResourceType =
    ResourceType { name: "address_group", collection: "address_groups", attributes: &[ATTRIBUTES] };

/// Where the rows are.
pub const TABLE: Table = Table { name: "address_groups", id: "id", tags: "" };

/// Groups can be shared: rules of other projects may then name them.
pub const SHAREABLE: Shareable = Shareable::new(
    "address_group",
    TABLE.name,
    "SELECT 'security_group_rule' AS kind, id, project_id FROM security_group_rules \
     WHERE remote_address_group_id = $1",
);

const ATTRIBUTES: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id"),
    Attribute::settable("name", Check::Text(255), Absent::EMPTY_TEXT).column("name"),
    Attribute::settable("description", Check::Text(1024), Absent::EMPTY_TEXT).column("description"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).column("project_id"),
    Attribute::fixed("addresses", Check::Own(rules::addresses), Absent::EMPTY_LIST).form(ADDRESSES).or_null(),
    Attribute::read_only("created_at", Check::Text(32)).column("created_at").alias("standard-attr-timestamp"),
    Attribute::read_only("updated_at", Check::Text(32)).column("updated_at").alias("standard-attr-timestamp"),
    Attribute::read_only("revision_number", Check::Int { min: 0, max: i64::MAX })
        .column("revision_number")
        .alias("standard-attr-revisions"),
];

/// What works.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "address-group",
        name: "Address group",
        description: "Support address group",
        updated: "2020-07-15T10:00:00-00:00",
    },
    Extension {
        alias: "rbac-address-group",
        name: "Add address_group type to RBAC",
        description: "Add address_group type to network RBAC",
        updated: "2021-01-20T00:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource =
    Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS).shareable(&SHAREABLE);

/// The URLs of address groups.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/address-groups")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
        .action(Verb::Put, "add_addresses", handlers::add_addresses)
        .forms(NAMED, GROUP)
        .action(Verb::Put, "remove_addresses", handlers::remove_addresses)
        .forms(NAMED, GROUP)
}

const ADDRESSES: Form = Form::List(&Form::Addresses);
const NAMED: Form = Form::Whole(&[("addresses", ADDRESSES)]);
const GROUP: Form = Form::Whole(&[(TYPE.name, Form::Resource(TYPE.name))]);
