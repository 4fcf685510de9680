//! DHCP: one agent for each network that has something to serve, and the port it
//! answers from.
//!
//! The port has an address on each subnet with DHCP. A network nobody serves yet
//! (no agent was alive) is taken by the next agent to register ([`unserved`]).

use isospin_api_kit::Fault;
use isospin_store_kit::{ChangeKind, Session, StoreError, Tx, values};
use isospin_types::{NetworkId, PortId, SubnetId};
use uuid::Uuid;

use super::agents;
use crate::App;
use crate::resources::network::model::Network;
use crate::resources::port::model::{Addresses, DHCP, NewPort, WantedIp};
use crate::resources::{network, port};

/// Makes the network served by DHCP, or not, as its subnets and state say. To be
/// called after every change of either.
///
/// # Errors
/// The store's; those of making a port.
pub async fn ensure_dhcp(tx: &mut Tx, app: &App, network_id: NetworkId) -> Result<(), Fault> {
    let Some(network) = network::store::get(tx, network_id).await? else { return Ok(()) };
    let served = served_subnets(tx, &network).await?;
    let bindings = bindings(tx, network_id).await?;
    if served.is_empty() {
        return remove(tx, network_id, bindings).await;
    }
    if bindings.is_empty() {
        let candidates = agents::for_dhcp(tx, &app.settings).await?;
        return match agents::choose(candidates, &network.availability_zone_hints) {
            Some(agent) => bind(tx, app, network, &agent.host, &served).await,
            None => Ok(()),
        };
    }
    for binding in bindings {
        match binding.port_id {
            Some(port_id) => give_addresses(tx, port_id, &served).await?,
            None => bind(tx, app, network.clone(), &binding.host, &served).await?,
        }
    }
    Ok(())
}

/// Networks with something to serve that have no DHCP server.
///
/// # Errors
/// The store's.
pub(super) async fn unserved(session: &mut Session) -> Result<Vec<NetworkId>, StoreError> {
    let sql = "SELECT id FROM networks WHERE admin_state_up \
               AND EXISTS (SELECT 1 FROM subnets WHERE subnets.network_id = networks.id AND subnets.enable_dhcp) \
               AND NOT EXISTS (SELECT 1 FROM dhcp_bindings WHERE dhcp_bindings.network_id = networks.id) \
               ORDER BY id";
    let rows = session.rows(sql, vec![]).await?;
    rows.into_iter().map(|row| row.columns().parse()).collect()
}

/// Has one more host serve the network. A network with nothing to serve keeps the
/// host in mind until it has.
///
/// # Errors
/// The store's; those of making a port.
pub(super) async fn add_host(tx: &mut Tx, app: &App, network: Network, host: &str) -> Result<(), Fault> {
    let served = served_subnets(tx, &network).await?;
    if served.is_empty() {
        let sql = "INSERT INTO dhcp_bindings (network_id, host, port_id) VALUES ($1, $2, NULL)";
        tx.execute_later(sql, values![network.id, host]).await?;
        return Ok(());
    }
    bind(tx, app, network, host, &served).await
}

/// Has the host serve the network no more; false when it did not.
///
/// # Errors
/// The store's.
pub(super) async fn remove_host(tx: &mut Tx, network_id: NetworkId, host: &str) -> Result<bool, Fault> {
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        bindings(tx, network_id).await?.into_iter().partition(|binding| binding.host == host);
    if here.is_empty() {
        return Ok(false);
    }
    unbind(tx, network_id, here).await?;
    if elsewhere.is_empty() {
        forget_party(tx, network_id).await?;
    }
    Ok(true)
}

/// One row of `dhcp_bindings`.
struct Binding {
    host: String,
    /// Absent when somebody deleted the port.
    port_id: Option<PortId>,
}

async fn bindings(session: &mut Session, network_id: NetworkId) -> Result<Vec<Binding>, StoreError> {
    let sql = "SELECT host, port_id FROM dhcp_bindings WHERE network_id = $1 ORDER BY host";
    let rows = session.rows(sql, values![network_id]).await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            Ok(Binding { host: columns.text()?, port_id: columns.opt_parse()? })
        })
        .collect()
}

