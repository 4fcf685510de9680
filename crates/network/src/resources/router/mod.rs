//! Routers: they forward between subnets, and to one external network.
//!
//! * A router has *interfaces*: ports on inner subnets, attached by subnet or by
//!   port ([`interfaces`]).
//! * It may have a *gateway*: a port on an external network ([`gateway`]); while it
//!   has one, floating IPs can lead to what is behind its interfaces.
//! * It has *routes* beyond what it is connected to.
//!
//! A router is carried by the L3 agent of one host, chosen when the first port is
//! attached (`background::scheduling::routers`). Distributed and highly available
//! routers are not offered: `distributed` and `ha` are shown as false, and asking
//! for them is refused.

mod changes;
mod forms;
mod gateway;
mod handlers;
mod input;
mod interfaces;
pub mod model;
mod policy;
pub(super) mod rules;
pub mod store;
pub(super) mod view;

#[cfg(test)]
pub mod tests;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Form, ResourceType, STANDARD, Show};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::registration::Resource;
use crate::resources::tag;
use crate::routes::{Collection, Routes, Verb};

pub(super) use handlers::found;
pub(super) use handlers::{delete_one, make};
pub(super) use interfaces::{attach_subnet, detach_subnet};
use policy::POLICY;

/// What a router is on the wire (reference/network-api-core §6).
pub const TYPE: ResourceType =
    ResourceType { name: "router", collection: "routers", attributes: &[OWN, EXTENDED, STANDARD] };

const OWN: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id").alias("router"),
    Attribute::settable("name", Check::Text(255), Absent::EMPTY_TEXT).column("name").alias("router"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).column("project_id").alias("router"),
    Attribute::settable("admin_state_up", Check::Bool, Absent::TRUE).column("admin_state_up").alias("router"),
    Attribute::read_only("status", Check::Text(16)).sort("status").alias("router"),
    Attribute::settable("external_gateway_info", Check::Own(input::gateway_info), Absent::NULL)
        .form(forms::GATEWAY)
        .or_null()
        .alias("router"),
];

const EXTENDED: &[Attribute] = &[
    Attribute::settable("distributed", Check::Own(input::never), Absent::Unset)
        .form(Form::Boolean)
        .or_null()
        .show(Show::Ruled),
    Attribute::settable("ha", Check::Own(input::never), Absent::Unset)
        .form(Form::Boolean)
        .or_null()
        .show(Show::Ruled),
    Attribute::read_only("availability_zones", Check::TextList { each: 255 })
        .alias("router_availability_zone"),
    Attribute::fixed("availability_zone_hints", Check::TextList { each: 255 }, Absent::EMPTY_LIST)
        .alias("router_availability_zone"),
    routes_attribute(),
    Attribute::fixed("flavor_id", Check::Uuid, Absent::NULL).or_null().sort("flavor_id").alias("l3-flavors"),
    Attribute::read_only("conntrack_helpers", Check::Object)
        .form(forms::HELPERS)
        .alias("expose-l3-conntrack-helper"),
];

/// Set by PUT only: a new router is connected to nothing a route could use.
const fn routes_attribute() -> Attribute {
    let mut attribute = Attribute::settable("routes", Check::Own(input::routes), Absent::Unset)
        .form(forms::ROUTES)
        .or_null()
        .alias("extraroute");
    attribute.post = false;
    attribute
}

/// Where routers are stored.
pub const TABLE: Table = Table { name: "routers", id: "id", tags: "tags" };

/// What clients detect these features by.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "router",
        name: "Neutron L3 Router",
        description: "Router abstraction for basic L3 forwarding between L2 Neutron networks and access to external networks via a NAT gateway.",
        updated: "2012-07-20T10:00:00-00:00",
    },
    Extension {
        alias: "l3-port-ip-change-not-allowed",
        name: "Prevent L3 router ports IP address change extension",
        description: "Prevent change of IP address for some L3 router ports",
        updated: "2018-10-09T10:00:00-00:00",
    },
    Extension {
        alias: "ext-gw-mode",
        name: "Neutron L3 Configurable external gateway mode",
        description: "Extension of the router abstraction for specifying whether SNAT should occur on the external gateway",
        updated: "2013-03-28T10:00:00-00:00",
    },
    Extension {
        alias: "extraroute",
        name: "Neutron Extra Route",
        description: "Extra routes configuration for L3 router",
        updated: "2013-02-01T10:00:00-00:00",
    },
    Extension {
        alias: "extraroute-atomic",
        name: "Atomically add/remove extra routes",
        description: "Edit extra routes of a router on server side by atomically adding/removing extra routes",
        updated: "2019-07-10T00:00:00+00:00",
    },
    Extension {
        alias: "l3-flavors",
        name: "Router Flavor Extension",
        description: "Flavor support for routers.",
        updated: "2016-05-17T00:00:00-00:00",
    },
    Extension {
        alias: "qos-gateway-ip",
        name: "Router gateway IP QoS",
        description: "The Router gateway IP Quality of Service extension",
        updated: "2018-02-24T00:00:00-00:00",
    },
    Extension {
        alias: "router_availability_zone",
        name: "Router Availability Zone",
        description: "Availability zone support for router.",
        updated: "2015-01-01T10:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource =
    Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS).tagged(&TAGGED).counted("router", 10);

/// How its objects carry tags.
const TAGGED: tag::Kind =
    tag::kind!("routers", "router", "routers", "SELECT project_id, '', '', '' FROM routers WHERE id = $1");

/// The URLs of routers; those of agents that carry them are the agents'.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/routers")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(changes::update)
        .delete(handlers::delete)
        .action(Verb::Put, "add_router_interface", interfaces::add)
        .forms(forms::INTERFACE, forms::ATTACHED)
        .action(Verb::Put, "remove_router_interface", interfaces::remove)
        .forms(forms::INTERFACE, forms::ATTACHED)
        .action(Verb::Put, "add_extraroutes", changes::add_routes)
        .forms(forms::NAMED_ROUTES, forms::ROUTER)
        .action(Verb::Put, "remove_extraroutes", changes::remove_routes)
        .forms(forms::NAMED_ROUTES, forms::ROUTER)
}
