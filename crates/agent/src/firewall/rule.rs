//! One security group rule, checked: what traffic it names, or why it names none.
//!
//! A rule the data plane cannot express is refused here, alone, so that every
//! other rule of the host still applies (N04, N17, N18).

use std::fmt;

use ipnet::IpNet;
use isospin_feed::facts::{Direction, IpVersion, Remote, SecurityGroupRule};
use isospin_types::{AddressGroupId, SecurityGroupId};

/// IP protocol numbers the firewall treats specially.
pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const DCCP: u8 = 33;
pub const ICMPV6: u8 = 58;
pub const SCTP: u8 = 132;
pub const UDPLITE: u8 = 136;

/// Whether the protocol's header starts with a source and a destination port.
#[must_use]
pub const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, TCP | UDP | DCCP | SCTP | UDPLITE)
}

/// The traffic a rule names, the other end aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    Any,
    /// All of one protocol.
    Protocol(u8),
    /// Destination ports `first..=last`.
    Ports {
        protocol: u8,
        first: u16,
        last: u16,
    },
    /// ICMP or ICMPv6 of one type, and one code of it or all.
    Icmp {
        kind: u8,
        code: Option<u8>,
    },
}

/// Who the other end may be. The prefix has its host bits cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherEnd {
    Prefix(IpNet),
    OneOf(Named),
}

/// Addresses that rules name together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// Those of the ports in a security group.
    Members(SecurityGroupId),
    /// Those of an address group.
    Addresses(AddressGroupId),
}

impl fmt::Display for Named {
    /// The id of the group.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Members(group) => group.fmt(f),
            Self::Addresses(group) => group.fmt(f),
        }
    }
}

/// A rule that can be programmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub direction: Direction,
    pub ip_version: IpVersion,
    pub traffic: Traffic,
    pub other_end: OtherEnd,
}

/// Why a rule cannot be programmed; the text goes to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("protocol {0} has no ports to match")]
    NoPorts(u8),
    #[error("a port range needs a protocol")]
    NoProtocol,
    #[error("port range {0}-{1} is empty")]
    EmptyRange(u16, u16),
    #[error("a port range needs both ends")]
    HalfRange,
    #[error("ICMP type or code {0} is above 255")]
    IcmpNumber(u16),
    #[error("an ICMP code needs a type")]
    IcmpCodeAlone,
    #[error("remote prefix {0} is of the other IP version")]
    PrefixVersion(IpNet),
}

/// Checks one rule.
///
/// # Errors
/// What cannot be expressed in it.
pub fn check(rule: &SecurityGroupRule) -> Result<Rule, Refusal> {
    Ok(Rule {
        direction: rule.direction,
        ip_version: rule.ip_version,
        traffic: traffic(rule)?,
        other_end: other_end(rule)?,
    })
}

fn traffic(rule: &SecurityGroupRule) -> Result<Traffic, Refusal> {
    let range = (rule.port_range_min, rule.port_range_max);
    let protocol = match rule.protocol {
        None if range == (None, None) => return Ok(Traffic::Any),
        None => return Err(Refusal::NoProtocol),
        // "icmp" on an IPv6 rule means ICMPv6, as the API has always taken it.
        Some(ICMP) if rule.ip_version == IpVersion::V6 => ICMPV6,
        Some(protocol) => protocol,
    };
    if (protocol, rule.ip_version) == (ICMP, IpVersion::V4)
        || (protocol, rule.ip_version) == (ICMPV6, IpVersion::V6)
    {
        return icmp(protocol, range);
    }
    match range {
        (None, None) => Ok(Traffic::Protocol(protocol)),
        _ if !has_ports(protocol) => Err(Refusal::NoPorts(protocol)),
        (Some(first), Some(last)) if first > last => Err(Refusal::EmptyRange(first, last)),
        (Some(first), Some(last)) => Ok(Traffic::Ports { protocol, first, last }),
        (Some(_), None) | (None, Some(_)) => Err(Refusal::HalfRange),
    }
}

