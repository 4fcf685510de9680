//! Who relies on a network: what stands against changing or deleting it.

use isospin_store_kit::{Session, StoreError, values};
use isospin_types::{NetworkId, PortId};

use super::super::model::Network;
use crate::blockers;

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

/// Some ports and subnets on it of projects that rely on the network being for all:
/// neither its owner nor one it is shared with by name. Each as `port ID` or `subnet ID`.
///
/// # Errors
/// The store's.
pub async fn users_among_others(session: &mut Session, network: &Network) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT 'port ' || id AS named FROM ports WHERE network_id = $1 AND project_id <> $2 \
        AND device_owner NOT LIKE 'network:%' AND project_id NOT IN (SELECT target_project \
        FROM rbac_policies WHERE object_id = $1 AND action = 'access_as_shared') \
        UNION ALL SELECT 'subnet ' || id FROM subnets WHERE network_id = $1 AND project_id <> $2 \
        AND project_id NOT IN (SELECT target_project FROM rbac_policies \
        WHERE object_id = $1 AND action = 'access_as_shared') ORDER BY named";
    blockers::named(session, sql, values![network.id, &network.project_id]).await
}

/// Some routers with their gateway on the network: each as `router ID`, or as
/// `port ID` where the port names none.
///
/// # Errors
/// The store's.
pub async fn gateway_routers(session: &mut Session, id: NetworkId) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT CASE device_id WHEN '' THEN 'port ' || id ELSE 'router ' || device_id END AS named FROM ports \
        WHERE device_owner = 'network:router_gateway' AND network_id = $1 ORDER BY named";
    blockers::named(session, sql, values![id]).await
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
