//! Which attributes of an object a caller gets to see.

use serde_json::{Map, Value};

use crate::Caller;
use crate::attribute::{ResourceType, Show};
use crate::policy::{Policy, Target};

/// Removes what the caller may not see or did not ask for, and adds `tenant_id`.
///
/// `object` holds every attribute by its name on the wire; `fields` empty means all.
pub fn project(
    resource: &ResourceType,
    policy: &Policy,
    caller: &Caller,
    target: &Target<'_>,
    fields: &[String],
    mut object: Map<String, Value>,
) -> Value {
    if let Some(project) = object.get("project_id").cloned() {
        object.insert("tenant_id".to_owned(), project);
    }
    for attribute in resource.attributes() {
        let hidden = match attribute.show {
            Show::Always => false,
            Show::Never => true,
            Show::Ruled => {
                let rule = format!("get_{}:{}", resource.name, attribute.name);
                !policy.allows_attribute(&rule, caller, target)
            }
        };
        if hidden {
            object.shift_remove(attribute.name);
        }
    }
    for attribute in policy.further_views(resource.name) {
        let rule = format!("get_{}:{attribute}", resource.name);
        if !policy.allows_attribute(&rule, caller, target) {
            object.shift_remove(attribute);
        }
    }
    if !fields.is_empty() {
        object.retain(|name, _| fields.iter().any(|field| field == name));
    }
    Value::Object(object)
}
