//! Networks that are a physical network as it is, untagged: one each.

use isospin_api_kit::{Fault, FaultType};
use isospin_store_kit::{Tx, values};

use super::{NetworkType, Segment, Wanted, prohibited};
use crate::Settings;

/// A segment as described.
///
/// # Errors
/// 400 without a physical network or with one that is not allowed, 409 when it has a
/// flat network already.
pub async fn reserve(tx: &mut Tx, settings: &Settings, wanted: &Wanted) -> Result<Segment, Fault> {
    if wanted.segmentation_id.is_some() {
        return Err(prohibited("provider:segmentation_id", NetworkType::Flat));
    }
    let Some(physical_network) = wanted.physical_network.clone() else {
        return Err(Fault::invalid_input("physical_network required for flat provider network"));
    };
    let allowed = &settings.flat_networks;
    if !allowed.contains("*") && !allowed.contains(&physical_network) {
        return Err(Fault::invalid_input(format!(
            "physical_network '{physical_network}' unknown for flat provider network"
        )));
    }
    let taken = tx
        .row(
            "SELECT 1 FROM segments WHERE network_type = 'flat' AND physical_network = $1",
            values![&physical_network],
        )
        .await?;
    if taken.is_some() {
        return Err(Fault::new(
            FaultType::FlatNetworkInUse,
            format!("Unable to create the flat network. Physical network {physical_network} is in use."),
        ));
    }
    Ok(Segment {
        network_type: NetworkType::Flat,
        physical_network: Some(physical_network),
        segmentation_id: None,
    })
}
