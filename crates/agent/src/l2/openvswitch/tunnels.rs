//! The tunnel bridge: networks between hosts (reference/agents-and-dataplane §2.4, §3). Pure.
//!
//! Who is where is known, so known receivers are reached through one tunnel, and ARP and
//! neighbour solicitations for them are answered here: they never reach the underlay.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use isospin_feed::facts::{Facts, Port};
use isospin_host_io::openflow::{Action, Field, FlowTable, Part as FramePart, Value, ethertype};
use isospin_types::{MacAddr, NetworkId};

use super::flows::View;
use super::intent::{Uplink, Way};
use super::layers::{Layer, Source};
use super::{TunnelType, names};
use crate::firewall::openflow::add;
use crate::firewall::rule::ICMPV6;

const PATCH_LV_TO_TUN: u8 = 2;
const LEARN_FROM_TUN: u8 = 10;
const UCAST_TO_TUN: u8 = 20;
const ARP_RESPONDER: u8 = 21;
const FLOOD_TO_TUN: u8 = 22;
/// Neighbour solicitations on their way to become answers.
const ND_RESPONDER: u8 = 24;

/// The table frames from a tunnel of this type begin in.
const fn from_tunnel(kind: TunnelType) -> u8 {
    match kind {
        TunnelType::Gre => 3,
        TunnelType::Vxlan => 4,
        TunnelType::Geneve => 6,
    }
}

/// What the flows of a layer are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Base {
        answers_nd: bool,
        /// Port to the integration bridge.
        inner: Option<u32>,
        tunnels: BTreeSet<(TunnelType, u32)>,
        /// Of flows that are learned.
        cookie: u64,
    },
    Network(Around),
}

/// A network, and who is on it anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Around {
    answers_nd: bool,
    kind: TunnelType,
    id: u32,
    vlan: u16,
    /// Ports to the other hosts it is on.
    tunnels: BTreeSet<u32>,
    /// With the tunnel to it, and whether it is here.
    ports: Vec<(Arc<Port>, Option<u32>, bool)>,
}

/// The layers. `cookie` is that of learned flows.
#[must_use]
pub fn tunnel(view: &View<'_>, facts: &Facts, cookie: u64, answers_nd: bool) -> BTreeMap<Layer, Part> {
    let inner = view.observed.ofport(names::PATCH_INT);
    let number = |kind: TunnelType, (name, uplink): (&String, &Uplink)| {
        Some((kind, view.observed.ofport(name).filter(|_| uplink.kind == kind.name())?))
    };
    let of_kind = |kind: TunnelType| {
        let prefix = format!("{}-", kind.name());
        let named = view.intent.uplinks.iter().filter(move |(name, _)| name.starts_with(&prefix));
        named.filter_map(move |uplink| number(kind, uplink))
    };
    let tunnels = TunnelType::ALL.into_iter().flat_map(of_kind).collect();
    let mut parts = BTreeMap::from([(Layer::Base, Part::Base { answers_nd, inner, tunnels, cookie })]);
    let mut on_network: BTreeMap<NetworkId, Vec<&Arc<Port>>> = BTreeMap::new();
    for port in facts.ports.values() {
        on_network.entry(port.network_id).or_default().push(port);
    }
    for (network, way) in &view.intent.networks {
        let (Way::Tunnel { kind, id }, Some(&vlan), Some(_)) = (way, view.vlans.get(network), inner) else {
            continue;
        };
        let peers = facts.networks.get(network).map(|network| &network.tunnel_peers);
        let to_peer = |peer: &IpAddr| view.observed.ofport(&names::tunnel(kind.name(), *peer));
        let known = |port: &Arc<Port>| {
            let remote = port.tunnel_ip.and_then(|peer| to_peer(&peer));
            let is_here = view.intent.taps.contains_key(&port.id);
            (remote.is_some() || is_here).then(|| (Arc::clone(port), remote, is_here))
        };
        let around = Around {
            answers_nd,
            kind: *kind,
            id: *id,
            vlan,
            tunnels: peers.into_iter().flatten().filter_map(to_peer).collect(),
            ports: on_network.remove(network).into_iter().flatten().filter_map(known).collect(),
        };
        parts.insert(Layer::Network(*network), Part::Network(around));
    }
    parts
}

impl Source for Part {
    fn add(&self, flows: &mut FlowTable) {
        match self {
            Self::Base { answers_nd, inner, tunnels, cookie } => {
                base(flows, *answers_nd);
                let Some(inner) = *inner else { return };
                add(flows, 0, 1, [Field::InPort(inner)], [Action::Resubmit(PATCH_LV_TO_TUN)]);
                // Senders the server does not know (behind ports without filters) are learned.
                let learn = Action::LearnSenders { table: UCAST_TO_TUN, seconds: 300, cookie: *cookie };
                add(flows, LEARN_FROM_TUN, 1, [], [learn, Action::Output(inner)]);
                for (kind, port) in tunnels {
                    add(flows, 0, 1, [Field::InPort(*port)], [Action::Resubmit(from_tunnel(*kind))]);
                }
            }
            Self::Network(around) => around.add(flows),
        }
    }
}

