//! What this host's bridges should look like. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use isospin_feed::facts::{FactKey, Facts, Network, Port, Segment};
use isospin_types::{MacAddr, NetworkId, PortId};

use super::{names, owned};
use crate::config::AgentConfig;

/// A bridge that should exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Mark it gets when we make it.
    pub alias: String,
    /// `None`: as it is (the bridge of a physical network).
    pub mtu: Option<u32>,
    /// NIC that belongs into it.
    pub interface: Option<String>,
    /// Addresses of the host on it. Without any it gets no IPv6 address either.
    pub addresses: Vec<IpNet>,
    /// Whether its configuration names it, not a network: then it may have been
    /// made by somebody else.
    pub is_physical: bool,
}

/// A tunnel device that should exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vxlan {
    pub alias: String,
    pub vni: u32,
    pub local: IpAddr,
    /// UDP port.
    pub port: u16,
    pub mtu: u32,
    pub bridge: String,
    /// Multicast group frames are flooded to, by those who learn. `None`: entries say all.
    pub group: Option<IpAddr>,
    /// Where frames go: to all peers for 00:00:00:00:00:00, else to the host of the MAC.
    pub entries: BTreeSet<(MacAddr, IpAddr)>,
    /// Whom it answers ARP and neighbour solicitations for, when it knows everybody.
    pub neighbours: Option<BTreeMap<IpAddr, MacAddr>>,
}

/// A device with the frames of one VLAN that should exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vlan {
    pub alias: String,
    /// NIC of the physical network.
    pub interface: String,
    pub vlan: u16,
    pub mtu: u32,
    pub bridge: String,
}

/// A tap that should be wired when it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    pub port: PortId,
    pub bridge: String,
    pub mtu: u32,
}

/// All of it, by device name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intent {
    pub bridges: BTreeMap<String, Bridge>,
    pub vxlans: BTreeMap<String, Vxlan>,
    pub vlans: BTreeMap<String, Vlan>,
    pub taps: BTreeMap<String, Tap>,
    /// Taps of ports of ours that are administratively down.
    pub closed: BTreeMap<String, PortId>,
    /// Ports this host cannot wire, with the reason.
    pub impossible: BTreeMap<PortId, String>,
}

/// The intent for the ports bound to this host.
#[must_use]
pub fn of(facts: &Facts, config: &AgentConfig) -> Intent {
    let mut intent = Intent::default();
    let bridges = names::bridges(facts, config);
    for (name, physical) in &config.physical_networks {
        intent.bridges.insert(
            physical.bridge.clone(),
            Bridge {
                alias: owned::physical_alias(name),
                mtu: None,
                interface: physical.interface.clone(),
                addresses: physical.addresses.clone(),
                is_physical: true,
            },
        );
    }
    for port in facts.ports.values().filter(|port| port.host == config.host) {
        let (network, bridge) = match (facts.networks.get(&port.network_id), bridges.get(&port.network_id)) {
            (Some(network), Some(Ok(bridge))) => (network, bridge),
            (_, Some(Err(reason))) => {
                intent.impossible.insert(port.id, reason.clone());
                continue;
            }
            (None, _) | (_, None) => {
                intent.impossible.insert(port.id, format!("network {} is not known here", port.network_id));
                continue;
            }
        };
        if port.admin_state_up {
            let tap = Tap { port: port.id, bridge: bridge.clone(), mtu: network.mtu };
            intent.taps.insert(port.tap_name(), tap);
        } else {
            intent.closed.insert(port.tap_name(), port.id);
        }
        if !intent.bridges.contains_key(bridge) {
            intent.bridges.insert(bridge.clone(), of_network(network));
            add_vlan(&mut intent, config, network, bridge);
        }
    }
    if let Some(local) = config.tunnel_ip {
        add_tunnels(&mut intent, facts, config, &bridges, local);
    }
    intent
}

fn of_network(network: &Network) -> Bridge {
    Bridge {
        alias: owned::network_alias(network.id),
        mtu: Some(network.mtu),
        interface: None,
        addresses: Vec::new(),
        is_physical: false,
    }
}

fn add_vlan(intent: &mut Intent, config: &AgentConfig, network: &Network, bridge: &str) {
    let Segment::Vlan { physical_network, vlan } = &network.segment else { return };
    let interface = config.physical_networks.get(physical_network).and_then(|it| it.interface.clone());
    let Some(interface) = interface else { return };
    let name = names::vlan(&interface, *vlan);
    let alias = owned::network_alias(network.id);
    let (mtu, bridge) = (network.mtu, bridge.to_owned());
    intent.vlans.insert(name, Vlan { alias, interface, vlan: *vlan, mtu, bridge });
}

