//! A security group as clients see it.

use isospin_api_kit::Caller;
use isospin_api_kit::policy::Policy;
use isospin_api_kit::view::project;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::TYPE;
use super::model::SecurityGroupDetails;
use super::policy::target;
use crate::resources::security_group_rule::view::Shown as ShownRule;

/// Where the rules go.
const RULES: &str = "security_group_rules";

/// A group with its rules, which are written straight into the answer.
#[derive(Debug)]
pub struct Shown<'a> {
    attributes: Value,
    details: &'a SecurityGroupDetails,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attributes = self.attributes.as_object();
        let mut map = serializer.serialize_map(attributes.map(Map::len))?;
        for (name, value) in attributes.into_iter().flatten() {
            if name == RULES {
                map.serialize_entry(name, &Rules(self.details))?;
            } else {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

struct Rules<'a>(&'a SecurityGroupDetails);

impl Serialize for Rules<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let in_default_group = self.0.group.is_default;
        serializer.collect_seq(self.0.rules.iter().map(|rule| ShownRule { rule, in_default_group }))
    }
}

/// The group for this caller, with the fields asked for (none = all).
#[must_use]
pub fn show<'a>(
    policy: &Policy,
    caller: &Caller,
    details: &'a SecurityGroupDetails,
    fields: &[String],
) -> Shown<'a> {
    let SecurityGroupDetails { group, tags, shared, .. } = details;
    let object: Map<String, Value> = [
        ("id", json!(group.id.to_string())),
        ("name", json!(group.name)),
        ("stateful", json!(group.stateful)),
        ("tenant_id", json!(group.project_id)),
        ("project_id", json!(group.project_id)),
        ("description", json!(group.description)),
        ("shared", json!(shared)),
        (RULES, Value::Null),
        ("tags", json!(tags)),
        ("revision_number", json!(group.revision_number)),
        ("created_at", json!(group.created_at)),
        ("updated_at", json!(group.updated_at)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    Shown { attributes: project(&TYPE, policy, caller, &target(group, *shared), fields, object), details }
}
