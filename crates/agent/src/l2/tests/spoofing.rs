//! What a guest must not be able to send (N13, N16, N19, N20).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use isospin_feed::facts::{Direction, FactKey, Facts, IpVersion, Segment};
use isospin_host_io::raw::FrameSender;
use isospin_types::{MacAddr, PortId, SecurityGroupId};

use super::facts::{change, config, group, network, pair, port, rule};
use super::frames::{Tap, advert, arp, icmp6, marker, marker_from, passes, tagged, udp4, udp6, with_type};
use super::lab::{Backend, Guest, Lab};

const OTHER_MAC: MacAddr = MacAddr::new([0xfa, 0x16, 0x3e, 0xff, 0xff, 0xfe]);
const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// Everything allowed, so that only the sender checks are in the way.
fn open_group(facts: &mut Facts) -> SecurityGroupId {
    let open = group(facts);
    for direction in [Direction::Ingress, Direction::Egress] {
        for ip_version in [IpVersion::V4, IpVersion::V6] {
            rule(facts, open, |rule| (rule.direction, rule.ip_version) = (direction, ip_version));
        }
    }
    open
}

/// A sends to B.
struct Pair {
    lab: Lab,
    guests: [Guest; 2],
    ports: [PortId; 2],
    sender: FrameSender,
    tap: Tap,
    macs: [MacAddr; 2],
}

impl Pair {
    async fn on(backend: Backend) -> Self {
        let mut facts = Facts::default();
        let net = network(&mut facts, Segment::Local);
        let open = open_group(&mut facts);
        let a = port(&mut facts, net, &["10.0.0.1", "fd00::1"], &[open]);
        let b = port(&mut facts, net, &["10.0.0.2", "fd00::2"], &[open]);
        let macs = [facts.ports[&a].mac, facts.ports[&b].mac];
        let mut lab = Lab::on(backend, config(), facts).await;
        let guests = lab.start([a, b]).await;
        assert!(guests[0].reaches("10.0.0.2").await && guests[0].reaches("fd00::2").await);
        let sender = FrameSender::open(&guests[0].ns.place(), "eth0").await.expect("sender");
        let tap = Tap::on(&guests[1]).await;
        Self { lab, guests, ports: [a, b], sender, tap, macs }
    }

    async fn passes(&mut self, frame: &[u8]) -> bool {
        let marker = marker(self.macs[0], self.macs[1], [A, B]);
        passes(&self.sender, &mut self.tap, &marker, frame).await
    }
}

fn ip6(text: &str) -> Ipv6Addr {
    text.parse().expect("ip")
}

#[tokio::test(flavor = "multi_thread")]
async fn n20_spoofed_mac_ip_and_arp_do_not_pass() {
    if !super::can_run() {
        return;
    }
    for backend in Backend::all() {
        spoofed_mac_ip_and_arp_do_not_pass(backend).await;
    }
}

async fn spoofed_mac_ip_and_arp_do_not_pass(backend: Backend) {
    let mut pair = Pair::on(backend).await;
    let [a, b] = pair.macs;
    let all = MacAddr::BROADCAST;
    let good = [
        udp4(a, b, [A, B], [1, 2], b"own"),
        arp(a, all, 1, (a, A), B),
        arp(a, b, 2, (a, A), B),
        arp(a, all, 1, (a, Ipv4Addr::UNSPECIFIED), A),
        udp6(a, b, [ip6("fd00::1"), ip6("fd00::2")], [1, 2], b"own"),
        udp4(a, all, [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST], [68, 67], b"discover"),
    ];
    for (index, frame) in good.iter().enumerate() {
        assert!(pair.passes(frame).await, "good frame {index} passes");
    }
    let stranger = Ipv4Addr::new(10, 0, 0, 9);
    let bad = [
        udp4(OTHER_MAC, b, [A, B], [1, 2], b"mac"),
        udp4(a, b, [stranger, B], [1, 2], b"ip"),
        udp4(a, b, [B, B], [1, 2], b"land"),
        udp6(a, b, [ip6("fd00::9"), ip6("fd00::2")], [1, 2], b"ip6"),
        arp(a, all, 1, (a, stranger), B),
        arp(a, b, 2, (a, B), B),
        arp(a, b, 2, (OTHER_MAC, A), B),
        arp(OTHER_MAC, b, 2, (a, A), B),
        arp(a, b, 2, (a, Ipv4Addr::UNSPECIFIED), B),
        with_type(&udp4(a, b, [A, B], [1, 2], b"ethertype"), 0x88cc),
        with_type(&udp4(a, b, [A, B], [1, 2], b"pppoe"), 0x8864),
    ];
    for (index, frame) in bad.iter().enumerate() {
        assert!(!pair.passes(frame).await, "bad frame {index} does not pass");
    }
    // A tag is taken off on arrival: it must not arrive without it either.
    let inner = udp4(a, b, [A, B], [1, 2], b"tagged frame");
    let marker = marker(a, b, [A, B]);
    pair.sender.send(&tagged(&inner, 7)).expect("send");
    let other = udp4(a, b, [A, B], [9, 9], b"another");
    assert!(passes(&pair.sender, &mut pair.tap, &marker, &other).await);
    assert!(!pair.tap.saw(&inner), "the inner frame of a tagged one");
}

