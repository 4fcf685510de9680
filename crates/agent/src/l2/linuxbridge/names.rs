//! Device names of the Linux bridge wiring (reference/agents-and-dataplane §1.1).

use std::collections::BTreeMap;

use isospin_feed::facts::{Facts, Network, Segment};
use isospin_types::NetworkId;

use crate::config::AgentConfig;
use crate::firewall::policy::numbering;

/// Longest name the kernel takes.
const LONGEST: usize = 15;

/// The bridge that carries each network on this host: `brq<network id[:11]>`, or
/// the configured one of a physical network; or why this host cannot carry it.
#[must_use]
pub fn bridges(facts: &Facts, config: &AgentConfig) -> BTreeMap<NetworkId, Result<String, String>> {
    facts.networks.values().map(|network| (network.id, bridge(network, config))).collect()
}

fn bridge(network: &Network, config: &AgentConfig) -> Result<String, String> {
    let of_network = || format!("brq{}", network.id.device_suffix());
    match &network.segment {
        Segment::Local | Segment::Vxlan { .. } => Ok(of_network()),
        Segment::Flat { physical_network } => {
            config.physical_networks.get(physical_network).map(|physical| physical.bridge.clone()).ok_or_else(
                || format!("physical network '{physical_network}' is not configured on this host"),
            )
        }
        Segment::Vlan { physical_network, .. } => match config.physical_networks.get(physical_network) {
            None => Err(format!("physical network '{physical_network}' is not configured on this host")),
            Some(physical) if physical.interface.is_none() => {
                Err(format!("physical network '{physical_network}' has no interface on this host"))
            }
            Some(_) => Ok(of_network()),
        },
        Segment::Gre { .. } | Segment::Geneve { .. } => {
            Err("only vxlan tunnels are available on a Linux bridge host".to_owned())
        }
    }
}

/// The device of a VLAN of a NIC: `eth1.101`; of a long name its end is a hash.
#[must_use]
pub fn vlan(interface: &str, vlan: u16) -> String {
    let name = format!("{interface}.{vlan}");
    if name.len() <= LONGEST {
        return name;
    }
    let end = format!("{:06x}.{vlan}", numbering::hash(interface) & 0xff_ffff);
    let kept: String = interface.chars().take(LONGEST - end.len()).collect();
    format!("{kept}{end}")
}

/// The tunnel device of a VXLAN network.
#[must_use]
pub fn vxlan(vni: u32) -> String {
    format!("vxlan-{vni}")
}
