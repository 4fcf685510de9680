//! SQL for settings.

use isospin_api_kit::Fault;
use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, values};
use uuid::Uuid;

use super::TABLE;
use super::model::Setting;
use super::rules::not_found;
use crate::page;

const COLUMNS: &str = "id, project_id, stateful";

fn from_row(row: Row) -> Result<Setting, StoreError> {
    let mut columns = row.columns();
    Ok(Setting { id: columns.parse()?, project_id: columns.text()?, stateful: columns.flag()? })
}

/// Whether a new group of the project is stateful when nobody says.
///
/// # Errors
/// The store's.
pub async fn default_for(session: &mut Session, project_id: &str) -> Result<bool, StoreError> {
    // The empty text, which is everybody, sorts below every project.
    let sql = "SELECT stateful FROM security_group_default_statefulness WHERE project_id IN ('', $1) \
               ORDER BY project_id DESC LIMIT 1";
    let row = session.row(sql, values![project_id]).await?;
    row.map_or(Ok(true), |row| row.columns().flag())
}

/// The setting of this id.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, id: Uuid) -> Result<Option<Setting>, StoreError> {
    let sql = "SELECT id, project_id, stateful FROM security_group_default_statefulness WHERE id = $1";
    session.row(sql, values![id]).await?.map(from_row).transpose()
}

/// One page of the settings; `project_id` keeps that of one project.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    list: &ListQuery,
    project_id: Option<&str>,
) -> Result<Vec<Setting>, Fault> {
    let mut select = Select::new(COLUMNS, TABLE.name);
    if let Some(project_id) = project_id {
        select.one_of("project_id", values![project_id]);
    }
    let rows = page::rows(session, list, &TABLE, select, |marker| not_found(marker)).await?;
    Ok(rows.into_iter().map(from_row).collect::<Result<_, _>>()?)
}

/// Stores a new setting, unless the project has one.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, setting: &Setting) -> Result<bool, StoreError> {
    let count = tx
        .execute(
            "INSERT INTO security_group_default_statefulness (id, project_id, stateful) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING",
            values![setting.id, &setting.project_id, setting.stateful],
        )
        .await?;
    Ok(count > 0)
}

/// Stores what an update may change.
///
/// # Errors
/// The store's.
pub async fn update(tx: &mut Tx, setting: &Setting) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE security_group_default_statefulness SET stateful = $1 WHERE id = $2",
        values![setting.stateful, setting.id],
    )
    .await?;
    Ok(())
}

/// Removes a setting; groups stay as they are.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    tx.execute_later("DELETE FROM security_group_default_statefulness WHERE id = $1", values![id]).await?;
    Ok(())
}
