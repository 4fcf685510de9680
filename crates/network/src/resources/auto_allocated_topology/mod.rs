//! A network on demand: private subnets of the default subnet pools behind a router
//! to the default external network, made when a project first asks for it (Nova's
//! `--nic auto`).
//!
//! It is made of the same parts as if a client had made it, in one unit of work, so
//! that there is all of it or nothing.

mod build;
mod handlers;
mod policy;
mod rules;
mod store;
#[cfg(test)]
mod tests;

use isospin_api_kit::attribute::{Attribute, Check, ResourceType};
use isospin_api_kit::extension::Extension;

use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};

use policy::POLICY;

/// A topology on the wire (reference/network-api-core §13).
pub const TYPE: ResourceType = ResourceType {
    name: "auto_allocated_topology",
    collection: "auto_allocated_topologies",
    attributes: &[&[
        Attribute::read_only("id", Check::Uuid).alias("auto-allocated-topology"),
        Attribute::read_only("project_id", Check::Text(255)).alias("auto-allocated-topology"),
    ]],
};

/// What works; the alias also brings `is_default` of networks.
const EXTENSIONS: &[Extension] = &[Extension {
    alias: "auto-allocated-topology",
    name: "Auto Allocated Topology Services",
    description: "Auto Allocated Topology Services.",
    updated: "2016-01-01T00:00:00-00:00",
}];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS);

/// The URL of a project's topology.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/auto-allocated-topology").show(handlers::show).makes().delete(handlers::delete)
}
