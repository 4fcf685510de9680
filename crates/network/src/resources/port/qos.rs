//! Ports and policies of quality of service.

use isospin_api_kit::{Body, Caller, Fault};
use isospin_store_kit::Tx;
use isospin_types::QosPolicyId;

use super::model::{Port, is_trusted_owner};
use super::store::{self, Found};
use crate::App;
use crate::resources::qos_policy::bindings::{self, Under, Wiring};

/// Makes sure new ports, just written, can have what the policies they are under ask
/// for, and adds what these guarantee.
///
/// # Errors
/// 409 `QosRuleNotSupported`.
pub(super) async fn check_new(tx: &mut Tx, found: &mut [Found]) -> Result<(), Fault> {
    let under: Vec<Under> = found.iter().filter_map(under).collect();
    if under.is_empty() {
        return Ok(());
    }
    bindings::check_ports(tx, &under).await?;
    let ids: Vec<_> = found.iter().map(|found| found.port.id).collect();
    for read in store::found_many(tx, &ids).await? {
        if let Some(found) = found.iter_mut().find(|found| found.port.id == read.port.id) {
            found.guarantees = read.guarantees;
        }
    }
    Ok(())
}

/// Gives the port the policy the body names; the caller stores the port.
///
/// # Errors
/// 403 for a policy the caller may not take off, 404 for one it may not see, 409
/// `QosRuleNotSupported`.
pub(super) async fn change(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    body: &Body,
    found: &mut Found,
) -> Result<(), Fault> {
    let Some(wanted) = body.change("qos_policy_id") else { return Ok(()) };
    let before = found.port.qos_policy_id;
    bindings::check_change(tx, app, caller, before, wanted).await?;
    found.port.qos_policy_id = wanted;
    if before != wanted {
        let under: Vec<Under> = under(found).into_iter().collect();
        bindings::check_ports(tx, &under).await?;
    }
    Ok(())
}

/// The policy a port is under, with how it is plugged in.
fn under(found: &Found) -> Option<Under> {
    let policy_id = policy_of(&found.port, found.qos_network_policy_id)?;
    let Port { id, binding, .. } = &found.port;
    let wiring = Wiring {
        port_id: id.to_string(),
        vif_type: binding.vif_type.clone(),
        vnic_type: binding.vnic_type.clone(),
    };
    Some(Under { policy_id, wiring })
}

/// Its own, else its network's, which is not for ports of the cloud itself.
fn policy_of(port: &Port, of_network: Option<QosPolicyId>) -> Option<QosPolicyId> {
    port.qos_policy_id.or(of_network.filter(|_| !is_trusted_owner(&port.device_owner)))
}
