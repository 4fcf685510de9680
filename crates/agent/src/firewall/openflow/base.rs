//! Flows that are there whatever the ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use isospin_host_io::openflow::{Action, CtState, Field, FlowTable, ethertype};

use super::register::{NET, PORT, PORTION, PROFILE, UNTRACKED};
use super::{ALIKE, STATELESS, STATELESS_BIT, UNTRACKABLE, add, table};
use crate::firewall::evaluator::NEIGHBOUR_IN;
use crate::firewall::rule::{ICMPV6, UDP};

/// The VLAN of ports that must not pass anything.
pub const DEAD_VLAN: u16 = 4095;

/// Messages of listeners and routers' clients: no answer depends on them.
const LISTENER_OUT: [u8; 5] = [130, 131, 132, 133, 143];
/// What a host without an address yet may send from ::.
const UNSPECIFIED_OUT: [u8; 4] = [131, 133, 135, 143];

/// Adds all of them.
pub fn base(flows: &mut FlowTable) {
    add(flows, table::LOCAL_SWITCHING, 65535, [Field::Vlan(DEAD_VLAN)], []);
    for closed in [
        table::LOCAL_SWITCHING,
        table::CANARY,
        table::ARP_SPOOF,
        table::MAC_SPOOF,
        table::TRANSIENT,
        table::LOCAL_FLOOD,
        table::FLOOD_TO_ALL,
        table::FLOOD_TO_ALIKE,
        table::DROPPED,
        table::FORWARD,
        table::DELIVER,
    ] {
        add(flows, closed, 0, [], []);
    }
    for (from, to) in [
        (table::PACKET_RATE_LIMIT, table::BANDWIDTH_RATE_LIMIT),
        (table::BANDWIDTH_RATE_LIMIT, table::TRANSIENT),
        (table::ACCEPTED_EGRESS, table::FORWARD),
        (table::BASE_EGRESS, table::DROPPED),
        (table::KINDS_EGRESS, table::DROPPED),
        (table::RULES_EGRESS, table::DROPPED),
        (table::BASE_INGRESS, table::DROPPED),
        (table::RULES_INGRESS, table::DROPPED),
    ] {
        add(flows, from, 0, [], [Action::Resubmit(to)]);
    }
    senders(flows);
    kinds(flows);
    let invalid = Field::CtState(CtState { on: CtState::INV | CtState::TRK, off: 0 });
    for rules in [table::RULES_EGRESS, table::RULES_INGRESS] {
        add(flows, rules, 95, [invalid], [Action::Resubmit(table::DROPPED)]);
    }
    for kind in UNTRACKABLE {
        let fields = icmp6(kind).into_iter().chain([invalid]);
        let as_packet =
            [Action::Untrack, Action::SetBit(PROFILE, STATELESS_BIT), Action::Resubmit(table::RULES_INGRESS)];
        add(flows, table::RULES_INGRESS, 96, fields, as_packet);
        let unmarked = icmp6(kind).into_iter().chain([Field::Register(UNTRACKED, 0)]);
        let mark = [Action::Load(UNTRACKED, 1), Action::Resubmit(table::LOCAL_FLOOD)];
        add(flows, table::LOCAL_FLOOD, 20, unmarked, mark);
    }
    for_all(flows);
    accepted(flows);
    receivers(flows);
    delivered(flows);
}

/// Floods that need not be judged for each receiver apart.
fn for_all(flows: &mut FlowTable) {
    let to_all = [Field::ToGroup(true), Field::Untagged];
    let at_once = || [Action::Resubmit(table::FLOOD_TO_ALL)];
    let arp = to_all.into_iter().chain([Field::EthType(ethertype::ARP)]);
    add(flows, table::LOCAL_FLOOD, 15, arp, at_once());
    for kind in NEIGHBOUR_IN {
        add(flows, table::LOCAL_FLOOD, 15, to_all.into_iter().chain(icmp6(kind)), at_once());
    }
    let alike = [Field::Register(PORT, ALIKE), Field::Untagged];
    let each = [Action::Load(PORTION, 0), Action::Resubmit(table::FLOOD_TO_ALIKE)];
    add(flows, table::DELIVER, 25, alike, each);
}

/// Nobody gets a frame that is still tagged: it could be taken for one of another network.
fn delivered(flows: &mut FlowTable) {
    for kind in ethertype::VLAN {
        add(flows, table::TRANSIENT, 110, [Field::EthType(kind)], []);
        add(flows, table::DELIVER, 30, [Field::EthType(kind)], []);
    }
    let go_on = [Action::Resubmit(table::DELIVER_BANDWIDTH)];
    add(flows, table::DELIVER, 5, [Field::Untagged], go_on);
    add(flows, table::DELIVER_BANDWIDTH, 0, [], [Action::OutputRegister(PORT)]);
}

