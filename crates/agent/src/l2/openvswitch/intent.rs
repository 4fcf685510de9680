//! What the switches of this host should be like. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use isospin_feed::facts::{Facts, Network, Port, Segment};
use isospin_types::{MacAddr, NetworkId, PortId};

use super::names::{self, HybridNames};
use super::{OpenVSwitchConfig, SwitchFirewall, TunnelType};
use crate::config::AgentConfig;

/// A bridge that should exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// What it is for, as its mark says.
    pub role: String,
    /// NIC that belongs into it.
    pub interface: Option<String>,
    /// Made by operators as a rule: its fail mode is theirs.
    pub is_physical: bool,
}

/// A port that leads to another bridge or host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    pub bridge: String,
    /// "patch", "vxlan", …
    pub kind: &'static str,
    pub options: BTreeMap<&'static str, String>,
}

/// A port of ours that should pass frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    /// Name that is the port's own; it has no such device when it has a carrier.
    pub device: String,
    pub network: NetworkId,
    pub mac: MacAddr,
    pub mtu: u32,
    /// Of a part of a trunk.
    pub carrier: Option<Carrier>,
}

/// The port whose device carries the frames of another one, tagged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carrier {
    pub port: PortId,
    pub device: String,
    pub vlan: u16,
}

/// How frames of a network leave the integration bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Not at all.
    None,
    /// Bridge of the physical network; its VLAN there, `None` untagged.
    Physical {
        bridge: String,
        vlan: Option<u16>,
    },
    Tunnel {
        kind: TunnelType,
        id: u32,
    },
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intent {
    pub bridges: BTreeMap<String, Bridge>,
    /// By port name.
    pub uplinks: BTreeMap<String, Uplink>,
    pub taps: BTreeMap<PortId, Tap>,
    /// Ports of ours that are administratively down, with their device.
    pub closed: BTreeMap<PortId, String>,
    /// Ports this host cannot wire, with the reason.
    pub impossible: BTreeMap<PortId, String>,
    /// Networks with a port here.
    pub networks: BTreeMap<NetworkId, Way>,
}

/// The intent for the ports bound to this host.
#[must_use]
pub fn of(facts: &Facts, config: &AgentConfig, switch: &OpenVSwitchConfig) -> Intent {
    let mut intent = Intent::default();
    add_bridges(&mut intent, config, switch);
    for port in facts.ports.values().filter(|port| port.host == config.host) {
        let way = match facts.networks.get(&port.network_id) {
            Some(network) => way(network, config, switch),
            None => Err(format!("network {} is not known here", port.network_id)),
        };
        match (way, facts.networks.get(&port.network_id)) {
            (Ok(way), Some(network)) => {
                intent.networks.insert(network.id, way);
                add_port(&mut intent, facts, port, network, switch.firewall);
            }
            (Err(reason), _) => {
                intent.impossible.insert(port.id, reason);
            }
            (Ok(_), None) => {}
        }
    }
    add_tunnels(&mut intent, facts, config, switch);
    intent
}

fn add_bridges(intent: &mut Intent, config: &AgentConfig, switch: &OpenVSwitchConfig) {
    let ours = |role: &str| Bridge { role: role.to_owned(), interface: None, is_physical: false };
    intent.bridges.insert(switch.integration_bridge.clone(), ours("integration"));
    if config.tunnel_ip.is_some() {
        intent.bridges.insert(switch.tunnel_bridge.clone(), ours("tunnel"));
        patch(
            intent,
            (&switch.integration_bridge, names::PATCH_TUN),
            (&switch.tunnel_bridge, names::PATCH_INT),
        );
    }
    for (name, physical) in &config.physical_networks {
        let bridge = Bridge {
            role: format!("physical:{name}"),
            interface: physical.interface.clone(),
            is_physical: true,
        };
        intent.bridges.insert(physical.bridge.clone(), bridge);
        let (inner, outer) = (names::patch("int", &physical.bridge), names::patch("phy", &physical.bridge));
        patch(intent, (&switch.integration_bridge, &inner), (&physical.bridge, &outer));
    }
}

/// Joins two bridges by a pair of ports.
fn patch(intent: &mut Intent, one: (&str, &str), other: (&str, &str)) {
    for ((bridge, port), (_, peer)) in [(one, other), (other, one)] {
        let options = BTreeMap::from([("peer", peer.to_owned())]);
        intent.uplinks.insert(port.to_owned(), Uplink { bridge: bridge.to_owned(), kind: "patch", options });
    }
}

