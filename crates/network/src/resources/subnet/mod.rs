//! Subnets: a prefix on a network, the pools addresses come from, and what hosts
//! are told about it.

mod automatic;
mod from_pool;
mod handlers;
pub mod model;
pub mod policy;
pub mod rules;
pub mod store;
mod view;

use isospin_api_kit::attribute::{self, Absent, Attribute, Check, Filter, Form, ResourceType, Show};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::registration::Resource;
use crate::resources::tag;
use crate::routes::{Collection, Routes};
pub(super) use handlers::make;
use policy::POLICY;
pub use policy::target;

/// What this folder brings to the API.
pub const RESOURCE: Resource =
    Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS).tagged(&TAGGED).counted("subnet", 100);

/// How its objects carry tags.
const TAGGED: tag::Kind = tag::kind!(
    "subnets",
    "subnet",
    "subnets",
    "SELECT subnets.project_id, networks.project_id, '', networks.id FROM subnets \
     JOIN networks ON networks.id = subnets.network_id WHERE subnets.id = $1"
);

/// The URLs of subnets.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/subnets")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
}

/// What subnets bring to the extension list.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "subnet-external-network",
        name: "Subnet belongs to an external network",
        description: "Informs if the subnet belongs to an external network",
        updated: "2024-02-05T18:00:00-00:00",
    },
    Extension {
        alias: "subnet-segmentid-writable",
        name: "Subnet SegmentID (writable)",
        description: "Provides a writable segment_id attribute for a subnet resource.",
        updated: "2018-03-12T00:00:00-00:00",
    },
    Extension {
        alias: "subnet-service-types",
        name: "Subnet service types",
        description: "Provides ability to set the subnet service_types field",
        updated: "2016-03-15T18:00:00-00:00",
    },
];

/// Where subnets are stored.
pub const TABLE: Table = Table { name: "subnets", id: "id", tags: "tags" };

/// A subnet on the wire (reference §3).
pub const TYPE: ResourceType =
    ResourceType { name: "subnet", collection: "subnets", attributes: &[ATTRIBUTES, attribute::STANDARD] };

const MODE: Check = Check::OneOf(model::Ipv6Mode::NAMES);

/// 4 or 6.
pub const IP_VERSION: Form = Form::NumberOf(&[4, 6]);
const POOLS: Form = Form::List(&Form::Whole(&[("start", Form::Ip), ("end", Form::Ip)]));
const HOST_ROUTES: Form = Form::List(&Form::Whole(&[("destination", Form::Cidr), ("nexthop", Form::Ip)]));

const ATTRIBUTES: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id"),
    Attribute::settable("name", Check::Text(255), Absent::EMPTY_TEXT).column("name"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).column("project_id"),
    Attribute::fixed("network_id", Check::Uuid, Absent::Required).column("network_id"),
    Attribute::fixed("ip_version", Check::Own(rules::ip_version), Absent::Required)
        .form(IP_VERSION)
        .filter(Filter::Own)
        .sort("ip_version"),
    Attribute::fixed("subnetpool_id", Check::Own(rules::subnet_pool), Absent::NULL)
        .form(Form::Text)
        .or_null()
        .filter(Filter::Column("subnetpool_id"))
        .alias("subnet_allocation"),
    Attribute::fixed("use_default_subnetpool", Check::Bool, Absent::FALSE)
        .show(Show::Never)
        .alias("default-subnetpools"),
    Attribute::fixed("prefixlen", Check::Int { min: 0, max: 128 }, Absent::NULL)
        .or_null()
        .show(Show::Never)
        .alias("subnet_allocation"),
    Attribute::settable("enable_dhcp", Check::Bool, Absent::TRUE).column("enable_dhcp"),
    Attribute::fixed("ipv6_ra_mode", MODE, Absent::NULL).or_null().filter(Filter::Column("ipv6_ra_mode")),
    Attribute::fixed("ipv6_address_mode", MODE, Absent::NULL)
        .or_null()
        .filter(Filter::Column("ipv6_address_mode")),
    Attribute::settable("gateway_ip", Check::Ip, Absent::Unset)
        .or_null()
        .filter(Filter::Column("gateway_ip")),
    Attribute::fixed("cidr", Check::Own(rules::cidr), Absent::NULL).form(Form::Cidr).or_null().column("cidr"),
    Attribute::settable("allocation_pools", Check::Own(rules::allocation_pools), Absent::Unset).form(POOLS),
    Attribute::settable("host_routes", Check::Own(rules::host_routes), Absent::EMPTY_LIST).form(HOST_ROUTES),
    Attribute::settable("dns_nameservers", Check::Own(rules::dns_nameservers), Absent::EMPTY_LIST)
        .form(Form::List(&Form::Ip)),
    Attribute::read_only("router:external", Check::Bool).filter(Filter::Own).alias("subnet-external-network"),
    // The network's; nobody is shown it here, but clients list by it.
    Attribute::read_only("shared", Check::Bool).filter(Filter::Own).show(Show::Never),
    Attribute::settable("service_types", Check::TextList { each: 255 }, Absent::EMPTY_LIST)
        .filter(Filter::Own)
        .alias("subnet-service-types"),
    Attribute::settable("segment_id", Check::Uuid, Absent::NULL)
        .or_null()
        .show(Show::Ruled)
        .column("segment_id")
        .alias("segment"),
];

#[cfg(test)]
mod tests;
