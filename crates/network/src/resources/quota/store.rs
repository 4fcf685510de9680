//! SQL for limits and usage.

use std::collections::BTreeMap;

use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, values};

/// Limits a project has of its own, by kind.
///
/// # Errors
/// The store's.
pub async fn limits(session: &mut Session, project_id: &str) -> Result<BTreeMap<String, i64>, StoreError> {
    let rows = session.rows(LIMITS, values![project_id]).await?;
    rows.into_iter().map(pair).collect()
}

/// Limits and usage of a project, by kind.
///
/// # Errors
/// The store's.
pub async fn limits_and_usage(
    session: &mut Session,
    project_id: &str,
) -> Result<(BTreeMap<String, i64>, BTreeMap<String, i64>), StoreError> {
    let queries = vec![(LIMITS, values![project_id]), (USAGE, values![project_id])];
    let mut answers = session.rows_many(queries).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default().into_iter().map(pair).collect();
    let limits: Result<_, StoreError> = next();
    let usage: Result<_, StoreError> = next();
    Ok((limits?, usage?))
}

const LIMITS: &str = "SELECT resource, \"limit\" FROM quotas WHERE project_id = $1";
const USAGE: &str = "SELECT resource, used FROM quota_usage WHERE project_id = $1";

fn pair(row: Row) -> Result<(String, i64), StoreError> {
    let mut columns = row.columns();
    Ok((columns.text()?, columns.int()?))
}

/// Projects with limits of their own; of one project only where given.
///
/// # Errors
/// The store's.
pub async fn all(
    session: &mut Session,
    only: Option<&str>,
) -> Result<BTreeMap<String, BTreeMap<String, i64>>, StoreError> {
    let mut select = Select::new("project_id, resource, \"limit\"", "quotas");
    if let Some(project_id) = only {
        let name = select.bind(project_id);
        select.condition(format!("project_id = {name}"));
    }
    let (sql, values) = select.build();
    let mut projects: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    for row in session.rows(&sql, values).await? {
        let mut columns = row.columns();
        projects.entry(columns.text()?).or_default().insert(columns.text()?, columns.int()?);
    }
    Ok(projects)
}

/// Sets limits of a project.
///
/// # Errors
/// The store's.
pub async fn set(tx: &mut Tx, project_id: &str, limits: &[(&'static str, i64)]) -> Result<(), StoreError> {
    let sql = "INSERT INTO quotas (project_id, resource, \"limit\") VALUES ($1, $2, $3) \
               ON CONFLICT (project_id, resource) DO UPDATE SET \"limit\" = excluded.\"limit\"";
    let statements = limits.iter().map(|(key, limit)| (sql, values![project_id, *key, *limit])).collect();
    tx.execute_many_later(statements).await?;
    Ok(())
}

/// Gives a project the default limits again; whether it had others.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, project_id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM quotas WHERE project_id = $1", values![project_id]).await? > 0)
}
