//! Whose a new object is.

use isospin_api_kit::{Body, Caller, Fault};

/// The project of an object about to be created: the caller's own unless an
/// administrator or a service names another.
///
/// # Errors
/// 400 when somebody else names another.
pub fn project(body: &Body, caller: &Caller) -> Result<String, Fault> {
    match body.text("project_id") {
        None => Ok(caller.project_id.clone()),
        Some(project) if project == caller.project_id || may_name_others(caller) => Ok(project.to_owned()),
        Some(_) => Err(Fault::bad_request(
            "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires \
             admin privileges",
        )),
    }
}

fn may_name_others(caller: &Caller) -> bool {
    caller.is_admin() || caller.has_role("service")
}
