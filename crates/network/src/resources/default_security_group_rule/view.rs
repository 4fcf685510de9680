//! A default rule as clients see it.

use isospin_api_kit::Caller;
use isospin_api_kit::policy::{Policy, Target};
use isospin_api_kit::view::project;
use serde_json::{Map, Value, json};

use super::TYPE;
use super::model::{DefaultRule, PARENT};

/// The rule for this caller, with the fields asked for (none = all).
#[must_use]
pub fn show(policy: &Policy, caller: &Caller, rule: &DefaultRule, fields: &[String]) -> Value {
    let matching = &rule.matching;
    let remote_group = match rule.from_parent {
        true => Some(PARENT.to_owned()),
        false => matching.remote.group().map(|id| id.to_string()),
    };
    let object: Map<String, Value> = [
        ("id", json!(rule.id.to_string())),
        ("ethertype", json!(matching.ethertype.as_str())),
        ("direction", json!(matching.direction.as_str())),
        ("protocol", json!(matching.protocol.map(|protocol| protocol.to_string()))),
        ("port_range_min", json!(matching.port_range_min)),
        ("port_range_max", json!(matching.port_range_max)),
        ("remote_ip_prefix", json!(matching.remote.prefix().map(|net| net.to_string()))),
        ("remote_address_group_id", json!(matching.remote.addresses().map(|id| id.to_string()))),
        ("remote_group_id", json!(remote_group)),
        ("description", json!(rule.description)),
        ("used_in_default_sg", json!(rule.in_default)),
        ("used_in_non_default_sg", json!(rule.in_others)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    project(&TYPE, policy, caller, &Target::new(), fields, object)
}
