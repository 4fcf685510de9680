//! Crafted frames, injected by an instance: every firewall does with each what the
//! evaluator says, and what the evaluator cannot even read arrives nowhere.

mod claims;
mod control;
mod malformed;
mod traffic;

use std::net::{IpAddr, Ipv4Addr};

use isospin_feed::facts::{Direction, Facts, IpVersion, Port, Segment};
use isospin_host_io::raw::FrameSender;
use isospin_types::{MacAddr, SecurityGroupId};

use super::facts::{config, group, network, port, rule};
use super::frames::{Tap, marker, passes};
use super::lab::{Backend, Lab};
use crate::firewall::evaluator::{Evaluator, Frame, Packet, may_send};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const OTHER_MAC: MacAddr = MacAddr::new([0xfa, 0x16, 0x3e, 0xff, 0xff, 0xfe]);

/// What is sent, and what the evaluator should make of it.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    bytes: Vec<u8>,
    /// Ethernet address it is sent from.
    from: MacAddr,
    /// `None`: nothing that may pass at all.
    frame: Option<Frame>,
    /// What Open vSwitch takes it for, where that is something else.
    to_a_switch: Option<Frame>,
}

impl Case {
    fn new(name: impl Into<String>, from: MacAddr, bytes: Vec<u8>, frame: Frame) -> Self {
        Self { name: name.into(), bytes, from, frame: Some(frame), to_a_switch: None }
    }

    fn hopeless(name: impl Into<String>, from: MacAddr, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes, from, frame: None, to_a_switch: None }
    }

    /// Whether `receiver` gets it from `sender`.
    fn should_pass(
        &self,
        backend: Backend,
        evaluator: &Evaluator,
        (sender, receiver): (&Port, &Port),
    ) -> bool {
        let to_a_switch = self.to_a_switch.filter(|_| backend == Backend::OpenVSwitch);
        let Some(frame) = to_a_switch.or(self.frame) else { return false };
        let admits = |packet: &Packet| {
            evaluator.admits(sender, Direction::Egress, packet)
                && evaluator.admits(receiver, Direction::Ingress, packet)
        };
        may_send(sender, self.from, &frame)
            && match frame {
                Frame::Arp(_) => true,
                Frame::Ip(packet) | Frame::NeighbourDiscovery(packet, _) => admits(&packet),
                Frame::Other(_) => false,
            }
    }
}

/// Some of everything is allowed out, and all of it in.
fn rules(facts: &mut Facts) -> SecurityGroupId {
    let some = group(facts);
    for ip_version in [IpVersion::V4, IpVersion::V6] {
        rule(facts, some, |rule| (rule.direction, rule.ip_version) = (Direction::Ingress, ip_version));
        let mut out = |protocol: u8, ports: Option<(u16, u16)>| {
            rule(facts, some, |rule| {
                (rule.direction, rule.ip_version) = (Direction::Egress, ip_version);
                rule.protocol = Some(protocol);
                rule.port_range_min = ports.map(|ports| ports.0);
                rule.port_range_max = ports.map(|ports| ports.1);
            });
        };
        out(17, Some((1, 1023)));
        out(17, Some((4000, 4000)));
        out(6, Some((22, 80)));
        out(112, None);
        let (icmp, echo) = if ip_version == IpVersion::V4 { (1, 8) } else { (58, 128) };
        out(icmp, Some((echo, 0)));
    }
    some
}

/// Sends each case from one instance to another, on every firewall; says what differed.
async fn check(make: impl Fn(MacAddr, MacAddr) -> Vec<Case>, least: usize) {
    if !super::can_run() {
        return;
    }
    for backend in Backend::all() {
        let mut facts = Facts::default();
        let net = network(&mut facts, Segment::Local);
        let some = rules(&mut facts);
        let a = port(&mut facts, net, &["10.0.0.1", "fd00::1"], &[some]);
        let b = port(&mut facts, net, &["10.0.0.2", "fd00::2"], &[some]);
        let mut lab = Lab::on(backend, config(), facts).await;
        let guests = lab.start([a, b]).await;
        for ip in ["10.0.0.2", "fd00::2"] {
            assert!(guests[0].reaches(ip).await, "{backend:?}: {ip}");
        }
        let sender = FrameSender::open(&guests[0].ns.place(), "eth0").await.expect("sender");
        let mut tap = Tap::on(&guests[1]).await;
        let (sending, receiving) = (&lab.facts.ports[&a], &lab.facts.ports[&b]);
        let marker = marker(sending.mac, receiving.mac, [A, B]);
        let evaluator = Evaluator::new(&lab.facts);
        let cases = make(sending.mac, receiving.mac);
        assert!(cases.len() >= least, "{} cases only", cases.len());
        let (mut wrong, mut passed) = (Vec::new(), 0);
        for case in &cases {
            let should = case.should_pass(backend, &evaluator, (sending, receiving));
            let passes = passes(&sender, &mut tap, &marker, &case.bytes).await;
            passed += usize::from(passes);
            if passes != should {
                wrong.push(format!("{}: {}", case.name, if passes { "passes" } else { "is dropped" }));
            }
            // A tag may be taken off on arrival.
            if case.bytes.get(12..14) == Some(&[0x81, 0]) {
                let inner = [&case.bytes[..12], &case.bytes[16..]].concat();
                if tap.saw(&inner) {
                    wrong.push(format!("{}: its inside passes", case.name));
                }
            }
        }
        assert!(wrong.is_empty(), "{backend:?}: {} of {}: {wrong:#?}", wrong.len(), cases.len());
        println!("{backend:?}: {} frames, {passed} passed, as the evaluator says", cases.len());
    }
}

fn packet(ends: [IpAddr; 2], protocol: u8) -> Packet {
    let [source, destination] = ends;
    Packet { source, destination, protocol, source_port: None, destination_port: None, icmp: None }
}

fn with_ports(ends: [IpAddr; 2], protocol: u8, ports: [u16; 2]) -> Packet {
    Packet { source_port: Some(ports[0]), destination_port: Some(ports[1]), ..packet(ends, protocol) }
}

fn with_icmp(ends: [IpAddr; 2], kind: u8) -> Packet {
    let protocol = if ends[0].is_ipv4() { 1 } else { 58 };
    Packet { icmp: Some((kind, 0)), ..packet(ends, protocol) }
}

/// An IP packet with this payload after its header.
fn ip(from: MacAddr, to: MacAddr, ends: [IpAddr; 2], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = [to.octets(), from.octets()].concat();
    match ends {
        [IpAddr::V4(source), IpAddr::V4(destination)] => {
            let length = u16::try_from(20 + payload.len()).expect("short").to_be_bytes();
            let mut header = vec![0x45, 0, length[0], length[1], 0, 7, 0, 0, 64, protocol, 0, 0];
            header.extend(source.octets().iter().chain(&destination.octets()));
            let sum = checksum(&header).to_be_bytes();
            header[10..12].copy_from_slice(&sum);
            frame.extend([8, 0].iter().chain(&header));
        }
        [IpAddr::V6(source), IpAddr::V6(destination)] => {
            let length = u16::try_from(payload.len()).expect("short").to_be_bytes();
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, length[0], length[1], protocol, 255]);
            frame.extend(source.octets().iter().chain(&destination.octets()));
        }
        _ => panic!("two versions"),
    }
    frame.extend(payload);
    frame
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn v6(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Both versions of the addresses of A and B.
fn families() -> [[IpAddr; 2]; 2] {
    [[A.into(), B.into()], [v6("fd00::1"), v6("fd00::2")]]
}
