//! What a router is inside the server.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use isospin_types::{FlavorId, NetworkId, PortId, QosPolicyId, RouterId, SubnetId};

use crate::resources::conntrack_helper::model::ConntrackHelper;
use crate::resources::port::model::FixedIp;

/// Life cycle of a router as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouterStatus {
    /// The normal state, also before an agent has carried it out.
    Active,
    /// Its agent reported that it cannot be carried out.
    Error,
}

impl RouterStatus {
    /// The text on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Error => "ERROR",
        }
    }
}

/// A text that names no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a router status")]
pub struct StatusError(String);

impl FromStr for RouterStatus {
    type Err = StatusError;
    fn from_str(text: &str) -> Result<Self, StatusError> {
        [Self::Active, Self::Error]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| StatusError(text.to_owned()))
    }
}

/// The router's port on an external network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gateway {
    pub port_id: PortId,
    pub network_id: NetworkId,
}

/// A router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    pub id: RouterId,
    pub project_id: String,
    pub name: String,
    pub description: String,
    pub admin_state_up: bool,
    pub status: RouterStatus,
    /// Kept while there is no gateway.
    pub enable_snat: bool,
    pub gateway: Option<Gateway>,
    /// What the gateway asks for.
    pub qos_policy_id: Option<QosPolicyId>,
    pub availability_zone_hints: Vec<String>,
    pub flavor_id: Option<FlavorId>,
    /// Host whose agent carries it; "" = none yet.
    pub host: String,
    /// Zone of that agent.
    pub availability_zone: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
}

/// A destination that is reached through another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    pub destination: IpNet,
    pub nexthop: IpAddr,
}

/// What answers show of a router beside its own row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Addresses of the gateway port, in its order.
    pub gateway_addresses: Vec<FixedIp>,
    /// In the order given by the client.
    pub routes: Vec<Route>,
    pub tags: Vec<String>,
    pub conntrack_helpers: Vec<ConntrackHelper>,
}

/// A subnet a router reaches directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connected {
    pub subnet_id: SubnetId,
    pub network_id: NetworkId,
    pub cidr: IpNet,
    /// The interface on it; `None` for subnets of the gateway's network.
    pub port_id: Option<PortId>,
}

/// An address of a router, with the subnet it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    pub cidr: IpNet,
    pub address: IpAddr,
}
