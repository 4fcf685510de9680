//! Rules of metering labels: which traffic counts under a label, or does not
//! (reference/network-api-core §20). A rule belongs to its label's project.

mod handlers;
pub mod model;
mod rules;
mod store;

#[cfg(test)]
mod tests;

use isospin_api_kit::attribute::{Absent, Attribute, Check, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;
use isospin_api_kit::policy::Rule;

use crate::resources::metering_label::ALIAS;
use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};

/// What a metering label rule is on the wire.
pub const TYPE: ResourceType = ResourceType {
    name: "metering_label_rule",
    collection: "metering_label_rules",
    attributes: &[&[
        Attribute::read_only("id", Check::Uuid).column("id").alias(ALIAS),
        Attribute::fixed("metering_label_id", Check::Uuid, Absent::Required)
            .column("metering_label_id")
            .alias(ALIAS),
        Attribute::fixed("direction", Check::OneOf(&["ingress", "egress"]), Absent::Required)
            .column("direction")
            .alias(ALIAS),
        prefix("remote_ip_prefix", ALIAS),
        prefix("source_ip_prefix", BOTH_ENDS),
        prefix("destination_ip_prefix", BOTH_ENDS),
        Attribute::fixed("excluded", Check::Bool, Absent::FALSE).column("excluded").alias(ALIAS),
    ]],
};

/// The extension that names both ends of traffic.
const BOTH_ENDS: &str = "metering_source_and_destination_fields";

/// What clients detect it by.
const EXTENSIONS: &[Extension] = &[Extension {
    alias: BOTH_ENDS,
    name: "Neutron Metering with source and destination filtering",
    description: "Neutron Metering extension that enables the use of source and destination IP prefixes to create metering label rules.",
    updated: "2020-08-21T08:12:00-00:00",
}];

const fn prefix(name: &'static str, alias: &'static str) -> Attribute {
    Attribute::fixed(name, Check::Cidr, Absent::NULL).or_null().column(name).alias(alias)
}

/// Where metering label rules are stored.
pub const TABLE: Table = Table { name: "metering_label_rules", id: "id", tags: "" };

/// Default rules (reference/policy.md §2).
const POLICY: &[Rule] = &[
    Rule::new("create_metering_label_rule", "rule:admin_or_owner_manager"),
    Rule::new("get_metering_label_rule", "rule:admin_or_owner_reader"),
    Rule::new("delete_metering_label_rule", "rule:admin_or_owner_manager"),
];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS);

/// The URLs of metering label rules.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/metering/metering-label-rules")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .delete(handlers::delete)
}
