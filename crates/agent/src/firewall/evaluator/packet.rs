//! Frames and packets as the evaluator sees them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use isospin_types::MacAddr;

use crate::firewall::rule::{ICMP, ICMPV6, UDP};

/// The parts of an IP packet that decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    pub source: IpAddr,
    /// Of the same IP version.
    pub destination: IpAddr,
    pub protocol: u8,
    /// Ports, of protocols that have them.
    pub source_port: Option<u16>,
    pub destination_port: Option<u16>,
    /// Type and code, of the ICMP of its IP version ([`Self::icmp_protocol`]).
    pub icmp: Option<(u8, u8)>,
}

impl Packet {
    /// Whether it is UDP between these ports.
    #[must_use]
    pub fn is_udp(&self, source: u16, destination: u16) -> bool {
        self.protocol == UDP && self.source_port == Some(source) && self.destination_port == Some(destination)
    }

    /// The ICMP that goes with its IP version.
    #[must_use]
    pub const fn icmp_protocol(&self) -> u8 {
        if self.source.is_ipv4() { ICMP } else { ICMPV6 }
    }
}

/// The parts of an ARP message that decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    pub is_request: bool,
    pub sender_mac: MacAddr,
    pub sender_ip: Ipv4Addr,
}

/// What a neighbour discovery message claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advertisement {
    /// Address a neighbour advertisement is about.
    pub target: Option<Ipv6Addr>,
    /// Link-layer address option.
    pub link_layer: Option<MacAddr>,
}

/// A frame as an instance sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    Arp(Arp),
    Ip(Packet),
    /// ICMPv6 types 133, 135 and 136.
    NeighbourDiscovery(Packet, Advertisement),
    /// Any other ethertype, VLAN tags among them.
    Other(u16),
}
