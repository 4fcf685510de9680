//! Networks: one broadcast domain each, on one segment of a type driver or several.
//!
//! A network can be used by its project, by everybody (`shared`), or through
//! routers only (`router:external`). Its subnets go with it.

mod handlers;
pub mod model;
pub mod policy;
pub mod rules;
pub mod store;
pub(super) mod view;

use isospin_api_kit::attribute::{self, Absent, Attribute, Check, Filter, Form, ResourceType, Show};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use super::rbac_policy::{self, Shareable};
use crate::resources::registration::Resource;
use crate::resources::tag;
use crate::routes::{Collection, Routes};
pub use handlers::visible;
pub(super) use handlers::{delete_one, make};
use policy::POLICY;
pub use policy::target;

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into())
    .extensions(EXTENSIONS)
    .shareable(&SHAREABLE)
    .tagged(&TAGGED)
    .counted("network", 100);

/// How its objects carry tags.
const TAGGED: tag::Kind = tag::kind!(
    "networks",
    "network",
    "networks",
    "SELECT project_id, project_id, '', id FROM networks WHERE id = $1"
);

/// The URLs of networks.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/networks")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
}

/// What networks bring to the extension list.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "external-net",
        name: "Neutron external network",
        description: "Adds external network attribute to network resource.",
        updated: "2013-01-14T10:00:00-00:00",
    },
    Extension {
        alias: "provider",
        name: "Provider Network",
        description: "Expose mapping of virtual networks to physical networks",
        updated: "2012-09-07T10:00:00-00:00",
    },
    Extension {
        alias: "multi-provider",
        name: "Multi Provider Network",
        description: "Expose mapping of virtual networks to multiple physical networks",
        updated: "2013-06-27T10:00:00-00:00",
    },
    Extension {
        alias: "net-mtu",
        name: "Network MTU",
        description: "Provides MTU attribute for a network resource.",
        updated: "2015-03-25T10:00:00-00:00",
    },
    Extension {
        alias: "net-mtu-writable",
        name: "Network MTU (writable)",
        description: "Provides a writable MTU attribute for a network resource.",
        updated: "2017-07-12T00:00:00-00:00",
    },
    Extension {
        alias: "network_availability_zone",
        name: "Network Availability Zone",
        description: "Availability zone support for network.",
        updated: "2015-01-01T10:00:00-00:00",
    },
    Extension {
        alias: "l2_adjacency",
        name: "L2 Adjacency",
        description: "Display L2 Adjacency for Neutron Networks.",
        updated: "2016-04-12T16:00:00-00:00",
    },
];

/// Networks can be shared, and external, for single projects or for all. The table
/// repeats the entries in two columns: `shared` with everybody, and `external` at all.
pub const SHAREABLE: Shareable = Shareable {
    needs: None,
    external: Some(rbac_policy::External {
        users: "SELECT 'router' AS kind, id, project_id FROM routers WHERE gateway_network_id = $1 \
                UNION ALL SELECT 'floatingip', id, project_id FROM floating_ips WHERE floating_network_id = $1 \
                UNION ALL SELECT 'default external network', id, '*' FROM networks WHERE id = $1 AND is_default",
    }),
    repeat: Some(
        "UPDATE networks SET \
         shared = EXISTS (SELECT 1 FROM rbac_policies WHERE object_id = $1 \
         AND action = 'access_as_shared' AND target_project = '*'), \
         external = EXISTS (SELECT 1 FROM rbac_policies WHERE object_id = $1 \
         AND action = 'access_as_external'), \
         is_default = is_default AND EXISTS (SELECT 1 FROM rbac_policies WHERE object_id = $1 \
         AND action = 'access_as_external') WHERE id = $1",
    ),
    topic: Some("network"),
    ..Shareable::new(
        "network",
        "networks",
        "SELECT 'port' AS kind, id, project_id FROM ports WHERE network_id = $1 AND project_id <> '' \
         UNION ALL SELECT 'subnet', id, project_id FROM subnets WHERE network_id = $1",
    )
};