fn way(network: &Network, config: &AgentConfig, switch: &OpenVSwitchConfig) -> Result<Way, String> {
    let physical = |name: &str, vlan| match config.physical_networks.get(name) {
        Some(physical) => Ok(Way::Physical { bridge: physical.bridge.clone(), vlan }),
        None => Err(format!("physical network '{name}' is not configured on this host")),
    };
    let tunnel = |kind: TunnelType, id| {
        if config.tunnel_ip.is_none() {
            // A single machine has nobody to tunnel to.
            Ok(Way::None)
        } else if switch.tunnel_types.contains(&kind) {
            Ok(Way::Tunnel { kind, id })
        } else {
            Err(format!("tunnels of type {} are not configured on this host", kind.name()))
        }
    };
    match &network.segment {
        Segment::Local => Ok(Way::None),
        Segment::Flat { physical_network } => physical(physical_network, None),
        Segment::Vlan { physical_network, vlan } => physical(physical_network, Some(*vlan)),
        Segment::Vxlan { vni } => tunnel(TunnelType::Vxlan, *vni),
        Segment::Gre { key } => tunnel(TunnelType::Gre, *key),
        Segment::Geneve { vni } => tunnel(TunnelType::Geneve, *vni),
    }
}

/// Whether the port is on a kernel bridge of its own. What the cloud itself plugs in is not.
#[must_use]
pub fn is_hybrid(port: &Port, firewall: SwitchFirewall) -> bool {
    firewall == SwitchFirewall::Hybrid && !port.is_trusted()
}

fn add_port(intent: &mut Intent, facts: &Facts, port: &Port, network: &Network, firewall: SwitchFirewall) {
    if port.parent.is_some() && firewall == SwitchFirewall::Hybrid {
        let reason = "parts of trunks are not available on a host with hybrid plugging";
        intent.impossible.insert(port.id, reason.to_owned());
        return;
    }
    let device = if is_hybrid(port, firewall) { HybridNames::of(port.id).far } else { port.tap_name() };
    // Who is down carries nobody. One that is not known here is another host's, or comes.
    let carries = |parent: &Port| parent.host == port.host && parent.admin_state_up;
    let carrier = port.parent.map(|parent| {
        let found = facts.ports.get(&parent.port_id).filter(|parent| carries(parent))?;
        Some(Carrier { port: found.id, device: found.tap_name(), vlan: parent.vlan })
    });
    let is_carried = !matches!(carrier, Some(None));
    if port.admin_state_up && is_carried {
        let carrier = carrier.flatten();
        let tap = Tap { device, network: network.id, mac: port.mac, mtu: network.mtu, carrier };
        intent.taps.insert(port.id, tap);
    } else {
        intent.closed.insert(port.id, device);
    }
}

/// A tunnel port to every host that shares a tunnelled network with this one.
fn add_tunnels(intent: &mut Intent, facts: &Facts, config: &AgentConfig, switch: &OpenVSwitchConfig) {
    let Some(local) = config.tunnel_ip else { return };
    let mut wanted: BTreeSet<(TunnelType, IpAddr)> = BTreeSet::new();
    for (id, way) in &intent.networks {
        if let (Way::Tunnel { kind, .. }, Some(network)) = (way, facts.networks.get(id)) {
            wanted.extend(
                network.tunnel_peers.iter().filter(|peer| **peer != local).map(|peer| (*kind, *peer)),
            );
        }
    }
    for (kind, remote) in wanted {
        let mut options = BTreeMap::from([
            ("in_key", "flow".to_owned()),
            ("out_key", "flow".to_owned()),
            ("local_ip", local.to_string()),
            ("remote_ip", remote.to_string()),
            ("df_default", "true".to_owned()),
            ("egress_pkt_mark", "0".to_owned()),
        ]);
        if kind == TunnelType::Vxlan && config.vxlan_port != 4789 {
            options.insert("dst_port", config.vxlan_port.to_string());
        }
        let bridge = switch.tunnel_bridge.clone();
        intent
            .uplinks
            .insert(names::tunnel(kind.name(), remote), Uplink { bridge, kind: kind.name(), options });
    }
}
