//! The evaluator on cases decided by hand.

use std::net::IpAddr;
use std::sync::Arc;

use isospin_feed::facts::{AddressPair, Direction, Facts, IpVersion, Remote, SecurityGroupRule};
use isospin_types::{PortId, SecurityGroupId, SecurityGroupRuleId};

use super::{Advertisement, Arp, Evaluator, Frame, Packet, may_send};
use crate::firewall::testing::{add_addresses, add_port, add_rule, cloud, mac};

fn packet(
    source: &str,
    destination: &str,
    protocol: u8,
    ports: Option<(u16, u16)>,
    icmp: Option<(u8, u8)>,
) -> Packet {
    let ip = |text: &str| text.parse::<IpAddr>().expect("ip");
    Packet {
        source: ip(source),
        destination: ip(destination),
        protocol,
        source_port: ports.map(|ports| ports.0),
        destination_port: ports.map(|ports| ports.1),
        icmp,
    }
}

fn with_rule(change: impl FnOnce(&mut SecurityGroupRule, SecurityGroupId)) -> (Facts, PortId) {
    let (mut facts, groups) = cloud(2);
    let port = add_port(&mut facts, 7, &groups[..1]);
    add_port(&mut facts, 8, &groups[1..]);
    let mut rule = SecurityGroupRule {
        id: SecurityGroupRuleId::random(),
        security_group_id: groups[0],
        direction: Direction::Ingress,
        ip_version: IpVersion::V4,
        protocol: Some(6),
        port_range_min: Some(80),
        port_range_max: Some(90),
        remote: Remote::Any,
    };
    change(&mut rule, groups[1]);
    add_rule(&mut facts, rule);
    (facts, port)
}

#[track_caller]
fn check(cloud: &(Facts, PortId), direction: Direction, packet: Packet, expected: bool) {
    let (facts, id) = cloud;
    assert_eq!(Evaluator::new(facts).admits(&facts.ports[id], direction, &packet), expected, "{packet:?}");
}

#[test]
fn a_port_range_includes_its_ends_and_one_direction() {
    let cloud = with_rule(|_, _| {});
    for (port, expected) in [(79, false), (80, true), (90, true), (91, false)] {
        let tcp = packet("10.9.9.9", "10.0.0.7", 6, Some((4000, port)), None);
        check(&cloud, Direction::Ingress, tcp, expected);
        check(&cloud, Direction::Egress, tcp, false);
    }
    check(&cloud, Direction::Ingress, packet("10.9.9.9", "10.0.0.7", 17, Some((4000, 80)), None), false);
    check(&cloud, Direction::Ingress, packet("fd00::9", "fd00::7", 6, Some((4000, 80)), None), false);
}

#[test]
fn a_remote_group_means_its_members_addresses() {
    let cloud = with_rule(|rule, other| rule.remote = Remote::Group(other));
    check(&cloud, Direction::Ingress, packet("10.0.0.8", "10.0.0.7", 6, Some((1, 80)), None), true);
    check(&cloud, Direction::Ingress, packet("10.0.0.9", "10.0.0.7", 6, Some((1, 80)), None), false);
}

#[test]
fn an_address_group_means_its_prefixes() {
    let (mut facts, port) = with_rule(|_, _| {});
    let prefixes = ["10.1.0.0/16", "10.2.0.9/32", "fd00:1::/32"].map(|text| text.parse().expect("prefix"));
    let group = add_addresses(&mut facts, 0, prefixes.into());
    let rule = facts.security_group_rules.values_mut().next().expect("a rule");
    Arc::make_mut(rule).remote = Remote::Addresses(group);
    let cloud = (facts, port);
    let tcp = |source: &str| packet(source, "10.0.0.7", 6, Some((1, 80)), None);
    check(&cloud, Direction::Ingress, tcp("10.1.255.1"), true);
    check(&cloud, Direction::Ingress, tcp("10.2.0.9"), true);
    check(&cloud, Direction::Ingress, tcp("10.2.0.8"), false);
    check(&cloud, Direction::Ingress, packet("fd00:1::1", "fd00::7", 6, Some((1, 80)), None), false);
    let mut empty = cloud;
    empty.0.address_groups.clear();
    check(&empty, Direction::Ingress, tcp("10.1.255.1"), false);
}

