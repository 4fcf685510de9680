//! Network segment ranges: which ids are given to networks automatically, and whose.
//!
//! The settings make the default ranges, which the API cannot change. An
//! administrator adds ranges for everybody (shared) or for one project. A network of
//! a project gets an id of the project's own ranges first, then of the shared ones,
//! and never one of another project's.

mod handlers;
pub mod model;
pub mod policy;
mod rules;
mod store;
mod view;

use isospin_api_kit::attribute::{self, Absent, Attribute, Check, Filter, Form, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::registration::Resource;
use crate::resources::tag;
use crate::routes::{Collection, Routes};
use policy::POLICY;

/// What this folder brings to the API.
pub const RESOURCE: Resource =
    Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS).tagged(&TAGGED);

/// How its objects carry tags.
const TAGGED: tag::Kind = tag::kind!(
    "network-segment-ranges",
    "network_segment_range",
    "network_segment_ranges",
    "SELECT project_id, '', '', '' FROM network_segment_ranges WHERE id = $1"
);

/// The URLs of ranges.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/network-segment-ranges")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
}

/// What ranges bring to the extension list.
const EXTENSIONS: &[Extension] = &[Extension {
    alias: "network-segment-range",
    name: "Neutron Network Segment Range",
    description: "Provides support for the network segment range management",
    updated: "2018-11-29T00:00:00-00:00",
}];

/// Where ranges are stored.
pub const TABLE: Table = Table { name: "network_segment_ranges", id: "id", tags: "tags" };

/// A range on the wire (reference §15).
pub const TYPE: ResourceType = ResourceType {
    name: "network_segment_range",
    collection: "network_segment_ranges",
    attributes: &[ATTRIBUTES, attribute::STANDARD],
};

/// The ids there are, of all types.
const ID: Check = Check::Int { min: 1, max: 4_294_967_295 };
/// What is computed only when it is wanted.
const USED: &str = "used";
const AVAILABLE: &str = "available";

const ATTRIBUTES: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id"),
    Attribute::settable("name", Check::Text(255), Absent::EMPTY_TEXT).column("name"),
    Attribute::read_only("default", Check::Bool).filter(Filter::Column("is_default")),
    Attribute::fixed("shared", Check::Bool, Absent::TRUE).filter(Filter::Column("shared")),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).or_null().column("project_id"),
    Attribute::fixed("network_type", Check::OneOf(rules::TYPES), Absent::Required)
        .filter(Filter::Column("network_type")),
    Attribute::fixed("physical_network", Check::Text(64), Absent::NULL)
        .or_null()
        .filter(Filter::Column("physical_network")),
    Attribute::settable("minimum", ID, Absent::Required),
    Attribute::settable("maximum", ID, Absent::Required),
    Attribute::read_only(USED, Check::Object).form(Form::Map(&Form::Text)),
    Attribute::read_only(AVAILABLE, Check::Object).form(Form::List(&Form::Integer)),
];

#[cfg(test)]
mod tests;
