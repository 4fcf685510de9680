//! SQL for topologies. Rows go with their networks.

use isospin_store_kit::{Session, StoreError, Tx, values};
use isospin_types::{NetworkId, RouterId};

/// What was made for a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topology {
    pub network_id: NetworkId,
    /// `None` when somebody has deleted it since.
    pub router_id: Option<RouterId>,
}

/// The topology of a project.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, project_id: &str) -> Result<Option<Topology>, StoreError> {
    let sql = "SELECT network_id, router_id FROM auto_allocated_topologies WHERE project_id = $1";
    let Some(row) = session.row(sql, values![project_id]).await? else { return Ok(None) };
    let mut columns = row.columns();
    Ok(Some(Topology { network_id: columns.parse()?, router_id: columns.opt_parse()? }))
}

/// Remembers what was made.
///
/// # Errors
/// The store's.
pub async fn insert(
    tx: &mut Tx,
    project_id: &str,
    network_id: NetworkId,
    router_id: RouterId,
) -> Result<(), StoreError> {
    tx.execute_later(
        "INSERT INTO auto_allocated_topologies (project_id, network_id, router_id) VALUES ($1, $2, $3)",
        values![project_id, network_id, router_id],
    )
    .await?;
    Ok(())
}
