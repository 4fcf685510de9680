//! A rule as clients see it, in the key order of the reference's samples.

use isospin_api_kit::attribute::ResourceType;
use isospin_api_kit::policy::{Policy, Target};
use isospin_api_kit::{Caller, view};
use serde_json::{Map, Value};

use super::model::QosRule;

/// The JSON of a rule as `resource` (its own type or its alias).
#[must_use]
pub fn show(
    resource: &ResourceType,
    policy: &Policy,
    caller: &Caller,
    fields: &[String],
    rule: &QosRule,
) -> Value {
    view::project(resource, policy, caller, &Target::new(), fields, object(rule))
}

/// The rule within its policy.
#[must_use]
pub fn embedded(rule: &QosRule) -> Value {
    let mut object = object(rule);
    object.insert("qos_policy_id".to_owned(), rule.policy_id.to_string().into());
    object.insert("type".to_owned(), rule.kind.as_str().into());
    Value::Object(object)
}

fn object(rule: &QosRule) -> Map<String, Value> {
    let mut object = Map::with_capacity(6);
    object.insert(rule.kind.amount().to_owned(), rule.amount.into());
    if let Some(burst) = rule.kind.burst() {
        object.insert(burst.to_owned(), rule.burst.into());
    }
    if rule.kind.has_direction() {
        object.insert("direction".to_owned(), rule.direction.as_str().into());
    }
    object.insert("id".to_owned(), rule.id.to_string().into());
    object
}
