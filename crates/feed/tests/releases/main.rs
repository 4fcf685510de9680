//! Agents and servers of two releases side by side. Beside this file are, for each release,
//! its protocol and what one of its servers told a host, as it was on the wire.
//!
//! With a release: copy `proto/feed.proto` here under its name, and run this with
//! `ISOSPIN_WRITE_RELEASE=<name>`.
#![expect(clippy::expect_used, reason = "what does not hold fails the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use isospin_feed::proto::from_server::Message;
use isospin_feed::proto::record::Fact;
use isospin_feed::proto::{
    AddressGroup, Change, DhcpService, FixedIp, FloatingIp, FromServer, Key, Kind, Network, Port, Qos, Rate,
    Record, Router, SecurityGroup, SecurityGroupMember, SecurityGroupRule, Segment, SnapshotBegin,
    SnapshotEnd, Subnet, Welcome,
};
use isospin_feed::replica::{Intake, Replica, Step};
use prost::Message as _;

const RELEASES: &[&str] = &["0.1"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/releases")
}

fn id(number: u32) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}

/// One of each kind.
fn facts() -> Vec<Fact> {
    let segment =
        Segment { id: id(10), network_type: "vxlan".into(), segmentation_id: 7, ..Segment::default() };
    let limit = Qos { egress_kbps: Some(Rate { rate: 1000, burst: 800 }), dscp: Some(10), ..Qos::default() };
    vec![
        Fact::Network(Network {
            id: id(1),
            network_type: "vxlan".into(),
            segmentation_id: 7,
            mtu: 1450,
            admin_state_up: true,
            tunnel_peers: vec!["192.0.2.2".into()],
            segments: vec![segment],
            ..Network::default()
        }),
        Fact::Subnet(Subnet {
            id: id(2),
            network_id: id(1),
            ip_version: 4,
            cidr: "10.0.0.0/24".into(),
            gateway_ip: "10.0.0.1".into(),
            enable_dhcp: true,
            ..Subnet::default()
        }),
        Fact::Port(Port {
            id: id(3),
            network_id: id(1),
            mac_address: "fa:16:3e:00:00:01".into(),
            fixed_ips: vec![FixedIp { subnet_id: id(2), ip_address: "10.0.0.5".into() }],
            device_owner: "compute:nova".into(),
            admin_state_up: true,
            port_security_enabled: true,
            security_group_ids: vec![id(4)],
            host: "h1".into(),
            hostname: "host-10-0-0-5".into(),
            segment_id: id(10),
            qos: Some(limit),
            ..Port::default()
        }),
        Fact::SecurityGroup(SecurityGroup { id: id(4), stateful: true }),
        Fact::SecurityGroupRule(SecurityGroupRule {
            id: id(5),
            security_group_id: id(4),
            ingress: true,
            ip_version: 4,
            protocol: Some(6),
            port_range_min: Some(22),
            port_range_max: Some(22),
            remote_group_id: id(4),
            ..SecurityGroupRule::default()
        }),
        Fact::SecurityGroupMember(SecurityGroupMember {
            id: format!("{}/{}", id(4), id(3)),
            security_group_id: id(4),
            port_id: id(3),
            addresses: vec!["10.0.0.5".into()],
        }),
        Fact::Router(Router {
            id: id(6),
            admin_state_up: true,
            interface_port_ids: vec![id(3)],
            ..Router::default()
        }),
        Fact::FloatingIp(FloatingIp {
            id: id(7),
            router_id: id(6),
            floating_ip_address: "203.0.113.5".into(),
            fixed_ip_address: "10.0.0.5".into(),
            floating_network_id: id(8),
            port_id: id(3),
            ..FloatingIp::default()
        }),
        Fact::DhcpService(DhcpService { id: id(1), network_id: id(1), port_id: id(3) }),
        Fact::AddressGroup(AddressGroup { id: id(9), addresses: vec!["192.0.2.0/24".into()] }),
    ]
}

/// A whole session: everything, then a port that is renamed and an address group that goes.
fn session() -> Vec<Message> {
    let record = |fact: Fact| Record { fact: Some(fact) };
    let items: Vec<Message> = facts().into_iter().map(|fact| Message::Item(record(fact))).collect();
    let end = SnapshotEnd { version: 5, items: items.len() as u64 };
    let port = facts().into_iter().find_map(|fact| match fact {
        Fact::Port(port) => Some(Port { name: "renamed".into(), ..port }),
        _ => None,
    });
    let change = Change {
        version: 6,
        set: port.map(|port| record(Fact::Port(port))).into_iter().collect(),
        removed: vec![Key { kind: Kind::AddressGroup as i32, id: id(9) }],
        request_ids: vec!["req-1".into()],
        timing: None,
    };
    let mut session = vec![Message::Welcome(Welcome { feed_version: 1, heartbeat_interval: 30 })];
    session.push(Message::Begin(SnapshotBegin { version: 5 }));
    session.extend(items);
    session.extend([Message::End(end), Message::Change(change)]);
    session
}