impl Around {
    fn add(&self, flows: &mut FlowTable) {
        let Self { answers_nd, kind, id, vlan, tunnels, ports } = self;
        let arrived = [Action::PushVlan(*vlan), Action::Resubmit(LEARN_FROM_TUN)];
        add(flows, from_tunnel(*kind), 1, [Field::TunnelId(*id)], arrived);
        if !tunnels.is_empty() {
            let outputs = tunnels.iter().copied().map(Action::Output);
            let leave = [Action::StripVlan, Action::SetTunnel(*id)].into_iter().chain(outputs);
            add(flows, FLOOD_TO_TUN, 1, [Field::Vlan(*vlan)], leave);
        }
        for (port, tunnel, is_here) in ports {
            if let Some(tunnel) = *tunnel {
                let leave = [Action::StripVlan, Action::SetTunnel(*id), Action::Output(tunnel)];
                add(flows, UCAST_TO_TUN, 2, [Field::Vlan(*vlan), Field::EthDst(port.mac)], leave);
            }
            answers(flows, *vlan, port, *is_here, *answers_nd);
        }
    }
}

fn base(flows: &mut FlowTable, answers_nd: bool) {
    for closed in [0, 3, 4, 6, FLOOD_TO_TUN, ND_RESPONDER] {
        add(flows, closed, 0, [], []);
    }
    for (from, to) in [(UCAST_TO_TUN, FLOOD_TO_TUN), (ARP_RESPONDER, FLOOD_TO_TUN)] {
        add(flows, from, 0, [], [Action::Resubmit(to)]);
    }
    let broadcast = [Field::EthType(ethertype::ARP), Field::EthDst(MacAddr::BROADCAST)];
    add(flows, PATCH_LV_TO_TUN, 1, broadcast, [Action::Resubmit(ARP_RESPONDER)]);
    if answers_nd {
        let asks = solicitation(135).into_iter().chain([Field::ToGroup(true)]);
        add(flows, PATCH_LV_TO_TUN, 1, asks, [Action::Resubmit(ARP_RESPONDER)]);
        // Who looks for a duplicate of its address has none an answer could go to.
        let nobody = Field::Source(IpNet::from(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
        let asks = solicitation(135).into_iter().chain([nobody]);
        add(flows, ARP_RESPONDER, 2, asks, [Action::Resubmit(FLOOD_TO_TUN)]);
    }
    add(flows, PATCH_LV_TO_TUN, 0, [Field::ToGroup(false)], [Action::Resubmit(UCAST_TO_TUN)]);
    add(flows, PATCH_LV_TO_TUN, 0, [Field::ToGroup(true)], [Action::Resubmit(FLOOD_TO_TUN)]);
}

/// Answers for the addresses of a port elsewhere; a port here answers for itself, and
/// nobody else need be asked.
fn answers(flows: &mut FlowTable, vlan: u16, port: &Port, is_here: bool, answers_nd: bool) {
    for fixed in &port.fixed_ips {
        match fixed.ip_address {
            IpAddr::V4(ip) => {
                let asks = [Field::EthType(ethertype::ARP), Field::Vlan(vlan), Field::ArpTarget(ip)];
                let answer = (!is_here).then(|| arp_answer(port.mac, ip));
                add(flows, ARP_RESPONDER, 1, asks, answer.into_iter().flatten());
            }
            IpAddr::V6(ip) if answers_nd => {
                let target = [Field::Vlan(vlan), Field::NdTarget(IpNet::from(IpAddr::V6(ip)))];
                let asks = solicitation(135).into_iter().chain(target);
                if is_here {
                    add(flows, ARP_RESPONDER, 1, asks, []);
                    continue;
                }
                add(flows, ARP_RESPONDER, 1, asks, advertise());
                let becomes = solicitation(136).into_iter().chain(target);
                add(flows, ND_RESPONDER, 1, becomes, nd_answer(port.mac, ip));
            }
            IpAddr::V6(_) => {}
        }
    }
}

const fn solicitation(kind: u8) -> [Field; 3] {
    [Field::EthType(ethertype::IPV6), Field::Protocol(ICMPV6), Field::IcmpType(kind)]
}

/// The request, turned into its answer (reference/agents-and-dataplane §2.4).
fn arp_answer(mac: MacAddr, ip: Ipv4Addr) -> [Action; 8] {
    let mac_number = mac.octets().iter().fold(0, |number, octet| number << 8 | u64::from(*octet));
    [
        Action::Move(FramePart::EthSource, FramePart::EthDestination),
        Action::Set(Value::EthSource(mac)),
        Action::LoadPart(FramePart::ArpOp, 2),
        Action::Move(FramePart::ArpSenderMac, FramePart::ArpTargetMac),
        Action::Move(FramePart::ArpSender, FramePart::ArpTarget),
        Action::LoadPart(FramePart::ArpSenderMac, mac_number),
        Action::LoadPart(FramePart::ArpSender, u32::from(ip).into()),
        Action::InPort,
    ]
}

/// A solicitation becomes a solicited advertisement that overrides; what it says comes
/// from the next table, which may only be written once it is one.
const fn advertise() -> [Action; 5] {
    [
        Action::Set(Value::Icmp6Type(136)),
        Action::Set(Value::Icmp6Code(0)),
        Action::Set(Value::NdOptionsType(2)),
        Action::Set(Value::NdReserved(0x6000_0000)),
        Action::Resubmit(ND_RESPONDER),
    ]
}

const fn nd_answer(mac: MacAddr, ip: Ipv6Addr) -> [Action; 6] {
    [
        Action::Move(FramePart::EthSource, FramePart::EthDestination),
        Action::Set(Value::EthSource(mac)),
        Action::Move(FramePart::Ipv6Source, FramePart::Ipv6Destination),
        Action::Set(Value::Ipv6Source(ip)),
        Action::Set(Value::NdTargetMac(mac)),
        Action::InPort,
    ]
}
