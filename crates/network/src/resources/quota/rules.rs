//! Pure decisions about limits.

use std::collections::BTreeMap;

use isospin_api_kit::{Body, Fault, FaultType};

use super::keys;

/// The limits a body names.
#[must_use]
pub fn wanted(body: &Body) -> Vec<(&'static str, i64)> {
    keys().filter_map(|key| body.int(key).map(|limit| (key, limit))).collect()
}

/// Refuses limits below what is in use, unless forced.
///
/// # Errors
/// 400 `InvalidQuotaValue` naming the kinds.
pub fn check_usage(
    wanted: &[(&'static str, i64)],
    used: &BTreeMap<String, i64>,
    force: bool,
) -> Result<(), Fault> {
    let below: Vec<String> = wanted
        .iter()
        .filter(|(key, limit)| *limit >= 0 && used.get(*key).is_some_and(|used| used > limit))
        .map(|(key, _)| format!("'{key}'"))
        .collect();
    if force || below.is_empty() {
        return Ok(());
    }
    Err(Fault::new(
        FaultType::InvalidQuotaValue,
        format!("Quota limit is below the current usage for resources: [{}].", below.join(", ")),
    )
    .with_detail("Send \"force\": true to set it all the same."))
}

/// 403: another project's limits.
#[must_use]
pub fn admin_required() -> Fault {
    Fault::new(
        FaultType::AdminRequired,
        "User does not have admin privileges: Only admin is authorized to access quotas for another tenant.",
    )
}

/// 404: the project has the default limits.
#[must_use]
pub fn not_found(project_id: &str) -> Fault {
    Fault::new(FaultType::TenantQuotaNotFound, format!("Quota for tenant {project_id} could not be found."))
}
