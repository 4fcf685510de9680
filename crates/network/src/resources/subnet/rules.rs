//! Checks and decisions about subnets, without database (reference §3).

mod addressing;
mod affinity;
mod segments;
mod values;

use std::net::IpAddr;

use ipnet::IpNet;
use isospin_api_kit::{Body, Fault, FaultType};
use isospin_types::{NetworkId, PortId, SubnetId, SubnetPoolId};

pub use affinity::{Member, check_affinity, several_scopes};
pub use segments::check_segment;
pub use values::{allocation_pools, cidr, dns_nameservers, host_routes, ip_version, subnet_pool};

use super::model::{AllocationPool, HostRoute, Ipv6Mode, Subnet};
use crate::{Settings, prefix};

/// 404 for a subnet that is not there, or hidden from the caller.
pub fn not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::SubnetNotFound, format!("Subnet {id} could not be found."))
}

/// 409: ports have addresses of the subnet.
#[must_use]
pub fn in_use(id: SubnetId, ports: &[PortId]) -> Fault {
    Fault::new(
        FaultType::SubnetInUse,
        format!(
            "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet."
        ),
    )
    .blocked_by("port", ports)
}

/// The subnet a POST describes, and its pools.
///
/// # Errors
/// 400 and 409 for what cannot be meant; see the functions called.
pub fn create(
    body: &Body,
    project_id: String,
    network_id: NetworkId,
    prefix: Prefix,
    settings: &Settings,
    now: String,
) -> Result<(Subnet, Vec<AllocationPool>), Fault> {
    let cidr = prefix.cidr;
    let gateway_ip = match body.change("gateway_ip") {
        Some(given) => given,
        None if prefix.any => Some(addressing::first_host(cidr)),
        None => Some(addressing::default_gateway(cidr)?),
    };
    let subnet = Subnet {
        id: SubnetId::random(),
        project_id,
        network_id,
        name: body.text("name").unwrap_or_default().to_owned(),
        description: body.text("description").unwrap_or_default().to_owned(),
        subnetpool_id: prefix.subnetpool_id,
        cidr,
        gateway_ip,
        enable_dhcp: body.flag("enable_dhcp").unwrap_or(true),
        ipv6_ra_mode: body.parsed("ipv6_ra_mode"),
        ipv6_address_mode: body.parsed("ipv6_address_mode"),
        dns_nameservers: values::addresses_of(body).unwrap_or_default(),
        host_routes: values::routes_of(body).unwrap_or_default(),
        service_types: body.texts("service_types").unwrap_or_default(),
        segment_id: body.parsed("segment_id"),
        created_at: now.clone(),
        updated_at: now,
        revision_number: 1,
    };
    check(&subnet, settings)?;
    let pools = match values::pools_of(body) {
        Some(given) => addressing::checked_pools(&subnet, given)?,
        None => addressing::default_pools(&subnet),
    };
    Ok((subnet, pools))
}

/// Where a new subnet has its prefix from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    pub cidr: IpNet,
    /// The pool it was taken from.
    pub subnetpool_id: Option<SubnetPoolId>,
    /// Whether the pool chose it, not the client.
    pub any: bool,
}

/// The subnet as a PUT wants it, with the revision it has now, and its pools when
/// the client gave any.
///
/// # Errors
/// 400 and 409 for what cannot be meant.
pub fn update(
    current: &Subnet,
    pools: &[AllocationPool],
    body: &Body,
    settings: &Settings,
) -> Result<(Subnet, Option<Vec<AllocationPool>>), Fault> {
    let mut subnet = current.clone();
    if let Some(name) = body.text("name") {
        name.clone_into(&mut subnet.name);
    }
    if let Some(description) = body.text("description") {
        description.clone_into(&mut subnet.description);
    }
    if let Some(gateway_ip) = body.change("gateway_ip") {
        subnet.gateway_ip = gateway_ip;
    }
    if let Some(enable_dhcp) = body.flag("enable_dhcp") {
        subnet.enable_dhcp = enable_dhcp;
    }
    if let Some(addresses) = values::addresses_of(body) {
        subnet.dns_nameservers = addresses;
    }
    if let Some(routes) = values::routes_of(body) {
        subnet.host_routes = routes;
    }
    if let Some(service_types) = body.texts("service_types") {
        subnet.service_types = service_types;
    }
    if let Some(segment_id) = body.change("segment_id") {
        subnet.segment_id = segment_id;
    }
    if !subnet.enable_dhcp && (subnet.ipv6_ra_mode.is_some() || subnet.ipv6_address_mode.is_some()) {
        return Err(Fault::invalid_input("Cannot disable enable_dhcp with ipv6 attributes set"));
    }
    check(&subnet, settings)?;
    let new_pools = match values::pools_of(body) {
        Some(given) => Some(addressing::checked_pools(&subnet, given)?),
        None => {
            if subnet.gateway_ip != current.gateway_ip {
                addressing::gateway_outside(&subnet, pools)?;
            }
            None
        }
    };
    Ok((subnet, new_pools))
}

/// Refuses a prefix that has addresses in common with one of the network's.
///
/// # Errors
/// 400 naming both.
pub fn check_overlap(subnet: &Subnet, others: &[Subnet]) -> Result<(), Fault> {
    if others.iter().any(|other| prefix::overlap(&subnet.cidr, &other.cidr)) {
        return Err(Fault::invalid_input(format!(
            "Requested subnet with cidr: {} for network: {} overlaps with another subnet",
            subnet.cidr, subnet.network_id
        )));
    }
    Ok(())
}

