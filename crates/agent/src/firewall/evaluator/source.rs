//! Anti-spoofing: which frames a port may send at all (N13, N19, N20).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use isospin_feed::facts::Port;
use isospin_types::MacAddr;

use super::{Frame, is_dhcp_discover, is_infrastructure_of_others};
use crate::firewall::rule::ICMPV6;

/// Whether `port` may send this frame from this Ethernet address.
#[must_use]
pub fn may_send(port: &Port, mac: MacAddr, frame: &Frame) -> bool {
    if port.is_trusted() || !port.port_security_enabled {
        return true;
    }
    has_mac(port, mac)
        && match frame {
            Frame::Arp(arp) => {
                has_pair(port, arp.sender_mac, IpAddr::V4(arp.sender_ip))
                    || (arp.is_request
                        && arp.sender_ip == Ipv4Addr::UNSPECIFIED
                        && has_mac(port, arp.sender_mac))
            }
            Frame::Ip(packet) => {
                !is_infrastructure_of_others(packet)
                    && (has_pair(port, mac, packet.source)
                        || is_dhcp_discover(packet)
                        || (packet.source == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                            && packet.protocol == ICMPV6
                            && matches!(packet.icmp, Some((131 | 143, _)))))
            }
            Frame::NeighbourDiscovery(packet, claims) => {
                let unspecified = packet.source == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                    && matches!(packet.icmp, Some((133 | 135, _)));
                (has_pair(port, mac, packet.source) || unspecified)
                    && claims.target.is_none_or(|ip| has_address(port, IpAddr::V6(ip)))
                    && claims.link_layer.is_none_or(|mac| has_mac(port, mac))
            }
            Frame::Other(_) => false,
        }
}

fn has_mac(port: &Port, mac: MacAddr) -> bool {
    port.mac == mac || port.allowed_address_pairs.iter().any(|pair| pair.mac == mac)
}

fn has_pair(port: &Port, mac: MacAddr, ip: IpAddr) -> bool {
    let own = mac == port.mac && port.fixed_ips.iter().any(|fixed| fixed.ip_address == ip);
    let link_local = has_mac(port, mac) && ip == IpAddr::V6(mac.link_local());
    own || link_local
        || port.allowed_address_pairs.iter().any(|pair| pair.mac == mac && pair.ip.contains(&ip))
}

fn has_address(port: &Port, ip: IpAddr) -> bool {
    let pairs = port.allowed_address_pairs.iter().map(|pair| pair.mac);
    std::iter::once(port.mac).chain(pairs).any(|mac| has_pair(port, mac, ip))
}
