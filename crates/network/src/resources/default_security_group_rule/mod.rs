//! Default rules of security groups: the template new groups start from. A change
//! concerns the groups made after it.

mod handlers;
pub mod model;
pub mod policy;
mod rules;
pub mod store;
#[cfg(test)]
mod tests;
mod view;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Filter, Form, ResourceType, Show};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use super::security_group_rule::{self, rules as rule_values};
use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};

use policy::POLICY;

/// A default rule on the wire (reference §21).
pub const TYPE: ResourceType = ResourceType {
    name: "default_security_group_rule",
    collection: "default_security_group_rules",
    attributes: &[ATTRIBUTES],
};

/// Where the rows are.
pub const TABLE: Table = Table { name: "default_security_group_rules", id: "id", tags: "" };

const ATTRIBUTES: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).show(Show::Never),
    Attribute::fixed("description", Check::Text(1024), Absent::EMPTY_TEXT)
        .filter(Filter::Column("description")),
    Attribute::fixed("remote_group_id", Check::Own(rules::remote_group), Absent::NULL)
        .form(Form::Text)
        .or_null()
        .column("remote_group_id"),
    Attribute::fixed("remote_address_group_id", Check::Uuid, Absent::NULL)
        .or_null()
        .column("remote_address_group_id"),
    Attribute::fixed("direction", Check::OneOf(&["ingress", "egress"]), Absent::Required).column("direction"),
    Attribute::fixed("protocol", Check::Own(rule_values::protocol_text), Absent::NULL)
        .form(security_group_rule::PROTOCOL)
        .or_null()
        .column("protocol"),
    Attribute::fixed("port_range_min", security_group_rule::NUMBER, Absent::NULL)
        .or_null()
        .column("port_range_min"),
    Attribute::fixed("port_range_max", security_group_rule::NUMBER, Absent::NULL)
        .or_null()
        .column("port_range_max"),
    Attribute::fixed("ethertype", Check::Own(rule_values::ethertype), Absent::Is(rule_values::ipv4))
        .form(security_group_rule::ETHERTYPE)
        .column("ethertype"),
    Attribute::fixed("remote_ip_prefix", Check::Own(rule_values::prefix_text), Absent::NULL)
        .form(Form::Addresses)
        .or_null()
        .column("remote_ip_prefix"),
    Attribute::fixed("used_in_default_sg", Check::Bool, Absent::FALSE)
        .filter(Filter::Column("used_in_default_sg")),
    Attribute::fixed("used_in_non_default_sg", Check::Bool, Absent::TRUE)
        .filter(Filter::Column("used_in_non_default_sg")),
];

/// What works.
const EXTENSIONS: &[Extension] = &[Extension {
    alias: "security-groups-default-rules",
    name: "Default rules for security groups",
    description: "Configure set of security group rules used as default rules for every new security group",
    updated: "2022-12-19T10:00:00-00:00",
}];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS);

/// The URLs of default rules.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/default-security-group-rules")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .delete(handlers::delete)
}
