//! Frames that end too early, say another length, or carry a part of a packet: none of
//! them arrives, though what they claim to be would.

use std::net::IpAddr;

use isospin_types::MacAddr;

use super::super::frames::{advert, arp, udp4, udp6};
use super::{A, B, Case, check, checksum, families, v6, with_ports};
use crate::firewall::evaluator::Frame;

/// Where the header of IP begins.
const IP: usize = 14;

/// The frame with some bytes changed, its IPv4 header's checksum right again.
fn changed(frame: &[u8], changes: &[(usize, u8)]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for (at, value) in changes {
        frame[IP + at] = *value;
    }
    frame[IP + 10..IP + 12].copy_from_slice(&[0, 0]);
    let sum = checksum(&frame[IP..IP + 20]).to_be_bytes();
    frame[IP + 10..IP + 12].copy_from_slice(&sum);
    frame
}

fn headers(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let good = udp4(a, b, [A, B], [9, 53], b"malformed corpus");
    let mut wrong_sum = good.clone();
    wrong_sum[IP + 10] ^= 0x55;
    let hopeless = |name: &str, bytes: Vec<u8>| Case::hopeless(name, a, bytes);
    vec![
        hopeless("IPv4 without its sum", wrong_sum),
        hopeless("IPv4 shorter than it says", changed(&good, &[(2, 4), (3, 0)])),
        hopeless("IPv4 shorter than its header", changed(&good, &[(2, 0), (3, 19)])),
        hopeless("IPv4 with a header of 16 bytes", changed(&good, &[(0, 0x44)])),
        hopeless("IPv4 with no header", changed(&good, &[(0, 0x40)])),
        hopeless("IPv4 with a header longer than it", changed(&good, &[(0, 0x4f), (2, 0), (3, 44)])),
    ]
}

/// Wrong versions: a switch does not look at them, and judges the packet as one of version 4,
/// which no receiver takes.
fn versions(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let mut cases = Vec::new();
    for version in [0, 5, 6, 15] {
        for port in [53, 6000] {
            let ports = [9, port];
            let bytes = changed(&udp4(a, b, [A, B], ports, b"a version"), &[(0, version << 4 | 5)]);
            let packet = with_ports([A.into(), B.into()], 17, ports);
            let case = Case::hopeless(format!("IPv4 of version {version} to port {port}"), a, bytes);
            cases.push(Case { to_a_switch: Some(Frame::Ip(packet)), ..case });
        }
    }
    cases
}

/// Each kind of frame, cut ever shorter.
fn cut(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let six = |text: &str| match v6(text) {
        IpAddr::V6(ip) => ip,
        IpAddr::V4(_) => panic!("an IPv6 address"),
    };
    let ends = [six("fd00::1"), six("fd00::2")];
    let four = udp4(a, b, [A, B], [9, 53], b"cut");
    let long = udp6(a, b, ends, [9, 53], b"cut");
    let claim = advert(a, b, ends, ends[0], a);
    let asks = arp(a, b, 2, (a, A), B);
    let mut cases = Vec::new();
    for (name, frame, lengths) in [
        ("IPv4", &four, [15, 20, 30, 33, 34, 38]),
        ("IPv6", &long, [15, 30, 50, 53, 54, 58]),
        ("a neighbour advertisement", &claim, [54, 55, 58, 62, 70, 77]),
        ("ARP", &asks, [14, 15, 20, 24, 28, 30]),
    ] {
        for length in lengths {
            cases.push(Case::hopeless(format!("{name} cut to {length}"), a, frame[..length].to_vec()));
        }
    }
    cases
}

/// Pieces whose other pieces never come.
fn fragments(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let good = udp4(a, b, [A, B], [9, 53], b"a piece of the corpus, of 32 byte");
    let mut cases = Vec::new();
    for (name, high, low) in [
        ("first", 0x20, 0),
        ("second", 0x20, 1),
        ("last", 0, 1),
        ("last, far away", 0x1f, 0xff),
        ("one that overlaps the ports", 0, 0x01),
    ] {
        cases.push(Case::hopeless(format!("a fragment: {name}"), a, changed(&good, &[(6, high), (7, low)])));
    }
    let [_, ends] = families();
    for (name, offset) in [("first", 1_u16), ("second", 9), ("last", 8)] {
        let mut piece = vec![17, 0];
        piece.extend(offset.to_be_bytes());
        piece.extend([0, 0, 0, 9, 0, 9, 0, 53, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let bytes = super::ip(a, b, ends, 44, &piece);
        cases.push(Case::hopeless(format!("a fragment of IPv6: {name}"), a, bytes));
    }
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn n33_every_firewall_drops_what_is_malformed() {
    check(|a, b| [headers(a, b), versions(a, b), cut(a, b), fragments(a, b)].concat(), 40).await;
}
