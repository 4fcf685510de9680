//! SQL for metering labels.

use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Caller, Fault};
use isospin_store_kit::query::Select;
use isospin_store_kit::{ChangeKind, Row, Session, StoreError, Tx, values};
use isospin_types::{MeteringLabelId, RouterId};

use super::model::MeteringLabel;
use super::{TABLE, not_found};
use crate::page;

const SELECTED: &str = "metering_labels.id, metering_labels.project_id, metering_labels.name, \
                        metering_labels.description, metering_labels.shared";

fn read(row: Row) -> Result<MeteringLabel, StoreError> {
    let mut columns = row.columns();
    Ok(MeteringLabel {
        id: columns.parse()?,
        project_id: columns.text()?,
        name: columns.text()?,
        description: columns.text()?,
        shared: columns.flag()?,
    })
}

/// The label of this id.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, id: MeteringLabelId) -> Result<Option<MeteringLabel>, StoreError> {
    let mut select = Select::new(SELECTED, "metering_labels");
    select.one_of("metering_labels.id", values![id]);
    let (sql, values) = select.build();
    session.row(&sql, values).await?.map(read).transpose()
}

/// One page of the labels the caller may know of.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    query: &ListQuery,
    caller: &Caller,
) -> Result<Vec<MeteringLabel>, Fault> {
    let mut select = Select::new(SELECTED, "metering_labels");
    if !caller.is_admin() {
        select.one_of("metering_labels.project_id", values![&caller.project_id]);
    }
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// Notes a change of every router that counts under a label.
///
/// # Errors
/// The store's.
pub async fn tell_routers(tx: &mut Tx, label: &MeteringLabel) -> Result<(), StoreError> {
    let sql = "SELECT id FROM routers WHERE host <> '' \
        AND (project_id = $1 OR $2 = TRUE) ORDER BY id";
    for row in tx.rows(sql, values![&label.project_id, label.shared]).await? {
        let id: RouterId = row.columns().parse()?;
        tx.record("router", ChangeKind::Set, id);
    }
    Ok(())
}

/// Stores a new label.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, new: &MeteringLabel) -> Result<(), StoreError> {
    tx.execute_later(
        "INSERT INTO metering_labels (id, project_id, name, description, shared) VALUES ($1, $2, $3, $4, $5)",
        values![new.id, &new.project_id, &new.name, &new.description, new.shared],
    )
    .await?;
    tell_routers(tx, new).await
}

/// Removes a label; its rules go with it.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, label: &MeteringLabel) -> Result<(), StoreError> {
    tx.execute_later("DELETE FROM metering_labels WHERE id = $1", values![label.id]).await?;
    tell_routers(tx, label).await
}
