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
    let may_see = |attribute: &str| {
        policy.allows_attribute(&format!("get_{}:{attribute}", resource.name), caller, target)
    };
    let own = resource.attributes().filter(|attribute| match attribute.show {
        Show::Always => false,
        Show::Never => true,
        Show::Ruled => !may_see(attribute.name),
    });
    let further = policy.further_views(resource.name).iter().map(String::as_str);
    let further = further.filter(|attribute| !may_see(attribute));
    let hidden: Vec<&str> = own.map(|attribute| attribute.name).chain(further).collect();
    if !hidden.is_empty() || !fields.is_empty() {
        let wanted = |name: &String| fields.is_empty() || fields.contains(name);
        object.retain(|name, _| wanted(name) && !hidden.contains(&name.as_str()));
    }
    Value::Object(object)
}
