//! Finding and keeping addresses of ports.

use std::collections::BTreeMap;
use std::net::IpAddr;

use isospin_api_kit::Fault;
use isospin_store_kit::{Tx, Value, values};
use isospin_types::{NetworkId, PortId, SubnetId};

use super::super::model::{Addresses, FixedIp, IpAllocation, Port, WantedIp};
use super::super::rules::addresses::{already_allocated, no_more};
use super::super::rules::{Demand, demands};
use crate::ipam;
use crate::resources::subnet;
use crate::resources::subnet::model::Subnet;

const INSERT_ADDRESS: &str = "INSERT INTO port_addresses (subnet_id, address_key, port_id, network_id, \
     ip_address, ordinal) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";

/// What one port needs.
pub(super) struct Request {
    pub port_id: PortId,
    pub network_id: NetworkId,
    pub demands: Vec<Demand>,
}

/// What one port gets.
pub(super) struct Found {
    pub port_id: PortId,
    pub network_id: NetworkId,
    pub fixed_ips: Vec<FixedIp>,
}

/// Finds addresses for all requests, in order. Named addresses go first, so that
/// no automatic choice of the same unit takes them.
pub(super) async fn find(tx: &mut Tx, requests: &[Request]) -> Result<Vec<Found>, Fault> {
    let mut wanted: BTreeMap<&[SubnetId], (NetworkId, usize)> = BTreeMap::new();
    for request in requests {
        for demand in &request.demands {
            match demand {
                Demand::Exactly(fixed_ip) => {
                    ipam::take(tx, fixed_ip.subnet_id, fixed_ip.ip_address).await?;
                }
                Demand::Any(subnets) => {
                    wanted.entry(subnets).or_insert((request.network_id, 0)).1 += 1;
                }
            }
        }
    }
    let mut taken: BTreeMap<&[SubnetId], std::vec::IntoIter<FixedIp>> = BTreeMap::new();
    for (subnets, (network_id, count)) in wanted {
        taken.insert(subnets, take_from(tx, network_id, subnets, count).await?.into_iter());
    }
    let mut all = Vec::with_capacity(requests.len());
    for request in requests {
        let mut fixed_ips = Vec::with_capacity(request.demands.len());
        for demand in &request.demands {
            fixed_ips.push(match demand {
                Demand::Exactly(fixed_ip) => *fixed_ip,
                Demand::Any(subnets) => taken
                    .get_mut(subnets.as_slice())
                    .and_then(Iterator::next)
                    .ok_or_else(|| no_more(request.network_id))?,
            });
        }
        all.push(Found { port_id: request.port_id, network_id: request.network_id, fixed_ips });
    }
    Ok(all)
}

/// So many addresses from the pools of the first of these subnets that has any left.
async fn take_from(
    tx: &mut Tx,
    network_id: NetworkId,
    subnets: &[SubnetId],
    count: usize,
) -> Result<Vec<FixedIp>, Fault> {
    let mut taken = Vec::with_capacity(count);
    for subnet_id in subnets {
        let missing = count - taken.len();
        if missing == 0 {
            break;
        }
        let addresses = ipam::take_several(tx, *subnet_id, missing).await?;
        taken.extend(addresses.into_iter().map(|ip_address| FixedIp { subnet_id: *subnet_id, ip_address }));
    }
    if taken.len() < count { Err(no_more(network_id)) } else { Ok(taken) }
}

/// Rows for the addresses found, in order.
pub(super) fn insert_statements(found: &[Found]) -> Vec<(&'static str, Vec<Value>)> {
    let mut statements = Vec::with_capacity(found.len());
    for found in found {
        for (ordinal, fixed_ip) in (0i64..).zip(&found.fixed_ips) {
            statements
                .push((INSERT_ADDRESS, address_row(found.port_id, found.network_id, fixed_ip, ordinal)));
        }
    }
    statements
}

fn address_row(port_id: PortId, network_id: NetworkId, fixed_ip: &FixedIp, ordinal: i64) -> Vec<Value> {
    values![
        fixed_ip.subnet_id,
        ipam::key(fixed_ip.ip_address),
        port_id,
        network_id,
        fixed_ip.ip_address,
        ordinal
    ]
}

/// 409 for the first address that another port has; `counts` are those of
/// [`insert_statements`], perhaps followed by others.
pub(super) fn check_inserted(found: &[Found], counts: &[u64]) -> Result<(), Fault> {
    let all = found.iter().flat_map(|found| &found.fixed_ips);
    match all.zip(counts).find(|(_, count)| **count == 0) {
        Some((fixed_ip, _)) => Err(already_allocated(*fixed_ip)),
        None => Ok(()),
    }
}

/// What makes a port keep its addresses when its MAC changes: those made from the
/// MAC are made again.
pub async fn as_wanted(tx: &mut Tx, port: &Port) -> Result<Addresses, Fault> {
    let subnets = subnet::store::of_network(tx, port.network_id).await?;
    let derived = |id: SubnetId| subnets.iter().any(|subnet| subnet.id == id && subnet.is_auto_address());
    let wanted = |own: &FixedIp| WantedIp {
        subnet_id: Some(own.subnet_id),
        ip: (!derived(own.subnet_id)).then_some(own.ip_address),
    };
    Ok(Addresses::Exactly(port.fixed_ips.iter().map(wanted).collect()))
}

