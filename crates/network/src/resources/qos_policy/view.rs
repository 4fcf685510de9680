//! A policy as clients see it, in the key order of the reference's samples.

use isospin_api_kit::policy::Policy;
use isospin_api_kit::{Caller, view};
use serde_json::{Map, Value, json};

use super::TYPE;
use super::model::QosPolicyDetails;
use super::policy::target;
use crate::resources::qos_rule;

/// The policy for this caller, with the fields asked for (none = all).
#[must_use]
pub fn show(rules: &Policy, caller: &Caller, details: &QosPolicyDetails, fields: &[String]) -> Value {
    let QosPolicyDetails { policy, rules: contents, tags } = details;
    let contents: Vec<Value> = contents.iter().map(qos_rule::view::embedded).collect();
    let object: Map<String, Value> = [
        ("id", json!(policy.id.to_string())),
        ("project_id", json!(policy.project_id)),
        ("name", json!(policy.name)),
        ("shared", json!(policy.shared)),
        ("rules", Value::Array(contents)),
        ("is_default", json!(policy.is_default)),
        ("revision_number", json!(policy.revision_number)),
        ("description", json!(policy.description)),
        ("created_at", json!(policy.created_at)),
        ("updated_at", json!(policy.updated_at)),
        ("tenant_id", json!(policy.project_id)),
        ("tags", json!(tags)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    view::project(&TYPE, rules, caller, &target(policy), fields, object)
}
