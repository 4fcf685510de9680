//! Type drivers: what kinds of segment a network can be on, and which ids are free.
//!
//! | type | physical network | segmentation id |
//! |---|---|---|
//! | [`local`] | no | no |
//! | [`flat`] | one network each | no |
//! | [`vlan`] | known ones | 1..4094 |
//! | [`tunnel`]: vxlan, geneve | no | 1..16777215 |
//! | [`tunnel`]: gre | no | 1..4294967295 |
//!
//! Ids for automatic allocation are kept as ranges ([`segments`]); an administrator
//! may also name an id outside of them.

mod configured;
pub mod flat;
pub mod local;
mod mech_linuxbridge;
mod mech_openvswitch;
mod mechanism;
pub mod qos;
pub mod segments;
pub mod tunnel;
pub mod vlan;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use isospin_api_kit::{Fault, FaultType};
use isospin_store_kit::{StoreError, Tx};

use crate::Settings;
pub use configured::sync_ranges;
pub use mechanism::{DRIVERS, HostAgent, MechanismDriver, Vif, bind, carries_trunks};

/// The kinds of segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetworkType {
    Local,
    Flat,
    Vlan,
    Vxlan,
    Gre,
    Geneve,
}

impl NetworkType {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Local, Self::Flat, Self::Vlan, Self::Vxlan, Self::Gre, Self::Geneve];

    /// The text on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Flat => "flat",
            Self::Vlan => "vlan",
            Self::Vxlan => "vxlan",
            Self::Gre => "gre",
            Self::Geneve => "geneve",
        }
    }
}

impl fmt::Display for NetworkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no type driver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("network_type value '{0}' not supported")]
pub struct NetworkTypeError(String);

impl FromStr for NetworkType {
    type Err = NetworkTypeError;
    fn from_str(text: &str) -> Result<Self, NetworkTypeError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| NetworkTypeError(text.to_owned()))
    }
}

/// A place a network can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub network_type: NetworkType,
    pub physical_network: Option<String>,
    pub segmentation_id: Option<u32>,
}

/// What an administrator said about a new segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    pub network_type: Option<String>,
    pub physical_network: Option<String>,
    pub segmentation_id: Option<i64>,
}

impl Wanted {
    /// Whether anything was said.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.network_type.is_none() && self.physical_network.is_none() && self.segmentation_id.is_none()
    }
}

/// Finds and takes a segment for a network of the project: the one described, or the
/// first free one of the types meant for projects.
///
/// # Errors
/// 400 for a description that cannot be meant, 409 when the segment is in use, 503
/// when nothing is free.
pub async fn reserve(
    tx: &mut Tx,
    settings: &Settings,
    project_id: &str,
    wanted: &Wanted,
) -> Result<Segment, Fault> {
    if wanted.is_empty() {
        return reserve_any(tx, settings, project_id).await;
    }
    let Some(network_type) = &wanted.network_type else {
        return Err(Fault::invalid_input("network_type required"));
    };
    match network_type.parse().map_err(Fault::invalid_input)? {
        NetworkType::Local => local::reserve(wanted),
        NetworkType::Flat => flat::reserve(tx, settings, wanted).await,
        NetworkType::Vlan => vlan::reserve(tx, settings, project_id, wanted).await,
        tunnelled @ (NetworkType::Vxlan | NetworkType::Gre | NetworkType::Geneve) => {
            match tunnel::of(tunnelled) {
                Some(tunnel) => tunnel.reserve(tx, project_id, wanted).await,
                None => Err(none_available()),
            }
        }
    }
}

/// Finds and takes all segments of a new network, in the order described. Ids that
/// are named go first, so that no automatic choice takes them.
///
/// # Errors
/// As [`reserve`]; 400 `SegmentsContainDuplicateEntry`.
pub async fn reserve_all(
    tx: &mut Tx,
    settings: &Settings,
    project_id: &str,
    wanted: &[Wanted],
) -> Result<Vec<Segment>, Fault> {
    // Flat and local ones have no id to tell them apart by.
    let whole = |one: &&Wanted| one.segmentation_id.is_some() || is_whole(one);
    let distinct: BTreeSet<&Wanted> = wanted.iter().filter(whole).collect();
    if distinct.len() < wanted.iter().filter(whole).count() {
        return Err(Fault::new(
            FaultType::SegmentsContainDuplicateEntry,
            "Duplicate segment entry in request.",
        ));
    }
    let mut order: Vec<(usize, &Wanted)> = wanted.iter().enumerate().collect();
    order.sort_by_key(|(at, one)| (one.segmentation_id.is_none(), *at));
    let mut found = Vec::with_capacity(wanted.len());
    for (at, one) in order {
        found.push((at, reserve(tx, settings, project_id, one).await?));
    }
    found.sort_by_key(|(at, _)| *at);
    Ok(found.into_iter().map(|(_, segment)| segment).collect())
}

fn is_whole(wanted: &Wanted) -> bool {
    [NetworkType::Flat, NetworkType::Local]
        .iter()
        .any(|without_id| wanted.network_type.as_deref() == Some(without_id.as_str()))
}

async fn reserve_any(tx: &mut Tx, settings: &Settings, project_id: &str) -> Result<Segment, Fault> {
    for network_type in &settings.tenant_network_types {
        let found = match network_type.parse() {
            Ok(NetworkType::Local) => Some(local::segment()),
            Ok(NetworkType::Vlan) => vlan::reserve_any(tx, settings, project_id).await?,
            Ok(tunnelled @ (NetworkType::Vxlan | NetworkType::Gre | NetworkType::Geneve)) => {
                match tunnel::of(tunnelled) {
                    Some(tunnel) => tunnel.reserve_any(tx, project_id).await?,
                    None => None,
                }
            }
            // Flat segments have owners, not ids: nothing to choose from.
            Ok(NetworkType::Flat) | Err(_) => None,
        };
        if let Some(segment) = found {
            return Ok(segment);
        }
    }
    Err(none_available())
}

/// Makes the id of a segment free for others, if it is one handed out automatically.
///
/// # Errors
/// The store's.
pub async fn release(tx: &mut Tx, segment: &Segment) -> Result<(), StoreError> {
    match segment.segmentation_id {
        Some(id) => {
            let physical_network = segment.physical_network.as_deref().unwrap_or("");
            segments::give_back(tx, segment.network_type, physical_network, id).await
        }
        None => Ok(()),
    }
}

/// The largest packet a segment of this type can carry, bytes.
#[must_use]
pub fn max_mtu(settings: &Settings, network_type: NetworkType) -> u32 {
    tunnel::of(network_type).map_or(settings.global_physnet_mtu, |tunnel| tunnel.max_mtu(settings))
}

/// 503: every range is used up.
fn none_available() -> Fault {
    Fault::new(
        FaultType::NoNetworkAvailable,
        "Unable to create the network. No tenant network is available for allocation.",
    )
}

/// 400: this type of network does not have that.
fn prohibited(key: &str, network_type: NetworkType) -> Fault {
    Fault::invalid_input(format!("{key} prohibited for {network_type} provider network"))
}

#[cfg(test)]
mod tests;
