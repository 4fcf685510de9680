//! What a port is inside the server, and what is needed to make one.

mod card;
mod new;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use isospin_types::{MacAddr, NetworkId, PortId, QosPolicyId, SecurityGroupId, SegmentId, SubnetId};
use serde_json::{Map, Value};

pub use card::Card;
pub use new::{Addresses, NewAddressPair, NewPort, WantedIp};

/// Owners of router ports: their addresses are the subnet's gateway or chosen.
pub const ROUTER_INTERFACE: &str = "network:router_interface";
pub const ROUTER_GATEWAY: &str = "network:router_gateway";
pub const FLOATING_IP: &str = "network:floatingip";
pub const DHCP: &str = "network:dhcp";

/// Whether the cloud itself owns the port; such ports are trusted by the
/// firewall, so only privileged callers may claim it (N12).
#[must_use]
pub fn is_trusted_owner(device_owner: &str) -> bool {
    device_owner.starts_with("network:")
}

/// Whether a router sits behind the port, on its inner side.
#[must_use]
pub fn is_router_interface(device_owner: &str) -> bool {
    device_owner == ROUTER_INTERFACE
}

/// Life cycle of a port as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortStatus {
    /// Every party has reported it wired.
    Active,
    /// Unbound, administratively down, or not wired.
    Down,
    /// Bound; some party has still to report.
    Build,
    /// A party reported that it cannot wire it.
    Error,
    /// Never wired by itself: the holder of a floating address.
    NotApplicable,
}

impl PortStatus {
    /// The text on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Down => "DOWN",
            Self::Build => "BUILD",
            Self::Error => "ERROR",
            Self::NotApplicable => "N/A",
        }
    }
}

/// A text that names no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a state of a port")]
pub struct StatusError(String);

impl FromStr for PortStatus {
    type Err = StatusError;
    fn from_str(text: &str) -> Result<Self, StatusError> {
        [Self::Active, Self::Down, Self::Build, Self::Error, Self::NotApplicable]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| StatusError(text.to_owned()))
    }
}

/// Whether addresses were wanted for the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpAllocation {
    Immediate,
    /// When the host is known: the network is routed.
    Deferred,
    /// The client asked for no address.
    None,
}

impl IpAllocation {
    /// The text on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Deferred => "deferred",
            Self::None => "none",
        }
    }
}

impl FromStr for IpAllocation {
    type Err = StatusError;
    fn from_str(text: &str) -> Result<Self, StatusError> {
        match text {
            "immediate" => Ok(Self::Immediate),
            "deferred" => Ok(Self::Deferred),
            "none" => Ok(Self::None),
            other => Err(StatusError(other.to_owned())),
        }
    }
}

/// One address of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedIp {
    pub subnet_id: SubnetId,
    pub ip_address: IpAddr,
}

/// The address half of an address pair, shown as the client wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PairAddress {
    Single(IpAddr),
    Prefix(IpNet),
}

impl PairAddress {
    /// The addresses it stands for.
    #[must_use]
    pub fn net(self) -> IpNet {
        match self {
            Self::Single(address) => IpNet::from(address),
            Self::Prefix(net) => net.trunc(),
        }
    }
}

impl fmt::Display for PairAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(address) => address.fmt(f),
            Self::Prefix(net) => net.fmt(f),
        }
    }
}

/// A text that is neither an address nor a prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a valid IP address or subnet")]
pub struct PairAddressError(String);

impl FromStr for PairAddress {
    type Err = PairAddressError;
    fn from_str(text: &str) -> Result<Self, PairAddressError> {
        let parsed = if text.contains('/') {
            text.parse().map(Self::Prefix).ok()
        } else {
            text.parse().map(Self::Single).ok()
        };
        parsed.ok_or_else(|| PairAddressError(text.to_owned()))
    }
}

/// An address the port may use beside its own. 0.0.0.0/0 is legal (N11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressPair {
    pub ip_address: PairAddress,
    pub mac_address: MacAddr,
}

/// A DHCP option for this port. The value holds no control characters (N21).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhcpOption {
    pub name: String,
    pub value: String,
    /// 4 or 6.
    pub ip_version: u8,
}

/// Where the port is plugged in, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// "" = unbound.
    pub host: String,
    pub vnic_type: String,
    pub profile: Map<String, Value>,
    /// `unbound`, `binding_failed`, or what the mechanism makes (`bridge`, `ovs`).
    pub vif_type: String,
    pub vif_details: Map<String, Value>,
    /// The segment of the network it is on there; `None` when not bound.
    pub segment_id: Option<SegmentId>,
}

/// `vif_type` of a port without host.
pub const UNBOUND: &str = "unbound";
/// `vif_type` when no agent on the host can wire the port.
pub const BINDING_FAILED: &str = "binding_failed";

impl Binding {
    /// No host, given vnic type and profile.
    #[must_use]
    pub fn unbound(vnic_type: String, profile: Map<String, Value>) -> Self {
        Self {
            host: String::new(),
            vnic_type,
            profile,
            vif_type: UNBOUND.to_owned(),
            vif_details: Map::new(),
            segment_id: None,
        }
    }

    /// Nobody on its host can wire the port.
    pub fn fail(&mut self) {
        BINDING_FAILED.clone_into(&mut self.vif_type);
        self.vif_details.clear();
        self.segment_id = None;
    }

    /// Whether some agent has been found that can wire the port.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.vif_type != UNBOUND && self.vif_type != BINDING_FAILED
    }
}

/// A port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub id: PortId,
    /// "" = the cloud's own.
    pub project_id: String,
    pub network_id: NetworkId,
    pub name: String,
    pub description: String,
    pub mac_address: MacAddr,
    pub admin_state_up: bool,
    pub status: PortStatus,
    pub device_id: String,
    pub device_owner: String,
    pub port_security_enabled: bool,
    /// Its own policy, before that of its network.
    pub qos_policy_id: Option<QosPolicyId>,
    pub dns_name: String,
    /// With its final dot; "" = the server's.
    pub dns_domain: String,
    pub ip_allocation: IpAllocation,
    pub allowed_address_pairs: Vec<AddressPair>,
    pub extra_dhcp_opts: Vec<DhcpOption>,
    pub binding: Binding,
    pub card: Card,
    /// What somebody who watches the data plane says: ACTIVE or DOWN.
    pub data_plane_status: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
    /// In the order shown.
    pub fixed_ips: Vec<FixedIp>,
    /// Sorted by id.
    pub security_groups: Vec<SecurityGroupId>,
}

impl Port {
    /// Whether Nova gave it to an instance.
    #[must_use]
    pub fn is_of_an_instance(&self) -> bool {
        self.device_owner.starts_with("compute:") && !self.device_id.is_empty()
    }

    /// Host part of the name DHCP and metadata give for an address of the port:
    /// `dns_name`, or `host-10-0-0-5` (reference §23).
    #[must_use]
    pub fn hostname(&self, address: IpAddr) -> String {
        if self.dns_name.is_empty() {
            format!("host-{}", address.to_string().replace(['.', ':'], "-"))
        } else {
            self.dns_name.clone()
        }
    }
}
