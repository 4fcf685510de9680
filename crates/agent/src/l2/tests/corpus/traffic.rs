//! Packets groups decide about: ports, protocols, types of ICMP, and what belongs to no
//! connection.

use std::net::IpAddr;

use isospin_types::MacAddr;

use super::super::frames::{udp4, udp6};
use super::{Case, check, checksum, families, ip, packet, with_icmp, with_ports};
use crate::firewall::evaluator::Frame;

const SYN: u8 = 0x02;

/// A TCP segment of these flags, with a right checksum.
fn tcp(from: MacAddr, to: MacAddr, ends: [IpAddr; 2], ports: [u16; 2], flags: u8) -> Vec<u8> {
    let mut segment: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 16, 0, 0, 0, 0, 0]);
    let sum = checksum(&[pseudo(ends, 6, segment.len()), segment.clone()].concat()).to_be_bytes();
    segment[16..18].copy_from_slice(&sum);
    ip(from, to, ends, 6, &segment)
}

/// What a checksum of a transport covers besides it.
fn pseudo(ends: [IpAddr; 2], protocol: u8, length: usize) -> Vec<u8> {
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut all = ends.into_iter().flat_map(octets).collect::<Vec<u8>>();
    all.extend([0, protocol, 0, u8::try_from(length).expect("short")]);
    all
}

fn ports(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut source = 20_000;
    for ends in families() {
        for port in [1, 21, 22, 53, 80, 81, 443, 1023, 1024, 3784, 3785, 4784, 4789, 6081, 6784, 65_535] {
            source += 1;
            let between = [source, port];
            let bytes = match ends {
                [IpAddr::V4(from), IpAddr::V4(to)] => udp4(a, b, [from, to], between, b"corpus"),
                [IpAddr::V6(from), IpAddr::V6(to)] => udp6(a, b, [from, to], between, b"corpus"),
                _ => continue,
            };
            let name = format!("UDP to {port} of {}", ends[1]);
            cases.push(Case::new(name, a, bytes, Frame::Ip(with_ports(ends, 17, between))));
            let name = format!("TCP to {port} of {}", ends[1]);
            let bytes = tcp(a, b, ends, between, SYN);
            cases.push(Case::new(name, a, bytes, Frame::Ip(with_ports(ends, 6, between))));
        }
    }
    cases
}

/// Protocols without rules, and VRRP, which has one.
fn protocols(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let mut cases = Vec::new();
    for ends in families() {
        // Of IPv6, 0, 43, 44, 51 and 60 are parts of the header, read elsewhere.
        for protocol in [2, 4, 41, 47, 50, 88, 89, 103, 112, 115, 132, 136, 137, 253, 254] {
            let bytes = ip(a, b, ends, protocol, &[0x45; 40]);
            let name = format!("protocol {protocol} to {}", ends[1]);
            cases.push(Case::new(name, a, bytes, Frame::Ip(packet(ends, protocol))));
        }
    }
    let [v4, _] = families();
    let bytes = ip(a, b, v4, 0, &[0; 40]);
    cases.push(Case::new("protocol 0", a, bytes, Frame::Ip(packet(v4, 0))));
    cases
}

fn icmp(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let mut cases = Vec::new();
    let [v4, v6] = families();
    for (ends, protocol, kinds) in [(v4, 1, [0, 3, 5, 8, 11, 13]), (v6, 58, [1, 2, 3, 128, 129, 200])] {
        for kind in kinds {
            let mut message = [kind, 0, 0, 0, 0x12, kind, 0, 1].to_vec();
            message.extend([0; 32]);
            let covered = if protocol == 58 { pseudo(ends, 58, message.len()) } else { Vec::new() };
            let sum = checksum(&[covered, message.clone()].concat()).to_be_bytes();
            message[2..4].copy_from_slice(&sum);
            let bytes = ip(a, b, ends, protocol, &message);
            let name = format!("ICMP {kind} to {}", ends[1]);
            cases.push(Case::new(name, a, bytes, Frame::Ip(with_icmp(ends, kind))));
        }
    }
    cases
}

/// Segments no connection can begin with, to a port that is open.
fn invalid(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let flags = [
        ("none", 0),
        ("FIN", 1),
        ("SYN FIN", 3),
        ("SYN RST", 6),
        ("SYN ACK", 18),
        ("all", 63),
        ("URG PSH FIN", 41),
    ];
    let case = |(index, ends): (u16, [IpAddr; 2])| {
        (0..).zip(flags).map(move |(number, (name, flags))| {
            let bytes = tcp(a, b, ends, [30_000 + index * 100 + number, 22], flags);
            Case::hopeless(format!("TCP with {name} to {}", ends[1]), a, bytes)
        })
    };
    (0..).zip(families()).flat_map(case).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn n18_n32_n33_every_firewall_judges_packets_as_the_evaluator() {
    check(|a, b| [ports(a, b), protocols(a, b), icmp(a, b), invalid(a, b)].concat(), 115).await;
}
