//! The reference: what must happen to a packet, read straight from the facts.
//!
//! Slow and plain on purpose. It looks at one rule after the other, folds
//! nothing and knows no kernel. Every back end must agree with it.

mod packet;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use isospin_feed::facts::{Direction, Facts, IpVersion, Port};
use isospin_types::SecurityGroupId;

pub use packet::{Advertisement, Arp, Frame, Packet};
pub use source::may_send;

use crate::firewall::rule::{self, ICMPV6, Named, OtherEnd, Rule, Traffic, UDP, has_ports};

/// The facts, arranged to be asked about many packets.
#[derive(Debug, Default)]
pub struct Evaluator {
    rules: BTreeMap<SecurityGroupId, Vec<Rule>>,
    named: BTreeMap<Named, Vec<IpNet>>,
}

impl Evaluator {
    /// Reads the facts. Rules that cannot be programmed allow nothing.
    #[must_use]
    pub fn new(facts: &Facts) -> Self {
        let mut evaluator = Self::default();
        for rule in facts.security_group_rules.values() {
            if let Ok(checked) = rule::check(rule) {
                evaluator.rules.entry(rule.security_group_id).or_default().push(checked);
            }
        }
        for ((group, _), member) in &facts.security_group_members {
            let addresses = evaluator.named.entry(Named::Members(*group)).or_default();
            addresses.extend(member.addresses.iter().copied());
        }
        for group in facts.address_groups.values() {
            let addresses = group.addresses.iter().copied().collect();
            evaluator.named.insert(Named::Addresses(group.id), addresses);
        }
        evaluator
    }

    /// Whether the first packet of a connection passes this port in this
    /// direction. Who it claims to be was checked before ([`may_send`]).
    #[must_use]
    pub fn admits(&self, port: &Port, direction: Direction, packet: &Packet) -> bool {
        if port.is_trusted() || !port.port_security_enabled {
            return true;
        }
        if direction == Direction::Egress && is_infrastructure_of_others(packet) {
            return false;
        }
        is_always_allowed(direction, packet)
            || port
                .security_group_ids
                .iter()
                .filter_map(|group| self.rules.get(group))
                .flatten()
                .any(|rule| rule.direction == direction && self.matches(rule, packet))
    }

    fn matches(&self, rule: &Rule, packet: &Packet) -> bool {
        let other = match rule.direction {
            Direction::Ingress => packet.source,
            Direction::Egress => packet.destination,
        };
        let version = if other.is_ipv4() { IpVersion::V4 } else { IpVersion::V6 };
        let other_end = match rule.other_end {
            OtherEnd::Prefix(net) => net.contains(&other),
            OtherEnd::OneOf(named) => {
                self.named.get(&named).is_some_and(|nets| nets.iter().any(|net| net.contains(&other)))
            }
        };
        rule.ip_version == version && other_end && traffic_matches(rule.traffic, packet)
    }
}

fn traffic_matches(traffic: Traffic, packet: &Packet) -> bool {
    match traffic {
        Traffic::Any => true,
        Traffic::Protocol(protocol) => packet.protocol == protocol,
        Traffic::Ports { protocol, first, last } => {
            packet.protocol == protocol
                && has_ports(protocol)
                && packet.destination_port.is_some_and(|port| (first..=last).contains(&port))
        }
        Traffic::Icmp { kind, code } => {
            packet.protocol == packet.icmp_protocol()
                && packet.icmp.is_some_and(|(their_kind, their_code)| {
                    their_kind == kind && code.is_none_or(|code| code == their_code)
                })
        }
    }
}

/// What only routers and DHCP servers of the cloud may say: DHCP replies, router
/// advertisements, redirects.
#[must_use]
pub fn is_infrastructure_of_others(packet: &Packet) -> bool {
    match packet.source {
        IpAddr::V4(_) => packet.is_udp(67, 68),
        IpAddr::V6(_) => {
            packet.is_udp(547, 546)
                || (packet.protocol == ICMPV6 && matches!(packet.icmp, Some((134 | 137, _))))
        }
    }
}

/// Without which a port has no address and no neighbours, whatever its groups
/// say (reference/agents-and-dataplane §5.2).
#[must_use]
pub fn is_always_allowed(direction: Direction, packet: &Packet) -> bool {
    let neighbour = |kinds: &[u8]| {
        packet.protocol == ICMPV6 && packet.icmp.is_some_and(|(kind, _)| kinds.contains(&kind))
    };
    match (packet.source, direction) {
        (IpAddr::V4(_), Direction::Egress) => packet.is_udp(68, 67),
        (IpAddr::V4(_), Direction::Ingress) => packet.is_udp(67, 68),
        (IpAddr::V6(_), Direction::Egress) => packet.is_udp(546, 547) || neighbour(&NEIGHBOUR_OUT),
        (IpAddr::V6(_), Direction::Ingress) => packet.is_udp(547, 546) || neighbour(&NEIGHBOUR_IN),
    }
}

/// ICMPv6 a port may always send: multicast listener messages, router and
/// neighbour solicitation, neighbour advertisement.
pub const NEIGHBOUR_OUT: [u8; 7] = [130, 131, 132, 133, 135, 136, 143];
/// ICMPv6 a port always gets: listener query, router advertisement, neighbour
/// solicitation and advertisement.
pub const NEIGHBOUR_IN: [u8; 4] = [130, 134, 135, 136];

/// DHCP discover and request of a client that has no address yet.
#[must_use]
pub fn is_dhcp_discover(packet: &Packet) -> bool {
    packet.source == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        && packet.destination == IpAddr::V4(Ipv4Addr::BROADCAST)
        && packet.protocol == UDP
        && packet.is_udp(68, 67)
}
