//! SQL for conntrack helpers.

use isospin_api_kit::Fault;
use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, values};
use isospin_types::{ConntrackHelperId, RouterId};

use super::TABLE;
use super::model::ConntrackHelper;
use super::rules::not_found;
use crate::page;

/// Columns of a helper, in the order [`read`] takes them.
pub const SELECTED: &str = "conntrack_helpers.id, conntrack_helpers.router_id, conntrack_helpers.protocol, \
                            conntrack_helpers.port, conntrack_helpers.helper";

/// The helpers of one router, for batches.
pub const OF: &str = "SELECT id, router_id, protocol, port, helper FROM conntrack_helpers WHERE router_id = $1 \
                      ORDER BY id";

/// A helper from a row of [`SELECTED`].
///
/// # Errors
/// The row does not hold one.
pub fn read(row: Row) -> Result<ConntrackHelper, StoreError> {
    let mut columns = row.columns();
    Ok(ConntrackHelper {
        id: columns.parse()?,
        router_id: columns.parse()?,
        protocol: columns.parse()?,
        port: columns.number()?,
        helper: columns.text()?,
    })
}

/// The helpers of a router.
///
/// # Errors
/// The store's.
pub async fn of(session: &mut Session, router: RouterId) -> Result<Vec<ConntrackHelper>, StoreError> {
    session.rows(OF, values![router]).await?.into_iter().map(read).collect()
}

/// One page of the helpers of a router.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    query: &ListQuery,
    router: RouterId,
) -> Result<Vec<ConntrackHelper>, Fault> {
    let mut select = Select::new(SELECTED, "conntrack_helpers");
    select.one_of("conntrack_helpers.router_id", values![router]);
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// Stores a new helper; the caller stores its router.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, new: &ConntrackHelper) -> Result<(), StoreError> {
    tx.execute_later(
        "INSERT INTO conntrack_helpers (id, router_id, protocol, port, helper) VALUES ($1, $2, $3, $4, $5)",
        values![new.id, new.router_id, new.protocol.as_str(), i64::from(new.port), &new.helper],
    )
    .await?;
    Ok(())
}

/// Stores a changed helper; the caller stores its router.
///
/// # Errors
/// The store's.
pub async fn save(tx: &mut Tx, changed: &ConntrackHelper) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE conntrack_helpers SET protocol = $1, port = $2, helper = $3 WHERE id = $4",
        values![changed.protocol.as_str(), i64::from(changed.port), &changed.helper, changed.id],
    )
    .await?;
    Ok(())
}

/// Removes a helper; the caller stores its router.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: ConntrackHelperId) -> Result<(), StoreError> {
    tx.execute_later("DELETE FROM conntrack_helpers WHERE id = $1", values![id]).await?;
    Ok(())
}
