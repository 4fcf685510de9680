//! What an agent is told about its host at start.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;

use crate::l2::Wiring;

/// The work an agent takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Taps, bridges, security groups.
    L2,
    /// Routers and floating IPs.
    L3,
    /// DHCP.
    Dhcp,
    /// Instance metadata.
    Metadata,
}

impl Role {
    /// The name used in configuration, feed and status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::Dhcp => "dhcp",
            Self::Metadata => "metadata",
        }
    }
}

/// How one physical network is reached from this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhysicalNetwork {
    /// Bridge that carries the network; made by the agent when it is absent and
    /// then marked as ours.
    pub bridge: String,
    /// NIC put into the bridge, when the network leaves this host.
    pub interface: Option<String>,
    /// Addresses the host itself has on the bridge (the gateway of a
    /// single-machine cloud); only ever added, and removed only when ours.
    pub addresses: Vec<IpNet>,
    /// Whether traffic from `addresses`' prefixes that leaves this host by
    /// another device takes the host's address (masquerade).
    pub masquerade: bool,
}

/// Configuration of one agent process.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// Name of this host, as ports are bound to it.
    pub host: String,
    pub roles: BTreeSet<Role>,
    /// Folder for the replica, status file and certificates of this agent.
    pub state_dir: PathBuf,
    /// Address other hosts reach this one at for vxlan; `None` on a single machine.
    pub tunnel_ip: Option<IpAddr>,
    /// UDP port of vxlan; 4789.
    pub vxlan_port: u16,
    /// Multicast group for what goes to several hosts of a vxlan network on kernel bridges;
    /// `None`: to each of them, as l2population says.
    pub vxlan_group: Option<IpAddr>,
    pub physical_networks: BTreeMap<String, PhysicalNetwork>,
    pub availability_zone: String,
    /// Seconds; 86400.
    pub dhcp_lease_duration: u32,
    /// Domain given to instances by DHCP; "openstacklocal".
    pub dns_domain: String,
    /// How ports are wired.
    pub wiring: Arc<dyn Wiring>,
}

impl AgentConfig {
    /// The bridge of each physical network.
    #[must_use]
    pub fn bridge_mappings(&self) -> BTreeMap<&str, &str> {
        self.physical_networks.iter().map(|(name, it)| (name.as_str(), it.bridge.as_str())).collect()
    }
}
