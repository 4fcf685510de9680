//! Somebody empties the rules of the host: nothing opens (N14).

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use isospin_feed::facts::{Direction, FactKey, Facts, IpVersion, Segment};
use isospin_host_io::raw::FrameSender;
use isospin_host_io::{LinkChange, Links, VethSpec};
use isospin_types::{MacAddr, PortId};

use super::facts::{change, config, group, network, port, rule};
use super::frames::{Tap, arp, marker_from, udp4, with_type};
use super::lab::{Backend, Guest, Lab, Temporary};
use crate::config::PhysicalNetwork;

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const C: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
const OTHER_MAC: MacAddr = MacAddr::new([0xfa, 0x16, 0x3e, 0xff, 0xff, 0xfe]);
const ROUTER_MAC: MacAddr = MacAddr::new([0xfa, 0x16, 0x3e, 0xff, 0xff, 0x09]);
/// Group address of frames a bridge takes for itself (IEEE 802.1Q, 8.6.3).
const LINK_LOCAL: MacAddr = MacAddr::new([0x01, 0x80, 0xc2, 0, 0, 0x0e]);
/// UDP port of the host that listens, and one that ends a round.
const LISTENING: u16 = 7777;

/// A and B are filtered, C is not; the host and the world outside are on their bridge.
struct Bridge {
    lab: Lab,
    ports: [PortId; 3],
    guests: [Guest; 3],
    outside: Guest,
    listener: UdpSocket,
    macs: [MacAddr; 3],
    host_mac: MacAddr,
}

impl Bridge {
    async fn new() -> Self {
        let mut config = config();
        let physical = PhysicalNetwork {
            bridge: "br-ex".to_owned(),
            interface: Some("eth9".to_owned()),
            addresses: vec![format!("{HOST}/24").parse().expect("net")],
            masquerade: false,
        };
        config.physical_networks.insert("external".to_owned(), physical);
        let mut facts = Facts::default();
        let net = network(&mut facts, Segment::Flat { physical_network: "external".to_owned() });
        let open = group(&mut facts);
        for direction in [Direction::Ingress, Direction::Egress] {
            for ip_version in [IpVersion::V4, IpVersion::V6] {
                rule(&mut facts, open, |rule| (rule.direction, rule.ip_version) = (direction, ip_version));
            }
        }
        let ports = [A, B, C].map(|ip| port(&mut facts, net, &[&ip.to_string()], &[open]));
        change(&mut facts, ports[2], |port| port.port_security_enabled = false);
        let macs = ports.map(|port| facts.ports[&port].mac);
        let mut lab = Lab::new(config, facts).await;
        let outside = uplink(&lab).await;
        let guests = lab.start(ports).await;
        for (guest, ip) in [(0, B), (0, C), (0, OUTSIDE), (0, HOST), (2, OUTSIDE)] {
            assert!(guests[guest].reaches(&ip.to_string()).await, "{ip}");
        }
        let listener = lab.host.0.run(|| UdpSocket::bind(("0.0.0.0", LISTENING))).await;
        let listener = listener.expect("run").expect("socket");
        listener.set_nonblocking(true).expect("nonblocking");
        let host_mac = lab.links.get("br-ex").await.expect("get").and_then(|link| link.mac).expect("mac");
        Self { lab, ports, guests, outside, listener, macs, host_mac }
    }

    /// What A may send, while nobody keeps rules, and what it may not at any time.
    fn sent_by_a(&self) -> Vec<Vec<u8>> {
        let ([a, b, c], host) = (self.macs, self.host_mac);
        let to = |mac, ip, text: &[u8]| udp4(a, mac, [A, ip], [1, LISTENING], text);
        let mut frames = vec![
            to(b, B, b"to b"),
            to(c, C, b"to c"),
            to(host, HOST, b"to the host"),
            to(MacAddr::BROADCAST, Ipv4Addr::BROADCAST, b"to all"),
            to(ROUTER_MAC, OUTSIDE, b"to the outside"),
            to(LINK_LOCAL, HOST, b"to the bridge itself"),
            udp4(OTHER_MAC, b, [A, B], [1, LISTENING], b"spoofed"),
            udp4(OTHER_MAC, c, [OUTSIDE, C], [1, LISTENING], b"spoofed too"),
            udp4(a, b, [A, B], [67, 68], b"offer"),
            arp(a, MacAddr::BROADCAST, 1, (a, A), B),
            arp(a, MacAddr::BROADCAST, 2, (a, OUTSIDE), OUTSIDE),
        ];
        frames.push(with_type(&frames[0], 0x88cc));
        frames
    }

