//! Show a of many hosts: every type of network, the same host and another, both IP versions.

use std::net::IpAddr;

use isospin_feed::facts::Segment;
use isospin_testkit::lab::{Guest, Underlay, ends};

use crate::cloud::{Cloud, Node, PHYSICAL, addresses};

/// Type, segment and the largest packet.
fn segments() -> Vec<(&'static str, Segment, u32)> {
    let physical_network = PHYSICAL.to_owned();
    vec![
        ("local", Segment::Local, 1500),
        ("flat", Segment::Flat { physical_network: physical_network.clone() }, 1500),
        ("vlan", Segment::Vlan { physical_network, vlan: 101 }, 1500),
        ("gre", Segment::Gre { key: 77 }, 1458),
        ("vxlan", Segment::Vxlan { vni: 78 }, 1450),
        ("geneve", Segment::Geneve { vni: 79 }, 1442),
    ]
}

struct Case {
    kind: &'static str,
    net: u8,
    /// Two on the first host, one on the second.
    guests: [Guest; 3],
}

pub async fn run() {
    let underlay = Underlay::new();
    let mut nodes = [Node::start(&underlay, 1), Node::start(&underlay, 2)];
    let mut cloud = Cloud::default();
    let group = cloud.group();
    let mut cases = Vec::new();
    for (net, (kind, segment, mtu)) in (1..).zip(segments()) {
        let network = cloud.network(segment, mtu);
        let ports = [(0, 1), (0, 2), (1, 3)].map(|(node, host): (usize, u8)| {
            (node, cloud.port(&nodes[node], network, addresses(net, host), group))
        });
        let guests = ports.map(|(node, port)| nodes[node].plug(&cloud, port));
        cases.push(Case { kind, net, guests });
    }
    for node in &mut nodes {
        node.settle(&cloud).await;
    }
    // The first node's tunnels know the second's port since it was told of it.
    let mut heard = Vec::new();
    for case in &cases {
        for guest in &case.guests {
            heard.push((case, guest.namespace.capture().await));
        }
    }
    let mut underlay_hears = underlay.namespace.capture().await;
    cases.iter().for_each(reaches);
    for (case, capture) in &mut heard {
        let frames = capture.frames();
        assert!(!frames.is_empty(), "{}: nothing is heard at all", case.kind);
        let foreign: Vec<_> =
            frames.iter().filter(|frame| ends(frame).iter().any(|ip| !is_of(case.net, *ip))).collect();
        assert!(foreign.is_empty(), "{}: frames of other networks: {foreign:02x?}", case.kind);
    }
    // Known receivers are asked for on this host: no ARP inside a tunnel.
    let in_tunnels = underlay_hears.frames();
    let asks = |frame: &Vec<u8>| frame.get(34..).is_some_and(|inner| inner.windows(14).any(is_inner_arp));
    let asked: Vec<_> = in_tunnels.iter().filter(|frame| is_of_hosts(frame) && asks(frame)).collect();
    assert!(asked.is_empty(), "{asked:02x?}");
    for node in &mut nodes {
        assert_eq!(node.pass(&cloud).await.changes, 0, "a healthy host is left alone");
        node.restart_agent();
        assert_eq!(node.pass(&cloud).await.changes, 0, "also by an agent that knows nothing");
    }
}

/// Whether the address is one of this network, or of no network.
fn is_of(net: u8, ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !matches!(ip.octets(), [10, 1, of, _] if of != net),
        IpAddr::V6(ip) => {
            !matches!(ip.segments(), [0xfd00, of, ..] if of != u16::from_str_radix(&net.to_string(), 16).unwrap_or(0))
        }
    }
}

/// Between two hosts.
fn is_of_hosts(frame: &[u8]) -> bool {
    let ends = ends(frame);
    frame.get(12..14) == Some(&[8, 0])
        && ends.iter().all(|ip| matches!(ip, IpAddr::V4(ip) if ip.octets()[..2] == [10, 99]))
}

/// A broadcast Ethernet header of ARP, from one of our MACs.
fn is_inner_arp(header: &[u8]) -> bool {
    header.starts_with(&[0xff; 6])
        && header.get(6..9) == Some(&[0xfa, 0x16, 0x3e])
        && header.ends_with(&[8, 6])
}

fn reaches(case: &Case) {
    let [first, _, _] = &case.guests;
    for (family, what) in [(0, "IPv4"), (1, "IPv6")] {
        let ip = |host: u8| -> IpAddr { addresses(case.net, host)[family] };
        assert!(first.reaches(ip(2)), "{} on the same host, {what}", case.kind);
        if case.kind == "local" {
            assert!(first.misses(ip(3)), "a local network ends at its host, {what}");
        } else {
            assert!(first.reaches(ip(3)), "{} to another host, {what}", case.kind);
        }
    }
}
