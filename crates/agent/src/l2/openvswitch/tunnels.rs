//! The tunnel bridge: networks between hosts (reference/agents-and-dataplane §2.4, §3). Pure.
//!
//! Who is where is known, so known receivers are reached through one tunnel, and ARP and
//! neighbour solicitations for them are answered here: they never reach the underlay.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use isospin_feed::facts::{Facts, Port};
use isospin_host_io::openflow::{Action, Field, FlowTable, ethertype};
use isospin_types::MacAddr;

use super::flows::View;
use super::intent::Way;
use super::names;
use crate::config::TunnelType;
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

/// The flows. `cookie` is that of learned ones.
#[must_use]
pub fn tunnel(view: &View<'_>, facts: &Facts, cookie: u64, answers_nd: bool) -> FlowTable {
    let mut flows = FlowTable::default();
    base(&mut flows, answers_nd);
    let Some(inner) = view.observed.ofport(names::PATCH_INT) else { return flows };
    add(&mut flows, 0, 1, [Field::InPort(inner)], [Action::Resubmit(PATCH_LV_TO_TUN)]);
    learn(&mut flows, cookie, inner);
    for kind in TunnelType::ALL {
        let prefix = format!("{}-", kind.name());
        for (name, uplink) in view.intent.uplinks.iter().filter(|(name, _)| name.starts_with(&prefix)) {
            let port = view.observed.ofport(name).filter(|_| uplink.kind == kind.name());
            let Some(port) = port else { continue };
            add(&mut flows, 0, 1, [Field::InPort(port)], [Action::Resubmit(from_tunnel(kind))]);
        }
    }
    for (network, way) in &view.intent.networks {
        let (Way::Tunnel { kind, id }, Some(&vlan)) = (way, view.vlans.get(network)) else { continue };
        let arrived = [Action::PushVlan(vlan), Action::Resubmit(LEARN_FROM_TUN)];
        add(&mut flows, from_tunnel(*kind), 1, [Field::TunnelId(*id)], arrived);
        let peers = facts.networks.get(network).map(|network| &network.tunnel_peers);
        let to_peer = |peer: &IpAddr| view.observed.ofport(&names::tunnel(kind.name(), *peer));
        let ports: BTreeSet<u32> = peers.into_iter().flatten().filter_map(to_peer).collect();
        if !ports.is_empty() {
            let outputs = ports.into_iter().map(Action::Output);
            let leave = [Action::StripVlan, Action::SetTunnel(*id)].into_iter().chain(outputs);
            add(&mut flows, FLOOD_TO_TUN, 1, [Field::Vlan(vlan)], leave);
        }
        let on_network = facts.ports.values().filter(|port| port.network_id == *network);
        for port in on_network {
            let remote = port.tunnel_ip.and_then(|peer| to_peer(&peer));
            if let Some(tunnel) = remote {
                let leave = [Action::StripVlan, Action::SetTunnel(*id), Action::Output(tunnel)];
                add(&mut flows, UCAST_TO_TUN, 2, [Field::Vlan(vlan), Field::EthDst(port.mac)], leave);
            }
            let is_here = view.intent.taps.contains_key(&port.id);
            if remote.is_some() || is_here {
                answers(&mut flows, vlan, port, is_here, answers_nd);
            }
        }
    }
    flows
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

/// Senders the server does not know (behind ports without filters) are learned.
fn learn(flows: &mut FlowTable, cookie: u64, inner: u32) {
    let learn = format!(
        "learn(table={UCAST_TO_TUN},hard_timeout=300,priority=1,cookie={cookie:#x},NXM_OF_VLAN_TCI[0..11],\
         NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],\
         output:OXM_OF_IN_PORT[])"
    );
    add(flows, LEARN_FROM_TUN, 1, [], [Action::Verbatim(learn), Action::Output(inner)]);
}

/// Answers for the addresses of a port elsewhere; a port here answers for itself, and
/// nobody else need be asked.
fn answers(flows: &mut FlowTable, vlan: u16, port: &Port, is_here: bool, answers_nd: bool) {
    for fixed in &port.fixed_ips {
        match fixed.ip_address {
            IpAddr::V4(ip) => {
                let asks = [Field::EthType(ethertype::ARP), Field::Vlan(vlan), Field::ArpTarget(ip)];
                let answer = (!is_here).then(|| arp_answer(port.mac, ip));
                add(flows, ARP_RESPONDER, 1, asks, answer);
            }
            IpAddr::V6(ip) if answers_nd => {
                let target = [Field::Vlan(vlan), Field::NdTarget(IpNet::from(IpAddr::V6(ip)))];
                let asks = solicitation(135).into_iter().chain(target);
                if is_here {
                    add(flows, ARP_RESPONDER, 1, asks, []);
                    continue;
                }
                add(flows, ARP_RESPONDER, 1, asks, [advertise(), Action::Resubmit(ND_RESPONDER)]);
                let becomes = solicitation(136).into_iter().chain(target);
                add(flows, ND_RESPONDER, 1, becomes, [nd_answer(port.mac, ip)]);
            }
            IpAddr::V6(_) => {}
        }
    }
}

const fn solicitation(kind: u8) -> [Field; 3] {
    [Field::EthType(ethertype::IPV6), Field::Protocol(ICMPV6), Field::IcmpType(kind)]
}

/// The request, turned into its answer (reference/agents-and-dataplane §2.4).
fn arp_answer(mac: MacAddr, ip: Ipv4Addr) -> Action {
    let hex: String = mac.octets().iter().map(|octet| format!("{octet:02x}")).collect();
    // Without leading zeros, as the switch shows it.
    let raw = format!("{:#x}", u64::from_str_radix(&hex, 16).unwrap_or(0));
    Action::Verbatim(format!(
        "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:{mac}->eth_src,load:0x2->NXM_OF_ARP_OP[],\
         move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],\
         load:{raw}->NXM_NX_ARP_SHA[],load:{:#x}->NXM_OF_ARP_SPA[],IN_PORT",
        u32::from(ip)
    ))
}

/// A solicitation becomes a solicited advertisement that overrides; what it says comes
/// from the next table, which may only be written once it is one.
fn advertise() -> Action {
    let text = "set_field:136->icmpv6_type,set_field:0->icmpv6_code,set_field:2->nd_options_type,\
         set_field:1610612736->nd_reserved";
    Action::Verbatim(text.to_owned())
}

fn nd_answer(mac: MacAddr, ip: Ipv6Addr) -> Action {
    Action::Verbatim(format!(
        "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:{mac}->eth_src,\
         move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[],set_field:{ip}->ipv6_src,set_field:{mac}->nd_tll,IN_PORT"
    ))
}
