//! Which addresses a port needs (reference §4, §3 "IPv6 modes").

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use isospin_api_kit::{Fault, FaultType};
use isospin_types::{MacAddr, NetworkId, SubnetId};

use super::super::model::{Addresses, DHCP, FixedIp, WantedIp, is_router_interface};
use crate::resources::subnet::model::Subnet;

/// One address to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// The first free one of the first of these subnets that has any.
    Any(Vec<SubnetId>),
    /// This one.
    Exactly(FixedIp),
}

/// Turns what was asked for into demands, in the order of `fixed_ips`.
///
/// # Errors
/// 400 `InvalidInput`, `InvalidIpForNetwork`, `InvalidIpForSubnet`,
/// `AllocationOnAutoAddressSubnet`; 409 `IpAddressGenerationFailure` when no subnet
/// serves ports of this owner.
pub fn demands(
    network_id: NetworkId,
    subnets: &[Subnet],
    device_owner: &str,
    mac: MacAddr,
    wanted: &Addresses,
) -> Result<Vec<Demand>, Fault> {
    match wanted {
        Addresses::Automatic => automatic(network_id, subnets, device_owner, mac),
        Addresses::Exactly(items) if items.is_empty() => Ok(Vec::new()),
        Addresses::Exactly(items) => exactly(network_id, subnets, device_owner, mac, items),
    }
}

fn automatic(
    network_id: NetworkId,
    subnets: &[Subnet],
    device_owner: &str,
    mac: MacAddr,
) -> Result<Vec<Demand>, Fault> {
    let serving = serving(subnets, device_owner);
    if serving.is_empty() && !subnets.is_empty() {
        return Err(no_more(network_id));
    }
    let pooled = |ipv4: bool| -> Vec<SubnetId> {
        serving
            .iter()
            .filter(|subnet| subnet.cidr.addr().is_ipv4() == ipv4 && !subnet.is_auto_address())
            .map(|subnet| subnet.id)
            .collect()
    };
    let mut demands: Vec<Demand> =
        [pooled(true), pooled(false)].into_iter().filter(|ids| !ids.is_empty()).map(Demand::Any).collect();
    demands.extend(derived(&serving, device_owner, mac).map(Demand::Exactly));
    Ok(demands)
}

fn exactly(
    network_id: NetworkId,
    subnets: &[Subnet],
    device_owner: &str,
    mac: MacAddr,
    items: &[WantedIp],
) -> Result<Vec<Demand>, Fault> {
    if subnets.is_empty() {
        return Err(Fault::invalid_input("IP allocation requires subnets for network"));
    }
    let mut seen = BTreeSet::new();
    let mut demands = Vec::with_capacity(items.len());
    for item in items {
        let subnet = subnet_for(network_id, subnets, device_owner, item)?;
        let automatic = subnet.is_auto_address() && !is_router_interface(device_owner);
        let address = match item.ip {
            // Added below, with those nobody asked for.
            None if automatic => continue,
            None => {
                demands.push(Demand::Any(vec![subnet.id]));
                continue;
            }
            Some(address) => address,
        };
        if automatic {
            if eui64(subnet, mac) == Some(address) {
                continue;
            }
            return Err(Fault::new(
                FaultType::AllocationOnAutoAddressSubnet,
                format!(
                    "IPv6 address {address} cannot be directly assigned to a port on subnet {} as the subnet \
                     is configured for automatic addresses.",
                    subnet.id
                ),
            ));
        }
        if !seen.insert((subnet.id, address)) {
            return Err(Fault::invalid_attribute("fixed_ips", format!("Duplicate IP address '{address}'")));
        }
        demands.push(Demand::Exactly(FixedIp { subnet_id: subnet.id, ip_address: address }));
    }
    demands.extend(derived(&serving(subnets, device_owner), device_owner, mac).map(Demand::Exactly));
    Ok(demands)
}

