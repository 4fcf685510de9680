//! What a network is inside the server.

use isospin_types::{AddressScopeId, NetworkId, QosPolicyId, SubnetId};

use crate::resources::rbac_policy::Access;
use crate::resources::segment::model::NetworkSegment;

/// The one state a network has: it works as soon as it exists.
pub const ACTIVE: &str = "ACTIVE";

/// A network: one broadcast domain, on one segment or several.
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
    /// What its ports are under that ask for no policy themselves.
    pub qos_policy_id: Option<QosPolicyId>,
    /// With the final dot, or "".
    pub dns_domain: String,
    pub availability_zone_hints: Vec<String>,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
}

/// The scopes a network's addresses are in: those of the pools of its subnets, which
/// for one family are all in the same scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AddressScopes {
    pub ipv4: Option<AddressScopeId>,
    pub ipv6: Option<AddressScopeId>,
}

impl AddressScopes {
    /// Remembers the scope of a family.
    pub fn set(&mut self, ip_version: u8, scope_id: AddressScopeId) {
        match ip_version {
            4 => self.ipv4 = Some(scope_id),
            _ => self.ipv6 = Some(scope_id),
        }
    }
}

/// A network with what an answer shows beside its own columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkDetails {
    pub network: Network,
    /// In order; at least one.
    pub segments: Vec<NetworkSegment>,
    /// Whether its subnets belong to segments: hosts on different ones reach each
    /// other through routers only.
    pub routed: bool,
    /// Oldest first.
    pub subnets: Vec<SubnetId>,
    /// Zones of the agents that serve it, in order.
    pub availability_zones: Vec<String>,
    pub address_scopes: AddressScopes,
    pub tags: Vec<String>,
    /// What the caller's project may do with it.
    pub access: Access,
}
