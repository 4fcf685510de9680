//! What a port forwarding is inside the server.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use isospin_types::{FloatingIpId, PortForwardingId, PortId};

/// Protocols that can be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
    Dccp,
    Icmp,
    Icmpv6,
}

impl Protocol {
    const ALL: [Self; 6] = [Self::Tcp, Self::Udp, Self::Sctp, Self::Dccp, Self::Icmp, Self::Icmpv6];

    /// The text on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::Dccp => "dccp",
            Self::Icmp => "icmp",
            Self::Icmpv6 => "ipv6-icmp",
        }
    }

    /// Its number in the IP header.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
            Self::Dccp => 33,
            Self::Icmp => 1,
            Self::Icmpv6 => 58,
        }
    }

    /// Whether its packets name ports.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        !matches!(self, Self::Icmp | Self::Icmpv6)
    }
}

/// A text that names no protocol that can be forwarded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a protocol of port forwardings")]
pub struct ProtocolError(String);

impl FromStr for Protocol {
    type Err = ProtocolError;
    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        let name = if text == "icmp6" { "ipv6-icmp" } else { text };
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.as_str() == name)
            .ok_or_else(|| ProtocolError(text.to_owned()))
    }
}

/// Ports from first to last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

impl PortRange {
    /// How many ports it holds beyond the first.
    #[must_use]
    pub const fn span(self) -> u16 {
        self.last.saturating_sub(self.first)
    }

    /// The port, when it is only one.
    #[must_use]
    pub const fn single(self) -> Option<u16> {
        if self.first == self.last { Some(self.first) } else { None }
    }

    /// Whether both hold a port.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.first, self.last)
    }
}

/// A text that is no range of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a range of ports between 1 and 65535")]
pub struct RangeError(String);

impl FromStr for PortRange {
    type Err = RangeError;
    fn from_str(text: &str) -> Result<Self, RangeError> {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first >= 1 && first <= last => Ok(Self { first, last }),
            _ => Err(RangeError(text.to_owned())),
        }
    }
}

/// Where ports lead: one to one in order, or all to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    pub external: PortRange,
    pub internal: PortRange,
}

/// A port forwarding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortForwarding {
    pub id: PortForwardingId,
    pub floating_ip_id: FloatingIpId,
    pub internal_port_id: PortId,
    /// One of the port's addresses.
    pub internal_ip_address: Ipv4Addr,
    pub protocol: Protocol,
    /// `None` when the protocol has none.
    pub ports: Option<Ports>,
    pub description: String,
}