#[test]
fn dhcp_and_neighbours_need_no_rule_and_servers_no_chance() {
    let cloud = with_rule(|rule, _| rule.direction = Direction::Egress);
    check(&cloud, Direction::Egress, packet("0.0.0.0", "255.255.255.255", 17, Some((68, 67)), None), true);
    check(&cloud, Direction::Ingress, packet("10.0.0.2", "10.0.0.7", 17, Some((67, 68)), None), true);
    check(&cloud, Direction::Egress, packet("10.0.0.7", "10.0.0.8", 17, Some((67, 68)), None), false);
    check(&cloud, Direction::Ingress, packet("fe80::1", "ff02::1", 58, None, Some((134, 0))), true);
    check(&cloud, Direction::Egress, packet("fe80::7", "ff02::1", 58, None, Some((134, 0))), false);
    check(&cloud, Direction::Egress, packet("fd00::7", "fd00::8", 58, None, Some((128, 0))), false);
}

#[test]
fn n12_trusted_owners_and_no_port_security_mean_no_filters() {
    let (mut facts, port) = with_rule(|_, _| {});
    let udp = packet("10.9.9.9", "10.0.0.7", 17, Some((1, 2)), None);
    let cases: [(&str, bool, bool); 4] = [
        ("compute:nova", true, false),
        ("network:dhcp", true, true),
        ("compute:network:dhcp", true, false),
        ("compute:nova", false, true),
    ];
    for (owner, security, expected) in cases {
        let changed = Arc::make_mut(facts.ports.get_mut(&port).expect("port"));
        changed.device_owner = owner.to_owned();
        changed.port_security_enabled = security;
        let admitted = Evaluator::new(&facts).admits(&facts.ports[&port], Direction::Ingress, &udp);
        assert_eq!(admitted, expected, "{owner}");
    }
}

#[test]
fn n13_a_frame_must_be_its_senders_own() {
    let (mut facts, id) = with_rule(|_, _| {});
    let port = Arc::make_mut(facts.ports.get_mut(&id).expect("port"));
    port.allowed_address_pairs = vec![AddressPair { ip: "10.5.0.0/16".parse().expect("net"), mac: mac(50) }];
    let arp = |sender: u8, ip: [u8; 4], is_request| {
        Frame::Arp(Arp { is_request, sender_mac: mac(sender), sender_ip: ip.into() })
    };
    let solicited = |target: &str, lladdr: u8| {
        Frame::NeighbourDiscovery(
            packet("fd00::7", "fd00::8", 58, None, Some((136, 0))),
            Advertisement { target: target.parse().ok(), link_layer: Some(mac(lladdr)) },
        )
    };
    let cases = [
        (7, Frame::Ip(packet("10.0.0.7", "10.0.0.8", 17, Some((1, 2)), None)), true),
        (8, Frame::Ip(packet("10.0.0.7", "10.0.0.8", 17, Some((1, 2)), None)), false),
        (7, Frame::Ip(packet("10.0.0.8", "10.0.0.7", 17, Some((1, 2)), None)), false),
        (50, Frame::Ip(packet("10.5.6.7", "10.0.0.8", 17, Some((1, 2)), None)), true),
        (7, Frame::Ip(packet("10.5.6.7", "10.0.0.8", 17, Some((1, 2)), None)), false),
        (7, Frame::Ip(packet("0.0.0.0", "255.255.255.255", 17, Some((68, 67)), None)), true),
        (7, arp(7, [10, 0, 0, 7], false), true),
        (7, arp(7, [10, 0, 0, 8], false), false),
        (7, arp(8, [10, 0, 0, 7], false), false),
        (7, arp(7, [0, 0, 0, 0], true), true),
        (7, arp(7, [0, 0, 0, 0], false), false),
        (7, solicited("fd00::7", 7), true),
        (7, solicited("fd00::8", 7), false),
        (7, solicited("fd00::7", 8), false),
        (7, Frame::Other(0x8100), false),
    ];
    for (sender, frame, expected) in cases {
        assert_eq!(may_send(&facts.ports[&id], mac(sender), &frame), expected, "{sender}: {frame:?}");
    }
}
