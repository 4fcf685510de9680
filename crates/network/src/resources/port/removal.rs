//! Letting a port go: one way, whoever decides that it goes.

use isospin_api_kit::Fault;
use isospin_store_kit::Tx;

use super::model::Port;
use super::store;
use crate::resources::{floating_ip, port_forwarding, trunk};

/// Removes a port: floating IPs and forwardings that lead to it are parted from it first.
/// `caller_project` is `None` where whoever asks may do so to anybody's.
///
/// # Errors
/// 409 `PortInUseAsTrunkParent`, `PortInUseAsSubPort`; `FipAssociated` when a floating IP that
/// leads to it belongs to another project than the caller's.
pub async fn remove(tx: &mut Tx, caller_project: Option<&str>, port: &Port) -> Result<(), Fault> {
    trunk::check_unused(tx, port.id).await?;
    floating_ip::store::disassociate_port(tx, caller_project, port.id).await?;
    port_forwarding::store::forget_port(tx, port.id, &[]).await?;
    store::delete(tx, port).await
}
