//! Small clouds for tests, made by hand and at random.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use isospin_feed::facts::{
    AddressGroup, AddressPair, Direction, Facts, FixedIp, IpVersion, Network, Port, Remote, SecurityGroup,
    SecurityGroupMember, SecurityGroupRule, Segment,
};
use isospin_types::{
    AddressGroupId, MacAddr, NetworkId, PortId, SecurityGroupId, SecurityGroupRuleId, SubnetId,
};
use proptest::prelude::*;
use uuid::Uuid;

use super::evaluator::Packet;
use super::policy::{Folds, Kept, Policy};
use super::rule::has_ports;
use crate::config::AgentConfig;

pub(crate) fn config() -> AgentConfig {
    AgentConfig {
        host: "here".to_owned(),
        roles: BTreeSet::new(),
        state_dir: "/nonexistent".into(),
        tunnel_ip: None,
        vxlan_port: 4789,
        vxlan_group: None,
        wiring: Arc::new(crate::l2::linuxbridge::LinuxBridgeConfig),
        physical_networks: Default::default(),
        availability_zone: String::new(),
        dhcp_lease_duration: 86_400,
        dns_domain: String::new(),
    }
}

/// The policy of a host that has nothing yet, with a bridge for each network.
pub(crate) fn policy(facts: &Facts, folds: &mut Folds) -> Policy {
    let bridge_of = |port: &Port| Some(format!("brq{}", port.network_id.device_suffix()));
    Policy::of(facts, &config(), bridge_of, BTreeSet::new(), &Kept::default(), folds)
}

pub(crate) fn mac(last: u8) -> MacAddr {
    MacAddr::new([0xfa, 0x16, 0x3e, 0, 0, last])
}

fn id(kind: u8, number: u8) -> Uuid {
    Uuid::from_bytes([number, 0, 0, kind, 0, number, 0, 0, 0, 0, 0, 0, 0, 0, kind, number])
}

/// One network and some empty groups.
pub(crate) fn cloud(groups: u8) -> (Facts, Vec<SecurityGroupId>) {
    let mut facts = Facts::default();
    let network = Network {
        id: NetworkId::from(id(1, 0)),
        name: String::new(),
        project_id: String::new(),
        segment: Segment::Local,
        mtu: 1500,
        admin_state_up: true,
        external: false,
        tunnel_peers: BTreeSet::new(),
    };
    facts.networks.insert(network.id, Arc::new(network));
    let ids: Vec<SecurityGroupId> = (0..groups).map(|index| SecurityGroupId::from(id(2, index))).collect();
    for id in &ids {
        facts.security_groups.insert(*id, Arc::new(SecurityGroup { id: *id, stateful: true }));
    }
    (facts, ids)
}

/// A port of this host: 10.0.0.`index` and fd00::`index`.
pub(crate) fn add_port(facts: &mut Facts, index: u8, groups: &[SecurityGroupId]) -> PortId {
    let ips = [
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, index)),
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::from(index))),
    ];
    let port = Port {
        id: PortId::from(id(3, index)),
        name: String::new(),
        network_id: NetworkId::from(id(1, 0)),
        project_id: String::new(),
        mac: mac(index),
        fixed_ips: ips.map(|ip_address| FixedIp { subnet_id: SubnetId::from(id(4, 0)), ip_address }).to_vec(),
        device_id: String::new(),
        device_owner: "compute:nova".to_owned(),
        admin_state_up: true,
        port_security_enabled: true,
        security_group_ids: groups.iter().copied().collect(),
        allowed_address_pairs: Vec::new(),
        extra_dhcp_opts: Vec::new(),
        host: "here".to_owned(),
        hostname: String::new(),
        tunnel_ip: None,
        qos: Default::default(),
        parent: None,
    };
    for group in groups {
        let member = SecurityGroupMember {
            security_group_id: *group,
            port_id: port.id,
            addresses: ips.map(IpNet::from).into(),
        };
        facts.security_group_members.insert((*group, port.id), Arc::new(member));
    }
    let id = port.id;
    facts.ports.insert(id, Arc::new(port));
    id
}

/// An address group of these prefixes.
pub(crate) fn add_addresses(facts: &mut Facts, index: u8, addresses: BTreeSet<IpNet>) -> AddressGroupId {
    let id = AddressGroupId::from(id(5, index));
    let addresses = addresses.iter().map(IpNet::trunc).collect();
    facts.address_groups.insert(id, Arc::new(AddressGroup { id, addresses }));
    id
}

pub(crate) fn add_rule(facts: &mut Facts, rule: SecurityGroupRule) {
    facts.security_group_rules.insert(rule.id, Arc::new(rule));
}

/// Few values, so that rules and packets meet.
fn ip() -> impl Strategy<Value = IpAddr> {
    let v4 = (0..2_u8, 0..2_u8, 0..6_u8).prop_map(|(b, c, d)| IpAddr::V4(Ipv4Addr::new(10, b, c, d)));
    let v6 = (0..2_u16, 0..6_u16).prop_map(|(b, h)| IpAddr::V6(Ipv6Addr::new(0xfd00, b, 0, 0, 0, 0, 0, h)));
    prop_oneof![4 => v4, 3 => v6]
}

