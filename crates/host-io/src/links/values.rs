//! Plain values that pass through the door of devices.

use std::net::IpAddr;

use ipnet::IpNet;
use isospin_types::MacAddr;

use crate::Namespace;

/// A device as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    /// "bridge", "vxlan", "veth", "tun" (taps too), ...; "" for a plain device.
    pub kind: String,
    pub mac: Option<MacAddr>,
    /// Bytes, without the Ethernet header.
    pub mtu: u32,
    /// Set up by its administrator.
    pub up: bool,
    /// Whether the other end is there and up.
    pub carrier: bool,
    /// Index of the bridge it is a port of.
    pub master: Option<u32>,
    /// Of a port of a bridge: whether the bridge lets frames through it yet. That follows the
    /// carrier, a little later.
    pub forwards: Option<bool>,
    /// Free text; our mark on devices we make.
    pub alias: Option<String>,
    /// VXLAN network identifier, of a vxlan device.
    pub vni: Option<u32>,
    /// Where a vxlan device sends what it has no entry for.
    pub group: Option<IpAddr>,
    /// Whether a vxlan device answers ARP and neighbour solicitations itself.
    pub answers: bool,
}

/// A bridge to make. Fields left `None` keep the kernel's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BridgeSpec {
    pub mtu: Option<u32>,
    pub mac: Option<MacAddr>,
    /// Seconds until a learned address is forgotten; 0 makes a hub.
    pub ageing: Option<u32>,
    pub multicast_snooping: Option<bool>,
    pub alias: Option<String>,
}

/// A VXLAN device to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VxlanSpec {
    pub vni: u32,
    /// Source address of the tunnels.
    pub local: Option<IpAddr>,
    /// UDP port; 4789 by IANA.
    pub port: u16,
    /// Whether addresses are learned from received packets.
    pub learning: bool,
    /// Device the tunnels leave by; routing decides when `None`, but not with a group.
    pub device: Option<String>,
    /// Multicast group that gets what has no entry.
    pub group: Option<IpAddr>,
    /// Answers ARP and neighbour solicitations from its neighbours, and sends none on.
    pub answers: bool,
    pub mtu: Option<u32>,
    pub alias: Option<String>,
}

/// A device with the frames of one VLAN of another to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VlanSpec {
    /// The other one.
    pub device: String,
    /// 1 to 4094.
    pub vlan: u16,
    pub mtu: Option<u32>,
    pub alias: Option<String>,
}

/// A pair of virtual Ethernet devices to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VethSpec {
    pub name: String,
    pub mac: Option<MacAddr>,
    /// Of both ends.
    pub mtu: Option<u32>,
    pub alias: Option<String>,
    pub peer_name: String,
    pub peer_mac: Option<MacAddr>,
    /// Where the peer is; beside the first end when `None`.
    pub peer_namespace: Option<Namespace>,
}

/// Changes of a device; only those named are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkChange {
    pub up: Option<bool>,
    /// Whether it hears what is for others.
    pub promiscuous: Option<bool>,
    pub mtu: Option<u32>,
    pub mac: Option<MacAddr>,
    /// `Some(Some(name))` puts it into that bridge, `Some(None)` takes it out.
    pub master: Option<Option<String>>,
    /// "" removes it.
    pub alias: Option<String>,
    pub name: Option<String>,
    pub namespace: Option<Namespace>,
}

/// How far an address or route reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressScope {
    Global,
    Link,
    Host,
    Other(u8),
}

/// An address of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub link: String,
    /// The address itself (not the network) with its prefix length.
    pub net: IpNet,
    pub scope: AddressScope,
    /// Set by an administrator; learned ones end by themselves.
    pub permanent: bool,
    /// IPv6: still being checked for duplicates, not usable yet.
    pub tentative: bool,
}

/// How far the destinations of a route are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteScope {
    Global,
    Link,
    Host,
    Other(u8),
}

/// A unicast route of the main table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteEntry {
    /// 0.0.0.0/0 or ::/0 is the default route.
    pub destination: IpNet,
    pub via: Option<IpAddr>,
    pub link: Option<String>,
    /// Who made it: 2 the kernel, 3 `ip route`, 4 static (linux/rtnetlink.h).
    pub protocol: u8,
    pub scope: RouteScope,
}

/// An entry of a forwarding table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FdbEntry {
    pub mac: MacAddr,
    /// Tunnel end, of entries of a vxlan device.
    pub dst: Option<IpAddr>,
    pub permanent: bool,
}

/// A neighbour with a known MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbour {
    pub ip: IpAddr,
    pub mac: MacAddr,
    pub permanent: bool,
}

/// What happened to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEventKind {
    /// Made or changed; which one is not told apart.
    Changed,
    /// Gone from this namespace.
    Removed,
}

/// One change of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkEvent {
    pub name: String,
    pub index: u32,
    pub kind: LinkEventKind,
    /// The device after the change, or as it was last.
    pub link: Link,
}
