//! What a subnet is inside the server.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use isospin_types::{NetworkId, SegmentId, SubnetId, SubnetPoolId};

use crate::ipam;
use crate::ranges::Range;
use crate::resources::rbac_policy::Access;

/// How IPv6 hosts get address and options; one word for router advertisements
/// (`ipv6_ra_mode`) and for address assignment (`ipv6_address_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv6Mode {
    Slaac,
    Dhcpv6Stateful,
    Dhcpv6Stateless,
}

impl Ipv6Mode {
    /// The texts on the wire and in the table.
    pub const NAMES: &[&str] = &["dhcpv6-stateful", "dhcpv6-stateless", "slaac"];

    /// The text on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slaac => "slaac",
            Self::Dhcpv6Stateful => "dhcpv6-stateful",
            Self::Dhcpv6Stateless => "dhcpv6-stateless",
        }
    }
}

/// A text that names no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an IPv6 mode")]
pub struct Ipv6ModeError(String);

impl FromStr for Ipv6Mode {
    type Err = Ipv6ModeError;
    fn from_str(text: &str) -> Result<Self, Ipv6ModeError> {
        [Self::Slaac, Self::Dhcpv6Stateful, Self::Dhcpv6Stateless]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| Ipv6ModeError(text.to_owned()))
    }
}

/// A route told to hosts by DHCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostRoute {
    pub destination: IpNet,
    pub nexthop: IpAddr,
}

/// Addresses handed out automatically, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllocationPool {
    pub start: IpAddr,
    pub end: IpAddr,
}

impl AllocationPool {
    /// The pool as numbers.
    #[must_use]
    pub fn range(self) -> Range {
        Range { first: ipam::number(self.start), last: ipam::number(self.end) }
    }
}

impl From<Range> for AllocationPool {
    fn from(range: Range) -> Self {
        Self { start: ipam::from_number(range.first), end: ipam::from_number(range.last) }
    }
}

impl fmt::Display for AllocationPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

/// A subnet: a prefix on a network and what its hosts are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    pub id: SubnetId,
    pub project_id: String,
    pub network_id: NetworkId,
    pub name: String,
    pub description: String,
    /// The pool its prefix is from.
    pub subnetpool_id: Option<SubnetPoolId>,
    /// Host bits are clear.
    pub cidr: IpNet,
    pub gateway_ip: Option<IpAddr>,
    pub enable_dhcp: bool,
    pub ipv6_ra_mode: Option<Ipv6Mode>,
    pub ipv6_address_mode: Option<Ipv6Mode>,
    /// In the order given.
    pub dns_nameservers: Vec<IpAddr>,
    pub host_routes: Vec<HostRoute>,
    /// Owners of ports this subnet serves before others; empty = everybody's.
    pub service_types: Vec<String>,
    /// Of a routed network: the segment whose hosts it serves.
    pub segment_id: Option<SegmentId>,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
}

impl Subnet {
    /// 4 or 6.
    #[must_use]
    pub const fn ip_version(&self) -> u8 {
        match self.cidr {
            IpNet::V4(_) => 4,
            IpNet::V6(_) => 6,
        }
    }

    /// Whether ports get the address made from their MAC (EUI-64) instead of one
    /// from the pools.
    #[must_use]
    pub const fn is_auto_address(&self) -> bool {
        matches!(self.ipv6_address_mode, Some(Ipv6Mode::Slaac | Ipv6Mode::Dhcpv6Stateless))
    }
}

/// A subnet with what an answer shows and policy asks beside its own columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetDetails {
    pub subnet: Subnet,
    /// In order of address.
    pub allocation_pools: Vec<AllocationPool>,
    pub tags: Vec<String>,
    /// Project of the network.
    pub network_project_id: String,
    /// Whether the network leads outside.
    pub network_external: bool,
    /// What the caller's project may do with the network.
    pub network_access: Access,
}