#[tokio::test(flavor = "multi_thread")]
async fn n13_guests_are_no_dhcp_servers_and_no_routers() {
    if !super::can_run() {
        return;
    }
    for backend in Backend::all() {
        guests_are_no_dhcp_servers_and_no_routers(backend).await;
    }
}

async fn guests_are_no_dhcp_servers_and_no_routers(backend: Backend) {
    let mut pair = Pair::on(backend).await;
    let [a, b] = pair.macs;
    let [link_a, all_nodes] = [a.link_local(), ip6("ff02::1")];
    let multicast = MacAddr::new([0x33, 0x33, 0, 0, 0, 1]);
    let advertisement =
        icmp6(a, multicast, [link_a, all_nodes], 134, &[64, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0]);
    let bad = [
        udp4(a, b, [A, B], [67, 68], b"offer"),
        udp4(a, MacAddr::BROADCAST, [A, Ipv4Addr::BROADCAST], [67, 68], b"offer to all"),
        udp6(a, b, [link_a, b.link_local()], [547, 546], b"advertise"),
        advertisement.clone(),
        icmp6(a, b, [link_a, b.link_local()], 137, &[0; 36]),
    ];
    for (index, frame) in bad.iter().enumerate() {
        assert!(!pair.passes(frame).await, "bad frame {index} does not pass");
    }
    // The same from a port the cloud trusts: N12, trust comes from the facts alone.
    let id = pair.ports[0];
    change(&mut pair.lab.facts, id, |port| port.device_owner = "network:router_interface".to_owned());
    pair.lab.pass(&[FactKey::Port(id)], &[]).await;
    assert!(pair.passes(&advertisement).await, "a router may");
    assert!(pair.passes(&bad[0]).await, "and a DHCP server");
    change(&mut pair.lab.facts, id, |port| port.device_owner = "compute:nova".to_owned());
    pair.lab.pass(&[FactKey::Port(id)], &[]).await;
    assert!(!pair.passes(&advertisement).await, "not trusted any more");
    let _ = &pair.guests;
}

#[tokio::test(flavor = "multi_thread")]
async fn n19_neighbour_advertisements_of_others_do_not_pass() {
    if !super::can_run() {
        return;
    }
    for backend in Backend::all() {
        neighbour_advertisements_of_others_do_not_pass(backend).await;
    }
}

