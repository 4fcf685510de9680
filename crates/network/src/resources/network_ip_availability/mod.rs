//! How many addresses networks and their subnets have, and how many are in use.
//!
//! Numbers come from ranges and from counts the database makes: the work does not
//! grow with the size of a prefix.

mod handlers;
mod model;
mod policy;
mod store;
#[cfg(test)]
mod tests;
mod view;

use isospin_api_kit::attribute::{Attribute, Check, Filter, Form, ResourceType, Show};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::registration::Resource;
use crate::resources::subnet;
use crate::routes::{Collection, Routes};

use policy::POLICY;

/// Availability on the wire (reference/network-api-core §14).
pub const TYPE: ResourceType = ResourceType {
    name: "network_ip_availability",
    collection: "network_ip_availabilities",
    attributes: &[ATTRIBUTES],
};

const SUBNETS: Form = Form::List(&Form::Whole(&[
    ("subnet_id", Form::Uuid),
    ("ip_version", subnet::IP_VERSION),
    ("cidr", Form::Cidr),
    ("subnet_name", Form::Text),
    ("used_ips", Form::Integer),
    ("total_ips", Form::Integer),
    ("ip_availability_details", DETAILS),
]));
const DETAILS: Form = Form::Whole(&[
    ("total_ips_in_subnet", Form::Integer),
    ("total_ips_in_allocation_pool", Form::Integer),
    ("used_ips_in_subnet", Form::Integer),
    ("used_ips_in_allocation_pool", Form::Integer),
]);

const ATTRIBUTES: &[Attribute] = &[
    Attribute::read_only("network_id", Check::Uuid).column("id").alias("network-ip-availability"),
    Attribute::read_only("network_name", Check::Text(255)).column("name").alias("network-ip-availability"),
    Attribute::read_only("project_id", Check::Text(255))
        .column("project_id")
        .alias("network-ip-availability"),
    Attribute::read_only("subnet_ip_availability", Check::Object)
        .form(SUBNETS)
        .alias("network-ip-availability"),
    Attribute::read_only("used_ips", Check::Object).form(Form::Integer).alias("network-ip-availability"),
    Attribute::read_only("total_ips", Check::Object).form(Form::Integer).alias("network-ip-availability"),
    // A filter only: subnets of other versions, and networks without one, are left out.
    Attribute::read_only("ip_version", Check::Object)
        .form(subnet::IP_VERSION)
        .show(Show::Never)
        .filter(Filter::Own)
        .alias("network-ip-availability"),
    Attribute::read_only("ip_availability_details", Check::Object)
        .form(DETAILS)
        .alias("network-ip-availability-details"),
];

/// One row for each network.
const TABLE: Table = Table { name: "networks", id: "id", tags: "" };

/// What works.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "network-ip-availability",
        name: "Network IP Availability",
        description: "Provides IP availability data for each network and subnet.",
        updated: "2015-09-24T00:00:00-00:00",
    },
    Extension {
        alias: "network-ip-availability-details",
        name: "Network IP Availability Details Extension",
        description: "Add ip_availability_details attribute to network-ip-availabilities resource.",
        updated: "2025-10-31T00:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS);

/// The URLs of availability.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/network-ip-availabilities").list(handlers::list).show(handlers::show)
}
