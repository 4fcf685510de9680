//! Checks and decisions about entries, without database.

use std::fmt;

use isospin_api_kit::attribute::check;
use isospin_api_kit::{Body, Fault, FaultType};
use isospin_types::RbacPolicyId;
use serde_json::Value;
use uuid::Uuid;

use super::kinds::Shareable;
use super::model::{Action, EVERYBODY, RbacPolicy};
use super::store::User;
use crate::resources;

/// A type of object that can be shared.
pub fn object_type(value: &Value) -> Result<Value, String> {
    let text = check::plain(value);
    if kind(&text).is_some() {
        return Ok(Value::String(text));
    }
    let known: Vec<String> = resources::shareable().map(|kind| format!("'{}'", kind.object_type)).collect();
    Err(format!("'{text}' is not in [{}]", known.join(", ")))
}

/// A project's id, or `*`. A project's name would be accepted and never match a
/// caller, so it is refused (N28).
pub fn target(value: &Value) -> Result<Value, String> {
    let text = check::text(value, 255)?;
    let is_id = matches!(text.len(), 32 | 36) && Uuid::try_parse(&text).is_ok();
    if text == EVERYBODY || is_id {
        return Ok(Value::String(text));
    }
    Err(format!("'{text}' is neither the id of a project nor '*'"))
}

/// The kind of this name.
#[must_use]
pub fn kind(object_type: &str) -> Option<&'static Shareable> {
    resources::shareable().find(|kind| kind.object_type == object_type)
}

/// The entry a POST describes, and the kind of its object.
///
/// # Errors
/// 400 `InvalidInput` for an action objects of the type do not know.
pub fn create(body: &Body, project_id: String) -> Result<(&'static Shareable, RbacPolicy), Fault> {
    let missing = |name: &str| {
        Fault::bad_request(format!("Failed to parse request. Required attribute '{name}' not specified"))
    };
    let kind = body.text("object_type").and_then(kind).ok_or_else(|| missing("object_type"))?;
    let action: Action = body.parsed("action").ok_or_else(|| missing("action"))?;
    if !kind.knows(action) {
        return Err(Fault::invalid_input(format!(
            "Action '{}' is not valid for objects of type {}",
            action.as_str(),
            kind.object_type
        )));
    }
    let policy = RbacPolicy {
        id: RbacPolicyId::random(),
        project_id,
        object_type: kind.object_type.to_owned(),
        object_id: body.parsed("object_id").ok_or_else(|| missing("object_id"))?,
        action,
        target_project: body.text("target_tenant").ok_or_else(|| missing("target_tenant"))?.to_owned(),
    };
    Ok((kind, policy))
}

/// 404, also for entries hidden from the caller.
pub fn not_found(id: impl fmt::Display) -> Fault {
    Fault::new(FaultType::RbacPolicyNotFound, format!("RBAC policy of type unknown with ID {id} not found"))
}

/// 400: the object is not the caller's to share; also when it is not there.
#[must_use]
pub fn not_owned(kind: &Shareable, object_id: Uuid) -> Fault {
    let objects = if kind.object_type == "network" { "networks" } else { "objects" };
    Fault::invalid_input(format!("Only admins can manipulate policies on {objects} they do not own"))
        .with_detail(format!("{} {object_id} is not an object of this project.", kind.object_type))
}

/// 409: the object is open to the project already.
#[must_use]
pub fn duplicate() -> Fault {
    Fault::new(FaultType::DuplicateRbacPolicy, "An RBAC policy already exists with those values.")
}

/// 409: these rely on the entry.
#[must_use]
pub fn in_use(object_id: Uuid, users: &[User]) -> Fault {
    let named: Vec<String> = users.iter().map(|user| format!("{} {}", user.kind, user.id)).collect();
    Fault::new(
        FaultType::RbacPolicyInUse,
        format!(
            "RBAC policy on object {object_id} cannot be removed because other objects depend on it.\nDetails: {}",
            named.join(", ")
        ),
    )
}

/// The project could not use the object for want of another.
pub fn missing(
    kind: &Shareable,
    object_id: impl fmt::Display,
    project_id: &str,
    needed: &str,
    needed_id: &str,
) -> Fault {
    Fault::invalid_input(format!(
        "{} {object_id} cannot be shared with project '{project_id}', which has no access to its {needed} {needed_id}.",
        kind.object_type
    ))
}
