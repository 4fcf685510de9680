//! Decisions about port forwardings: pure, from facts already read.

use std::net::IpAddr;

use isospin_api_kit::{Fault, FaultType};
use isospin_types::{RouterId, SubnetId};

use super::model::{PortForwarding, PortRange, Ports};
use crate::resources::floating_ip::model::FloatingIp;
use crate::resources::port::model::{DHCP, FLOATING_IP, Port, ROUTER_GATEWAY};

/// 400 in the words of the reference.
pub fn bad(reason: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::BadRequest, format!("Bad port_forwarding request: {reason}."))
}

/// 404 for a port forwarding that is not there, or is another floating IP's (N26).
pub fn not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::PortForwardingNotFound, format!("Port Forwarding {id} could not be found."))
}

/// 409: the floating IP has port forwardings.
pub fn in_use(floating_ip: &FloatingIp) -> Fault {
    Fault::new(
        FaultType::FipInUseByPortForwarding,
        format!("Floating IP {} in use by Port Forwarding resources.", floating_ip.id),
    )
    .blocked_by("port_forwarding", floating_ip.port_forwardings.iter().map(|forwarding| forwarding.id))
}

/// 409: a floating IP leads to the inner port already. `other` is its address and id.
pub fn bound(new: &PortForwarding, other: (IpAddr, String)) -> Fault {
    Fault::new(
        FaultType::PortHasBindingFloatingIP,
        format!(
            "Cannot create port forwarding to floating IP {} ({}) with port {} using fixed IP {}, as that port \
             already has a binding floating IP.",
            other.0, other.1, new.internal_port_id, new.internal_ip_address
        ),
    )
}

/// Refuses ranges that lead neither one to one nor many to one.
///
/// # Errors
/// 400.
pub fn check_relation(ports: Ports) -> Result<(), Fault> {
    if ports.internal.span() == 0 || ports.internal.span() == ports.external.span() {
        return Ok(());
    }
    Err(bad(
        "Invalid ranges of internal and/or external ports. The relation between internal and external ports must \
         be N-N or 1-N",
    ))
}

/// Refuses what another forwarding does already: to the same inner ports, or from
/// the same outer ones.
///
/// # Errors
/// 400 naming the ranges.
pub fn check_collisions(
    new: &PortForwarding,
    of_address: &[PortForwarding],
    of_floating_ip: &[PortForwarding],
) -> Result<(), Fault> {
    let others = |all: &'_ [PortForwarding]| -> Vec<Option<Ports>> {
        let same = all.iter().filter(|other| other.id != new.id && other.protocol == new.protocol);
        same.map(|other| other.ports).collect()
    };
    for other in others(of_address) {
        check_apart("internal_port_range", new, other, |ports| ports.internal)?;
    }
    for other in others(of_floating_ip) {
        check_apart("external_port_range", new, other, |ports| ports.external)?;
    }
    Ok(())
}

fn check_apart(
    name: &str,
    new: &PortForwarding,
    other: Option<Ports>,
    side: impl Fn(Ports) -> PortRange,
) -> Result<(), Fault> {
    match (new.ports.map(&side), other.map(&side)) {
        (Some(new), Some(other)) if !new.meets(other) => Ok(()),
        (Some(new), Some(other)) => Err(bad(format!(
            "There is a port collision with the {name}. The following ranges collides: {other} and {new}"
        ))),
        // A protocol without ports is forwarded once.
        _ => Err(bad(format!(
            "A duplicate port forwarding entry with same attributes already exists, conflicting values are \
             {{'floatingip_id': '{}', 'protocol': '{}'}}",
            new.floating_ip_id,
            new.protocol.as_str()
        ))),
    }
}

/// The subnet of the inner address on its port.
///
/// # Errors
/// 400: the port cannot be led to, or the address is not its own.
pub fn inner_subnet(port: &Port, new: &PortForwarding) -> Result<SubnetId, Fault> {
    // Ports that come and go with what the cloud itself does.
    if [DHCP, FLOATING_IP, ROUTER_GATEWAY].contains(&port.device_owner.as_str()) {
        return Err(bad(format!("Port {} is unable to be assigned a floating IP", port.id)));
    }
    if !port.fixed_ips.iter().any(|ip| ip.ip_address.is_ipv4()) {
        return Err(bad(format!(
            "Requested internal port {} must allocate an IPv4 address at least",
            port.id
        )));
    }
    let wanted = IpAddr::V4(new.internal_ip_address);
    let own = port.fixed_ips.iter().find(|ip| ip.ip_address == wanted);
    own.map(|ip| ip.subnet_id).ok_or_else(|| {
        let all: Vec<String> = port
            .fixed_ips
            .iter()
            .map(|ip| format!("{{'subnet_id': '{}', 'ip_address': '{}'}}", ip.subnet_id, ip.ip_address))
            .collect();
        bad(format!(
            "Requested internal IP address {wanted} is not suitable for internal neutron port {}, as its fixed_ips \
             are [{}]",
            port.id,
            all.join(", ")
        ))
    })
}

/// 400: no router leads from the floating IP's network to the subnet.
pub fn unreachable(floating_ip: &FloatingIp, subnet_id: SubnetId, new: &PortForwarding) -> Fault {
    bad(format!(
        "External network {} is not reachable from subnet {subnet_id}. Cannot set Port forwarding for port {} with \
         Floating IP {}",
        floating_ip.floating_network_id, new.internal_port_id, floating_ip.id
    ))
}

/// Refuses an inner port behind another router than the floating IP's forwardings use.
///
/// # Errors
/// 400.
pub fn check_router(
    floating_ip: &FloatingIp,
    router_id: RouterId,
    new: &PortForwarding,
) -> Result<(), Fault> {
    match floating_ip.forwarding_router {
        Some(other) if other != router_id => Err(bad(format!(
            "The Floating IP {} had been set on router {other}, the internal Neutron port {} can not reach it",
            floating_ip.id, new.internal_port_id
        ))),
        _ => Ok(()),
    }
}
