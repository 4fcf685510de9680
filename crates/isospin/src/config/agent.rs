//! `[agent]`: what is configured of a host, and the ways to wire ports it can choose from.
//!
//! Another way is a folder of `isospin_agent::l2`, and here its name in [`Mechanism`], its
//! section, and its line in [`Agent::wiring`].

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;
use isospin_agent::l2::Wiring;
use isospin_agent::l2::linuxbridge::LinuxBridgeConfig;
use isospin_agent::l2::openvswitch::OpenVSwitchConfig;
use serde::Deserialize;

/// How ports of a host are wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mechanism {
    LinuxBridge,
    OpenVSwitch,
}

/// `[agent]`: the host agent.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agent {
    /// Name of this host; "" = its host name.
    pub host: String,
    /// Of l2, l3, dhcp, metadata.
    pub roles: Vec<String>,
    /// How ports are wired.
    pub mechanism: Mechanism,
    pub openvswitch: OpenVSwitchConfig,
    /// Address other hosts reach this one at for tunnels.
    pub tunnel_ip: Option<IpAddr>,
    pub vxlan_port: u16,
    /// Whether hosts with Linux bridges send to each other as the server says who is where;
    /// else to a multicast group, and learn.
    pub l2_population: bool,
    pub vxlan_group: IpAddr,
    pub availability_zone: String,
    /// Seconds.
    pub dhcp_lease_duration: u32,
    pub physical_networks: BTreeMap<String, PhysicalNetwork>,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            host: String::new(),
            roles: ["l2", "l3", "dhcp", "metadata"].map(str::to_owned).to_vec(),
            mechanism: Mechanism::LinuxBridge,
            openvswitch: OpenVSwitchConfig::default(),
            tunnel_ip: None,
            vxlan_port: 4789,
            l2_population: true,
            vxlan_group: Ipv4Addr::new(224, 0, 0, 1).into(),
            availability_zone: "nova".to_owned(),
            dhcp_lease_duration: 86_400,
            physical_networks: [("external".to_owned(), PhysicalNetwork::default())].into(),
        }
    }
}

impl Agent {
    /// How ports are wired, with what that needs to know.
    #[must_use]
    pub fn wiring(&self) -> Arc<dyn Wiring> {
        match self.mechanism {
            Mechanism::LinuxBridge => Arc::new(LinuxBridgeConfig),
            Mechanism::OpenVSwitch => Arc::new(self.openvswitch.clone()),
        }
    }
}

/// `[agent.physical_networks.NAME]`: how a physical network is reached from this
/// host. The default is a bridge of this host alone, on which the host has the
/// gateway address 10.77.77.1.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhysicalNetwork {
    pub bridge: String,
    /// NIC put into the bridge.
    pub interface: Option<String>,
    /// Addresses the host has on the bridge.
    pub addresses: Vec<IpNet>,
    /// Whether traffic from those prefixes leaves the host under the host's address.
    pub masquerade: bool,
}

impl Default for PhysicalNetwork {
    fn default() -> Self {
        Self {
            bridge: "br-ex".to_owned(),
            interface: None,
            addresses: vec![IpNet::V4(ipnet::Ipv4Net::new_assert([10, 77, 77, 1].into(), 24))],
            masquerade: true,
        }
    }
}
