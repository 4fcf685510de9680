//! An entry as clients see it.

use isospin_api_kit::Caller;
use isospin_api_kit::policy::Policy;
use isospin_api_kit::view::project;
use serde_json::{Map, Value, json};

use super::TYPE;
use super::model::RbacPolicy;
use super::policy::target;

/// The entry for this caller, with the fields asked for (none = all).
#[must_use]
pub fn show(policy: &Policy, caller: &Caller, entry: &RbacPolicy, fields: &[String]) -> Value {
    let object: Map<String, Value> = [
        ("id", json!(entry.id.to_string())),
        ("project_id", json!(entry.project_id)),
        ("action", json!(entry.action.as_str())),
        ("object_id", json!(entry.object_id.to_string())),
        ("target_tenant", json!(entry.target_project)),
        ("object_type", json!(entry.object_type)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    project(&TYPE, policy, caller, &target(entry, &entry.target_project), fields, object)
}
