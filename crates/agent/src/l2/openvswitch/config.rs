//! What is configured of a host's Open vSwitch, and what such a host says of itself.

use std::collections::BTreeSet;
use std::path::PathBuf;

use isospin_host_io::Place;
use serde::Deserialize;
use serde_json::{Value, json};

use super::OpenVSwitch;
use crate::config::AgentConfig;
use crate::converge::Mechanism;
use crate::host_notices::HostNotices;
use crate::l2::Wiring;

/// `[agent.openvswitch]`: the Open vSwitch of a host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenVSwitchConfig {
    /// Folder with its sockets; /run/openvswitch.
    pub run_dir: PathBuf,
    /// "br-int".
    pub integration_bridge: String,
    /// "br-tun".
    pub tunnel_bridge: String,
    pub datapath_type: DatapathType,
    /// Tunnels to other hosts; vxlan.
    pub tunnel_types: BTreeSet<TunnelType>,
    pub firewall: SwitchFirewall,
}

impl Default for OpenVSwitchConfig {
    fn default() -> Self {
        Self {
            run_dir: "/run/openvswitch".into(),
            integration_bridge: "br-int".to_owned(),
            tunnel_bridge: "br-tun".to_owned(),
            datapath_type: DatapathType::default(),
            tunnel_types: BTreeSet::from([TunnelType::Vxlan]),
            firewall: SwitchFirewall::default(),
        }
    }
}

/// Where a switch carries frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatapathType {
    /// In the kernel.
    #[default]
    System,
    /// In userspace.
    Netdev,
}

impl DatapathType {
    /// As the switch's database has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Netdev => "netdev",
        }
    }
}

/// An encapsulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// What filters ports of instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwitchFirewall {
    /// Flows of the switch.
    #[default]
    OpenFlow,
    /// The bridge firewall: each port has a kernel bridge between its tap and the switch.
    Hybrid,
}

impl Wiring for OpenVSwitchConfig {
    fn mechanism(&self) -> &'static str {
        "openvswitch"
    }

    fn is_in_userspace(&self) -> bool {
        self.datapath_type == DatapathType::Netdev
    }

    fn check(&self, config: &AgentConfig) -> Result<(), String> {
        match config.vxlan_group {
            Some(_) => Err("[agent] l2_population: hosts with Open vSwitch cannot be without".to_owned()),
            None => Ok(()),
        }
    }

    fn configurations(&self, config: &AgentConfig) -> Value {
        let types = self.tunnel_types.iter().map(|kind| kind.name()).filter(|_| config.tunnel_ip.is_some());
        json!({
            "bridge_mappings": config.bridge_mappings(),
            "integration_bridge": self.integration_bridge,
            "datapath_type": self.datapath_type.name(),
            "tunneling_ip": config.tunnel_ip.map(|ip| ip.to_string()).unwrap_or_default(),
            "tunnel_types": types.collect::<Vec<_>>(),
            "l2_population": true,
            "arp_responder_enabled": true,
            "enable_distributed_routing": false,
            "in_distributed_mode": false,
            "ovs_hybrid_plug": self.firewall == SwitchFirewall::Hybrid,
            "vhostuser_socket_dir": self.run_dir,
            "extensions": [],
            "log_agent_heartbeats": false,
            "baremetal_smartnic": false,
        })
    }

    fn driver(&self, config: &AgentConfig, place: Place, notices: &HostNotices) -> Box<dyn Mechanism> {
        Box::new(OpenVSwitch::at(config, self, place, notices.clone()))
    }
}