/// Tunnels of the networks with a bridge here. A single machine has no address
/// to tunnel from and no peers, and opens no UDP port for nothing: no tunnels.
fn add_tunnels(
    intent: &mut Intent,
    facts: &Facts,
    config: &AgentConfig,
    bridges: &BTreeMap<NetworkId, Result<String, String>>,
    local: IpAddr,
) {
    let mut remote = remote_ports(facts, config, local);
    for network in facts.networks.values() {
        let Segment::Vxlan { vni } = network.segment else { continue };
        let Some(Ok(bridge)) = bridges.get(&network.id) else { continue };
        if !intent.bridges.contains_key(bridge) {
            continue;
        }
        let Remote { mut entries, mut neighbours } = match config.vxlan_group {
            None => remote.remove(&network.id).unwrap_or_default(),
            Some(_) => Remote::default(),
        };
        if config.vxlan_group.is_none() {
            let peers = network.tunnel_peers.iter().filter(|peer| **peer != local);
            entries.extend(peers.map(|peer| (MacAddr::ZERO, *peer)));
        }
        // There is no IPv6 below.
        neighbours.retain(|ip, _| ip.is_ipv4() || network.mtu >= LEAST_IPV6_MTU);
        let knows_all = config.vxlan_group.is_none() && knows_all(facts, network);
        let vxlan = Vxlan {
            alias: owned::network_alias(network.id),
            vni,
            local,
            port: config.vxlan_port,
            mtu: network.mtu,
            bridge: bridge.clone(),
            group: config.vxlan_group,
            entries,
            neighbours: knows_all.then_some(neighbours),
        };
        intent.vxlans.insert(names::vxlan(vni), vxlan);
    }
}

/// Ports of a network on other hosts.
#[derive(Default)]
struct Remote {
    entries: BTreeSet<(MacAddr, IpAddr)>,
    neighbours: BTreeMap<IpAddr, MacAddr>,
}

fn remote_ports(facts: &Facts, config: &AgentConfig, local: IpAddr) -> BTreeMap<NetworkId, Remote> {
    let mut remote: BTreeMap<NetworkId, Remote> = BTreeMap::new();
    for port in facts.ports.values().filter(|port| port.host != config.host) {
        let Some(peer) = port.tunnel_ip.filter(|peer| *peer != local) else { continue };
        let network = remote.entry(port.network_id).or_default();
        network.entries.insert((port.mac, peer));
        let own = port.fixed_ips.iter().map(|fixed| fixed.ip_address);
        let own = own.chain([port.mac.link_local().into()]);
        network.neighbours.extend(own.map(|ip| (ip, port.mac)));
    }
    remote
}

/// What a link must carry for IPv6 (RFC 8200 §5).
const LEAST_IPV6_MTU: u32 = 1280;

/// Owners of ports without filters that have no addresses but those the server gave them.
const OPEN_BUT_KNOWN: [&str; 2] = ["network:dhcp", "network:router_interface"];

/// Whether nobody on the network can have an address the server does not know. A tunnel
/// device that answers asks nobody about others, so only then it may.
fn knows_all(facts: &Facts, network: &Network) -> bool {
    let is_known = |port: &Port| {
        OPEN_BUT_KNOWN.contains(&port.device_owner.as_str())
            || (!port.is_trusted() && port.port_security_enabled && port.allowed_address_pairs.is_empty())
    };
    let mut ports = facts.ports.values().filter(|port| port.network_id == network.id);
    !network.external && ports.all(|port| is_known(port))
}

/// Devices that changed facts are about.
pub fn devices<'a>(
    facts: &'a Facts,
    intent: &'a Intent,
    keys: &'a BTreeSet<FactKey>,
) -> impl Iterator<Item = String> + 'a {
    keys.iter().flat_map(move |key| match key {
        FactKey::Port(id) => {
            let device = format!("tap{}", id.device_suffix());
            let bridge = intent.taps.get(&device).map(|tap| tap.bridge.clone());
            std::iter::once(device).chain(bridge).collect::<Vec<_>>()
        }
        FactKey::Network(id) => {
            let vxlan = facts.networks.get(id).and_then(|network| match network.segment {
                Segment::Vxlan { vni } => Some(names::vxlan(vni)),
                Segment::Local
                | Segment::Flat { .. }
                | Segment::Vlan { .. }
                | Segment::Gre { .. }
                | Segment::Geneve { .. } => None,
            });
            std::iter::once(format!("brq{}", id.device_suffix())).chain(vxlan).collect()
        }
        _ => Vec::new(),
    })
}
