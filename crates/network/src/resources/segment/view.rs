//! A segment as JSON.

use isospin_api_kit::policy::{Policy, Target};
use isospin_api_kit::{Caller, view};
use serde_json::{Map, Value, json};

use super::TYPE;
use super::model::NetworkSegment;

/// The segment as this caller gets to see it; `fields` empty means all.
pub fn segment(policy: &Policy, caller: &Caller, segment: &NetworkSegment, fields: &[String]) -> Value {
    let name = Some(segment.name.as_str()).filter(|name| !name.is_empty());
    let object: Map<String, Value> = [
        ("id", json!(segment.id.to_string())),
        ("network_id", json!(segment.network_id.to_string())),
        ("name", json!(name)),
        ("description", json!(segment.description)),
        ("physical_network", json!(segment.place.physical_network)),
        ("network_type", json!(segment.place.network_type.as_str())),
        ("segmentation_id", json!(segment.place.segmentation_id)),
        ("revision_number", json!(segment.revision_number)),
        ("created_at", json!(segment.created_at)),
        ("updated_at", json!(segment.updated_at)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    view::project(&TYPE, policy, caller, &Target::new(), fields, object)
}
