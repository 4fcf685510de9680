//! Who relies on a network: what stands against changing or deleting it.

use isospin_store_kit::{Session, StoreError, values};
use isospin_types::{NetworkId, PortId};

use super::super::model::Network;

/// Ports of the network with their owners.
///
/// # Errors
/// The store's.
pub async fn ports(session: &mut Session, id: NetworkId) -> Result<Vec<(PortId, String)>, StoreError> {
    let rows = session
        .rows("SELECT id, device_owner FROM ports WHERE network_id = $1 ORDER BY id", values![id])
        .await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            Ok((columns.parse()?, columns.text()?))
        })
        .collect()
}

/// Whether projects that rely on the network being for all have ports or subnets on
/// it: neither its owner nor one it is shared with by name.
///
/// # Errors
/// The store's.
pub async fn used_by_others(session: &mut Session, network: &Network) -> Result<bool, StoreError> {
    let found = session
        .rows_many(vec![
            (
                "SELECT 1 FROM ports WHERE network_id = $1 AND project_id <> $2 \
                 AND device_owner NOT LIKE 'network:%' AND project_id NOT IN (SELECT target_project \
                 FROM rbac_policies WHERE object_id = $1 AND action = 'access_as_shared') LIMIT 1",
                values![network.id, &network.project_id],
            ),
            (
                "SELECT 1 FROM subnets WHERE network_id = $1 AND project_id <> $2 \
                 AND project_id NOT IN (SELECT target_project FROM rbac_policies \
                 WHERE object_id = $1 AND action = 'access_as_shared') LIMIT 1",
                values![network.id, &network.project_id],
            ),
        ])
        .await?;
    Ok(found.iter().any(|rows| !rows.is_empty()))
}

/// Whether a router has its gateway on the network.
///
/// # Errors
/// The store's.
pub async fn has_gateway_ports(session: &mut Session, id: NetworkId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM ports WHERE device_owner = 'network:router_gateway' AND network_id = $1 LIMIT 1";
    Ok(session.row(sql, values![id]).await?.is_some())
}

/// Whether an agent has any port of the network in hand.
///
/// # Errors
/// The store's.
pub async fn has_bound_ports(session: &mut Session, id: NetworkId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM ports WHERE network_id = $1 AND binding_host <> '' LIMIT 1";
    Ok(session.row(sql, values![id]).await?.is_some())
}

/// The default external network.
///
/// # Errors
/// The store's.
pub async fn default_external(session: &mut Session) -> Result<Option<NetworkId>, StoreError> {
    let row = session.row("SELECT id FROM networks WHERE is_default", vec![]).await?;
    row.map(|row| row.columns().parse()).transpose()
}
