//! Where an operator puts things by hand, and what an agent that is removed leaves.

use std::collections::BTreeSet;

use isospin_api_kit::Fault;
use isospin_store_kit::{Session, StoreError, Tx, values};
use isospin_types::{NetworkId, PortId, RouterId};

use super::dhcp;
use crate::App;
use crate::resources::network::model::Network;
use crate::resources::port;
use crate::resources::router::model::Router;
use crate::resources::router::store;

/// Has the host serve DHCP for the network, beside others that do.
///
/// # Errors
/// The store's; those of making a port.
pub async fn serve_network(tx: &mut Tx, app: &App, network: Network, host: &str) -> Result<(), Fault> {
    dhcp::add_host(tx, app, network, host).await
}

/// Has the host serve the network no more; false when it did not.
///
/// # Errors
/// The store's.
pub async fn abandon_network(tx: &mut Tx, network_id: NetworkId, host: &str) -> Result<bool, Fault> {
    dhcp::remove_host(tx, network_id, host).await
}

/// Brings the router and its ports to the host; "" = to none.
///
/// # Errors
/// The store's.
pub async fn move_router(tx: &mut Tx, app: &App, router: &mut Router, host: &str) -> Result<(), Fault> {
    for port_id in ports(tx, router).await? {
        if let Some(mut port) = port::store::get(tx, port_id).await? {
            port::store::bind(tx, app, &mut port, host).await?;
        }
    }
    host.clone_into(&mut router.host);
    store::save(tx, router).await?;
    Ok(())
}

async fn ports(session: &mut Session, router: &Router) -> Result<BTreeSet<PortId>, StoreError> {
    let mut ports: BTreeSet<PortId> = router.gateway.iter().map(|gateway| gateway.port_id).collect();
    for interface in store::interfaces(session, router.id).await? {
        ports.insert(interface.port_id);
    }
    Ok(ports)
}

/// Takes all networks from the host's DHCP agent, which is about to be removed.
///
/// # Errors
/// The store's.
pub async fn abandon_all_networks(tx: &mut Tx, host: &str) -> Result<(), Fault> {
    let sql = "SELECT network_id FROM dhcp_bindings WHERE host = $1 ORDER BY network_id";
    for row in tx.rows(sql, values![host]).await? {
        dhcp::remove_host(tx, row.columns().parse()?, host).await?;
    }
    Ok(())
}

/// Takes all routers from the host's L3 agent, which is about to be removed.
///
/// # Errors
/// The store's.
pub async fn abandon_all_routers(tx: &mut Tx, app: &App, host: &str) -> Result<(), Fault> {
    let rows = tx.rows("SELECT id FROM routers WHERE host = $1 ORDER BY id", values![host]).await?;
    for row in rows {
        let id: RouterId = row.columns().parse()?;
        if let Some(mut router) = store::get(tx, id).await? {
            move_router(tx, app, &mut router, "").await?;
        }
    }
    Ok(())
}
