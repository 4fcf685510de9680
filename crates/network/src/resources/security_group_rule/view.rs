//! A rule as clients see it.

use isospin_api_kit::Caller;
use isospin_api_kit::policy::Policy;
use isospin_api_kit::view::project;
use serde_json::{Map, Value, json};

use super::TYPE;
use super::model::SecurityGroupRule;
use super::policy::target;
use super::store::Found;

/// The rule for this caller, with the fields asked for (none = all).
#[must_use]
pub fn show(policy: &Policy, caller: &Caller, found: &Found, fields: &[String]) -> Value {
    let object = object(&found.rule, found.in_default_group);
    project(&TYPE, policy, caller, &target(found), fields, object)
}

/// The rule within its group.
#[must_use]
pub fn embedded(rule: &SecurityGroupRule, in_default_group: bool) -> Value {
    Value::Object(object(rule, in_default_group))
}

fn object(rule: &SecurityGroupRule, in_default_group: bool) -> Map<String, Value> {
    let matching = &rule.matching;
    let prefix = matching.remote.prefix();
    [
        ("id", json!(rule.id.to_string())),
        ("project_id", json!(rule.project_id)),
        ("security_group_id", json!(rule.security_group_id.to_string())),
        ("ethertype", json!(matching.ethertype.as_str())),
        ("direction", json!(matching.direction.as_str())),
        ("protocol", json!(matching.protocol.map(|protocol| protocol.to_string()))),
        ("port_range_min", json!(matching.port_range_min)),
        ("port_range_max", json!(matching.port_range_max)),
        ("remote_ip_prefix", json!(prefix.map(|net| net.to_string()))),
        ("remote_address_group_id", json!(matching.remote.addresses().map(|id| id.to_string()))),
        ("normalized_cidr", json!(prefix.map(|net| net.trunc().to_string()))),
        ("remote_group_id", json!(matching.remote.group().map(|id| id.to_string()))),
        ("belongs_to_default_sg", json!(in_default_group)),
        ("description", json!(rule.description)),
        ("revision_number", json!(rule.revision_number)),
        ("created_at", json!(rule.created_at)),
        ("updated_at", json!(rule.updated_at)),
        ("tenant_id", json!(rule.project_id)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