async fn neighbour_advertisements_of_others_do_not_pass(backend: Backend) {
    let mut pair = Pair::on(backend).await;
    let [a, b] = pair.macs;
    let ips = [ip6("fd00::1"), ip6("fd00::2")];
    assert!(pair.passes(&advert(a, b, ips, ip6("fd00::1"), a)).await, "its own");
    assert!(pair.passes(&advert(a, b, ips, a.link_local(), a)).await, "its own link-local one");
    let solicitation = |lladdr: MacAddr| {
        let mut body = vec![0; 4];
        body.extend(ip6("fd00::2").octets());
        body.extend([1, 1]);
        body.extend(lladdr.octets());
        icmp6(a, b, ips, 135, &body)
    };
    assert!(pair.passes(&solicitation(a)).await, "a solicitation with its own address");
    let mut two_options = vec![0x60, 0, 0, 0];
    two_options.extend(ip6("fd00::1").octets());
    two_options.extend([14, 1, 0, 0, 0, 0, 0, 0, 2, 1]);
    two_options.extend(OTHER_MAC.octets());
    let bad = [
        advert(a, b, ips, ip6("fd00::9"), a),
        advert(a, b, ips, ip6("fd00::1"), OTHER_MAC),
        solicitation(OTHER_MAC),
        icmp6(a, b, ips, 136, &two_options),
    ];
    for (index, frame) in bad.iter().enumerate() {
        assert!(!pair.passes(frame).await, "bad frame {index} does not pass");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n07_n11_address_pairs_of_any_size_are_allowed() {
    if !super::can_run() {
        return;
    }
    for backend in Backend::all() {
        address_pairs_of_any_size_are_allowed(backend).await;
    }
}

async fn address_pairs_of_any_size_are_allowed(backend: Backend) {
    let mut pair_lab = Pair::on(backend).await;
    let [a, b] = pair_lab.macs;
    let id = pair_lab.ports[0];
    let stranger = udp4(a, b, [Ipv4Addr::new(192, 168, 7, 7), B], [1, 2], b"pair");
    let other_mac = udp4(OTHER_MAC, b, [Ipv4Addr::new(10, 9, 9, 9), B], [1, 2], b"pair");
    let stranger6 = udp6(a, b, [ip6("2001:db8::7"), ip6("fd00::2")], [1, 2], b"pair");
    for frame in [&stranger, &other_mac, &stranger6] {
        assert!(!pair_lab.passes(frame).await);
    }
    change(&mut pair_lab.lab.facts, id, |port| {
        port.allowed_address_pairs = vec![
            pair("0.0.0.0/0", a),
            pair("192.168.0.0/16", a),
            pair("::/0", a),
            pair("10.9.9.9", OTHER_MAC),
        ];
    });
    let report = pair_lab.lab.pass(&[FactKey::Port(id)], &[]).await;
    assert!(!report.retry, "{report:?}");
    for (index, frame) in [&stranger, &other_mac, &stranger6].into_iter().enumerate() {
        assert!(pair_lab.passes(frame).await, "frame {index}");
    }
    let wrong = udp4(OTHER_MAC, b, [A, B], [1, 2], b"a pair is a pair");
    assert!(!pair_lab.passes(&wrong).await);
    assert_eq!(pair_lab.lab.full_pass().await.changes, 0, "the kernel shows what was written");
    if backend == Backend::OpenVSwitch {
        return;
    }
    // N07: however many pairs, the rules are the same.
    let rules = pair_lab.lab.shell("nft list table bridge isospin_fw | grep -c comment").await;
    change(&mut pair_lab.lab.facts, id, |port| {
        port.allowed_address_pairs = (0..2000_u32)
            .map(|i| pair(&IpAddr::from(Ipv4Addr::from(0xac10_0000 + i)).to_string(), a))
            .collect();
    });
    assert!(!pair_lab.lab.pass(&[FactKey::Port(id)], &[]).await.retry);
    assert_eq!(pair_lab.lab.shell("nft list table bridge isospin_fw | grep -c comment").await, rules);
    assert!(pair_lab.passes(&udp4(a, b, [Ipv4Addr::new(172, 16, 7, 7), B], [1, 2], b"many")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn n15_a_port_without_addresses_sends_nothing_but_dhcp() {
    if !super::can_run() {
        return;
    }
    for backend in Backend::all() {
        a_port_without_addresses_sends_nothing_but_dhcp(backend).await;
    }
}

async fn a_port_without_addresses_sends_nothing_but_dhcp(backend: Backend) {
    let mut pair = Pair::on(backend).await;
    let [a, b] = pair.macs;
    let id = pair.ports[0];
    let discover = udp4(a, MacAddr::BROADCAST, [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST], [68, 67], b"x");
    change(&mut pair.lab.facts, id, |port| port.fixed_ips.clear());
    pair.lab.pass(&[FactKey::Port(id)], &[]).await;
    for frame in [udp4(a, b, [A, B], [1, 2], b"late"), arp(a, b, 2, (a, A), B)] {
        assert!(!passes(&pair.sender, &mut pair.tap, &marker_from(a), &frame).await);
    }
    assert!(passes(&pair.sender, &mut pair.tap, &marker_from(a), &discover).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn n16_unicast_for_others_is_not_shown_to_a_port() {
    if !super::can_run() {
        return;
    }
    for backend in Backend::all() {
        unicast_for_others_is_not_shown_to_a_port(backend).await;
    }
}

async fn unicast_for_others_is_not_shown_to_a_port(backend: Backend) {
    let mut pair = Pair::on(backend).await;
    let [a, _] = pair.macs;
    // Nobody has this MAC, so the bridge floods the frame.
    let flooded = udp4(a, OTHER_MAC, [A, B], [1, 2], b"for somebody else");
    assert!(!pair.passes(&flooded).await);
}