/// Who sends: ports add their addresses to these tables.
fn senders(flows: &mut FlowTable) {
    let to_mac = || [Action::Resubmit(table::MAC_SPOOF)];
    let tracked = Field::CtState(CtState { on: CtState::TRK, off: 0 });
    add(flows, table::BASE_EGRESS, 110, [tracked], [Action::Untrack, Action::Resubmit(table::BASE_EGRESS)]);
    add(flows, table::BASE_EGRESS, 95, [Field::EthType(ethertype::ARP)], to_mac());
    let unspecified = Field::Source(IpNet::from(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
    for kind in UNSPECIFIED_OUT {
        add(flows, table::BASE_EGRESS, 68, icmp6(kind).into_iter().chain([unspecified]), to_mac());
    }
    let addresses = [
        Field::Source(IpNet::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED))),
        Field::Destination(IpNet::from(IpAddr::V4(Ipv4Addr::BROADCAST))),
    ];
    add(flows, table::BASE_EGRESS, 68, udp(ethertype::IPV4, 68, 67).into_iter().chain(addresses), to_mac());
}

/// What is sent: what no group decides about, and what nobody but the cloud may send.
fn kinds(flows: &mut FlowTable) {
    let claims = || [Action::Resubmit(table::ARP_SPOOF)];
    let accept = || [Action::Resubmit(table::ACCEPT_OR_INGRESS)];
    let refuse = || [Action::Resubmit(table::DROPPED)];
    add(flows, table::KINDS_EGRESS, 95, [Field::EthType(ethertype::ARP)], claims());
    for kind in [135, 136] {
        add(flows, table::KINDS_EGRESS, 95, icmp6(kind), claims());
    }
    for kind in LISTENER_OUT {
        add(flows, table::KINDS_EGRESS, 90, icmp6(kind), accept());
    }
    for kind in [134, 137] {
        add(flows, table::KINDS_EGRESS, 85, icmp6(kind), refuse());
    }
    for (family, client, server) in [(ethertype::IPV4, 68, 67), (ethertype::IPV6, 546, 547)] {
        add(flows, table::KINDS_EGRESS, 85, udp(family, server, client), refuse());
        add(flows, table::KINDS_EGRESS, 80, udp(family, client, server), accept());
        let stateless = [Field::EthType(family), Field::RegisterBits(PROFILE, STATELESS, STATELESS)];
        add(flows, table::KINDS_EGRESS, 65, stateless, [Action::Resubmit(table::RULES_EGRESS)]);
        let track = track(false, Some(table::RULES_EGRESS));
        add(flows, table::KINDS_EGRESS, 60, [Field::EthType(family)], [track]);
    }
}

/// A connection is remembered once its first packet has passed.
fn accepted(flows: &mut FlowTable) {
    let new = CtState { on: CtState::NEW | CtState::TRK, off: CtState::EST };
    for (table, next) in [
        (table::ACCEPT_OR_INGRESS, Action::Resubmit(table::ACCEPTED_EGRESS)),
        (table::ACCEPTED_INGRESS, Action::Resubmit(table::DELIVER)),
    ] {
        for family in [ethertype::IPV4, ethertype::IPV6] {
            let fields = [Field::CtState(new), Field::EthType(family)];
            add(flows, table, 90, fields, [track(true, None), next.clone()]);
        }
        add(flows, table, 80, [], [next]);
    }
}

/// What every port gets, whatever its groups say.
fn receivers(flows: &mut FlowTable) {
    let output = || [Action::Resubmit(table::DELIVER)];
    add(flows, table::BASE_INGRESS, 100, [Field::EthType(ethertype::ARP)], output());
    for kind in NEIGHBOUR_IN {
        add(flows, table::BASE_INGRESS, 100, icmp6(kind), output());
    }
    for (family, server, client) in [(ethertype::IPV4, 67, 68), (ethertype::IPV6, 547, 546)] {
        add(flows, table::BASE_INGRESS, 95, udp(family, server, client), output());
    }
}

/// Through the tracker, in the zone of the network.
pub(super) const fn track(commit: bool, table: Option<u8>) -> Action {
    Action::Track { zone_register: NET, commit, table }
}

pub(super) const fn icmp6(kind: u8) -> [Field; 3] {
    [Field::EthType(ethertype::IPV6), Field::Protocol(ICMPV6), Field::IcmpType(kind)]
}

const fn udp(family: u16, source: u16, destination: u16) -> [Field; 4] {
    [
        Field::EthType(family),
        Field::Protocol(UDP),
        Field::SourcePort(source),
        Field::DestinationPort(destination, u16::MAX),
    ]
}