/// Subnets the server can have an address on: a full one does not keep it from
/// serving the others.
async fn served_subnets(session: &mut Session, network: &Network) -> Result<Vec<SubnetId>, StoreError> {
    if !network.admin_state_up {
        return Ok(Vec::new());
    }
    let sql = "SELECT id FROM subnets WHERE network_id = $1 AND enable_dhcp \
               AND (ipv6_address_mode IN ('slaac', 'dhcpv6-stateless') \
               OR EXISTS (SELECT 1 FROM free_addresses WHERE free_addresses.subnet_id = subnets.id) \
               OR EXISTS (SELECT 1 FROM port_addresses JOIN dhcp_bindings \
               ON dhcp_bindings.port_id = port_addresses.port_id WHERE port_addresses.subnet_id = subnets.id)) \
               ORDER BY created_at, id";
    let rows = session.rows(sql, values![network.id]).await?;
    rows.into_iter().map(|row| row.columns().parse()).collect()
}

/// Has the host serve the network from a new port.
async fn bind(
    tx: &mut Tx,
    app: &App,
    network: Network,
    host: &str,
    served: &[SubnetId],
) -> Result<(), Fault> {
    let network_id = network.id;
    let project_id = network.project_id.clone();
    let new = NewPort {
        unlimited: true,
        addresses: addresses(served),
        device_id: device_id(host, network_id),
        device_owner: DHCP.to_owned(),
        port_security: Some(false),
        security_groups: Some(Vec::new()),
        host: host.to_owned(),
        ..NewPort::on(network, project_id)
    };
    let port = port::store::create(tx, app, new).await?;
    tx.execute_later(
        "INSERT INTO dhcp_bindings (network_id, host, port_id) VALUES ($1, $2, $3) \
         ON CONFLICT (network_id, host) DO UPDATE SET port_id = excluded.port_id",
        values![network_id, host, port.id],
    )
    .await?;
    tx.record("dhcp_binding", ChangeKind::Set, network_id);
    Ok(())
}

/// Gives the server's port an address on each served subnet, and on no other.
async fn give_addresses(tx: &mut Tx, port_id: PortId, served: &[SubnetId]) -> Result<(), Fault> {
    let Some(before) = port::store::get(tx, port_id).await? else { return Ok(()) };
    let mut port = before.clone();
    port::store::set_addresses(tx, &mut port, addresses(served)).await?;
    port::store::save(tx, &before, &mut port).await
}

async fn remove(tx: &mut Tx, network_id: NetworkId, bindings: Vec<Binding>) -> Result<(), Fault> {
    if bindings.is_empty() {
        return Ok(());
    }
    unbind(tx, network_id, bindings).await?;
    forget_party(tx, network_id).await
}

/// Removes bindings and the ports the hosts answered from.
async fn unbind(tx: &mut Tx, network_id: NetworkId, bindings: Vec<Binding>) -> Result<(), Fault> {
    for binding in bindings {
        let sql = "DELETE FROM dhcp_bindings WHERE network_id = $1 AND host = $2";
        tx.execute_later(sql, values![network_id, binding.host]).await?;
        let Some(port_id) = binding.port_id else { continue };
        if let Some(port) = port::store::get(tx, port_id).await? {
            port::remove(tx, None, &port).await?;
        }
    }
    tx.record("dhcp_binding", ChangeKind::Set, network_id);
    Ok(())
}

/// Nobody serves the network: no port on it waits for DHCP any more.
async fn forget_party(tx: &mut Tx, network_id: NetworkId) -> Result<(), Fault> {
    tx.execute_many_later(vec![
        (
            "DELETE FROM port_pending WHERE party = 'dhcp' \
             AND port_id IN (SELECT id FROM ports WHERE network_id = $1)",
            values![network_id],
        ),
        (
            "UPDATE ports SET status = 'ACTIVE' WHERE network_id = $1 AND status = 'BUILD' \
             AND NOT EXISTS (SELECT 1 FROM port_pending WHERE port_pending.port_id = ports.id)",
            values![network_id],
        ),
    ])
    .await?;
    Ok(())
}

fn addresses(served: &[SubnetId]) -> Addresses {
    Addresses::Exactly(served.iter().map(|id| WantedIp { subnet_id: Some(*id), ip: None }).collect())
}

/// `device_id` of the port a host serves DHCP from: the name DHCP agents have always
/// used, from the host's short name (reference §4).
fn device_id(host: &str, network_id: NetworkId) -> String {
    let short = host.split('.').next().unwrap_or(host);
    format!("dhcp{}-{network_id}", Uuid::new_v5(&Uuid::NAMESPACE_DNS, short.as_bytes()))
}