    /// The others send too; what came of it all is looked at when rules are back, so that
    /// a marker can end the round: frames keep their order.
    async fn round(&mut self, breaking: &str, is_whole: bool) {
        let [a, b, c] = self.macs;
        let mut taps = Vec::new();
        for guest in [&self.guests[1], &self.guests[2], &self.outside] {
            taps.push(Tap::on(guest).await);
        }
        let mut a_hears = Tap::on(&self.guests[0]).await;
        let senders = [&self.guests[0], &self.guests[2], &self.outside];
        let mut open = Vec::new();
        for guest in senders {
            open.push(FrameSender::open(&guest.ns.place(), "eth0").await.expect("sender"));
        }
        self.lab.shell(breaking).await;
        let sent_by_a = self.sent_by_a();
        for frame in &sent_by_a {
            open[0].send(frame).expect("send");
        }
        let to_a = [
            udp4(c, a, [C, A], [1, LISTENING], b"from c"),
            udp4(c, b, [C, B], [1, LISTENING], b"from c"),
            arp(c, MacAddr::BROADCAST, 1, (c, C), A),
        ];
        let outwards = udp4(c, ROUTER_MAC, [C, OUTSIDE], [1, 9], b"c goes on");
        for frame in to_a.iter().chain([&outwards]) {
            open[1].send(frame).expect("send");
        }
        self.lab.shell(&format!("ping -c1 -W1 {A} || ping -c1 -W1 {B} || true")).await;

        assert!(self.lab.full_pass().await.changes > 0, "{breaking}: mended");
        assert_eq!(self.lab.full_pass().await.changes, 0, "{breaking}: and whole");
        let marker = marker_from(a);
        open[0].send(&marker).expect("send");
        for tap in &mut taps {
            tap.until(&marker).expect("the marker arrives");
        }
        for (index, frame) in sent_by_a.iter().enumerate() {
            assert!(!taps.iter().any(|tap| tap.saw(frame)), "{breaking}: frame {index} of A arrived");
        }
        assert!(taps[2].saw(&outwards), "{breaking}: who is not filtered goes on");
        if is_whole {
            assert!(!taps[0].saw(&to_a[1]), "{breaking}: B is shown nothing");
            let ends = udp4(c, a, [C, A], [1, LISTENING], b"end");
            open[1].send(&ends).expect("send");
            a_hears.until(&ends).expect("what is allowed arrives");
            assert!(!to_a.iter().any(|frame| a_hears.saw(frame)), "{breaking}: A is shown nothing");
        }
        let mut heard = [0; 64];
        assert!(self.listener.recv(&mut heard).is_err(), "{breaking}: the host heard {heard:?}");
        assert!(
            self.guests[0].reaches(&B.to_string()).await && self.guests[0].reaches(&HOST.to_string()).await
        );
    }
}

/// The NIC of the host, and who is behind it.
async fn uplink(lab: &Lab) -> Guest {
    let ns = Temporary::new("outside");
    let spec = VethSpec {
        name: "eth9".to_owned(),
        mac: None,
        mtu: None,
        alias: None,
        peer_name: "eth0".to_owned(),
        peer_mac: Some(ROUTER_MAC),
        peer_namespace: Some(ns.0.clone()),
    };
    lab.links.create_veth(&spec).await.expect("veth");
    let far = Links::open(&ns.place()).await.expect("links");
    far.set("eth0", &LinkChange { up: Some(true), ..LinkChange::default() }).await.expect("up");
    far.add_address("eth0", format!("{OUTSIDE}/24").parse().expect("net")).await.expect("address");
    Guest { ns }
}

