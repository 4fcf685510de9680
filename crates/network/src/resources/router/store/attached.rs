//! What a router is attached to: subnets of its interfaces, its gateway's network,
//! and the floating IPs that lead through it.

use ipnet::IpNet;
use isospin_store_kit::{Row, Session, StoreError, Tx, values};
use isospin_types::{NetworkId, PortId, RouterId, SubnetId};

use super::super::model::{Connected, Leg};
use crate::blockers;

/// The subnets of the router's interfaces and, with `gateway_network`, of that network.
///
/// # Errors
/// The store's.
pub async fn connected(
    session: &mut Session,
    id: RouterId,
    gateway_network: Option<NetworkId>,
) -> Result<Vec<Connected>, StoreError> {
    let rows = session
        .rows(
            "SELECT s.id, s.network_id, s.cidr, i.port_id FROM router_interfaces i \
             JOIN subnets s ON s.id = i.subnet_id WHERE i.router_id = $1 \
             UNION ALL SELECT s.id, s.network_id, s.cidr, NULL FROM subnets s WHERE s.network_id = $2",
            values![id, gateway_network],
        )
        .await?;
    let read = |row: Row| {
        let mut columns = row.columns();
        Ok(Connected {
            subnet_id: columns.parse()?,
            network_id: columns.parse()?,
            cidr: columns.parse()?,
            port_id: columns.opt_parse()?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// The addresses of the router's interfaces and of its gateway port, each with the
/// subnet it is in.
///
/// # Errors
/// The store's.
pub async fn legs(
    session: &mut Session,
    id: RouterId,
    gateway_port: Option<PortId>,
) -> Result<Vec<Leg>, StoreError> {
    let rows = session
        .rows(
            "SELECT s.cidr, a.ip_address FROM port_addresses a JOIN subnets s ON s.id = a.subnet_id \
             WHERE a.port_id IN (SELECT i.port_id FROM router_interfaces i WHERE i.router_id = $1 \
             UNION SELECT p.id FROM ports p WHERE p.id = $2)",
            values![id, gateway_port],
        )
        .await?;
    let read = |row: Row| {
        let mut columns = row.columns();
        Ok(Leg { cidr: columns.parse()?, address: columns.parse()? })
    };
    rows.into_iter().map(read).collect()
}

/// An interface as stored: a port on one subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    pub port_id: PortId,
    pub subnet_id: SubnetId,
    pub cidr: IpNet,
    /// Whether a floating IP, or a port of one, leads to an address of the subnet through this router.
    pub floated: bool,
}

/// The interfaces of a router, in order of port.
///
/// # Errors
/// The store's.
pub async fn interfaces(session: &mut Session, id: RouterId) -> Result<Vec<Interface>, StoreError> {
    let rows = session
        .rows(
            "SELECT i.port_id, i.subnet_id, s.cidr, CASE WHEN EXISTS (SELECT 1 FROM floating_ips f \
             JOIN port_addresses a ON a.port_id = f.port_id AND a.ip_address = f.fixed_ip_address \
             WHERE f.router_id = i.router_id AND a.subnet_id = i.subnet_id) OR EXISTS (SELECT 1 FROM floating_ips f \
             JOIN port_forwardings w ON w.floating_ip_id = f.id JOIN port_addresses a \
             ON a.port_id = w.internal_port_id AND a.ip_address = w.internal_ip_address \
             WHERE f.router_id = i.router_id AND a.subnet_id = i.subnet_id) THEN 1 ELSE 0 END \
             FROM router_interfaces i JOIN subnets s ON s.id = i.subnet_id WHERE i.router_id = $1 \
             ORDER BY i.port_id, i.subnet_id",
            values![id],
        )
        .await?;
    let read = |row: Row| {
        let mut columns = row.columns();
        Ok(Interface {
            port_id: columns.parse()?,
            subnet_id: columns.parse()?,
            cidr: columns.parse()?,
            floated: columns.flag()?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Makes the port the router's interface on this subnet.
///
/// # Errors
/// The store's.
pub async fn add_interface(
    tx: &mut Tx,
    id: RouterId,
    port_id: PortId,
    subnet_id: SubnetId,
) -> Result<(), StoreError> {
    tx.execute_later(
        "INSERT INTO router_interfaces (router_id, port_id, subnet_id) VALUES ($1, $2, $3)",
        values![id, port_id, subnet_id],
    )
    .await?;
    Ok(())
}

/// Takes one subnet from the router; the row of a deleted port goes with it.
///
/// # Errors
/// The store's.
pub async fn remove_interface(tx: &mut Tx, id: RouterId, subnet_id: SubnetId) -> Result<(), StoreError> {
    tx.execute_later(
        "DELETE FROM router_interfaces WHERE router_id = $1 AND subnet_id = $2",
        values![id, subnet_id],
    )
    .await?;
    Ok(())
}

/// Some floating IPs that lead through the router's gateway.
///
/// # Errors
/// The store's.
pub async fn floating_ips(session: &mut Session, id: RouterId) -> Result<Vec<String>, StoreError> {
    blockers::named(session, "SELECT id FROM floating_ips WHERE router_id = $1 ORDER BY id", values![id])
        .await
}

/// Some of those that lead to the subnet, themselves or by a port forwarding.
///
/// # Errors
/// The store's.
pub async fn floating_ips_into(
    session: &mut Session,
    id: RouterId,
    subnet_id: SubnetId,
) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT f.id FROM floating_ips f WHERE f.router_id = $1 AND (EXISTS (SELECT 1 FROM port_addresses a \
        WHERE a.port_id = f.port_id AND a.ip_address = f.fixed_ip_address AND a.subnet_id = $2) \
        OR EXISTS (SELECT 1 FROM port_forwardings w JOIN port_addresses a \
        ON a.port_id = w.internal_port_id AND a.ip_address = w.internal_ip_address \
        WHERE w.floating_ip_id = f.id AND a.subnet_id = $2)) ORDER BY f.id";
    blockers::named(session, sql, values![id, subnet_id]).await
}
