//! Refusals because something else holds on to a port.

use std::fmt;
use std::net::IpAddr;

use isospin_api_kit::{Fault, FaultType};
use isospin_types::{MacAddr, NetworkId, PortId};

use super::super::model::Port;

/// 404, also for ports hidden from the caller.
pub fn not_found(id: impl fmt::Display) -> Fault {
    Fault::new(FaultType::PortNotFound, format!("Port {id} could not be found."))
}

/// 409: the change would take the port away from what uses it.
#[must_use]
pub fn in_use(port: &Port) -> Fault {
    Fault::new(
        FaultType::PortInUse,
        format!(
            "Unable to complete operation on port {} for network {}. Port already has an attached device {}.",
            port.id, port.network_id, port.device_id
        ),
    )
}

/// 409: another port of the network has the MAC.
#[must_use]
pub fn mac_in_use(network_id: NetworkId, mac: MacAddr) -> Fault {
    Fault::new(
        FaultType::MacAddressInUse,
        format!("Unable to complete operation for network {network_id}. The mac address {mac} is in use."),
    )
}

/// 409: the port goes with its router or floating IP only.
#[must_use]
pub fn service_port(port: &Port) -> Fault {
    Fault::new(
        FaultType::ServicePortInUse,
        format!(
            "Port {} cannot be deleted directly via the port API: has device owner {}.",
            port.id, port.device_owner
        ),
    )
}

/// 400: a floating IP leads to the address.
#[must_use]
pub fn translated(id: PortId, address: IpAddr) -> Fault {
    Fault::new(
        FaultType::BadRequest,
        format!(
            "Bad port request: Cannot remove fixed IP {address} from port {id}: a floating IP is associated with \
             it."
        ),
    )
}