/// Few lengths, so that prefixes lie in each other.
fn prefix() -> impl Strategy<Value = IpNet> {
    let lengths = prop::sample::select(vec![(0, 0), (8, 16), (16, 32), (24, 64), (31, 126), (32, 128)]);
    (ip(), lengths).prop_map(|(ip, (v4, v6))| {
        let length = if ip.is_ipv4() { v4 } else { v6 };
        IpNet::new(ip, length).unwrap_or_else(|_| IpNet::from(ip))
    })
}

fn protocol() -> impl Strategy<Value = u8> {
    prop::sample::select(vec![1, 1, 6, 6, 6, 6, 17, 17, 58, 58, 112, 132])
}

fn number() -> impl Strategy<Value = u16> {
    prop_oneof![6 => 0..12_u16, 1 => prop::sample::select(vec![67, 68, 134, 135, 255, 256, 546, 547, 65535])]
}

fn rule(groups: u8) -> impl Strategy<Value = SecurityGroupRule> {
    let remote = prop_oneof![
        2 => Just(Remote::Any),
        3 => prefix().prop_map(Remote::Prefix),
        2 => (0..4_u8).prop_map(|index| Remote::Group(SecurityGroupId::from(id(2, index)))),
        // One more than there are: a rule may come before the group it names.
        2 => (0..3_u8).prop_map(|index| Remote::Addresses(AddressGroupId::from(id(5, index)))),
    ];
    let ends = (any::<bool>(), any::<bool>(), 0..groups, remote);
    let range = prop_oneof![
        2 => Just((None, None)),
        5 => (number(), number()).prop_map(|(a, b)| (Some(a.min(b)), Some(a.max(b)))),
        1 => (prop::option::of(number()), prop::option::of(number())),
    ];
    (ends, prop::option::weighted(0.8, protocol()), range, any::<u128>()).prop_map(
        |((ingress, is_v4, group, remote), protocol, (port_range_min, port_range_max), number)| {
            SecurityGroupRule {
                id: SecurityGroupRuleId::from(Uuid::from_u128(number)),
                security_group_id: SecurityGroupId::from(id(2, group)),
                direction: if ingress { Direction::Ingress } else { Direction::Egress },
                ip_version: if is_v4 { IpVersion::V4 } else { IpVersion::V6 },
                protocol,
                port_range_min,
                port_range_max,
                remote,
            }
        },
    )
}

/// A cloud with a few ports, groups, rules and pairs, some of them nonsense.
pub(crate) fn facts() -> impl Strategy<Value = Facts> {
    let pairs = prop::collection::vec((prefix(), 0..8_u8), 0..4);
    let port = (prop::collection::btree_set(0..4_u8, 0..3), pairs, 0..12_u8);
    let addresses = prop::collection::vec(prop::collection::btree_set(prefix(), 0..4), 2);
    let all = (prop::collection::vec(rule(2), 0..24), prop::collection::vec(port, 1..5), addresses);
    all.prop_map(|(rules, ports, addresses)| {
        let (mut facts, groups) = cloud(4);
        for (index, addresses) in addresses.into_iter().enumerate() {
            add_addresses(&mut facts, u8::try_from(index).unwrap_or(0), addresses);
        }
        for rule in rules {
            add_rule(&mut facts, rule);
        }
        for (index, (own, pairs, kind)) in ports.into_iter().enumerate() {
            let own: Vec<SecurityGroupId> = own.into_iter().map(|group| groups[usize::from(group)]).collect();
            let id = add_port(&mut facts, u8::try_from(index).unwrap_or(0), &own);
            let Some(port) = facts.ports.get_mut(&id).map(Arc::make_mut) else { continue };
            port.allowed_address_pairs =
                pairs.into_iter().map(|(ip, last)| AddressPair { ip, mac: mac(last) }).collect();
            match kind {
                0 => port.port_security_enabled = false,
                1 => port.device_owner = "network:dhcp".to_owned(),
                2 => port.fixed_ips.clear(),
                _ => {}
            }
        }
        facts
    })
}

/// A packet that such rules may be about.
pub(crate) fn packet() -> impl Strategy<Value = Packet> {
    (ip(), ip(), protocol(), number(), number()).prop_map(|(source, other, protocol, a, b)| {
        // Both ends of one version.
        let destination = if source.is_ipv4() == other.is_ipv4() { other } else { source };
        let ports = has_ports(protocol).then_some((a, b));
        let packet = Packet {
            source,
            destination,
            protocol,
            source_port: ports.map(|(a, _)| a),
            destination_port: ports.map(|(_, b)| b),
            icmp: None,
        };
        // ICMPv6 in IPv4 has no types: trackers take some of them for broken, no rule names them.
        let icmp =
            (protocol == packet.icmp_protocol()).then_some((a.to_be_bytes()[1], b.to_be_bytes()[1] % 3));
        Packet { icmp, ..packet }
    })
}
