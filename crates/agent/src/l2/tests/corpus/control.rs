//! Protocols of switches: nothing of them leaves an instance.

use isospin_types::MacAddr;

use super::super::frames::{tagged, udp4, with_type};
use super::{A, B, Case, check};
use crate::firewall::evaluator::Frame;

/// Ethertype, and what speaks it.
const TYPES: [(u16, &str); 24] = [
    (0x88cc, "LLDP"),
    (0x8809, "LACP"),
    (0x888e, "EAPOL"),
    (0x8902, "CFM"),
    (0x8863, "PPPoE discovery"),
    (0x8864, "PPPoE"),
    (0x8847, "MPLS"),
    (0x8848, "MPLS multicast"),
    (0x8035, "RARP"),
    (0x8137, "IPX"),
    (0x0842, "Wake-on-LAN"),
    (0x9000, "loopback"),
    (0x8906, "FCoE"),
    (0x8914, "FIP"),
    (0x88e5, "MACsec"),
    (0x88f7, "PTP"),
    (0x894f, "NSH"),
    (0x22f3, "TRILL"),
    (0x88e7, "802.1ah"),
    (0x6558, "TEB"),
    (0x0600, "XNS"),
    (0x05ff, "a type that is neither length nor type"),
    (0xffff, "reserved"),
    (0x0000, "length 0"),
];
/// Groups bridges listen to.
const GROUPS: [[u8; 6]; 4] = [
    [0x01, 0x80, 0xc2, 0, 0, 0],
    [0x01, 0x80, 0xc2, 0, 0, 0x0e],
    [0x01, 0x80, 0xc2, 0, 0, 0x02],
    [0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd],
];

fn types(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let case = |(kind, name): (u16, &str)| {
        let bytes = with_type(&udp4(a, b, [A, B], [1, 2], b"control"), kind);
        Case::new(name, a, bytes, Frame::Other(kind))
    };
    TYPES.into_iter().map(case).collect()
}

/// Spanning tree and its like: a length where others have a type, then LLC.
fn trees(a: MacAddr, _: MacAddr) -> Vec<Case> {
    let mut cases = Vec::new();
    for group in GROUPS {
        for (llc, name) in [([0x42, 0x42, 3], "STP"), ([0xaa, 0xaa, 3], "SNAP"), ([0xfe, 0xfe, 3], "IS-IS")] {
            let mut bytes = group.to_vec();
            bytes.extend(a.octets());
            bytes.extend([0, 0x26]);
            bytes.extend(llc);
            bytes.resize(60, 0);
            cases.push(Case::new(format!("{name} to {group:02x?}"), a, bytes, Frame::Other(0x26)));
        }
    }
    cases
}

/// Tags, and tags in tags.
fn tags(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let plain = udp4(a, b, [A, B], [1, 53], b"tagged corpus");
    let mut cases = Vec::new();
    for vlan in [0, 1, 2, 7, 255] {
        let once = tagged(&plain, vlan);
        for (name, bytes, kind) in [
            ("802.1Q", once.clone(), 0x8100),
            ("802.1ad", with_type(&once, 0x88a8), 0x88a8),
            ("802.1Q in 802.1Q", tagged(&once, vlan), 0x8100),
            ("802.1Q in 802.1ad", with_type(&tagged(&once, vlan), 0x88a8), 0x88a8),
        ] {
            cases.push(Case::new(format!("{name}, VLAN {vlan}"), a, bytes, Frame::Other(kind)));
        }
    }
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn n32_every_firewall_drops_protocols_of_switches_and_tags() {
    check(|a, b| [types(a, b), trees(a, b), tags(a, b)].concat(), 50).await;
}
