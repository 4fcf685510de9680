//! Networks in VXLAN tunnels between hosts.

use isospin_api_kit::{Fault, FaultType};
use isospin_store_kit::{StoreError, Tx};

use super::segments::{self, Taken};
use super::{NetworkType, Segment, Wanted, none_available, prohibited};
use crate::Settings;

/// The ids there are.
pub const FIRST: i64 = 1;
pub const LAST: i64 = 16_777_215;
/// Outer IPv4 header, and UDP, VXLAN and inner Ethernet headers.
const OVERHEAD: u32 = 20 + 30;

const fn segment(id: u32) -> Segment {
    Segment { network_type: NetworkType::Vxlan, physical_network: None, segmentation_id: Some(id) }
}

/// A segment as described: this id, or any free one.
///
/// # Errors
/// 400 for a physical network or an impossible id, 409 when it is in use, 503 when
/// none is free.
pub async fn reserve(tx: &mut Tx, project_id: &str, wanted: &Wanted) -> Result<Segment, Fault> {
    if wanted.physical_network.is_some() {
        return Err(prohibited("provider:physical_network", NetworkType::Vxlan));
    }
    match wanted.segmentation_id {
        None => reserve_any(tx, project_id).await?.ok_or_else(none_available),
        Some(id) => take(tx, id).await,
    }
}

/// The first id that is free for the project.
///
/// # Errors
/// The store's.
pub async fn reserve_any(tx: &mut Tx, project_id: &str) -> Result<Option<Segment>, StoreError> {
    Ok(segments::take_any(tx, NetworkType::Vxlan, "", project_id).await?.map(segment))
}

/// This id.
///
/// # Errors
/// 400 for an impossible one, 409 when it is in use.
pub async fn take(tx: &mut Tx, id: i64) -> Result<Segment, Fault> {
    let in_range = u32::try_from(id).ok().filter(|_| (FIRST..=LAST).contains(&id)).ok_or_else(|| {
        Fault::invalid_input(format!("segmentation_id out of range ({FIRST} through {LAST})"))
    })?;
    match segments::take(tx, NetworkType::Vxlan, "", in_range).await? {
        Taken::Now => Ok(segment(in_range)),
        Taken::Before => Err(Fault::new(
            FaultType::TunnelIdInUse,
            format!("Unable to create the network. The tunnel ID {id} is in use."),
        )),
    }
}

/// What is left of the underlay's packets, bytes.
#[must_use]
pub fn max_mtu(settings: &Settings) -> u32 {
    let underlay = match settings.path_mtu {
        0 => settings.global_physnet_mtu,
        path => path.min(settings.global_physnet_mtu),
    };
    underlay.saturating_sub(OVERHEAD)
}
