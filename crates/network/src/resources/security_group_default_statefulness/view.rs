//! A setting as clients see it.

use isospin_api_kit::Caller;
use isospin_api_kit::policy::Policy;
use isospin_api_kit::view::project;
use serde_json::{Map, Value, json};

use super::TYPE;
use super::model::Setting;
use super::policy::target;

/// The setting for this caller, with the fields asked for (none = all).
#[must_use]
pub fn show(policy: &Policy, caller: &Caller, setting: &Setting, fields: &[String]) -> Value {
    let owner = Some(&setting.project_id).filter(|project| !project.is_empty());
    let object: Map<String, Value> = [
        ("id", json!(setting.id.to_string())),
        ("project_id", json!(owner)),
        ("stateful", json!(setting.stateful)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    project(&TYPE, policy, caller, &target(setting), fields, object)
}
