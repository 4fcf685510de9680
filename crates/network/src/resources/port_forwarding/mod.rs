//! Port forwardings: single ports of a floating IP that lead to ports of an inner
//! address (reference/network-api-core §7.1).
//!
//! They are children of a floating IP that leads nowhere by itself. The first one
//! decides through which router: the one between the floating IP's network and the
//! inner address; the others must be reachable through it too. The floating IP's
//! status speaks for all of them.

mod handlers;
mod input;
pub mod model;
mod policy;
pub(super) mod rules;
pub mod store;
pub mod view;

#[cfg(test)]
mod tests;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Filter, Form, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};

use policy::POLICY;

/// What a port forwarding is on the wire.
pub const TYPE: ResourceType =
    ResourceType { name: "port_forwarding", collection: "port_forwardings", attributes: &[OWN] };

const ALIAS: &str = "floating-ip-port-forwarding";
const RANGES: &str = "floating-ip-port-forwarding-port-ranges";

/// A protocol between which and ports there is a relation.
pub const PROTOCOL: Form = Form::OneOf(&["tcp", "udp", "icmp", "ipv6-icmp", "sctp", "dccp"]);
/// What its floating IP says of it; ranges only where there are any.
pub const WITHIN: Form = Form::Object(&[
    ("id", Form::Uuid),
    ("protocol", PROTOCOL),
    ("internal_ip_address", Form::Ip),
    ("internal_port", Form::Maybe(&Form::Between(1, 65_535))),
    ("internal_port_id", Form::Uuid),
    ("external_port", Form::Maybe(&Form::Between(1, 65_535))),
    ("internal_port_range", Form::Text),
    ("external_port_range", Form::Text),
]);

const OWN: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id").alias(ALIAS),
    port("external_port"),
    range("external_port_range"),
    Attribute::settable("protocol", Check::Own(input::protocol), Absent::Required)
        .form(PROTOCOL)
        .column("protocol")
        .alias(ALIAS),
    Attribute::settable("internal_port_id", Check::Uuid, Absent::Required)
        .column("internal_port_id")
        .alias(ALIAS),
    Attribute::settable("internal_ip_address", Check::Own(input::ipv4), Absent::Required)
        .form(Form::Ip)
        .sort("internal_ip_address")
        .alias(ALIAS),
    port("internal_port").filter(Filter::No),
    range("internal_port_range"),
    Attribute::settable("description", Check::Text(1024), Absent::EMPTY_TEXT)
        .alias("floating-ip-port-forwarding-description"),
];

/// One port; what is given decides between this and [`range`].
const fn port(name: &'static str) -> Attribute {
    Attribute::settable(name, Check::Int { min: 1, max: 65_535 }, Absent::Unset)
        .or_null()
        .filter(Filter::Own)
        .alias(ALIAS)
}

/// Several ports: "first:last".
const fn range(name: &'static str) -> Attribute {
    Attribute::settable(name, Check::Own(input::port_range), Absent::Unset)
        .form(Form::Text)
        .or_null()
        .alias(RANGES)
}

/// Where port forwardings are stored.
pub const TABLE: Table = Table { name: "port_forwardings", id: "id", tags: "" };

/// What clients detect these features by.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: ALIAS,
        name: "Floating IP Port Forwarding",
        description: "Floating IP Port Forwarding",
        updated: "2018-01-19T10:00:00-00:00",
    },
    Extension {
        alias: "floating-ip-port-forwarding-description",
        name: "Floating IP Port Forwarding new attribute description",
        description: "Add a new attribute description to the Port Forwarding resource",
        updated: "2019-11-01T10:00:00-00:00",
    },
    Extension {
        alias: "floating-ip-port-forwarding-detail",
        name: "Floating IP port forwarding detail",
        description: "Add id and internal_port_id to the port forwardings of a floating IP",
        updated: "2022-05-06T10:00:00-00:00",
    },
    Extension {
        alias: RANGES,
        name: "Floating IP Port Forwarding support port ranges",
        description: "Add support to port ranges",
        updated: "2020-07-01T10:00:00-00:00",
    },
    Extension {
        alias: "expose-port-forwarding-in-fip",
        name: "Expose Floating IP port forwardings",
        description: "Adds the attribute port_forwardings to floating IPs",
        updated: "2018-06-28T10:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS);

/// The URLs of port forwardings.
fn routes() -> Collection {
    Routes::under("floatingip", TYPE, "/v2.0/floatingips/{floatingip_id}/port_forwardings")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
}
