//! An address group as clients see it.

use isospin_api_kit::Caller;
use isospin_api_kit::policy::Policy;
use isospin_api_kit::view::project;
use serde_json::{Map, Value, json};

use super::TYPE;
use super::model::AddressGroup;
use super::policy::target;

/// The group for this caller, with the fields asked for (none = all).
#[must_use]
pub fn show(
    policy: &Policy,
    caller: &Caller,
    group: &AddressGroup,
    shared: bool,
    fields: &[String],
) -> Value {
    let addresses: Vec<String> = group.addresses.iter().map(ToString::to_string).collect();
    let object: Map<String, Value> = [
        ("id", json!(group.id.to_string())),
        ("name", json!(group.name)),
        ("project_id", json!(group.project_id)),
        ("addresses", json!(addresses)),
        ("revision_number", json!(group.revision_number)),
        ("description", json!(group.description)),
        ("created_at", json!(group.created_at)),
        ("updated_at", json!(group.updated_at)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    project(&TYPE, policy, caller, &target(group, shared), fields, object)
}
