//! Forwarded ports of floating addresses as elements of nftables maps. Pure.
//!
//! One look-up per map and new connection, however many ports are forwarded:
//! single ports by hash, ranges by interval. A range that keeps its order while its
//! numbers change has no interval form in nftables and becomes single ports.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::intent::{Forward, Nat};

/// Elements of one map, as scripts write and listings show them.
pub(super) type Elements = BTreeMap<String, String>;

/// Address, protocol and port to address and port.
pub(super) const PORT: &str = "forwarded_port";
/// Address, protocol and ports to address and port.
pub(super) const TO_ONE: &str = "forwarded_to_one";
/// Address, protocol and ports to address; the port stays.
pub(super) const SAME: &str = "forwarded_same";
/// Address and protocol to address.
pub(super) const PROTOCOL: &str = "forwarded_protocol";

/// Name, type and flags of each map.
pub(super) const MAPS: [(&str, &str, &str); 4] = [
    (PORT, "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service", ""),
    (TO_ONE, "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service", "interval"),
    (SAME, "ipv4_addr . inet_proto . inet_service : ipv4_addr", "interval"),
    (PROTOCOL, "ipv4_addr . inet_proto : ipv4_addr", ""),
];

/// The rules that look them up: name and text.
pub(super) fn rules() -> [(&'static str, String); 4] {
    // Only protocols that have ports there (TCP, UDP, DCCP, SCTP).
    let with_ports = "meta l4proto { 6, 17, 33, 132 } dnat ip to ip daddr . meta l4proto . th dport map";
    [
        ("forwarded-port", format!("{with_ports} @{PORT}")),
        ("forwarded-to-one", format!("{with_ports} @{TO_ONE}")),
        ("forwarded-same", format!("{with_ports} @{SAME}")),
        ("forwarded-protocol", format!("dnat ip to ip daddr . meta l4proto map @{PROTOCOL}")),
    ]
}

/// The elements of every map.
pub(super) fn elements(nat: &Nat) -> BTreeMap<String, Elements> {
    let mut maps: BTreeMap<String, Elements> =
        MAPS.iter().map(|(name, ..)| ((*name).to_owned(), Elements::new())).collect();
    for (outer, forwards) in &nat.forwarded {
        for forward in forwards {
            for (map, key, value) in of(*outer, forward) {
                maps.entry(map.to_owned()).or_default().insert(key, value);
            }
        }
    }
    maps
}

fn of(outer: Ipv4Addr, forward: &Forward) -> Vec<(&'static str, String, String)> {
    let (protocol, inner) = (forward.protocol, forward.inner);
    let Some(ports) = forward.ports else {
        return vec![(PROTOCOL, format!("{outer} . {protocol}"), inner.to_string())];
    };
    let (first, last) = ports.external;
    let single =
        |port: u16, to: u16| (PORT, format!("{outer} . {protocol} . {port}"), format!("{inner} . {to}"));
    let range = format!("{outer} . {protocol} . {first}-{last}");
    let to_one = ports.internal.0 == ports.internal.1;
    if first == last {
        vec![single(first, ports.internal.0)]
    } else if to_one {
        vec![(TO_ONE, range, format!("{inner} . {}", ports.internal.0))]
    } else if ports.external == ports.internal {
        vec![(SAME, range, inner.to_string())]
    } else {
        (first..=last).zip(ports.internal.0..=ports.internal.1).map(|(port, to)| single(port, to)).collect()
    }
}

/// Whether two keys of a map cannot be there together.
pub(super) fn collide(one: &str, other: &str) -> bool {
    let parts = |key: &str| -> Option<(String, u16, u16)> {
        let (head, ports) = key.rsplit_once(" . ")?;
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        Some((head.to_owned(), first.parse().ok()?, last.parse().ok()?))
    };
    match (parts(one), parts(other)) {
        (Some(one), Some(other)) => one.0 == other.0 && one.1 <= other.2 && other.1 <= one.2,
        _ => one == other,
    }
}
