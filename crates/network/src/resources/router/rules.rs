//! Decisions about routers: pure, from facts already read.

use std::net::IpAddr;

use ipnet::IpNet;
use isospin_api_kit::{Fault, FaultType};
use isospin_types::{NetworkId, PortId, RouterId, SubnetId};

use super::model::{Connected, Leg, Route};
use crate::prefix;

/// 400 in the words of the reference.
pub fn bad(reason: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::BadRequest, format!("Bad router request: {reason}."))
}

/// 404 for a router that is not there or not to be seen.
pub fn not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::RouterNotFound, format!("Router {id} could not be found"))
}

/// What decides whether an interface may be on a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    pub id: SubnetId,
    pub cidr: IpNet,
    pub gateway_ip: Option<IpAddr>,
    /// IPv6 with an address mode but no RA mode: another router announces there.
    pub announced_elsewhere: bool,
}

/// Refuses subnets the router reaches already, and those whose addresses overlap
/// with what it reaches.
///
/// # Errors
/// 400.
pub fn check_new_subnets(connected: &[Connected], new: &[(SubnetId, IpNet)]) -> Result<(), Fault> {
    for (id, _) in new {
        if connected.iter().any(|other| other.subnet_id == *id) {
            return Err(bad(format!("Router already has a port on subnet {id}")));
        }
    }
    for (id, cidr) in new {
        if let Some(other) = connected.iter().find(|other| prefix::overlap(&other.cidr, cidr)) {
            return Err(bad(format!(
                "Cidr {cidr} of subnet {id} overlaps with cidr {} of subnet {}",
                other.cidr, other.subnet_id
            )));
        }
    }
    Ok(())
}

/// The address of an interface on this subnet.
///
/// # Errors
/// 400 when the subnet has no gateway address, or another router announces there (N05:
/// any other IPv6 subnet, private ones too, is fine).
pub fn interface_address(subnet: &Candidate) -> Result<IpAddr, Fault> {
    let address =
        subnet.gateway_ip.ok_or_else(|| bad("Subnet for router interface must have a gateway IP"))?;
    check_announcements(subnet)?;
    Ok(address)
}

/// Refuses IPv6 subnets whose router announcements come from elsewhere.
///
/// # Errors
/// 400.
pub fn check_announcements(subnet: &Candidate) -> Result<(), Fault> {
    if subnet.announced_elsewhere {
        return Err(bad(format!(
            "IPv6 subnet {} configured to receive RAs from an external router cannot be added to Neutron Router",
            subnet.id
        )));
    }
    Ok(())
}

/// The interface another IPv6 subnet of this network joins, if there is one.
pub fn ipv6_interface(connected: &[Connected], network_id: NetworkId) -> Option<PortId> {
    connected
        .iter()
        .filter(|other| other.network_id == network_id && other.cidr.addr().is_ipv6())
        .find_map(|other| other.port_id)
}

/// Refuses a port that cannot become an interface: without address, with two IPv4
/// subnets, or as a second IPv6 interface on one network.
///
/// # Errors
/// 400.
pub fn check_interface_port(
    connected: &[Connected],
    network_id: NetworkId,
    subnets: &[Candidate],
) -> Result<(), Fault> {
    if subnets.is_empty() {
        return Err(bad("Router port must have at least one fixed IP"));
    }
    let new: Vec<(SubnetId, IpNet)> = subnets.iter().map(|subnet| (subnet.id, subnet.cidr)).collect();
    check_new_subnets(connected, &new)?;
    if subnets.iter().filter(|subnet| subnet.cidr.addr().is_ipv4()).count() > 1 {
        return Err(bad("Cannot have multiple IPv4 subnets on router port"));
    }
    let has_ipv6 = subnets.iter().any(|subnet| subnet.cidr.addr().is_ipv6());
    if let Some(other) = ipv6_interface(connected, network_id).filter(|_| has_ipv6) {
        return Err(bad(format!(
            "Router already contains IPv6 port {other} belonging to network id {network_id}. Only one IPv6 port \
             from the same network subnet can be connected to a router"
        )));
    }
    subnets.iter().try_for_each(check_announcements)
}

/// Refuses routes whose next hop the router does not reach directly, or is itself.
///
/// # Errors
/// 400 `InvalidRoutes`, `RoutesExhausted`.
pub fn check_routes(router_id: RouterId, routes: &[Route], legs: &[Leg], most: usize) -> Result<(), Fault> {
    if routes.len() > most {
        return Err(Fault::new(
            FaultType::RoutesExhausted,
            format!(
                "Unable to complete operation for {router_id}. The number of routes exceeds the maximum {most}."
            ),
        ));
    }
    for route in routes {
        let reason = if legs.iter().any(|leg| leg.address == route.nexthop) {
            "the nexthop is used by router"
        } else if legs.iter().any(|leg| leg.cidr.contains(&route.nexthop)) {
            continue;
        } else {
            "the nexthop is not connected with router"
        };
        return Err(Fault::new(
            FaultType::InvalidRoutes,
            format!("Invalid format for routes: {}, {reason}", shown(routes)),
        ));
    }
    Ok(())
}

fn shown(routes: &[Route]) -> String {
    let each =
        |route: &Route| format!("{{'destination': '{}', 'nexthop': '{}'}}", route.destination, route.nexthop);
    format!("[{}]", routes.iter().map(each).collect::<Vec<_>>().join(", "))
}

/// `current` and what of `added` is not in it.
pub fn with_routes(current: &[Route], added: &[Route]) -> Vec<Route> {
    let mut routes = current.to_vec();
    for route in added {
        if !routes.contains(route) {
            routes.push(*route);
        }
    }
    routes
}

/// `current` without `removed`; what is not there is no error.
pub fn without_routes(current: &[Route], removed: &[Route]) -> Vec<Route> {
    current.iter().filter(|route| !removed.contains(route)).copied().collect()
}

/// Refuses gateway addresses that belong to the router beyond.
///
/// # Errors
/// 400.
pub fn check_gateway_addresses(
    wanted: impl IntoIterator<Item = IpAddr>,
    subnet_gateways: &[IpAddr],
) -> Result<(), Fault> {
    match wanted.into_iter().find(|address| subnet_gateways.contains(address)) {
        Some(address) => Err(bad(format!("External IP {address} is the same as the gateway IP"))),
        None => Ok(()),
    }
}

/// 409: a floating IP needs what is about to go.
pub fn needed_by_floating_ip(router_id: RouterId, subnet_id: SubnetId, floating_ips: &[String]) -> Fault {
    Fault::new(
        FaultType::RouterInterfaceInUseByFloatingIP,
        format!(
            "Router interface for subnet {subnet_id} on router {router_id} cannot be deleted, as it is required \
             by one or more floating IPs."
        ),
    )
    .blocked_by("floatingip", floating_ips)
}

/// Refuses to remove an interface that a route's next hop is behind.
///
/// # Errors
/// 409.
pub fn check_not_routed(
    router_id: RouterId,
    subnet_id: SubnetId,
    cidr: &IpNet,
    routes: &[Route],
) -> Result<(), Fault> {
    let needed: Vec<String> = routes
        .iter()
        .filter(|route| cidr.contains(&route.nexthop))
        .map(|route| format!("to {} over {}", route.destination, route.nexthop))
        .collect();
    if needed.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Router interface for subnet {subnet_id} on router {router_id} cannot be deleted, as it is required by \
         one or more routes."
    );
    Err(Fault::new(FaultType::RouterInterfaceInUseByRoute, message).blocked_by("route", needed))
}
