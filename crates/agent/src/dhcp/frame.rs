//! UDP in Ethernet frames, both ways.
//!
//! Received checksums are not looked at: between virtual devices the kernel
//! leaves them unfinished. Those of sent frames are complete, for clients that
//! read raw frames cannot know that.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{LinkSlice, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use isospin_types::MacAddr;

const TTL: u8 = 64;

/// A received datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram<'a, A> {
    pub sender: MacAddr,
    pub source: A,
    pub source_port: u16,
    pub destination: A,
    pub payload: &'a [u8],
}

/// Reads a frame with UDP over IPv4; `None` for anything else.
#[must_use]
pub fn parse4(frame: &[u8]) -> Option<Datagram<'_, Ipv4Addr>> {
    let (sender, packet) = parse(frame)?;
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (packet.net, packet.transport) else {
        return None;
    };
    Some(Datagram {
        sender,
        source: ip.header().source_addr(),
        source_port: udp.source_port(),
        destination: ip.header().destination_addr(),
        payload: udp.payload(),
    })
}

/// As [`parse4`], over IPv6.
#[must_use]
pub fn parse6(frame: &[u8]) -> Option<Datagram<'_, Ipv6Addr>> {
    let (sender, packet) = parse(frame)?;
    let (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Udp(udp))) = (packet.net, packet.transport) else {
        return None;
    };
    Some(Datagram {
        sender,
        source: ip.header().source_addr(),
        source_port: udp.source_port(),
        destination: ip.header().destination_addr(),
        payload: udp.payload(),
    })
}

fn parse(frame: &[u8]) -> Option<(MacAddr, SlicedPacket<'_>)> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(LinkSlice::Ethernet2(ethernet)) = &packet.link else { return None };
    Some((MacAddr::new(ethernet.source()), packet))
}

/// The ends of a datagram to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<A> {
    pub from: MacAddr,
    pub to: MacAddr,
    pub source: A,
    pub destination: A,
    pub source_port: u16,
    pub destination_port: u16,
}

/// The frame of a datagram over IPv4; `None` when the payload is too long for UDP.
#[must_use]
pub fn build4(route: &Route<Ipv4Addr>, payload: &[u8]) -> Option<Vec<u8>> {
    let builder = PacketBuilder::ethernet2(route.from.octets(), route.to.octets())
        .ipv4(route.source.octets(), route.destination.octets(), TTL)
        .udp(route.source_port, route.destination_port);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut frame, payload).ok()?;
    Some(frame)
}

/// As [`build4`], over IPv6.
#[must_use]
pub fn build6(route: &Route<Ipv6Addr>, payload: &[u8]) -> Option<Vec<u8>> {
    let builder = PacketBuilder::ethernet2(route.from.octets(), route.to.octets())
        .ipv6(route.source.octets(), route.destination.octets(), TTL)
        .udp(route.source_port, route.destination_port);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut frame, payload).ok()?;
    Some(frame)
}
