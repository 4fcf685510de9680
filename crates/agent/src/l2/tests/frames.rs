//! Hand-made frames, and who gets them.

use std::io::Read as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use etherparse::PacketBuilder;
use isospin_host_io::raw::FrameSender;
use isospin_types::MacAddr;
use socket2::{Domain, Protocol, Socket, Type};

use super::lab::Guest;

const MARKER: &[u8] = b"end of this round";

pub fn udp4(from: MacAddr, to: MacAddr, ips: [Ipv4Addr; 2], ports: [u16; 2], text: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(from.octets(), to.octets())
        .ipv4(ips[0].octets(), ips[1].octets(), 64)
        .udp(ports[0], ports[1]);
    let mut frame = Vec::new();
    builder.write(&mut frame, text).expect("frame");
    frame
}

pub fn udp6(from: MacAddr, to: MacAddr, ips: [Ipv6Addr; 2], ports: [u16; 2], text: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(from.octets(), to.octets())
        .ipv6(ips[0].octets(), ips[1].octets(), 64)
        .udp(ports[0], ports[1]);
    let mut frame = Vec::new();
    builder.write(&mut frame, text).expect("frame");
    frame
}

/// ICMPv6 with hop limit 255; `body` starts after the checksum.
pub fn icmp6(from: MacAddr, to: MacAddr, ips: [Ipv6Addr; 2], kind: u8, body: &[u8]) -> Vec<u8> {
    let first = body[..4].try_into().expect("four bytes");
    let builder = PacketBuilder::ethernet2(from.octets(), to.octets())
        .ipv6(ips[0].octets(), ips[1].octets(), 255)
        .icmpv6_raw(kind, 0, first);
    let mut frame = Vec::new();
    builder.write(&mut frame, &body[4..]).expect("frame");
    frame
}

/// A neighbour advertisement of `target` with its link-layer address option.
pub fn advert(from: MacAddr, to: MacAddr, ips: [Ipv6Addr; 2], target: Ipv6Addr, lladdr: MacAddr) -> Vec<u8> {
    let mut body = vec![0x60, 0, 0, 0];
    body.extend(target.octets());
    body.extend([2, 1]);
    body.extend(lladdr.octets());
    icmp6(from, to, ips, 136, &body)
}

pub fn arp(
    from: MacAddr,
    to: MacAddr,
    operation: u8,
    sender: (MacAddr, Ipv4Addr),
    target: Ipv4Addr,
) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(to.octets());
    frame.extend(from.octets());
    frame.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(sender.0.octets());
    frame.extend(sender.1.octets());
    frame.extend(MacAddr::ZERO.octets());
    frame.extend(target.octets());
    frame.resize(60, 0);
    frame
}

/// Puts a VLAN tag into a frame.
pub fn tagged(frame: &[u8], vlan: u8) -> Vec<u8> {
    [&frame[..12], &[0x81, 0, 0, vlan], &frame[12..]].concat()
}

/// Gives a frame another ethertype.
pub fn with_type(frame: &[u8], ether_type: u16) -> Vec<u8> {
    [&frame[..12], &ether_type.to_be_bytes(), &frame[14..]].concat()
}

/// Everything that arrives at a guest.
pub struct Tap {
    socket: Socket,
    /// All frames so far.
    seen: Vec<Vec<u8>>,
}

impl Tap {
    pub async fn on(guest: &Guest) -> Self {
        let open = || {
            let every = Protocol::from(i32::from(u16::to_be(3)));
            Socket::new(Domain::PACKET, Type::RAW, Some(every))
        };
        let socket = guest.ns.0.run(open).await.expect("run").expect("packet socket");
        socket.set_read_timeout(Some(Duration::from_millis(500))).expect("timeout");
        Self { socket, seen: Vec::new() }
    }

    /// Frames up to the marker; `None` when the marker does not come. An ICMP error
    /// quoting it, which the socket sees going out, is not the marker.
    pub fn until(&mut self, marker: &[u8]) -> Option<Vec<Vec<u8>>> {
        let end = Instant::now() + Duration::from_secs(3);
        let mut seen: Vec<Vec<u8>> = Vec::new();
        let mut buffer = [0; 2048];
        while Instant::now() < end {
            let Ok(length) = self.socket.read(&mut buffer) else { return None };
            let frame = buffer[..length].to_vec();
            if starts_with(&frame, marker) {
                self.seen.extend(seen.iter().cloned());
                return Some(seen);
            }
            seen.push(frame);
        }
        None
    }
}

impl Tap {
    /// How many frames before the marker are such.
    pub fn count_until(&mut self, marker: &[u8], is_such: impl Fn(&[u8]) -> bool) -> usize {
        let seen = self.until(marker).expect("the marker arrives");
        seen.iter().filter(|frame| is_such(frame)).count()
    }

    /// Whether this frame comes, until it is quiet.
    pub fn hears(&mut self, wanted: &[u8]) -> bool {
        let mut buffer = [0; 2048];
        while let Ok(length) = self.socket.read(&mut buffer) {
            if starts_with(&buffer[..length], wanted) {
                return true;
            }
        }
        false
    }

    /// Whether this frame came in an earlier round.
    pub fn saw(&self, frame: &[u8]) -> bool {
        self.seen.iter().any(|other| starts_with(other, frame))
    }
}

/// Frames may arrive longer, padded.
fn starts_with(frame: &[u8], wanted: &[u8]) -> bool {
    frame.len() >= wanted.len() && frame[..wanted.len()] == *wanted
}

/// Sends `frame` and then a marker that is allowed, twice; tells whether the frame came
/// before the second. Frames between two devices keep their order, but a switch may send
/// on at once what it knows, and a moment later what came first and was new to it.
pub async fn passes(sender: &FrameSender, tap: &mut Tap, marker: &[u8], frame: &[u8]) -> bool {
    sender.send(frame).expect("send");
    let mut passed = false;
    for _ in 0..2 {
        sender.send(marker).expect("send marker");
        let seen = tap.until(marker).expect("the marker arrives");
        passed |= seen.iter().any(|other| starts_with(other, frame));
    }
    passed
}

/// An allowed datagram that ends a round.
pub fn marker(from: MacAddr, to: MacAddr, ips: [Ipv4Addr; 2]) -> Vec<u8> {
    udp4(from, to, ips, [4000, 4000], MARKER)
}

/// A DHCP discover that ends a round: allowed to every port.
pub fn marker_from(mac: MacAddr) -> Vec<u8> {
    udp4(mac, MacAddr::BROADCAST, [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST], [68, 67], MARKER)
}
