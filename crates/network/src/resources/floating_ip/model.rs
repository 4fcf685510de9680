//! What a floating IP is inside the server.

use std::net::IpAddr;
use std::str::FromStr;

use isospin_types::{FloatingIpId, MacAddr, NetworkId, PortId, QosPolicyId, RouterId};

use crate::resources::port::model::{Port, PortStatus};
use crate::resources::port_forwarding::model::PortForwarding;

/// Life cycle of a floating IP as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatingIpStatus {
    /// The router's agent has reported that it leads to its port.
    Active,
    /// Not associated, or not reported yet.
    Down,
    /// The agent reported that it cannot be had.
    Error,
}

impl FloatingIpStatus {
    /// The text on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Down => "DOWN",
            Self::Error => "ERROR",
        }
    }
}

/// A text that names no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a floating IP status")]
pub struct StatusError(String);

impl FromStr for FloatingIpStatus {
    type Err = StatusError;
    fn from_str(text: &str) -> Result<Self, StatusError> {
        [Self::Active, Self::Down, Self::Error]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| StatusError(text.to_owned()))
    }
}

/// Where a floating IP leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    pub port_id: PortId,
    /// One of the port's IPv4 addresses.
    pub fixed_ip_address: IpAddr,
    /// The router it leads through.
    pub router_id: RouterId,
    pub port: PortDetails,
}

/// What an answer shows of the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortDetails {
    pub name: String,
    pub network_id: NetworkId,
    pub mac_address: MacAddr,
    pub admin_state_up: bool,
    pub status: PortStatus,
    pub device_id: String,
    pub device_owner: String,
}

impl From<Port> for PortDetails {
    fn from(port: Port) -> Self {
        Self {
            name: port.name,
            network_id: port.network_id,
            mac_address: port.mac_address,
            admin_state_up: port.admin_state_up,
            status: port.status,
            device_id: port.device_id,
            device_owner: port.device_owner,
        }
    }
}

/// A floating IP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatingIp {
    pub id: FloatingIpId,
    pub project_id: String,
    pub description: String,
    pub floating_network_id: NetworkId,
    pub floating_ip_address: IpAddr,
    /// The hidden port that holds the address.
    pub floating_port_id: PortId,
    pub association: Option<Association>,
    /// Only while it is not associated itself.
    pub port_forwardings: Vec<PortForwarding>,
    /// The router they lead through.
    pub forwarding_router: Option<RouterId>,
    pub status: FloatingIpStatus,
    pub qos_policy_id: Option<QosPolicyId>,
    /// The policy of the external network.
    pub qos_network_policy_id: Option<QosPolicyId>,
    pub dns_name: String,
    pub dns_domain: String,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
}

impl FloatingIp {
    /// The router that carries it; `None` while it leads nowhere.
    #[must_use]
    pub fn router_id(&self) -> Option<RouterId> {
        self.association.as_ref().map(|to| to.router_id).or(self.forwarding_router)
    }
}
