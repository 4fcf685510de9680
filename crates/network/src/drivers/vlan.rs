//! Networks that are a VLAN of a physical network.

use std::collections::BTreeSet;

use isospin_api_kit::{Fault, FaultType};
use isospin_store_kit::{StoreError, Tx};

use super::segments::{self, Taken};
use super::{NetworkType, Segment, Wanted, none_available};
use crate::Settings;

/// The tags there are.
pub const FIRST: i64 = 1;
pub const LAST: i64 = 4094;

fn segment(physical_network: &str, id: u32) -> Segment {
    Segment {
        network_type: NetworkType::Vlan,
        physical_network: Some(physical_network.to_owned()),
        segmentation_id: Some(id),
    }
}

/// A segment as described: a tag of a physical network, any free tag of one, or any
/// free tag at all.
///
/// # Errors
/// 400 for an unknown physical network or an impossible tag, 409 when it is in use,
/// 503 when none is free.
pub async fn reserve(
    tx: &mut Tx,
    settings: &Settings,
    project_id: &str,
    wanted: &Wanted,
) -> Result<Segment, Fault> {
    let Some(physical_network) = &wanted.physical_network else {
        if wanted.segmentation_id.is_some() {
            return Err(Fault::invalid_input(
                "segmentation_id requires physical_network for VLAN provider network",
            ));
        }
        return reserve_any(tx, settings, project_id).await?.ok_or_else(none_available);
    };
    if !physical_networks(tx, settings).await?.contains(physical_network) {
        return Err(Fault::invalid_input(format!(
            "physical_network '{physical_network}' unknown for VLAN provider network"
        )));
    }
    match wanted.segmentation_id {
        None => segments::take_any(tx, NetworkType::Vlan, physical_network, project_id)
            .await?
            .map(|id| segment(physical_network, id))
            .ok_or_else(none_available),
        Some(id) => take(tx, physical_network, id).await,
    }
}

/// The first tag that is free for the project, on the first physical network that
/// has one.
///
/// # Errors
/// The store's.
pub async fn reserve_any(
    tx: &mut Tx,
    settings: &Settings,
    project_id: &str,
) -> Result<Option<Segment>, StoreError> {
    for physical_network in physical_networks(tx, settings).await? {
        if let Some(id) = segments::take_any(tx, NetworkType::Vlan, &physical_network, project_id).await? {
            return Ok(Some(segment(&physical_network, id)));
        }
    }
    Ok(None)
}

/// Physical networks known to carry VLANs: from the settings, and from ranges.
async fn physical_networks(tx: &mut Tx, settings: &Settings) -> Result<BTreeSet<String>, StoreError> {
    let mut known: BTreeSet<String> = settings.vlan_ranges.keys().cloned().collect();
    let sql = "SELECT DISTINCT physical_network FROM network_segment_ranges WHERE network_type = 'vlan'";
    for row in tx.rows(sql, vec![]).await? {
        known.insert(row.columns().text()?);
    }
    Ok(known)
}

/// This tag.
///
/// # Errors
/// 400 for an impossible one, 409 when it is in use.
pub async fn take(tx: &mut Tx, physical_network: &str, id: i64) -> Result<Segment, Fault> {
    let in_range = u32::try_from(id).ok().filter(|_| (FIRST..=LAST).contains(&id)).ok_or_else(|| {
        Fault::invalid_input(format!("segmentation_id out of range ({FIRST} through {LAST})"))
    })?;
    match segments::take(tx, NetworkType::Vlan, physical_network, in_range).await? {
        Taken::Now => Ok(segment(physical_network, in_range)),
        Taken::Before => Err(Fault::new(
            FaultType::VlanIdInUse,
            format!(
                "Unable to create the network. The VLAN {id} on physical network {physical_network} is in use."
            ),
        )),
    }
}
