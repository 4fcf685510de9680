//! What decides whether and where floating IPs can be.

use std::net::IpAddr;

use isospin_store_kit::{Row, Session, StoreError, values};
use isospin_types::{FloatingIpId, NetworkId, PortId, RouterId, SubnetId};

use super::super::model::FloatingIp;
use super::super::rules::Source;
use crate::page;
use crate::resources::port::model::FLOATING_IP;

/// The addresses of a port that floating IPs lead to: they must stay its own.
///
/// # Errors
/// The store's.
pub async fn associated_addresses(session: &mut Session, port_id: PortId) -> Result<Vec<IpAddr>, StoreError> {
    let sql = "SELECT fixed_ip_address FROM floating_ips WHERE port_id = $1";
    let rows = session.rows(sql, values![port_id]).await?;
    rows.into_iter().map(|row| row.columns().parse()).collect()
}

/// The IPv4 subnets of an external network, oldest first.
///
/// # Errors
/// The store's.
pub async fn sources(session: &mut Session, network_id: NetworkId) -> Result<Vec<Source>, StoreError> {
    let sql = "SELECT s.id, s.service_types, CASE WHEN EXISTS (SELECT 1 FROM free_addresses f \
               WHERE f.subnet_id = s.id) THEN 1 ELSE 0 END FROM subnets s \
               WHERE s.network_id = $1 AND s.ip_version = 4 ORDER BY s.created_at, s.id";
    let read = |row: Row| {
        let mut columns = row.columns();
        let id = columns.parse()?;
        let types = page::texts(&columns.parse()?);
        let dedicated = types.iter().any(|owner| owner == FLOATING_IP);
        Ok(Source { id, dedicated, reserved: !types.is_empty() && !dedicated, has_free: columns.flag()? })
    };
    session.rows(sql, values![network_id]).await?.into_iter().map(read).collect()
}

/// The router that leads from the external network to the subnet; the one that is
/// the subnet's gateway when there are several.
///
/// # Errors
/// The store's.
pub async fn router_between(
    session: &mut Session,
    subnet_id: SubnetId,
    external_network_id: NetworkId,
) -> Result<Option<RouterId>, StoreError> {
    let sql = "SELECT r.id FROM router_interfaces i JOIN routers r ON r.id = i.router_id \
               JOIN subnets s ON s.id = i.subnet_id \
               LEFT JOIN port_addresses a ON a.port_id = i.port_id AND a.subnet_id = i.subnet_id \
               AND a.ip_address = s.gateway_ip \
               WHERE i.subnet_id = $1 AND r.gateway_network_id = $2 \
               ORDER BY CASE WHEN a.port_id IS NULL THEN 1 ELSE 0 END, r.id LIMIT 1";
    let row = session.row(sql, values![subnet_id, external_network_id]).await?;
    row.map(|row| row.columns().parse()).transpose()
}

/// Another floating IP of the same external network that leads to the address.
///
/// # Errors
/// The store's.
pub async fn leading_to(
    session: &mut Session,
    floating_ip: &FloatingIp,
    port_id: PortId,
    fixed_ip: IpAddr,
) -> Result<Option<FloatingIpId>, StoreError> {
    let sql = "SELECT id FROM floating_ips WHERE port_id = $1 AND fixed_ip_address = $2 \
               AND floating_network_id = $3 AND id <> $4";
    let values = values![port_id, fixed_ip, floating_ip.floating_network_id, floating_ip.id];
    session.row(sql, values).await?.map(|row| row.columns().parse()).transpose()
}
