//! Policies of quality of service: sets of rules that networks, ports, floating IPs
//! and router gateways ask for by id.
//!
//! A policy belongs to a project and can be opened to others. A project may have one
//! default policy, which its new networks get. Who uses which policy is in
//! [`bindings`], and more of what routers carry in [`routed`]; what a port's policy asks of placement is in [`requests`].

pub mod bindings;
pub mod handlers;
pub mod model;
mod policy;
pub mod requests;
pub mod routed;
pub mod rules;
pub mod store;
#[cfg(test)]
mod tests;
mod view;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Filter, Form, ResourceType, STANDARD};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::qos_rule;
use crate::resources::rbac_policy::Shareable;
use crate::resources::registration::Resource;
use crate::resources::tag;
use crate::routes::{Collection, Routes};

use policy::POLICY;

/// A policy on the wire (reference/network-api-core §17).
pub const TYPE: ResourceType =
    ResourceType { name: "policy", collection: "policies", attributes: &[OWN, STANDARD] };

/// Where the rows are.
pub const TABLE: Table = Table { name: "qos_policies", id: "id", tags: "tags" };

/// How policies are opened to other projects.
pub const SHAREABLE: Shareable = Shareable::new("qos_policy", TABLE.name, bindings::USERS);

const RULES: Form = Form::List(&qos_rule::WITHIN);

const OWN: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id").alias("qos"),
    Attribute::settable("name", Check::Text(255), Absent::EMPTY_TEXT).column("name").alias("qos"),
    Attribute::settable("shared", Check::Bool, Absent::FALSE).filter(Filter::Own).alias("qos"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).column("project_id").alias("qos"),
    Attribute::read_only("rules", Check::Object).form(RULES).alias("qos"),
    Attribute::settable("is_default", Check::Bool, Absent::FALSE)
        .filter(Filter::Column("is_default"))
        .alias("qos-default"),
];

/// What works.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "qos",
        name: "Quality of Service",
        description: "The Quality of Service extension.",
        updated: "2015-06-08T10:00:00-00:00",
    },
    Extension {
        alias: "qos-default",
        name: "QoS default policy",
        description: "Expose the QoS default policy per project",
        updated: "2017-041-06T10:00:00-00:00",
    },
    Extension {
        alias: "qos-port-network-policy",
        name: "QoS port network policy ID",
        description: "Adds a the QoS network ID to the port definition",
        updated: "2019-11-01T10:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource =
    Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS).shareable(&SHAREABLE).tagged(&TAGGED);

/// How its objects carry tags.
const TAGGED: tag::Kind = tag::kind!(
    "policies",
    "policy",
    "qos_policies",
    "SELECT project_id, '', '', id FROM qos_policies WHERE id = $1"
);

/// The URLs of policies.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/qos/policies")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
}