/// Gives the port these addresses instead of those it has; what is in both stays
/// its own throughout. The port row is saved by the caller.
///
/// # Errors
/// As for the creation of a port.
pub async fn set_addresses(tx: &mut Tx, port: &mut Port, wanted: Addresses) -> Result<(), Fault> {
    let subnets = subnet::store::of_network(tx, port.network_id).await?;
    set_addresses_from(tx, port, &subnets, wanted).await
}

/// [`set_addresses`] from these subnets of the network only.
///
/// # Errors
/// As for the creation of a port.
pub async fn set_addresses_from(
    tx: &mut Tx,
    port: &mut Port,
    subnets: &[Subnet],
    wanted: Addresses,
) -> Result<(), Fault> {
    let wanted = keep(&port.fixed_ips, subnets, wanted);
    let demands = demands(port.network_id, subnets, &port.device_owner, port.mac_address, &wanted)?;
    let kept: Vec<FixedIp> =
        port.fixed_ips.iter().copied().filter(|own| demands.contains(&Demand::Exactly(*own))).collect();
    let gone: Vec<FixedIp> = port.fixed_ips.iter().copied().filter(|own| !kept.contains(own)).collect();
    release(tx, port.id, &gone).await?;
    let new = demands.iter().filter(|demand| !is_kept(demand, &kept)).cloned().collect();
    let request = Request { port_id: port.id, network_id: port.network_id, demands: new };
    let found = find(tx, std::slice::from_ref(&request)).await?;
    let mut fresh = found.iter().flat_map(|found| found.fixed_ips.iter().copied());
    let mut fixed_ips = Vec::with_capacity(demands.len());
    for demand in &demands {
        match demand {
            Demand::Exactly(own) if kept.contains(own) => fixed_ips.push(*own),
            _ => fixed_ips.extend(fresh.next()),
        }
    }
    write_all(tx, port, &kept, &fixed_ips).await?;
    port.ip_allocation = if fixed_ips.is_empty() && wanted == Addresses::Exactly(Vec::new()) {
        IpAllocation::None
    } else {
        IpAllocation::Immediate
    };
    port.fixed_ips = fixed_ips;
    Ok(())
}

fn is_kept(demand: &Demand, kept: &[FixedIp]) -> bool {
    matches!(demand, Demand::Exactly(fixed_ip) if kept.contains(fixed_ip))
}

/// An entry that names only a subnet keeps the port's address there, if it has one
/// that no other entry names. Addresses made from the MAC follow the MAC instead.
fn keep(own: &[FixedIp], subnets: &[Subnet], wanted: Addresses) -> Addresses {
    let Addresses::Exactly(mut items) = wanted else { return wanted };
    let named: Vec<IpAddr> = items.iter().filter_map(|item| item.ip).collect();
    let derived = |id: SubnetId| subnets.iter().any(|subnet| subnet.id == id && subnet.is_auto_address());
    let mut spare: Vec<FixedIp> = own
        .iter()
        .copied()
        .filter(|fixed_ip| !named.contains(&fixed_ip.ip_address) && !derived(fixed_ip.subnet_id))
        .collect();
    for item in &mut items {
        let WantedIp { subnet_id: Some(subnet_id), ip: None } = *item else { continue };
        if let Some(at) = spare.iter().position(|fixed_ip| fixed_ip.subnet_id == subnet_id) {
            item.ip = Some(spare.remove(at).ip_address);
        }
    }
    Addresses::Exactly(items)
}

async fn write_all(tx: &mut Tx, port: &Port, kept: &[FixedIp], all: &[FixedIp]) -> Result<(), Fault> {
    let mut statements = Vec::with_capacity(all.len());
    for (ordinal, fixed_ip) in (0i64..).zip(all) {
        statements.push(if kept.contains(fixed_ip) {
            (
                "UPDATE port_addresses SET ordinal = $1 WHERE subnet_id = $2 AND address_key = $3",
                values![ordinal, fixed_ip.subnet_id, ipam::key(fixed_ip.ip_address)],
            )
        } else {
            (INSERT_ADDRESS, address_row(port.id, port.network_id, fixed_ip, ordinal))
        });
    }
    let counts = tx.execute_many(statements).await?;
    match all.iter().zip(counts).find(|(_, count)| *count == 0) {
        Some((fixed_ip, _)) => Err(already_allocated(*fixed_ip)),
        None => Ok(()),
    }
}

/// Takes addresses off a port and makes them free.
pub(super) async fn release(tx: &mut Tx, port_id: PortId, gone: &[FixedIp]) -> Result<(), Fault> {
    let statements = gone.iter().map(|fixed_ip| {
        (
            "DELETE FROM port_addresses WHERE subnet_id = $1 AND address_key = $2 AND port_id = $3",
            values![fixed_ip.subnet_id, ipam::key(fixed_ip.ip_address), port_id],
        )
    });
    let statements = statements.collect();
    tx.execute_many_later(statements).await?;
    for fixed_ip in gone {
        ipam::give_back(tx, fixed_ip.subnet_id, fixed_ip.ip_address).await?;
    }
    Ok(())
}
