//! What a network is inside the server.

use isospin_types::{NetworkId, SubnetId};

use crate::drivers::{NetworkType, Segment};
use crate::resources::rbac_policy::Access;

/// The one state a network has: it works as soon as it exists.
pub const ACTIVE: &str = "ACTIVE";

/// A network: one broadcast domain on one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub id: NetworkId,
    pub project_id: String,
    pub name: String,
    pub description: String,
    pub admin_state_up: bool,
    pub status: String,
    /// Bytes of the largest IP packet.
    pub mtu: u32,
    /// Whether a client chose the MTU; otherwise it follows the settings.
    pub mtu_given: bool,
    /// Usable by every project; single projects may have access all the same.
    pub shared: bool,
    /// Leads outside: routers of some project may have their gateway on it.
    pub external: bool,
    /// The external network used when nobody names one.
    pub is_default: bool,
    /// What new ports get.
    pub port_security_enabled: bool,
    /// With the final dot, or "".
    pub dns_domain: String,
    pub availability_zone_hints: Vec<String>,
    pub network_type: NetworkType,
    pub physical_network: Option<String>,
    pub segmentation_id: Option<u32>,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
}

impl Network {
    /// Where the network is, physically.
    #[must_use]
    pub fn segment(&self) -> Segment {
        Segment {
            network_type: self.network_type,
            physical_network: self.physical_network.clone(),
            segmentation_id: self.segmentation_id,
        }
    }
}

/// A network with what an answer shows beside its own columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkDetails {
    pub network: Network,
    /// Oldest first.
    pub subnets: Vec<SubnetId>,
    /// Zones of the agents that serve it, in order.
    pub availability_zones: Vec<String>,
    pub tags: Vec<String>,
    /// What the caller's project may do with it.
    pub access: Access,
}
