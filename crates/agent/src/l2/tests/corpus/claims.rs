//! Who a sender says it is: ARP, neighbour discovery, DHCP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use isospin_types::MacAddr;

use super::super::frames::{arp, icmp6, udp4, udp6};
use super::{A, B, Case, OTHER_MAC, STRANGER, check, v6, with_icmp, with_ports};
use crate::firewall::evaluator::{Advertisement, Arp, Frame};

/// Requests, answers and gratuitous ones.
fn arps(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let mut cases = Vec::new();
    for from in [a, OTHER_MAC] {
        for sender in [a, OTHER_MAC, b] {
            for ip in [A, B, STRANGER, Ipv4Addr::UNSPECIFIED] {
                for (operation, to, target) in [
                    (1, MacAddr::BROADCAST, B),
                    (2, b, B),
                    (1, MacAddr::BROADCAST, ip),
                    (2, MacAddr::BROADCAST, ip),
                ] {
                    let bytes = arp(from, to, operation, (sender, ip), target);
                    let says = Arp { is_request: operation == 1, sender_mac: sender, sender_ip: ip };
                    let name =
                        format!("ARP {operation} by {from}: {ip} is at {sender}, to {to} about {target}");
                    cases.push(Case::new(name, from, bytes, Frame::Arp(says)));
                }
            }
        }
    }
    cases
}

fn body(first: [u8; 4], target: Option<Ipv6Addr>, option: Option<(u8, MacAddr)>) -> Vec<u8> {
    let mut body = first.to_vec();
    body.extend(target.iter().flat_map(Ipv6Addr::octets));
    if let Some((kind, mac)) = option {
        body.extend([kind, 1]);
        body.extend(mac.octets());
    }
    body
}

fn six(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V6(ip) => ip,
        IpAddr::V4(_) => panic!("an IPv6 address"),
    }
}

/// Solicitations and advertisements, about themselves and others.
fn discovery(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let to = v6("fd00::2");
    let mut cases = Vec::new();
    for from in [a, OTHER_MAC] {
        for source in [v6("fd00::1"), a.link_local().into(), v6("fd00::9"), v6("::")] {
            for link_layer in [None, Some(a), Some(OTHER_MAC)] {
                for target in [v6("fd00::1"), a.link_local().into(), v6("fd00::2"), v6("fd00::9")] {
                    let says = Advertisement { target: Some(six(target)), link_layer };
                    let option = link_layer.map(|mac| (2, mac));
                    let bytes = body([0x60, 0, 0, 0], Some(six(target)), option);
                    let bytes = icmp6(from, b, [six(source), six(to)], 136, &bytes);
                    let name = format!("advertisement by {from} {source}: {target} is at {link_layer:?}");
                    let packet = with_icmp([source, to], 136);
                    cases.push(Case::new(name, from, bytes, Frame::NeighbourDiscovery(packet, says)));
                }
                let says = Advertisement { target: None, link_layer };
                let option = link_layer.map(|mac| (1, mac));
                let bytes = body([0; 4], Some(six(to)), option);
                let bytes = icmp6(from, b, [six(source), six(to)], 135, &bytes);
                let name = format!("solicitation by {from} {source}, at {link_layer:?}");
                let packet = with_icmp([source, to], 135);
                cases.push(Case::new(name, from, bytes, Frame::NeighbourDiscovery(packet, says)));
            }
        }
    }
    cases
}

/// What routers say, and listeners.
fn multicast(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let mut cases = Vec::new();
    for source in [v6("fd00::1"), a.link_local().into()] {
        for kind in [130, 131, 132, 133, 134, 137, 143] {
            let ends = [source, v6("fd00::2")];
            // Options would follow the first bytes of a router solicitation.
            let length = if kind == 133 { 4 } else { 36 };
            let bytes = icmp6(a, b, ends.map(six), kind, &[0; 36][..length]);
            let packet = with_icmp(ends, kind);
            let frame = match kind {
                133 => Frame::NeighbourDiscovery(packet, Advertisement { target: None, link_layer: None }),
                _ => Frame::Ip(packet),
            };
            cases.push(Case::new(format!("ICMPv6 {kind} by {source}"), a, bytes, frame));
        }
    }
    cases
}

/// Clients may ask, and only the cloud answers.
fn dhcp(a: MacAddr, b: MacAddr) -> Vec<Case> {
    let mut cases = Vec::new();
    for from in [a, OTHER_MAC] {
        for (source, destination) in [
            (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST),
            (Ipv4Addr::UNSPECIFIED, B),
            (A, Ipv4Addr::BROADCAST),
            (A, B),
            (STRANGER, B),
        ] {
            for ports in [[68, 67], [67, 68], [67, 67], [68, 68]] {
                let bytes = udp4(from, b, [source, destination], ports, b"a lease");
                let packet = with_ports([source.into(), destination.into()], 17, ports);
                let name = format!("DHCP {ports:?} by {from} {source} to {destination}");
                cases.push(Case::new(name, from, bytes, Frame::Ip(packet)));
            }
        }
        for ports in [[546, 547], [547, 546]] {
            let ends = [a.link_local(), b.link_local()];
            let packet = with_ports(ends.map(IpAddr::V6), 17, ports);
            let bytes = udp6(from, b, ends, ports, b"a lease");
            cases.push(Case::new(format!("DHCPv6 {ports:?} by {from}"), from, bytes, Frame::Ip(packet)));
        }
    }
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn n13_n20_every_firewall_judges_arp_and_dhcp_as_the_evaluator() {
    check(|a, b| [arps(a, b), dhcp(a, b)].concat(), 130).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn n19_every_firewall_judges_neighbour_discovery_as_the_evaluator() {
    check(|a, b| [discovery(a, b), multicast(a, b)].concat(), 130).await;
}
