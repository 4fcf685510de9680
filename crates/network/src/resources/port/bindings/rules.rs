//! Checks and refusals about bindings, without database.

use isospin_api_kit::{Body, Fault, FaultType};
use isospin_types::PortId;
use serde_json::Value;

use super::super::model::{Binding, Port};

/// Owners whose ports may have several bindings: what moves from host to host.
const MOVABLE: [&str; 2] = ["compute:", "manila:"];

/// Refuses ports of others than instances.
///
/// # Errors
/// 400 naming port and owner.
pub fn check_movable(port: &Port) -> Result<(), Fault> {
    if MOVABLE.iter().any(|owner| port.device_owner.starts_with(owner)) {
        return Ok(());
    }
    Err(Fault::new(
        FaultType::UnsupportedPortDeviceOwner,
        format!(
            "Operation with several bindings is not supported for device_owner '{}' on port {}.",
            port.device_owner, port.id
        ),
    ))
}

/// Gives the binding what a body names.
pub fn describe(binding: &mut Binding, body: &Body) {
    if let Some(vnic_type) = body.text("vnic_type") {
        vnic_type.clone_into(&mut binding.vnic_type);
    }
    if let Some(profile) = body.get("profile").and_then(Value::as_object) {
        profile.clone_into(&mut binding.profile);
    }
}

/// 404: the port has none on the host.
#[must_use]
pub fn not_found(port_id: PortId, host: &str) -> Fault {
    Fault::new(
        FaultType::PortBindingNotFound,
        format!("Binding for port {port_id} for host {host} could not be found."),
    )
}

/// 409: the port has one on the host.
#[must_use]
pub fn exists(port_id: PortId, host: &str) -> Fault {
    Fault::new(
        FaultType::PortBindingAlreadyExists,
        format!("Binding for port {port_id} on host {host} already exists."),
    )
}

/// 409: the port is on the host.
#[must_use]
pub fn already_active(port_id: PortId, host: &str) -> Fault {
    Fault::new(
        FaultType::PortBindingAlreadyActive,
        format!("Binding for port {port_id} on host {host} is already active."),
    )
}

/// 500: no agent on the host can wire the port.
///
/// # Errors
/// Unless the binding is one.
pub fn check_bound(port_id: PortId, binding: &Binding) -> Result<(), Fault> {
    if binding.is_bound() {
        return Ok(());
    }
    Err(Fault::new(
        FaultType::PortBindingError,
        format!("Binding for port {port_id} on host {} could not be created or updated.", binding.host),
    ))
}