/// The subnet an entry means, with its address checked against it.
fn subnet_for<'s>(
    network_id: NetworkId,
    subnets: &'s [Subnet],
    device_owner: &str,
    item: &WantedIp,
) -> Result<&'s Subnet, Fault> {
    match (item.subnet_id, item.ip) {
        (None, None) => Err(Fault::invalid_input("IP allocation requires subnet_id or ip_address")),
        (None, Some(address)) => subnets
            .iter()
            .find(|subnet| is_usable(subnet.cidr, address, device_owner))
            .ok_or_else(|| {
                // A network or broadcast address belongs to a subnet, but to no port.
                if subnets.iter().any(|subnet| subnet.cidr.contains(&address)) {
                    return invalid_for_subnet(address);
                }
                Fault::new(
                    FaultType::InvalidIpForNetwork,
                    format!(
                        "IP address {address} is not a valid IP for any of the subnets on the specified network."
                    ),
                )
            }),
        (Some(id), address) => {
            let subnet = subnets.iter().find(|subnet| subnet.id == id).ok_or_else(|| {
                Fault::invalid_input(format!(
                    "Failed to create port on network {network_id}, because fixed_ips included invalid subnet {id}"
                ))
            })?;
            match address {
                Some(address) if !is_usable(subnet.cidr, address, device_owner) => {
                    Err(invalid_for_subnet(address))
                }
                _ => Ok(subnet),
            }
        }
    }
}

/// Subnets that serve ports of this owner: those with its service type, else those
/// without any. DHCP serves them all.
fn serving<'s>(subnets: &'s [Subnet], device_owner: &str) -> Vec<&'s Subnet> {
    let of_type: Vec<&Subnet> = subnets
        .iter()
        .filter(|subnet| subnet.service_types.iter().any(|service| service == device_owner))
        .collect();
    if !of_type.is_empty() {
        return of_type;
    }
    subnets.iter().filter(|subnet| subnet.service_types.is_empty() || device_owner == DHCP).collect()
}

/// The EUI-64 addresses every port but a router's has in automatic subnets.
fn derived<'s>(
    subnets: &'s [&'s Subnet],
    device_owner: &'s str,
    mac: MacAddr,
) -> impl Iterator<Item = FixedIp> + 's {
    subnets
        .iter()
        .filter(move |subnet| subnet.is_auto_address() && !is_router_interface(device_owner))
        .filter_map(move |subnet| {
            eui64(subnet, mac).map(|ip_address| FixedIp { subnet_id: subnet.id, ip_address })
        })
}

fn eui64(subnet: &Subnet, mac: MacAddr) -> Option<IpAddr> {
    match subnet.cidr {
        IpNet::V6(net) => Some(IpAddr::V6(mac.eui64(net.network()))),
        IpNet::V4(_) => None,
    }
}

/// Whether a port of this owner may have the address: not the network or
/// broadcast address; the subnet-router anycast address only on routers.
fn is_usable(cidr: IpNet, address: IpAddr, device_owner: &str) -> bool {
    if !cidr.contains(&address) {
        return false;
    }
    match cidr {
        IpNet::V4(net) if net.prefix_len() >= 31 => true,
        IpNet::V4(net) => address != IpAddr::V4(net.network()) && address != IpAddr::V4(net.broadcast()),
        IpNet::V6(net) => {
            net.prefix_len() >= 127
                || address != IpAddr::V6(net.network())
                || device_owner.starts_with("network:router")
        }
    }
}

fn invalid_for_subnet(address: IpAddr) -> Fault {
    Fault::new(
        FaultType::InvalidIpForSubnet,
        format!("IP address {address} is not a valid IP for the specified subnet."),
    )
}

/// 409: every pool that could serve the port is used up.
#[must_use]
pub fn no_more(network_id: NetworkId) -> Fault {
    Fault::new(
        FaultType::IpAddressGenerationFailure,
        format!("No more IP addresses available on network {network_id}."),
    )
}

/// 409: the address is on another port.
#[must_use]
pub fn already_allocated(fixed_ip: FixedIp) -> Fault {
    Fault::new(
        FaultType::IpAddressAlreadyAllocated,
        format!("IP address {} already allocated in subnet {}", fixed_ip.ip_address, fixed_ip.subnet_id),
    )
}