/// Where networks are stored.
pub const TABLE: Table = Table { name: "networks", id: "id", tags: "tags" };

/// A network on the wire (reference §2).
pub const TYPE: ResourceType =
    ResourceType { name: "network", collection: "networks", attributes: &[ATTRIBUTES, attribute::STANDARD] };

const ATTRIBUTES: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id"),
    Attribute::settable("name", Check::Text(255), Absent::EMPTY_TEXT).column("name"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).column("project_id"),
    Attribute::settable("admin_state_up", Check::Bool, Absent::TRUE).column("admin_state_up"),
    Attribute::settable("mtu", Check::Int { min: 0, max: 65_535 }, Absent::Unset)
        .column("mtu")
        .alias("net-mtu"),
    Attribute::read_only("status", Check::Text(16)).column("status"),
    Attribute::read_only("subnets", Check::UuidList),
    Attribute::settable("shared", Check::Bool, Absent::FALSE).filter(Filter::Own),
    Attribute::settable("port_security_enabled", Check::Bool, Absent::TRUE).alias("port-security"),
    Attribute::settable("qos_policy_id", Check::Uuid, Absent::NULL).or_null().alias("qos"),
    Attribute::settable("dns_domain", Check::Own(rules::dns_domain), Absent::EMPTY_TEXT)
        .form(Form::Text)
        .alias("dns-integration"),
    Attribute::settable("router:external", Check::Bool, Absent::FALSE)
        .filter(Filter::Column("external"))
        .alias("external-net"),
    provider(TYPE_OF_SEGMENT, Check::Text(32)),
    provider(PHYSICAL_NETWORK, Check::NonEmptyText(64)),
    provider(SEGMENTATION_ID, Check::Int { min: 0, max: 4_294_967_295 }),
    Attribute::settable("segments", Check::Own(rules::segments), Absent::Unset)
        .form(SEGMENTS)
        .or_null()
        .show(Show::Ruled)
        .alias("multi-provider"),
    // No driver here can do either; who asks for it is told so.
    Attribute::fixed("vlan_transparent", Check::Bool, Absent::NULL).or_null().show(Show::Never),
    Attribute::fixed("qinq", Check::Bool, Absent::NULL).or_null().show(Show::Never),
    Attribute::settable("is_default", Check::Bool, Absent::FALSE)
        .filter(Filter::Column("is_default"))
        .alias("auto-allocated-topology"),
    Attribute::fixed("availability_zone_hints", Check::TextList { each: 255 }, Absent::EMPTY_LIST)
        .sort("availability_zone_hints")
        .alias("network_availability_zone"),
    Attribute::read_only("availability_zones", Check::TextList { each: 255 })
        .alias("network_availability_zone"),
    Attribute::read_only("ipv4_address_scope", Check::Uuid).alias("address-scope"),
    Attribute::read_only("ipv6_address_scope", Check::Uuid).alias("address-scope"),
    Attribute::read_only("l2_adjacency", Check::Bool).alias("l2_adjacency"),
];

const SEGMENTS: Form = Form::List(&Form::Object(&[
    (TYPE_OF_SEGMENT, Form::Maybe(&Form::Text)),
    (PHYSICAL_NETWORK, Form::Maybe(&Form::Text)),
    (SEGMENTATION_ID, Form::Maybe(&Form::Between(0, 4_294_967_295))),
]));

/// The three words for the place of a network, of a segment in `segments` also.
pub const TYPE_OF_SEGMENT: &str = "provider:network_type";
pub const PHYSICAL_NETWORK: &str = "provider:physical_network";
pub const SEGMENTATION_ID: &str = "provider:segmentation_id";

const fn provider(name: &'static str, check: Check) -> Attribute {
    Attribute::settable(name, check, Absent::Unset)
        .or_null()
        .show(Show::Ruled)
        .filter(Filter::Own)
        .alias("provider")
}

#[cfg(test)]
mod tests;