/// 409: routers answer at the gateway's address.
#[must_use]
pub fn gateway_in_use(gateway: IpAddr, port_id: PortId) -> Fault {
    Fault::new(
        FaultType::GatewayIpInUse,
        format!("Current gateway ip {gateway} already in use by port {port_id}. Unable to update."),
    )
}

/// Refuses a prefix of another version than the one the client named.
///
/// # Errors
/// 400.
pub fn check_family(cidr: IpNet, ip_version: u8) -> Result<(), Fault> {
    if cidr.addr().is_ipv4() == (ip_version == 4) {
        return Ok(());
    }
    Err(wrong_family("cidr", cidr, ip_version))
}

/// 400: the value is of another version than the subnet.
pub fn wrong_family(name: &str, value: impl std::fmt::Display, version: impl std::fmt::Display) -> Fault {
    Fault::invalid_input(format!("{name} '{value}' does not match the ip_version '{version}'"))
}

/// What holds for every subnet, new or changed.
fn check(subnet: &Subnet, settings: &Settings) -> Result<(), Fault> {
    addressing::check_prefix(subnet)?;
    check_modes(subnet)?;
    addressing::check_gateway(subnet)?;
    let version = subnet.ip_version();
    let is_ours = |address: IpAddr| address.is_ipv4() == (version == 4);
    if subnet.dns_nameservers.len() > settings.max_dns_nameservers {
        return Err(exhausted(
            FaultType::DNSNameServersExhausted,
            subnet,
            "DNS nameservers",
            settings.max_dns_nameservers,
        ));
    }
    for address in &subnet.dns_nameservers {
        if !is_ours(*address) {
            return Err(wrong_family("dns_nameserver", address, version));
        }
    }
    if subnet.host_routes.len() > settings.max_subnet_host_routes {
        return Err(exhausted(
            FaultType::HostRoutesExhausted,
            subnet,
            "host routes",
            settings.max_subnet_host_routes,
        ));
    }
    for HostRoute { destination, nexthop } in &subnet.host_routes {
        if !is_ours(destination.addr()) {
            return Err(wrong_family("destination", destination, version));
        }
        if !is_ours(*nexthop) {
            return Err(wrong_family("nexthop", nexthop, version));
        }
    }
    check_service_types(&subnet.service_types)
}

fn exhausted(kind: FaultType, subnet: &Subnet, what: &str, limit: usize) -> Fault {
    Fault::new(
        kind,
        format!(
            "Unable to complete operation for {}. The number of {what} exceeds the limit {limit}.",
            subnet.id
        ),
    )
}

fn check_modes(subnet: &Subnet) -> Result<(), Fault> {
    let (ra, address) = (subnet.ipv6_ra_mode, subnet.ipv6_address_mode);
    if ra.is_none() && address.is_none() {
        return Ok(());
    }
    if subnet.ip_version() == 4 {
        return Err(Fault::invalid_input(
            "ipv6_ra_mode and ipv6_address_mode are not valid when ip_version is 4",
        ));
    }
    if !subnet.enable_dhcp {
        return Err(Fault::invalid_input(
            "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False",
        ));
    }
    if let (Some(ra), Some(address)) = (ra, address)
        && ra != address
    {
        return Err(Fault::invalid_input(format!(
            "ipv6_ra_mode set to '{}' with ipv6_address_mode set to '{}' is not valid. If both attributes are \
             set, they must be the same value",
            ra.as_str(),
            address.as_str()
        )));
    }
    let made_from_mac =
        |mode: Option<Ipv6Mode>| matches!(mode, Some(Ipv6Mode::Slaac | Ipv6Mode::Dhcpv6Stateless));
    if (made_from_mac(ra) || made_from_mac(address)) && subnet.cidr.prefix_len() != 64 {
        return Err(Fault::invalid_input(format!(
            "Invalid CIDR {} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the \
             prefix to be /64",
            subnet.cidr
        )));
    }
    Ok(())
}

fn check_service_types(service_types: &[String]) -> Result<(), Fault> {
    for service_type in service_types {
        let known =
            ["network:", "neutron:", "compute:"].iter().any(|prefix| service_type.starts_with(prefix));
        if !known {
            return Err(Fault::new(
                FaultType::InvalidSubnetServiceType,
                format!("Subnet service type {service_type} does not correspond to a valid device owner."),
            ));
        }
    }
    Ok(())
}

/// Smallest MTU of a network with an IPv4, and with an IPv6 subnet (RFC 791, RFC 8200).
pub const MINIMUM_MTU: [(u8, u32); 2] = [(4, 68), (6, 1280)];

/// Refuses an MTU that packets of one of the subnets do not fit in.
///
/// # Errors
/// 409 `NetworkMTUSubnetConflict`.
pub fn check_mtu<'s>(mtu: u32, subnets: impl IntoIterator<Item = &'s Subnet>) -> Result<(), Fault> {
    for subnet in subnets {
        for (version, least) in MINIMUM_MTU {
            if subnet.ip_version() == version && mtu < least {
                return Err(Fault::new(
                    FaultType::NetworkMTUSubnetConflict,
                    format!(
                        "MTU {mtu} is too small for subnet {} with IPv{version}, minimum is {least}.",
                        subnet.id
                    ),
                ));
            }
        }
    }
    Ok(())
}
