//! Checks and decisions about settings, without database.

use std::fmt;

use isospin_api_kit::{Body, Caller, Fault, FaultType};
use uuid::Uuid;

use super::model::Setting;
use crate::owner;

/// The setting a POST describes.
///
/// # Errors
/// 400 for another project than the caller's, unless by an administrator.
pub fn create(body: &Body, caller: &Caller) -> Result<Setting, Fault> {
    let project_id = match body.text("project_id") {
        Some(_) => owner::project(body, caller)?,
        None => String::new(),
    };
    Ok(Setting { id: Uuid::new_v4(), project_id, stateful: body.flag("stateful").unwrap_or(true) })
}

/// 404, also for settings hidden from the caller.
pub fn not_found(id: impl fmt::Display) -> Fault {
    Fault::new(
        FaultType::SecurityGroupDefaultStatefulnessNotFound,
        format!("Security group default statefulness {id} could not be found."),
    )
}

/// 409: the project, or everybody, has a setting.
#[must_use]
pub fn exists(project_id: &str) -> Fault {
    let project = if project_id.is_empty() { "None" } else { project_id };
    Fault::new(
        FaultType::SecurityGroupDefaultStatefulnessAlreadyExists,
        format!("A security group default statefulness setting already exists for project '{project}'."),
    )
}
