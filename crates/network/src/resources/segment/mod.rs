//! Segments: the places a network is at, in order.
//!
//! A port is on the first segment its host can wire. Where subnets belong to
//! segments the network is routed: ports get addresses of the segment their host is
//! on, and none before the host is known.

mod handlers;
pub mod model;
pub mod policy;
pub mod rules;
pub mod store;
mod view;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Form, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};
use policy::POLICY;

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS);

/// The URLs of segments.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/segments")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
}

/// What segments bring to the extension list.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "segment",
        name: "Segment",
        description: "Segments extension.",
        updated: "2016-02-24T17:00:00-00:00",
    },
    Extension {
        alias: "standard-attr-segment",
        name: "Standard Attribute Segment Extension",
        description: "Add standard attributes to Segment resource",
        updated: "2018-04-09T10:00:00-00:00",
    },
];

/// Where segments are stored.
pub const TABLE: Table = Table { name: "segments", id: "id", tags: "" };

/// A segment on the wire (reference §15).
pub const TYPE: ResourceType =
    ResourceType { name: "segment", collection: "segments", attributes: &[ATTRIBUTES] };

const ATTRIBUTES: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).column("id"),
    Attribute::fixed("network_id", Check::Uuid, Absent::Required).column("network_id"),
    Attribute::settable("name", Check::Text(255), Absent::NULL).or_null().column("name"),
    Attribute::settable("description", Check::Text(255), Absent::EMPTY_TEXT)
        .or_null()
        .column("description")
        .alias("standard-attr-segment"),
    Attribute::fixed("physical_network", Check::Text(64), Absent::NULL).or_null().column("physical_network"),
    // Local ones come with their network only.
    Attribute::fixed("network_type", Check::OneOf(rules::TYPES), Absent::Required)
        .form(Form::Such(rules::TYPES))
        .column("network_type"),
    Attribute::fixed("segmentation_id", Check::Int { min: 0, max: 4_294_967_295 }, Absent::NULL)
        .or_null()
        .sort("segmentation_id"),
    Attribute::read_only("created_at", Check::Text(32)).column("created_at").alias("standard-attr-segment"),
    Attribute::read_only("updated_at", Check::Text(32)).column("updated_at").alias("standard-attr-segment"),
    Attribute::read_only("revision_number", Check::Int { min: 0, max: i64::MAX })
        .column("revision_number")
        .alias("standard-attr-segment"),
];

#[cfg(test)]
mod tests;
