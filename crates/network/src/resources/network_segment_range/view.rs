//! A range as JSON.

use isospin_api_kit::policy::{Policy, Target};
use isospin_api_kit::{Caller, view};
use serde_json::{Map, Value, json};

use super::model::RangeDetails;
use super::{AVAILABLE, TYPE, USED};

/// The range as this caller gets to see it; `fields` empty means all.
pub fn range(policy: &Policy, caller: &Caller, details: &RangeDetails, fields: &[String]) -> Value {
    let range = &details.range;
    let said = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
    let used: Map<String, Value> =
        details.used.iter().map(|(id, project)| (id.to_string(), json!(project))).collect();
    let object: Map<String, Value> = [
        ("id", json!(range.id.to_string())),
        ("name", json!(range.name)),
        ("default", json!(range.is_default)),
        ("shared", json!(range.shared)),
        ("project_id", said(&range.project_id)),
        ("network_type", json!(range.network_type.as_str())),
        ("physical_network", said(&range.physical_network)),
        ("minimum", json!(range.minimum)),
        ("maximum", json!(range.maximum)),
        ("revision_number", json!(range.revision_number)),
        ("description", json!(range.description)),
        ("created_at", json!(range.created_at)),
        ("updated_at", json!(range.updated_at)),
        (AVAILABLE, json!(details.available)),
        (USED, Value::Object(used)),
        ("tags", json!(details.tags)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    view::project(&TYPE, policy, caller, &Target::new(), fields, object)
}
