//! What an agent is told about its host at start.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;

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

/// How ports are wired, and what that needs to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Wiring {
    #[default]
    LinuxBridge,
    OpenVSwitch(OpenVSwitchConfig),
}

impl Wiring {
    /// Name of the mechanism, as the server knows it.
    #[must_use]
    pub const fn mechanism(&self) -> &'static str {
        match self {
            Self::LinuxBridge => "linuxbridge",
            Self::OpenVSwitch(_) => "openvswitch",
        }
    }

    /// Whether frames pass a switch in userspace, which hands checksums on as they are.
    #[must_use]
    pub fn is_in_userspace(&self) -> bool {
        matches!(self, Self::OpenVSwitch(switch) if switch.datapath_type == "netdev")
    }
}

/// An encapsulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TunnelType {
    Gre,
    Vxlan,
    Geneve,
}

impl TunnelType {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Gre, Self::Vxlan, Self::Geneve];

    /// Its name, as a network type and as a type of interface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gre => "gre",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
        }
    }
}

/// What filters ports of instances on an Open vSwitch host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SwitchFirewall {
    /// Flows of the switch.
    #[default]
    OpenFlow,
    /// The bridge firewall: each port has a kernel bridge between its tap and the switch.
    Hybrid,
}

/// The Open vSwitch of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenVSwitchConfig {
    /// Folder with its sockets; /run/openvswitch.
    pub run_dir: PathBuf,
    /// "br-int".
    pub integration_bridge: String,
    /// "br-tun".
    pub tunnel_bridge: String,
    /// "system" (in the kernel) or "netdev" (in userspace).
    pub datapath_type: String,
    pub tunnel_types: BTreeSet<TunnelType>,
    pub firewall: SwitchFirewall,
}

impl Default for OpenVSwitchConfig {
    fn default() -> Self {
        Self {
            run_dir: "/run/openvswitch".into(),
            integration_bridge: "br-int".to_owned(),
            tunnel_bridge: "br-tun".to_owned(),
            datapath_type: "system".to_owned(),
            tunnel_types: BTreeSet::from([TunnelType::Vxlan]),
            firewall: SwitchFirewall::default(),
        }
    }
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
    pub wiring: Wiring,
}