fn icmp(protocol: u8, range: (Option<u16>, Option<u16>)) -> Result<Traffic, Refusal> {
    let number = |value: u16| u8::try_from(value).map_err(|_| Refusal::IcmpNumber(value));
    match range {
        (None, None) => Ok(Traffic::Protocol(protocol)),
        (None, Some(_)) => Err(Refusal::IcmpCodeAlone),
        (Some(kind), code) => Ok(Traffic::Icmp { kind: number(kind)?, code: code.map(number).transpose()? }),
    }
}

fn other_end(rule: &SecurityGroupRule) -> Result<OtherEnd, Refusal> {
    match rule.remote {
        Remote::Any => Ok(OtherEnd::Prefix(everything(rule.ip_version))),
        Remote::Group(group) => Ok(OtherEnd::OneOf(Named::Members(group))),
        Remote::Addresses(group) => Ok(OtherEnd::OneOf(Named::Addresses(group))),
        Remote::Prefix(prefix) => match (prefix, rule.ip_version) {
            (IpNet::V4(_), IpVersion::V4) | (IpNet::V6(_), IpVersion::V6) => {
                Ok(OtherEnd::Prefix(prefix.trunc()))
            }
            (IpNet::V4(_), IpVersion::V6) | (IpNet::V6(_), IpVersion::V4) => {
                Err(Refusal::PrefixVersion(prefix))
            }
        },
    }
}

/// 0.0.0.0/0 or ::/0.
#[must_use]
pub fn everything(version: IpVersion) -> IpNet {
    match version {
        IpVersion::V4 => IpNet::V4(ipnet::Ipv4Net::default()),
        IpVersion::V6 => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

#[cfg(test)]
mod tests {
    use isospin_types::{SecurityGroupId, SecurityGroupRuleId};

    use super::*;

    fn rule(protocol: Option<u8>, min: Option<u16>, max: Option<u16>) -> SecurityGroupRule {
        SecurityGroupRule {
            id: SecurityGroupRuleId::random(),
            security_group_id: SecurityGroupId::random(),
            direction: Direction::Ingress,
            ip_version: IpVersion::V4,
            protocol,
            port_range_min: min,
            port_range_max: max,
            remote: Remote::Any,
        }
    }

    #[test]
    fn n17_ports_on_a_protocol_without_ports_are_refused() {
        assert_eq!(check(&rule(Some(112), Some(1), Some(9))), Err(Refusal::NoPorts(112)));
        assert_eq!(check(&rule(None, Some(1), Some(9))), Err(Refusal::NoProtocol));
        assert_eq!(check(&rule(Some(TCP), Some(9), Some(1))), Err(Refusal::EmptyRange(9, 1)));
        assert_eq!(check(&rule(Some(TCP), Some(9), None)), Err(Refusal::HalfRange));
        assert_eq!(check(&rule(Some(ICMP), Some(256), None)), Err(Refusal::IcmpNumber(256)));
    }

    #[test]
    fn n04_a_prefix_of_the_other_version_is_refused_and_host_bits_are_cleared() {
        let mut wrong = rule(None, None, None);
        wrong.remote = Remote::Prefix("2001:db8::/32".parse().expect("prefix"));
        assert!(matches!(check(&wrong), Err(Refusal::PrefixVersion(_))));
        wrong.remote = Remote::Prefix("10.1.2.3/8".parse().expect("prefix"));
        let kept = OtherEnd::Prefix("10.0.0.0/8".parse().expect("prefix"));
        assert_eq!(check(&wrong).map(|rule| rule.other_end), Ok(kept));
    }

    #[test]
    fn icmp_on_ipv6_is_icmpv6() {
        let mut ping = rule(Some(ICMP), None, None);
        ping.ip_version = IpVersion::V6;
        assert_eq!(check(&ping).map(|rule| rule.traffic), Ok(Traffic::Protocol(ICMPV6)));
    }
}
