//! The flows, interpreted, against the reference evaluator.

mod interpreter;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use isospin_feed::facts::{Direction, Facts, IpVersion, Port, Remote, SecurityGroupRule};
use isospin_host_io::openflow::{Action, FlowTable, Layers};
use isospin_types::{MacAddr, SecurityGroupRuleId};
use proptest::prelude::*;

use self::interpreter::{Fate, Sent, run};
use super::{Judged, Placed, Rules, base, inexpressible, table};
use crate::firewall::evaluator::{
    Advertisement, Arp, Evaluator, Frame, Packet, is_always_allowed, is_infrastructure_of_others, may_send,
};
use crate::firewall::policy::{Folds, Kept, Policy, profile_of};
use crate::firewall::rule::ICMPV6;
use crate::firewall::testing::{self, add_port, add_rule, cloud, config, mac};

/// The flows of a host, and how frames of each port begin.
struct Host {
    flows: FlowTable,
    begins: BTreeMap<String, (u32, Option<Vec<Action>>)>,
}

fn host(facts: &Facts) -> Host {
    let bridge_of = |port: &Port| Some(port.network_id.to_string());
    let policy =
        Policy::of(facts, &config(), bridge_of, Default::default(), &Kept::default(), &mut Folds::of(facts));
    let mut flows = FlowTable::default();
    base(&mut flows);
    Rules::of(&policy).for_each(|(_, rules)| rules.add(&mut flows));
    let mut begins = BTreeMap::new();
    for (index, known) in facts.ports.values().enumerate() {
        let ofport = index as u32 + 1;
        let placed = Placed { number: ofport, vlan: 1 };
        let begin = Judged::of(&policy, &known.tap_name()).map(|judged| judged.add(&mut flows, placed));
        begins.insert(known.tap_name(), (ofport, begin));
    }
    Host { flows, begins }
}

impl Host {
    fn sends(&self, port: &Port, from: MacAddr, frame: &Frame) -> Fate {
        let (ofport, begin) = &self.begins[&port.tap_name()];
        let Some(begin) = begin else { return Fate::Dropped };
        run(&self.flows, Sent::new(frame, from).entering_at(*ofport), begin)
    }

    /// The port answers on a connection that began with `first`.
    fn answers(&self, port: &Port, answer: &Frame, first: Packet) -> Fate {
        let (ofport, begin) = &self.begins[&port.tap_name()];
        let Some(begin) = begin else { return Fate::Dropped };
        run(&self.flows, Sent::new(answer, port.mac).answering(first).entering_at(*ofport), begin)
    }

    /// The port is answered on a connection it began with `first`.
    fn answered(&self, port: &Port, answer: &Frame, first: Packet) -> Fate {
        let (ofport, _) = self.begins[&port.tap_name()];
        let frame = Sent::new(answer, mac(77)).answering(first).leaving_at(ofport);
        run(&self.flows, frame, &[Action::Resubmit(table::BASE_INGRESS)])
    }

    fn receives(&self, port: &Port, frame: &Frame) -> Fate {
        let (ofport, _) = self.begins[&port.tap_name()];
        run(
            &self.flows,
            Sent::new(frame, mac(77)).leaving_at(ofport),
            &[Action::Resubmit(table::BASE_INGRESS)],
        )
    }
}

fn is_filtered(port: &Port) -> bool {
    port.port_security_enabled && !port.is_trusted()
}

/// What is passed or refused before any group is asked has no connection.
fn is_decided_by_groups(packet: &Packet) -> bool {
    let both = [
        *packet,
        Packet {
            source: packet.destination,
            destination: packet.source,
            source_port: packet.destination_port,
            destination_port: packet.source_port,
            ..*packet
        },
    ];
    packet.protocol != ICMPV6
        && both.iter().all(|packet| {
            !is_infrastructure_of_others(packet)
                && !is_always_allowed(Direction::Egress, packet)
                && !is_always_allowed(Direction::Ingress, packet)
        })
}

/// A frame with this packet. What neighbour discovery claims is given.
fn frame(packet: Packet, target: IpAddr, link_layer: Option<MacAddr>) -> Frame {
    match (packet.source, packet.icmp, target) {
        (IpAddr::V6(_), Some((kind @ (133 | 135 | 136), _)), IpAddr::V6(target))
            if packet.protocol == ICMPV6 =>
        {
            let target = (kind == 136).then_some(target);
            // The option of a router solicitation is not seen by the switch.
            let link_layer = link_layer.filter(|_| kind != 133);
            Frame::NeighbourDiscovery(packet, Advertisement { target, link_layer })
        }
        _ => Frame::Ip(packet),
    }
}

