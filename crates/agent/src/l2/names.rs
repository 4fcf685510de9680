//! Device names of the Linux bridge wiring (reference/agents-and-dataplane §1.1).

use std::collections::BTreeMap;

use isospin_feed::facts::{Facts, Network, Segment};
use isospin_types::NetworkId;

use crate::config::AgentConfig;

/// The bridge that carries each network on this host: `brq<network id[:11]>`, or
/// the configured one of a physical network; or why this host cannot carry it.
#[must_use]
pub fn bridges(facts: &Facts, config: &AgentConfig) -> BTreeMap<NetworkId, Result<String, String>> {
    facts.networks.values().map(|network| (network.id, bridge(network, config))).collect()
}

fn bridge(network: &Network, config: &AgentConfig) -> Result<String, String> {
    match &network.segment {
        Segment::Local | Segment::Vxlan { .. } => Ok(format!("brq{}", network.id.device_suffix())),
        Segment::Flat { physical_network } => {
            config.physical_networks.get(physical_network).map(|physical| physical.bridge.clone()).ok_or_else(
                || format!("physical network '{physical_network}' is not configured on this host"),
            )
        }
        Segment::Vlan { vlan, .. } => {
            Err(format!("vlan wiring is not available on a Linux bridge host (vlan {vlan})"))
        }
        Segment::Gre { .. } | Segment::Geneve { .. } => {
            Err("only vxlan tunnels are available on a Linux bridge host".to_owned())
        }
    }
}

/// The tunnel device of a VXLAN network.
#[must_use]
pub fn vxlan(vni: u32) -> String {
    format!("vxlan-{vni}")
}