#[tokio::test(flavor = "multi_thread")]
async fn n14_without_any_rules_nothing_passes_from_or_to_a_filtered_port() {
    if !super::can_run() {
        return;
    }
    let mut bridge = Bridge::new().await;
    bridge.round("nft flush ruleset", true).await;
    bridge.round("nft delete table bridge isospin_fw", false).await;
    bridge.round("nft flush table bridge isospin_fw; nft flush table inet isospin_fw", true).await;
    bridge.round("nft flush chain bridge isospin_fw prerouting", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn n14_the_barrier_is_put_up_again_follows_the_port_and_goes_with_it() {
    if !super::can_run() {
        return;
    }
    let mut bridge = Bridge::new().await;
    let [a, _, c] = bridge.ports;
    let (tap, open) = (bridge.lab.tap(a), bridge.lab.tap(c));
    let has = async |lab: &Lab, device: &str| {
        let links = &lab.links;
        let index = links.get(device).await.expect("get").expect("device").index;
        links.filters_of(index).await.expect("filters").map(|it| (it.ingress.is_some(), it.egress.is_some()))
    };
    assert_eq!(has(&bridge.lab, &tap).await, Some((true, true)));
    for device in [&open, "eth9"] {
        assert_eq!(has(&bridge.lab, device).await, Some((false, true)));
    }
    assert_eq!(has(&bridge.lab, "br-ex").await, Some((true, false)));

    bridge.lab.shell(&format!("tc qdisc del dev {tap} clsact")).await;
    bridge.lab.pass(&[], std::slice::from_ref(&tap)).await;
    bridge.round("nft flush ruleset", true).await;
    bridge.lab.shell("for block in 1 2 3; do tc filter del block $((0x15050000 + block)); done").await;
    assert_eq!(bridge.lab.full_pass().await.changes, 3);
    bridge.round("nft flush ruleset", true).await;

    // Filtered and not, by turns.
    change(&mut bridge.lab.facts, a, |port| port.port_security_enabled = false);
    bridge.lab.pass(&[FactKey::Port(a)], &[]).await;
    assert_eq!(has(&bridge.lab, &tap).await, Some((false, true)));
    assert!(bridge.guests[0].reaches(&B.to_string()).await);
    change(&mut bridge.lab.facts, a, |port| port.port_security_enabled = true);
    bridge.lab.pass(&[FactKey::Port(a)], &[]).await;
    bridge.round("nft flush ruleset", true).await;

    // Somebody else's filters stay, and the port works.
    bridge.lab.shell(&format!("tc qdisc del dev {tap} clsact; tc qdisc add dev {tap} ingress")).await;
    assert_eq!(bridge.lab.full_pass().await.changes, 0);
    assert_eq!(has(&bridge.lab, &tap).await, Some((false, false)));
    assert!(bridge.guests[0].reaches(&B.to_string()).await);
    bridge.lab.shell(&format!("tc qdisc del dev {tap} ingress")).await;
    assert_eq!(bridge.lab.full_pass().await.changes, 1);

    bridge.lab.facts.ports.remove(&a);
    bridge.lab.full_pass().await;
    assert_eq!(has(&bridge.lab, &tap).await, None, "it is its maker's again");
}

/// A userspace switch reads taps as the kernel does: what instances send to the host's own
/// addresses must not be heard, rules or none.
#[tokio::test(flavor = "multi_thread")]
async fn n14_a_host_with_a_userspace_switch_hears_no_instance_without_rules() {
    if !super::can_run() || !Backend::all().contains(&Backend::OpenVSwitch) {
        return;
    }
    let mut facts = Facts::default();
    let net = network(&mut facts, Segment::Local);
    let open = group(&mut facts);
    rule(&mut facts, open, |rule| rule.direction = Direction::Egress);
    let a = port(&mut facts, net, &["10.0.0.1"], &[open]);
    let mac = facts.ports[&a].mac;
    let mut lab = Lab::on(Backend::OpenVSwitch, config(), facts).await;
    let [guest] = lab.start([a]).await;
    lab.links.add_address("lo", format!("{HOST}/32").parse().expect("net")).await.expect("address");
    let listener = lab.host.0.run(|| UdpSocket::bind(("0.0.0.0", LISTENING))).await;
    let listener = listener.expect("run").expect("socket");
    listener.set_nonblocking(true).expect("nonblocking");
    let near = lab.links.get(&lab.tap(a)).await.expect("get").and_then(|link| link.mac).expect("mac");
    let sender = FrameSender::open(&guest.ns.place(), "eth0").await.expect("sender");
    let mut tap = Tap::on(&guest).await;
    let to_host = udp4(mac, near, [A, HOST], [1, LISTENING], b"to the host");
    let answer = [near.octets(), mac.octets()];
    let mut heard = [0; 64];
    for breaking in ["true", "nft flush ruleset"] {
        lab.shell(breaking).await;
        sender.send(&to_host).expect("send");
        sender.send(&arp(mac, MacAddr::BROADCAST, 1, (mac, A), HOST)).expect("send");
        // The kernel takes a frame while it is sent, so an answer is there when a second
        // sender has been heard.
        lab.full_pass().await;
        let outgoing = arp(mac, MacAddr::BROADCAST, 2, (mac, A), A);
        sender.send(&outgoing).expect("send");
        tap.until(&outgoing).expect("its own last frame");
        assert!(listener.recv(&mut heard).is_err(), "{breaking}: the host heard {heard:?}");
        assert!(!tap.saw(&[answer[1], answer[0]].concat()), "{breaking}: the host answered");
    }
    lab.shell(&format!("nft flush ruleset; tc qdisc del dev {} clsact", lab.tap(a))).await;
    listener.set_nonblocking(false).expect("blocking");
    listener.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
    sender.send(&to_host).expect("send");
    assert!(listener.recv(&mut heard).is_ok(), "with neither it would hear");
    assert_eq!(lab.full_pass().await.changes, 3, "rules, filters, and what the filters do");
}
