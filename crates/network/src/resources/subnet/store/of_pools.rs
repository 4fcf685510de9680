//! What happens to the subnets of a pool together.

use isospin_api_kit::now_seconds;
use isospin_store_kit::{ChangeKind, Row, StoreError, Tx, values};
use isospin_types::{NetworkId, SubnetPoolId};

use crate::resources::subnet_pool::model::SubnetPool;

/// Makes the network's subnets of the pool's family the pool's.
///
/// # Errors
/// The store's.
pub async fn adopt(tx: &mut Tx, pool: &SubnetPool, network_id: NetworkId) -> Result<(), StoreError> {
    let rows = tx
        .rows(
            "UPDATE subnets SET subnetpool_id = $1, updated_at = $2, revision_number = revision_number + 1 \
             WHERE network_id = $3 AND ip_version = $4 RETURNING id",
            values![pool.id, now_seconds(), network_id, i64::from(pool.ip_version)],
        )
        .await?;
    let changed = rows.into_iter().map(|row: Row| row.columns().text()).collect::<Result<Vec<_>, _>>()?;
    for id in changed {
        tx.record_in("subnet", ChangeKind::Set, id, network_id);
    }
    Ok(())
}

/// Notes that the subnets of the pool are in another scope now: hosts route by it.
///
/// # Errors
/// The store's.
pub async fn note_of_pool(tx: &mut Tx, id: SubnetPoolId) -> Result<(), StoreError> {
    let sql = "SELECT id, network_id FROM subnets WHERE subnetpool_id = $1";
    for row in tx.rows(sql, values![id]).await? {
        let mut columns = row.columns();
        tx.record_in("subnet", ChangeKind::Set, columns.text()?, columns.text()?);
    }
    Ok(())
}
