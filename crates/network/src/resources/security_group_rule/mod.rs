//! Security group rules: what a group lets through. A rule is made and deleted,
//! never changed.

mod handlers;
pub mod model;
pub mod policy;
pub mod rules;
pub mod store;
#[cfg(test)]
mod tests;
pub mod view;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Filter, Form, ResourceType, STANDARD};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};

use policy::POLICY;

/// A rule on the wire.
pub const TYPE: ResourceType = ResourceType {
    name: "security_group_rule",
    collection: "security_group_rules",
    attributes: &[OWN, STANDARD],
};

/// Where the rows are.
pub const TABLE: Table = Table { name: "security_group_rules", id: "id", tags: "" };

/// Any whole number: what it may be depends on the protocol.
pub const NUMBER: Check = Check::Int { min: i64::MIN, max: i64::MAX };

/// Version of the addresses.
pub const ETHERTYPE: Form = Form::OneOf(&["IPv4", "IPv6"]);
/// A name or number of a protocol.
pub const PROTOCOL: Form = Form::Such(&["tcp", "udp", "icmp", "ipv6-icmp", "sctp", "any", "112"]);

const OWN: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).column("project_id"),
    Attribute::fixed("security_group_id", Check::Uuid, Absent::Required).column("security_group_id"),
    Attribute::fixed("ethertype", Check::Own(rules::ethertype), Absent::Is(rules::ipv4))
        .form(ETHERTYPE)
        .column("ethertype"),
    Attribute::fixed("direction", Check::OneOf(&["ingress", "egress"]), Absent::Required).column("direction"),
    Attribute::fixed("protocol", Check::Own(rules::protocol_text), Absent::NULL)
        .form(PROTOCOL)
        .or_null()
        .column("protocol"),
    Attribute::fixed("port_range_min", NUMBER, Absent::NULL).or_null().column("port_range_min"),
    Attribute::fixed("port_range_max", NUMBER, Absent::NULL).or_null().column("port_range_max"),
    Attribute::fixed("remote_ip_prefix", Check::Own(rules::prefix_text), Absent::NULL)
        .form(Form::Addresses)
        .or_null()
        .column("remote_ip_prefix"),
    // Any text: what is no group is not found, as what is no uuid.
    Attribute::fixed("remote_group_id", Check::Text(255), Absent::NULL).or_null().column("remote_group_id"),
    Attribute::fixed("remote_address_group_id", Check::Uuid, Absent::NULL)
        .or_null()
        .column("remote_address_group_id")
        .alias("security-groups-remote-address-group"),
    Attribute::read_only("normalized_cidr", Check::Cidr)
        .filter(Filter::Own)
        .alias("security-groups-normalized-cidr"),
    Attribute::read_only("belongs_to_default_sg", Check::Bool)
        .filter(Filter::Own)
        .alias("security-groups-rules-belongs-to-default-sg"),
];

/// What works.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "security-groups-remote-address-group",
        name: "Remote address group id field for security group rules",
        description: "Add new field of remote address group id in SG rules",
        updated: "2020-08-25T10:00:00-00:00",
    },
    Extension {
        alias: "security-groups-normalized-cidr",
        name: "Normalized CIDR field for security group rules",
        description: "Add new field with normalized remote_ip_prefix cidr in SG rule",
        updated: "2020-07-28T10:00:00-00:00",
    },
    Extension {
        alias: "security-groups-rules-belongs-to-default-sg",
        name: "Security group rule belongs to the project's default security group",
        description: "Flag to determine if the security group rule belongs to the project's default security \
                      group",
        updated: "2023-05-23T10:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource =
    Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS).counted("security_group_rule", 100);

/// Routes of rules.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/security-group-rules")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .delete(handlers::delete)
}
