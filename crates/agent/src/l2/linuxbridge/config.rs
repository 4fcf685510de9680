//! What is configured of kernel bridges, and what a host with them says of itself.

use std::collections::HashMap;

use isospin_host_io::Place;
use serde_json::{Value, json};

use super::LinuxBridge;
use crate::config::AgentConfig;
use crate::converge::Mechanism;
use crate::host_notices::HostNotices;
use crate::l2::Wiring;

/// Kernel bridges need to be told nothing that other ways do not.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinuxBridgeConfig;

impl Wiring for LinuxBridgeConfig {
    fn mechanism(&self) -> &'static str {
        "linuxbridge"
    }

    fn is_in_userspace(&self) -> bool {
        false
    }

    fn check(&self, _: &AgentConfig) -> Result<(), String> {
        Ok(())
    }

    fn configurations(&self, config: &AgentConfig) -> Value {
        let interfaces = config.physical_networks.iter();
        json!({
            "bridge_mappings": config.bridge_mappings(),
            "interface_mappings":
                interfaces.filter_map(|(name, it)| Some((name, it.interface.as_ref()?))).collect::<HashMap<_, _>>(),
            "tunneling_ip": config.tunnel_ip.map(|ip| ip.to_string()).unwrap_or_default(),
            "tunnel_types": if config.tunnel_ip.is_some() { vec!["vxlan"] } else { vec![] },
            "l2_population": config.vxlan_group.is_none(),
            "extensions": [],
        })
    }

    fn driver(&self, config: &AgentConfig, place: Place, _: &HostNotices) -> Box<dyn Mechanism> {
        Box::new(LinuxBridge::at(config, place))
    }
}