/// What an agent holds after messages as they come from the wire.
fn heard(wire: &[Vec<u8>]) -> Replica {
    let (mut intake, mut replica) = (Intake::default(), Replica::empty());
    for bytes in wire {
        let message = FromServer::decode(bytes.as_slice()).expect("a message").message;
        // As the client does with what a newer server says.
        let Some(message) = message else { continue };
        match intake.take(message).expect("in order") {
            None | Some(Step::Welcome(_)) => {}
            Some(Step::Snapshot(snapshot)) => replica.adopt(snapshot),
            Some(Step::Change(change)) => {
                replica.apply(&change).expect("newer");
            }
        }
    }
    replica
}

fn encoded() -> Vec<Vec<u8>> {
    session().into_iter().map(|message| FromServer { message: Some(message) }.encode_to_vec()).collect()
}

#[test]
fn what_a_server_of_each_release_says_is_understood() {
    if let Ok(release) = std::env::var("ISOSPIN_WRITE_RELEASE") {
        let framed: Vec<u8> = session()
            .into_iter()
            .flat_map(|message| FromServer { message: Some(message) }.encode_length_delimited_to_vec())
            .collect();
        std::fs::write(folder().join(format!("{release}.bin")), framed).expect("written");
    }
    let today = heard(&encoded());
    for release in RELEASES {
        let framed = std::fs::read(folder().join(format!("{release}.bin"))).expect("what it said");
        let mut rest = framed.as_slice();
        let mut wire = Vec::new();
        while !rest.is_empty() {
            let message = FromServer::decode_length_delimited(&mut rest).expect("a message");
            wire.push(message.encode_to_vec());
        }
        let replica = heard(&wire);
        assert_eq!(replica.version(), 6, "{release}");
        assert_eq!(replica.set_aside().len(), 0, "{release}: {:?}", replica.set_aside());
        assert_eq!(replica.facts(), today.facts(), "{release}");
        assert_eq!(replica.facts().len(), facts().len() - 1, "{release}: one was removed");
    }
}

#[test]
fn what_a_newer_server_adds_is_set_aside_and_the_rest_is_taken() {
    // Field 900 with a text, which nobody knows.
    const ADDED: &[u8] = &[0xa2, 0x38, 3, b'n', b'e', b'w'];
    let wire = |message: Message| FromServer { message: Some(message) }.encode_to_vec();
    let mut newer: Vec<Vec<u8>> = Vec::new();
    for message in session() {
        match message {
            Message::Item(Record { fact: Some(Fact::Port(port)) }) => {
                // The unknown field is inside the port: 3 is its number in a record, 2 the item's.
                let inside = [port.encode_to_vec(), ADDED.to_vec()].concat();
                newer.push(framed(2, &framed(3, &inside)));
            }
            Message::End(end) => {
                // A kind of fact nobody knows, as one more item.
                newer.push(framed(2, ADDED));
                newer.push(wire(Message::End(SnapshotEnd { items: end.items + 1, ..end })));
            }
            other => newer.push([wire(other), ADDED.to_vec()].concat()),
        }
        // A kind of message nobody knows.
        newer.push(ADDED.to_vec());
    }
    let replica = heard(&newer);
    assert_eq!(replica.facts(), heard(&encoded()).facts());
    assert_eq!(replica.set_aside().len(), 1, "{:?}", replica.set_aside());
}

/// A field with a message in it.
fn framed(number: u8, inside: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = inside.len();
    while length > 0x7f {
        bytes.push(length as u8 & 0x7f | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(inside);
    bytes
}

/// Every field of every message, and every value of every enum, of a protocol.
fn numbers(proto: &str, folder: &Path) -> BTreeMap<String, String> {
    let files = protox::compile([proto], [folder]).expect("a protocol");
    let mut numbers = BTreeMap::new();
    for file in &files.file {
        for message in &file.message_type {
            for field in &message.field {
                let key = format!("{}.{}", message.name(), field.name());
                let value = (field.number(), field.label(), field.r#type(), field.type_name());
                numbers.insert(key, format!("{value:?}"));
            }
            for inner in message.enum_type.iter().flat_map(|inner| &inner.value) {
                numbers.insert(format!("{}.{}", message.name(), inner.name()), inner.number().to_string());
            }
        }
        for value in file.enum_type.iter().flat_map(|values| &values.value) {
            numbers.insert(value.name().to_owned(), value.number().to_string());
        }
    }
    numbers
}

#[test]
fn fields_are_only_ever_added() {
    let today = numbers("feed.proto", &Path::new(env!("CARGO_MANIFEST_DIR")).join("proto"));
    for release in RELEASES {
        let before = numbers(&format!("{release}.proto"), &folder());
        assert!(before.len() > 100, "{release}");
        for (field, number) in before {
            assert_eq!(today.get(&field), Some(&number), "{field} of release {release}");
        }
    }
}
