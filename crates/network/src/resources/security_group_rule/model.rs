//! What a security group rule is inside the server.

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use isospin_types::{AddressGroupId, SecurityGroupId, SecurityGroupRuleId};

/// Seen from the instance: ingress comes to it, egress leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    /// The text on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// Which packets a rule speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ethertype {
    Ipv4,
    Ipv6,
}

impl Ethertype {
    /// The text on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }
}

/// A text that names no variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not part of a security group rule")]
pub struct PartError(String);

impl FromStr for Direction {
    type Err = PartError;
    fn from_str(text: &str) -> Result<Self, PartError> {
        match text {
            "ingress" => Ok(Self::Ingress),
            "egress" => Ok(Self::Egress),
            other => Err(PartError(other.to_owned())),
        }
    }
}

impl FromStr for Ethertype {
    type Err = PartError;
    /// In any case.
    fn from_str(text: &str) -> Result<Self, PartError> {
        if text.eq_ignore_ascii_case("IPv4") {
            Ok(Self::Ipv4)
        } else if text.eq_ignore_ascii_case("IPv6") {
            Ok(Self::Ipv6)
        } else {
            Err(PartError(text.to_owned()))
        }
    }
}

/// Protocol names clients may use, with their numbers (reference §8).
pub const PROTOCOLS: &[(&str, u8)] = &[
    ("ah", 51),
    ("dccp", 33),
    ("egp", 8),
    ("esp", 50),
    ("gre", 47),
    ("hopopt", 0),
    ("icmp", 1),
    ("icmpv6", 58),
    ("igmp", 2),
    ("ip", 0),
    ("ipip", 4),
    ("ipv6-encap", 41),
    ("ipv6-frag", 44),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("ipv6-route", 43),
    ("ospf", 89),
    ("pgm", 113),
    ("rsvp", 46),
    ("sctp", 132),
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("vrrp", 112),
];

/// An IP protocol: shown as the client wrote it, compared by number.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    number: u8,
    name: Option<&'static str>,
}

impl Protocol {
    pub const ICMP: u8 = 1;
    pub const ICMPV6: u8 = 58;

    /// The protocol of this number, shown as a number.
    #[must_use]
    pub const fn of_number(number: u8) -> Self {
        Self { number, name: None }
    }

    /// The number in the IP header.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.number
    }

    /// Whether its header has ports: tcp, udp, dccp, sctp, udplite.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(self.number, 6 | 17 | 33 | 132 | 136)
    }

    /// Whether ranges mean ICMP type and code.
    #[must_use]
    pub const fn is_icmp(self) -> bool {
        matches!(self.number, Self::ICMP | Self::ICMPV6)
    }

    /// Whether it exists within IPv6 only.
    #[must_use]
    pub const fn is_ipv6_only(self) -> bool {
        matches!(self.number, 41 | 43 | 44 | 58 | 59 | 60)
    }
}

impl PartialEq for Protocol {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Protocol {}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.write_str(name),
            None => self.number.fmt(f),
        }
    }
}

impl FromStr for Protocol {
    type Err = PartError;
    /// A name in any case, or a number from 0 to 255.
    fn from_str(text: &str) -> Result<Self, PartError> {
        if let Ok(number) = text.parse() {
            return Ok(Self { number, name: None });
        }
        PROTOCOLS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
            .map(|(name, number)| Self { number: *number, name: Some(name) })
            .ok_or_else(|| PartError(text.to_owned()))
    }
}

/// Who the other end may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remote {
    Any,
    /// As the client wrote it: host bits kept.
    Prefix(IpNet),
    /// Addresses of the ports in this group.
    Group(SecurityGroupId),
    /// Those of this address group.
    Addresses(AddressGroupId),
}

impl Remote {
    /// The prefix, host bits kept.
    #[must_use]
    pub const fn prefix(self) -> Option<IpNet> {
        match self {
            Self::Prefix(net) => Some(net),
            Self::Any | Self::Group(_) | Self::Addresses(_) => None,
        }
    }

    /// The security group.
    #[must_use]
    pub const fn group(self) -> Option<SecurityGroupId> {
        match self {
            Self::Group(id) => Some(id),
            Self::Any | Self::Prefix(_) | Self::Addresses(_) => None,
        }
    }

    /// The address group.
    #[must_use]
    pub const fn addresses(self) -> Option<AddressGroupId> {
        match self {
            Self::Addresses(id) => Some(id),
            Self::Any | Self::Prefix(_) | Self::Group(_) => None,
        }
    }
}

/// What a rule lets through: everything but whose it is. Valid once built by
/// [`super::rules::matching`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matching {
    pub direction: Direction,
    pub ethertype: Ethertype,
    /// `None` = any.
    pub protocol: Option<Protocol>,
    /// Ports, or ICMP type (min) and code (max).
    pub port_range_min: Option<u16>,
    pub port_range_max: Option<u16>,
    pub remote: Remote,
}

impl Matching {
    /// Everything of one kind of packet in one direction.
    #[must_use]
    pub const fn all(direction: Direction, ethertype: Ethertype, remote: Remote) -> Self {
        Self { direction, ethertype, protocol: None, port_range_min: None, port_range_max: None, remote }
    }

    /// Equal for rules that let the same through: protocols by number, prefixes
    /// without host bits, a prefix of everything as none (reference §8).
    #[must_use]
    pub fn identity(&self) -> String {
        self.identity_with(&match self.remote {
            Remote::Any => "-".to_owned(),
            Remote::Prefix(net) if net.prefix_len() == 0 => "-".to_owned(),
            Remote::Prefix(net) => net.trunc().to_string(),
            Remote::Group(id) => id.to_string(),
            Remote::Addresses(id) => id.to_string(),
        })
    }

    /// The same with another remote.
    #[must_use]
    pub fn identity_with(&self, remote: &str) -> String {
        let number = |value: Option<u16>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        let protocol = self.protocol.map_or_else(|| "-".to_owned(), |protocol| protocol.number().to_string());
        format!(
            "{} {} {protocol} {} {} {remote}",
            self.direction.as_str(),
            self.ethertype.as_str(),
            number(self.port_range_min),
            number(self.port_range_max),
        )
    }
}

/// A security group rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroupRule {
    pub id: SecurityGroupRuleId,
    pub project_id: String,
    pub security_group_id: SecurityGroupId,
    pub description: String,
    pub matching: Matching,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
}
