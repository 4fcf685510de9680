//! Conntrack helpers: protocols whose side connections a router follows, such as the
//! transfers of FTP and TFTP (reference/network-api-core §18). Children of a router.
//!
//! The router's agent makes the kernel's helper read what goes to the port; a helper
//! its kernel lacks is reported as a failure of the router.

mod handlers;
pub mod model;
mod rules;
pub mod store;

#[cfg(test)]
mod tests;

use isospin_api_kit::attribute::{Absent, Attribute, Check, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;
use isospin_api_kit::policy::Rule;

use crate::resources::port_forwarding;
use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};

/// What a conntrack helper is on the wire.
pub const TYPE: ResourceType =
    ResourceType { name: "conntrack_helper", collection: "conntrack_helpers", attributes: &[OWN] };

const ALIAS: &str = "l3-conntrack-helper";

const OWN: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id").alias(ALIAS),
    Attribute::settable("protocol", Check::Own(rules::protocol), Absent::Required)
        .form(port_forwarding::PROTOCOL)
        .column("protocol")
        .alias(ALIAS),
    Attribute::settable("port", Check::Int { min: 1, max: 65_535 }, Absent::Required)
        .column("port")
        .alias(ALIAS),
    Attribute::settable("helper", Check::Text(64), Absent::Required).column("helper").alias(ALIAS),
];

/// Where conntrack helpers are stored.
pub const TABLE: Table = Table { name: "conntrack_helpers", id: "id", tags: "" };

/// Default rules: what decides is whose the router is (reference/policy.md §2).
const POLICY: &[Rule] = &[
    Rule::new("create_router_conntrack_helper", "rule:admin_only or role:member and rule:ext_parent_owner"),
    Rule::new("get_router_conntrack_helper", "rule:admin_only or role:reader and rule:ext_parent_owner"),
    Rule::new("update_router_conntrack_helper", "rule:admin_only or role:member and rule:ext_parent_owner"),
    Rule::new("delete_router_conntrack_helper", "rule:admin_only or role:member and rule:ext_parent_owner"),
];

/// What clients detect these features by.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: ALIAS,
        name: "L3 Conntrack helper",
        description: "Allow to configure conntrack helper for routers",
        updated: "2019-04-04T10:00:00-00:00",
    },
    Extension {
        alias: "expose-l3-conntrack-helper",
        name: "Expose CT target rules for conntrack helper",
        description: "Adds the attribute conntrack_helpers to routers",
        updated: "2019-04-04T10:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS);

/// The URLs of conntrack helpers.
fn routes() -> Collection {
    Routes::under("router", TYPE, "/v2.0/routers/{router_id}/conntrack_helpers")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
}
