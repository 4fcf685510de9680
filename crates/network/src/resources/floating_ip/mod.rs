//! Floating IPs: addresses of an external network that lead to a port behind a router.
//!
//! The address sits on a hidden port of the external network (`network:floatingip`,
//! no project). *Associated* means: it leads to one IPv4 address of an inner port,
//! through the router that connects that address's subnet with the external
//! network. Its status is DOWN until the router's agent has reported it ACTIVE.

mod association;
mod handlers;
pub mod model;
mod policy;
mod pools;
pub(super) mod rules;
pub mod store;
mod view;

#[cfg(test)]
pub mod tests;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Filter, Form, ResourceType, STANDARD, Show};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::registration::Resource;
use crate::resources::tag;
use crate::resources::{network, port, port_forwarding};
use crate::routes::Routes;

pub(super) use association::visible_port;
pub use handlers::release_unused;
pub(super) use handlers::visible;
use policy::POLICY;

/// What a floating IP is on the wire (reference/network-api-core §7).
pub const TYPE: ResourceType =
    ResourceType { name: "floatingip", collection: "floatingips", attributes: &[OWN, EXTENDED, STANDARD] };

const PORT_DETAILS: Form = Form::Whole(&[
    ("name", Form::Text),
    ("network_id", Form::Uuid),
    ("mac_address", Form::Mac),
    ("admin_state_up", Form::Boolean),
    ("status", Form::Text),
    ("device_id", Form::Text),
    ("device_owner", Form::Text),
]);
const FORWARDINGS: Form = Form::List(&port_forwarding::WITHIN);

const OWN: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id").alias("router"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).column("project_id").alias("router"),
    Attribute::fixed("floating_ip_address", Check::Ip, Absent::NULL)
        .or_null()
        .column("floating_ip_address")
        .alias("router"),
    Attribute::fixed("subnet_id", Check::Uuid, Absent::NULL).or_null().show(Show::Never).alias("router"),
    Attribute::fixed("floating_network_id", Check::Uuid, Absent::Required)
        .column("floating_network_id")
        .alias("router"),
    Attribute::read_only("router_id", Check::Uuid).column("router_id").alias("router"),
    Attribute::settable("port_id", Check::Uuid, Absent::NULL)
        .or_null()
        .filter(Filter::Column("port_id"))
        .alias("router"),
    Attribute::settable("fixed_ip_address", Check::Ip, Absent::NULL)
        .or_null()
        .column("fixed_ip_address")
        .alias("router"),
    Attribute::read_only("status", Check::Text(16)).column("status").alias("router"),
];

const EXTENDED: &[Attribute] = &[
    Attribute::settable("qos_policy_id", Check::Uuid, Absent::NULL).or_null().alias("qos-fip"),
    Attribute::read_only("qos_network_policy_id", Check::Uuid).alias("qos-fip-network-policy"),
    Attribute::read_only("port_details", Check::Object).form(PORT_DETAILS).alias("fip-port-details"),
    Attribute::read_only("port_forwardings", Check::Object)
        .form(FORWARDINGS)
        .alias("expose-port-forwarding-in-fip"),
    Attribute::fixed("dns_domain", Check::Own(network::rules::dns_domain), Absent::EMPTY_TEXT)
        .form(Form::Text)
        .alias("dns-integration"),
    Attribute::fixed("dns_name", Check::Own(port::rules::checks::dns_name), Absent::EMPTY_TEXT)
        .form(Form::Text)
        .alias("dns-integration"),
];

/// Where floating IPs are stored.
pub const TABLE: Table = Table { name: "floating_ips", id: "id", tags: "tags" };

/// What clients detect these features by; floating IPs themselves come with `router`.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "fip-port-details",
        name: "Floating IP Port Details Extension",
        description: "Add port_details attribute to Floating IP resource",
        updated: "2018-04-09T10:00:00-00:00",
    },
    Extension {
        alias: "floatingip-pools",
        name: "Floating IP Pools Extension",
        description: "Provides a floating IP pools API.",
        updated: "2018-03-21T10:00:00-00:00",
    },
    Extension {
        alias: "qos-fip",
        name: "Floating IP QoS",
        description: "The floating IP Quality of Service extension",
        updated: "2017-07-20T00:00:00-00:00",
    },
    Extension {
        alias: "qos-fip-network-policy",
        name: "QoS floating IP network policy ID",
        description: "Adds a the QoS network ID to the floating IP definition",
        updated: "2021-11-15T10:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource =
    Resource::new(POLICY, routes).extensions(EXTENSIONS).tagged(&TAGGED).counted("floatingip", 50);

/// How its objects carry tags.
const TAGGED: tag::Kind = tag::kind!(
    "floatingips",
    "floatingip",
    "floating_ips",
    "SELECT project_id, '', '', '' FROM floating_ips WHERE id = $1"
);

/// The URLs of floating IPs and of the pools they come from.
fn routes() -> Routes {
    let floating_ips = Routes::of(TYPE, "/v2.0/floatingips")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete);
    let pools = Routes::of(pools::TYPE, "/v2.0/floatingip-pools").list(pools::list);
    Routes::from(floating_ips).merge(pools)
}
