//! Addresses made from MACs: given to the ports that are there when an automatic
//! subnet appears, and taken back when it goes.

use std::net::IpAddr;

use ipnet::IpNet;
use isospin_api_kit::now_seconds;
use isospin_store_kit::{ChangeKind, StoreError, Tx, values};
use isospin_types::{MacAddr, PortId};

use super::model::Subnet;
use crate::ipam;

/// Ports that get such addresses: not those of routers, which have the gateway's,
/// nor those that were wanted without any address.
const PORTS: &str = "SELECT id, mac_address, \
     COALESCE((SELECT MAX(ordinal) + 1 FROM port_addresses WHERE port_id = ports.id), 0) FROM ports \
     WHERE network_id = $1 AND device_owner NOT LIKE 'network:router_interface%' AND ip_allocation <> 'none' \
     ORDER BY id";

/// Gives every port of the network its address in a new automatic subnet. The
/// subnet's pools must be written afterwards, so that they know what is used.
///
/// # Errors
/// The store's.
pub async fn add_to_ports(tx: &mut Tx, subnet: &Subnet) -> Result<(), StoreError> {
    let IpNet::V6(prefix) = subnet.cidr else { return Ok(()) };
    if !subnet.is_auto_address() {
        return Ok(());
    }
    let now = now_seconds();
    let mut changed = Vec::new();
    let mut statements = Vec::new();
    for row in tx.rows(PORTS, values![subnet.network_id]).await? {
        let mut columns = row.columns();
        let (port_id, mac, ordinal) =
            (columns.parse::<PortId>()?, columns.parse::<MacAddr>()?, columns.int()?);
        let address = IpAddr::V6(mac.eui64(prefix.network()));
        statements.push((
            "INSERT INTO port_addresses (subnet_id, address_key, port_id, network_id, ip_address, ordinal) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            values![subnet.id, ipam::key(address), port_id, subnet.network_id, address, ordinal],
        ));
        statements.push((TOUCH, values![&now, port_id]));
        changed.push(port_id);
    }
    tx.execute_many_later(statements).await?;
    for port_id in changed {
        tx.record_in("port", ChangeKind::Set, port_id, subnet.network_id);
    }
    Ok(())
}

/// Takes the addresses of a subnet about to go from these ports.
///
/// # Errors
/// The store's.
pub async fn remove_from_ports(tx: &mut Tx, subnet: &Subnet, ports: &[PortId]) -> Result<(), StoreError> {
    let now = now_seconds();
    let mut statements = vec![("DELETE FROM port_addresses WHERE subnet_id = $1", values![subnet.id])];
    statements.extend(ports.iter().map(|port_id| (TOUCH, values![&now, *port_id])));
    tx.execute_many_later(statements).await?;
    for port_id in ports {
        tx.record_in("port", ChangeKind::Set, *port_id, subnet.network_id);
    }
    Ok(())
}

const TOUCH: &str = "UPDATE ports SET revision_number = revision_number + 1, updated_at = $1 WHERE id = $2";
