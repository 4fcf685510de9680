//! Networks in tunnels between hosts: GRE, VXLAN, Geneve. They differ in the ids there are
//! and in what the headers take from a packet.

use isospin_api_kit::{Fault, FaultType};
use isospin_store_kit::{StoreError, Tx};

use super::segments::{self, Taken};
use super::{NetworkType, Segment, Wanted, none_available, prohibited};
use crate::{SegmentRange, Settings};

/// The smallest id.
pub const FIRST: i64 = 1;
/// Outer IPv4 header.
const IP: u32 = 20;

/// An encapsulation.
#[derive(Debug)]
pub struct Tunnel {
    pub network_type: NetworkType,
    /// The largest id.
    pub last: i64,
    /// Bytes of its headers with the inner Ethernet header, the outer IP header aside.
    overhead: u32,
    /// Ids for automatic allocation.
    pub ranges: fn(&Settings) -> &[SegmentRange],
}

/// Every encapsulation.
pub const TUNNELS: [Tunnel; 3] = [
    Tunnel {
        network_type: NetworkType::Vxlan,
        last: 16_777_215,
        overhead: 30,
        ranges: |settings| &settings.vxlan_ranges,
    },
    Tunnel {
        network_type: NetworkType::Gre,
        last: 4_294_967_295,
        overhead: 22,
        ranges: |settings| &settings.gre_ranges,
    },
    Tunnel {
        network_type: NetworkType::Geneve,
        last: 16_777_215,
        overhead: 30,
        ranges: |settings| &settings.geneve_ranges,
    },
];

/// The names of network types in tunnels, for feeds and queries.
pub const NAMES: [&str; 3] = ["vxlan", "gre", "geneve"];

/// The encapsulation of networks of this type, if it is one.
#[must_use]
pub fn of(network_type: NetworkType) -> Option<&'static Tunnel> {
    TUNNELS.iter().find(|tunnel| tunnel.network_type == network_type)
}

impl Tunnel {
    const fn segment(&self, id: u32) -> Segment {
        Segment { network_type: self.network_type, physical_network: None, segmentation_id: Some(id) }
    }

    /// A segment as described: this id, or any free one.
    ///
    /// # Errors
    /// 400 for a physical network or an impossible id, 409 when it is in use, 503 when
    /// none is free.
    pub async fn reserve(&self, tx: &mut Tx, project_id: &str, wanted: &Wanted) -> Result<Segment, Fault> {
        if wanted.physical_network.is_some() {
            return Err(prohibited("provider:physical_network", self.network_type));
        }
        match wanted.segmentation_id {
            None => self.reserve_any(tx, project_id).await?.ok_or_else(none_available),
            Some(id) => self.take(tx, id).await,
        }
    }

    /// The first id that is free for the project.
    ///
    /// # Errors
    /// The store's.
    pub async fn reserve_any(&self, tx: &mut Tx, project_id: &str) -> Result<Option<Segment>, StoreError> {
        let id = segments::take_any(tx, self.network_type, "", project_id).await?;
        Ok(id.map(|id| self.segment(id)))
    }

    /// This id.
    ///
    /// # Errors
    /// 400 for an impossible one, 409 when it is in use.
    pub async fn take(&self, tx: &mut Tx, id: i64) -> Result<Segment, Fault> {
        let last = self.last;
        let in_range = u32::try_from(id).ok().filter(|_| (FIRST..=last).contains(&id)).ok_or_else(|| {
            Fault::invalid_input(format!("segmentation_id out of range ({FIRST} through {last})"))
        })?;
        match segments::take(tx, self.network_type, "", in_range).await? {
            Taken::Now => Ok(self.segment(in_range)),
            Taken::Before => Err(Fault::new(
                FaultType::TunnelIdInUse,
                format!("Unable to create the network. The tunnel ID {id} is in use."),
            )),
        }
    }

    /// What is left of the underlay's packets, bytes.
    #[must_use]
    pub fn max_mtu(&self, settings: &Settings) -> u32 {
        let underlay = match settings.path_mtu {
            0 => settings.global_physnet_mtu,
            path => path.min(settings.global_physnet_mtu),
        };
        underlay.saturating_sub(IP + self.overhead)
    }
}
