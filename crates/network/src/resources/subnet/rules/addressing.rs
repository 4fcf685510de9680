//! Prefix, gateway and pools of a subnet: what fits together.

use std::net::IpAddr;

use ipnet::IpNet;
use isospin_api_kit::{Fault, FaultType};

use super::super::model::{AllocationPool, Subnet};
use crate::ipam;
use crate::ranges::{self, Range};

/// The gateway of a subnet whose client named none: the first host of IPv4, the
/// subnet-router anycast address of IPv6.
///
/// # Errors
/// 409 for an IPv4 /31, which has no address to spare.
pub(super) fn default_gateway(cidr: IpNet) -> Result<IpAddr, Fault> {
    match cidr {
        IpNet::V6(net) => Ok(IpAddr::V6(net.network())),
        IpNet::V4(net) if net.prefix_len() == 31 => Err(Fault::new(
            FaultType::IpamValueInvalid,
            format!(
                "The default gateway of {net} would be its last address. Give gateway_ip, or null for none."
            ),
        )),
        IpNet::V4(_) => Ok(first_host(cidr)),
    }
}

/// The address after that of the network: the gateway of IPv4, and of every prefix
/// that a subnet pool chose.
pub(super) fn first_host(cidr: IpNet) -> IpAddr {
    ipam::from_number(ipam::number(cidr.network()).saturating_add(1))
}

/// Refuses prefixes no network can have, and those DHCP cannot serve.
pub(super) fn check_prefix(subnet: &Subnet) -> Result<(), Fault> {
    let cidr = subnet.cidr;
    if cidr.prefix_len() == 0 {
        return Err(Fault::invalid_input("0 is not allowed as CIDR prefix length"));
    }
    if matches!(cidr, IpNet::V6(net) if net.network().is_unspecified()) {
        return Err(Fault::invalid_input(format!("'{cidr}' has no usable network address")));
    }
    if !subnet.enable_dhcp {
        return Ok(());
    }
    let most = match cidr {
        IpNet::V4(_) => 30,
        IpNet::V6(_) => 126,
    };
    if cidr.prefix_len() > most {
        return Err(Fault::invalid_input(
            "Subnet has a prefix length that is incompatible with DHCP service enabled",
        ));
    }
    let network = cidr.network();
    if network.is_multicast() {
        return Err(Fault::invalid_input("Multicast IP subnet is not supported if enable_dhcp is True"));
    }
    if network.is_loopback() {
        return Err(Fault::invalid_input("Loopback IP subnet is not supported if enable_dhcp is True"));
    }
    if network.is_unspecified() {
        return Err(Fault::invalid_input(
            "First IP '0.0.0.0' of network is not supported if enable_dhcp is True",
        ));
    }
    Ok(())
}

/// Refuses a gateway of the other family, or the network and broadcast address of IPv4.
pub(super) fn check_gateway(subnet: &Subnet) -> Result<(), Fault> {
    let Some(gateway) = subnet.gateway_ip else { return Ok(()) };
    if gateway.is_ipv4() != subnet.cidr.addr().is_ipv4() {
        return Err(super::wrong_family("gateway_ip", gateway, subnet.ip_version()));
    }
    let reserved = match subnet.cidr {
        IpNet::V4(net) => {
            net.prefix_len() < 31
                && (gateway == IpAddr::V4(net.network()) || gateway == IpAddr::V4(net.broadcast()))
        }
        IpNet::V6(_) => false,
    };
    if reserved {
        return Err(Fault::invalid_input("Gateway is not valid on subnet"));
    }
    Ok(())
}

/// First and last address a pool may hold: IPv4 keeps network and broadcast address
/// out (not of a /31 or /32), IPv6 the subnet-router anycast address.
fn usable(cidr: IpNet) -> Range {
    let (first, last) = (ipam::number(cidr.network()), ipam::number(cidr.broadcast()));
    match cidr {
        IpNet::V4(net) if net.prefix_len() < 31 => Range { first: first + 1, last: last - 1 },
        IpNet::V6(net) if net.prefix_len() < 127 => Range { first: first + 1, last },
        _ => Range { first, last },
    }
}

/// Every usable address but the gateway.
pub(super) fn default_pools(subnet: &Subnet) -> Vec<AllocationPool> {
    let gateway = subnet.gateway_ip.map(ipam::number);
    let pools = ranges::without(vec![usable(subnet.cidr)], gateway.into_iter().collect());
    pools.into_iter().map(AllocationPool::from).collect()
}

/// Given pools, in order of address.
///
/// # Errors
/// 400 `InvalidAllocationPool`, `OutOfBoundsAllocationPool`; 409
/// `OverlappingAllocationPools`, `GatewayConflictWithAllocationPools`.
pub(super) fn checked_pools(
    subnet: &Subnet,
    mut pools: Vec<AllocationPool>,
) -> Result<Vec<AllocationPool>, Fault> {
    let usable = usable(subnet.cidr);
    for pool in &pools {
        let of_family = |address: IpAddr| address.is_ipv4() == subnet.cidr.addr().is_ipv4();
        if !of_family(pool.start) || !of_family(pool.end) || pool.start > pool.end {
            return Err(Fault::new(
                FaultType::InvalidAllocationPool,
                format!("The allocation pool {pool} is not valid."),
            ));
        }
        let range = pool.range();
        if !usable.contains(range.first) || !usable.contains(range.last) {
            return Err(Fault::new(
                FaultType::OutOfBoundsAllocationPool,
                format!("The allocation pool {pool} spans beyond the subnet cidr {}.", subnet.cidr),
            ));
        }
    }
    pools.sort_unstable();
    for neighbours in pools.windows(2) {
        if let [one, two] = neighbours
            && one.range().overlaps(two.range())
        {
            return Err(Fault::new(
                FaultType::OverlappingAllocationPools,
                format!("Found overlapping allocation pools: {one} {two} for subnet {}.", subnet.cidr),
            ));
        }
    }
    gateway_outside(subnet, &pools)?;
    Ok(pools)
}

/// Refuses a gateway that ports could be given.
pub(super) fn gateway_outside(subnet: &Subnet, pools: &[AllocationPool]) -> Result<(), Fault> {
    let Some(gateway) = subnet.gateway_ip else { return Ok(()) };
    match pools.iter().find(|pool| pool.range().contains(ipam::number(gateway))) {
        None => Ok(()),
        Some(pool) => Err(Fault::new(
            FaultType::GatewayConflictWithAllocationPools,
            format!("Gateway ip {gateway} conflicts with allocation pool {pool}."),
        )),
    }
}
