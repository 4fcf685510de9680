//! The subnets of a pool.

use ipnet::IpNet;
use isospin_api_kit::{Fault, now_seconds};
use isospin_store_kit::{ChangeKind, Row, Session, StoreError, Tx, values};
use isospin_types::{NetworkId, SubnetId, SubnetPoolId};

use super::super::model::SubnetPool;
use crate::prefix;

/// The first subnets of the pool: those a refusal names.
///
/// # Errors
/// The store's.
pub async fn subnets_of(session: &mut Session, id: SubnetPoolId) -> Result<Vec<SubnetId>, StoreError> {
    let sql = format!("SELECT id FROM subnets WHERE subnetpool_id = $1 ORDER BY id LIMIT {}", Fault::NAMED);
    let rows = session.rows(&sql, values![id]).await?;
    rows.into_iter().map(|row| row.columns().parse()).collect()
}

/// The first subnets of the pool that have some of these prefixes.
///
/// # Errors
/// The store's.
pub async fn subnets_within(
    session: &mut Session,
    id: SubnetPoolId,
    prefixes: &[IpNet],
) -> Result<Vec<SubnetId>, StoreError> {
    let sql = "SELECT id, cidr FROM subnets WHERE subnetpool_id = $1 ORDER BY id";
    let mut found = Vec::new();
    for row in session.rows(sql, values![id]).await? {
        let mut columns = row.columns();
        let (subnet, cidr): (SubnetId, IpNet) = (columns.parse()?, columns.parse()?);
        if found.len() < Fault::NAMED && prefixes.iter().any(|net| prefix::overlap(net, &cidr)) {
            found.push(subnet);
        }
    }
    Ok(found)
}

/// What a project has of the pool.
///
/// # Errors
/// The store's.
pub async fn allocated_to(
    session: &mut Session,
    id: SubnetPoolId,
    project_id: &str,
) -> Result<Vec<IpNet>, StoreError> {
    let sql = "SELECT cidr FROM subnets WHERE subnetpool_id = $1 AND project_id = $2";
    let rows = session.rows(sql, values![id, project_id]).await?;
    rows.into_iter().map(|row| row.columns().parse()).collect()
}

/// The first subnets that are not of the pool but of its family, on networks where
/// others are of it.
///
/// # Errors
/// The store's.
pub async fn others_beside(session: &mut Session, pool: &SubnetPool) -> Result<Vec<SubnetId>, StoreError> {
    let sql = format!(
        "SELECT o.id FROM subnets o WHERE o.ip_version = $2 AND (o.subnetpool_id IS NULL OR o.subnetpool_id <> $1) \
         AND o.network_id IN (SELECT s.network_id FROM subnets s WHERE s.subnetpool_id = $1) \
         ORDER BY o.id LIMIT {}",
        Fault::NAMED
    );
    let rows = session.rows(&sql, values![pool.id, i64::from(pool.ip_version)]).await?;
    rows.into_iter().map(|row| row.columns().parse()).collect()
}

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
pub async fn note_subnets(tx: &mut Tx, id: SubnetPoolId) -> Result<(), StoreError> {
    let sql = "SELECT id, network_id FROM subnets WHERE subnetpool_id = $1";
    for row in tx.rows(sql, values![id]).await? {
        let mut columns = row.columns();
        tx.record_in("subnet", ChangeKind::Set, columns.text()?, columns.text()?);
    }
    Ok(())
}
