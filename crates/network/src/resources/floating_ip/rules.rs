//! Decisions about floating IPs: pure, from facts already read.

use std::net::IpAddr;

use isospin_api_kit::{Fault, FaultType};
use isospin_types::{FloatingIpId, NetworkId, PortId, SubnetId};

use super::model::FloatingIp;
use crate::resources::port::model::{DHCP, FixedIp, Port};

/// 400 in the words of the reference.
pub fn bad(reason: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::BadRequest, format!("Bad floatingip request: {reason}."))
}

/// 404 for a floating IP that is not there or not to be seen.
pub fn not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::FloatingIPNotFound, format!("Floating IP {id} could not be found"))
}

/// The address of the port a floating IP shall lead to.
///
/// # Errors
/// 400: the port cannot have one, the address is not the port's, or it is not clear
/// which is meant.
pub fn fixed_address(port: &Port, wanted: Option<IpAddr>) -> Result<FixedIp, Fault> {
    let id = port.id;
    if port.device_owner == DHCP {
        return Err(bad(format!("Port {id} is unable to be assigned a floating IP")));
    }
    if let Some(address) = wanted {
        if !address.is_ipv4() {
            return Err(bad(format!(
                "Cannot process floating IP association with {address}, since that is not an IPv4 address"
            )));
        }
        return port
            .fixed_ips
            .iter()
            .find(|ip| ip.ip_address == address)
            .copied()
            .ok_or_else(|| bad(format!("Port {id} does not have fixed ip {address}")));
    }
    let mut candidates = port.fixed_ips.iter().filter(|ip| ip.ip_address.is_ipv4());
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Ok(*only),
        (None, _) => {
            Err(bad(format!("Cannot add floating IP to port {id} that has no fixed IPv4 addresses")))
        }
        (Some(_), Some(_)) => Err(bad(format!(
            "Port {id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a \
             floating IP"
        ))),
    }
}

/// Refuses a port of another project than the floating IP's. `existing` is false
/// while the floating IP is being made.
///
/// # Errors
/// 400.
pub fn check_same_project(floating_ip: &FloatingIp, existing: bool, port: &Port) -> Result<(), Fault> {
    if port.project_id == floating_ip.project_id {
        return Ok(());
    }
    Err(bad(if existing {
        format!(
            "Port {} is associated with a different project than Floating IP {} and therefore cannot be bound",
            port.id, floating_ip.id
        )
    } else {
        format!(
            "Cannot create floating IP and bind it to Port {}, since that is owned by a different project",
            port.id
        )
    }))
}

/// 404: no router leads from the external network to the subnet.
pub fn unreachable(network_id: NetworkId, subnet_id: SubnetId, port_id: PortId) -> Fault {
    Fault::new(
        FaultType::ExternalGatewayForFloatingIPNotFound,
        format!(
            "External network {network_id} is not reachable from subnet {subnet_id}.  Therefore, cannot associate \
             Port {port_id} with a Floating IP."
        ),
    )
}

/// 409: another floating IP of the same external network leads to the address.
pub fn already_associated(
    floating_ip: &FloatingIp,
    port_id: PortId,
    fixed_ip: IpAddr,
    other: Option<FloatingIpId>,
) -> Fault {
    Fault::new(
        FaultType::FloatingIPPortAlreadyAssociated,
        format!(
            "Cannot associate floating IP {} ({}) with port {port_id} using fixed IP {fixed_ip}, as that fixed IP \
             already has a floating IP on external network {}.",
            floating_ip.floating_ip_address, floating_ip.id, floating_ip.floating_network_id
        ),
    )
    .blocked_by("floatingip", other)
}

/// An external IPv4 subnet floating IPs may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub id: SubnetId,
    /// Kept for floating IPs by its service types.
    pub dedicated: bool,
    /// Kept for other owners by its service types.
    pub reserved: bool,
    /// Whether an address of its pools is free.
    pub has_free: bool,
}

/// The subnet the next floating IP comes from: one kept for floating IPs, else one
/// kept for nobody; of those the first with a free address. When all are used up,
/// one of them all the same, so that the refusal says so.
pub fn source(sources: &[Source]) -> Option<SubnetId> {
    let dedicated: Vec<&Source> = sources.iter().filter(|source| source.dedicated).collect();
    let usable = if dedicated.is_empty() {
        sources.iter().filter(|source| !source.reserved).collect()
    } else {
        dedicated
    };
    usable.iter().find(|source| source.has_free).or(usable.first()).map(|source| source.id)
}
