//! Limits on how many objects a project may have. Usage is counted in the same
//! transaction that creates or deletes, so two servers cannot both win the last one.

use isospin_api_kit::Fault;
use isospin_store_kit::{StoreError, Tx, values};

use crate::Settings;

/// Counts `count` more objects of `resource` for the project.
///
/// # Errors
/// 409 `OverQuota`; nothing is counted then.
pub async fn take(
    tx: &mut Tx,
    settings: &Settings,
    project_id: &str,
    resource: &'static str,
    count: i64,
) -> Result<(), Fault> {
    // Objects the system itself owns are not limited.
    if project_id.is_empty() || count == 0 {
        return Ok(());
    }
    let row = tx
        .row(
            "INSERT INTO quota_usage (project_id, resource, used) VALUES ($1, $2, $3) \
             ON CONFLICT (project_id, resource) DO UPDATE SET used = quota_usage.used + excluded.used \
             RETURNING used, (SELECT \"limit\" FROM quotas q WHERE q.project_id = quota_usage.project_id \
             AND q.resource = quota_usage.resource)",
            values![project_id, resource, count],
        )
        .await?;
    let Some(row) = row else { return Ok(()) };
    let mut columns = row.columns();
    let used = columns.int()?;
    let own_limit = columns.opt_int()?;
    let limit = own_limit.or_else(|| settings.quotas.by_resource.get(resource).copied()).unwrap_or(-1);
    if limit >= 0 && used > limit {
        return Err(Fault::over_quota(&[resource])
            .with_detail(format!("The limit of '{resource}' is {limit} for project {project_id}.")));
    }
    Ok(())
}

/// Counts `count` more objects that are refused to nobody: what the cloud makes for
/// a project by itself.
///
/// # Errors
/// The store's.
pub async fn count(
    tx: &mut Tx,
    project_id: &str,
    resource: &'static str,
    count: i64,
) -> Result<(), StoreError> {
    if project_id.is_empty() || count == 0 {
        return Ok(());
    }
    tx.execute_later(
        "INSERT INTO quota_usage (project_id, resource, used) VALUES ($1, $2, $3) \
         ON CONFLICT (project_id, resource) DO UPDATE SET used = quota_usage.used + excluded.used",
        values![project_id, resource, count],
    )
    .await?;
    Ok(())
}

/// Counts `count` fewer.
///
/// # Errors
/// The store's.
pub async fn give_back(
    tx: &mut Tx,
    project_id: &str,
    resource: &'static str,
    count: i64,
) -> Result<(), StoreError> {
    if project_id.is_empty() || count == 0 {
        return Ok(());
    }
    tx.execute_later(
        "UPDATE quota_usage SET used = used - $1 WHERE project_id = $2 AND resource = $3",
        values![count, project_id, resource],
    )
    .await?;
    Ok(())
}
