//! An address scope as JSON.

use isospin_api_kit::policy::Policy;
use isospin_api_kit::{Caller, view};
use serde_json::{Map, Value, json};

use super::model::AddressScope;
use super::{TYPE, target};

/// The scope as this caller gets to see it; `fields` empty means all.
pub fn address_scope(policy: &Policy, caller: &Caller, scope: &AddressScope, fields: &[String]) -> Value {
    let object: Map<String, Value> = [
        ("id", json!(scope.id.to_string())),
        ("project_id", json!(scope.project_id)),
        ("name", json!(scope.name)),
        ("shared", json!(scope.shared)),
        ("ip_version", json!(scope.ip_version)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    view::project(&TYPE, policy, caller, &target(scope), fields, object)
}
