//! A security group as clients see it.

use isospin_api_kit::Caller;
use isospin_api_kit::policy::Policy;
use isospin_api_kit::view::project;
use serde_json::{Map, Value, json};

use super::TYPE;
use super::model::SecurityGroupDetails;
use super::policy::target;
use crate::resources::security_group_rule;

/// The group for this caller, with the fields asked for (none = all).
#[must_use]
pub fn show(policy: &Policy, caller: &Caller, details: &SecurityGroupDetails, fields: &[String]) -> Value {
    let SecurityGroupDetails { group, rules, tags, shared } = details;
    let rules: Vec<Value> =
        rules.iter().map(|rule| security_group_rule::view::embedded(rule, group.is_default)).collect();
    let object: Map<String, Value> = [
        ("id", json!(group.id.to_string())),
        ("name", json!(group.name)),
        ("stateful", json!(group.stateful)),
        ("tenant_id", json!(group.project_id)),
        ("project_id", json!(group.project_id)),
        ("description", json!(group.description)),
        ("shared", json!(shared)),
        ("security_group_rules", Value::Array(rules)),
        ("tags", json!(tags)),
        ("revision_number", json!(group.revision_number)),
        ("created_at", json!(group.created_at)),
        ("updated_at", json!(group.updated_at)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    project(&TYPE, policy, caller, &target(group, *shared), fields, object)
}