fn drop_what_flows_cannot_say(facts: &mut Facts) {
    facts.security_group_rules.retain(|_, rule| inexpressible(rule).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn n18_flows_admit_what_the_evaluator_admits(
        facts in testing::facts(),
        packets in prop::collection::vec((testing::packet(), testing::packet(), 0..9_u8, any::<bool>()), 1..25),
    ) {
        let mut facts = facts;
        drop_what_flows_cannot_say(&mut facts);
        let host = host(&facts);
        let evaluator = Evaluator::new(&facts);
        for port in facts.ports.values() {
            for (packet, other, last, claims) in &packets {
                let frame = frame(*packet, other.source, claims.then_some(mac(*last)));
                let expected = evaluator.admits(port, Direction::Ingress, packet);
                prop_assert_eq!(host.receives(port, &frame) == Fate::Delivered, expected, "to {:?}: {:?}", port, frame);
                for from in [port.mac, mac(*last)] {
                    let expected = may_send(port, from, &frame) && evaluator.admits(port, Direction::Egress, packet);
                    let fate = host.sends(port, from, &frame);
                    prop_assert_eq!(fate == Fate::Sent, expected, "from {:?} {}: {:?}", port, from, frame);
                }
            }
        }
    }

    /// An answer passes exactly while a rule allows the connection it answers.
    #[test]
    fn n29_answers_pass_while_their_connection_is_allowed(
        facts in testing::facts(),
        packets in prop::collection::vec(testing::packet(), 1..25),
    ) {
        let mut facts = facts;
        drop_what_flows_cannot_say(&mut facts);
        let host = host(&facts);
        let evaluator = Evaluator::new(&facts);
        for port in facts.ports.values() {
            let profile = profile_of(&facts, port);
            for first in packets.iter().filter(|first| is_decided_by_groups(first)) {
                let answer = Packet {
                    source: first.destination,
                    destination: first.source,
                    source_port: first.destination_port,
                    destination_port: first.source_port,
                    ..*first
                };
                let answer = Frame::Ip(answer);
                let known = |direction| evaluator.admits(port, direction, first);
                let fate = host.answered(port, &answer, *first);
                if profile.stateful || !is_filtered(port) {
                    prop_assert_eq!(fate == Fate::Delivered, known(Direction::Egress), "{:?} {:?}", port, first);
                }
                let fate = host.answers(port, &answer, *first);
                let stands = may_send(port, port.mac, &answer) && known(Direction::Ingress);
                if profile.stateful || !is_filtered(port) {
                    prop_assert_eq!(fate == Fate::Sent, stands, "{:?} {:?}", port, first);
                }
            }
        }
    }

    #[test]
    fn n13_n20_arp_is_sent_by_whom_the_evaluator_says(
        facts in testing::facts(),
        messages in prop::collection::vec((0..9_u8, 0..9_u8, 0..8_u8, any::<bool>()), 1..40),
    ) {
        let host = host(&facts);
        for port in facts.ports.values() {
            for (from, sender, ip, is_request) in &messages {
                let sender_ip = if *ip == 7 { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::new(10, 0, 0, *ip) };
                let arp = Arp { is_request: *is_request, sender_mac: mac(*sender), sender_ip };
                let expected = may_send(port, mac(*from), &Frame::Arp(arp));
                let fate = host.sends(port, mac(*from), &Frame::Arp(arp));
                prop_assert_eq!(fate == Fate::Sent, expected, "from {:?} {}: {:?}", port, mac(*from), arp);
            }
        }
    }
}

#[test]
fn n33_other_ethertypes_and_empty_advertisements_are_dropped() {
    let (mut facts, groups) = cloud(1);
    let id = add_port(&mut facts, 1, &groups);
    let host = host(&facts);
    let port = &facts.ports[&id];
    for kind in [0x88cc, 0x8100, 0x88a8, 0x0026, 0x8035, 0x8902] {
        assert_eq!(host.sends(port, port.mac, &Frame::Other(kind)), Fate::Dropped, "{kind:#x}");
        assert_eq!(host.receives(port, &Frame::Other(kind)), Fate::Dropped, "{kind:#x}");
    }
    let packet = Packet {
        source: port.fixed_ips[1].ip_address,
        destination: "ff02::1".parse().expect("ip"),
        protocol: ICMPV6,
        source_port: None,
        destination_port: None,
        icmp: Some((136, 0)),
    };
    // What the switch sees of an advertisement it cannot parse: no target.
    assert_eq!(host.sends(port, port.mac, &Frame::Ip(packet)), Fate::Dropped);
}

#[test]
fn n16_a_port_the_policy_does_not_know_stays_closed() {
    let (mut facts, groups) = cloud(1);
    let id = add_port(&mut facts, 1, &groups);
    let known = facts.ports[&id].clone();
    assert_eq!(Judged::of(&Policy::default(), &known.tap_name()), None);
}

/// One more port of a profile costs the same however many rules there are.
#[test]
fn a_port_adds_no_rules_and_a_member_adds_one_flow_for_each_profile() {
    let (mut facts, groups) = cloud(2);
    for index in 0..50 {
        let rule = SecurityGroupRule {
            id: SecurityGroupRuleId::random(),
            security_group_id: groups[0],
            direction: Direction::Ingress,
            ip_version: IpVersion::V4,
            protocol: Some(6),
            port_range_min: Some(1000 + index * 2),
            port_range_max: Some(1000 + index * 2),
            remote: if index % 2 == 0 { Remote::Any } else { Remote::Group(groups[1]) },
        };
        add_rule(&mut facts, rule);
    }
    add_port(&mut facts, 1, &groups[..1]);
    let before = host(&facts).flows;
    add_port(&mut facts, 2, &groups[..1]);
    let after = host(&facts).flows;
    let layers = |flows: &FlowTable| Layers(BTreeMap::from([((), Arc::new(flows.clone()))]));
    let more = layers(&after).since(&layers(&before), 1).len();
    assert!(more < 35, "{more} flows for a port");
    assert_eq!(after.of(table::RULES_INGRESS).count(), before.of(table::RULES_INGRESS).count());
    add_port(&mut facts, 3, &groups[1..]);
    let members = host(&facts).flows;
    let more = members.of(table::RULES_INGRESS).count() - after.of(table::RULES_INGRESS).count();
    // A group that is in use has rules of its own, here none; and nobody answers a member.
    assert_eq!(more, 1, "its IPv4 address, in the only profile that names its group");
}
