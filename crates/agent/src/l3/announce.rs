//! Telling neighbours where an address is now: gratuitous ARP (RFC 5227 §3) and
//! unsolicited neighbour advertisements (RFC 4861 §7.2.6). The frames are pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use isospin_host_io::raw::FrameSender;
use isospin_host_io::{HostError, Place};
use isospin_types::MacAddr;

/// Times an address is announced: neighbours, and the bridge on the way to
/// them, may not be there for the first.
const TIMES: u32 = 3;
const INTERVAL: Duration = Duration::from_secs(1);

/// Announces the addresses now and a little later again, in the background.
/// Ends by itself when the device goes.
///
/// # Errors
/// When there is no such device.
pub(super) async fn announce(
    place: &Place,
    device: &str,
    mac: MacAddr,
    addresses: BTreeSet<IpAddr>,
) -> Result<(), HostError> {
    let sender = FrameSender::open(place, device).await?;
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(INTERVAL);
        for _ in 0..TIMES {
            ticks.tick().await;
            for frame in addresses.iter().flat_map(|address| frames(mac, *address)) {
                if sender.send(&frame).is_err_and(|error| error.is_not_found()) {
                    return;
                }
            }
        }
    });
    Ok(())
}

/// The frames that announce one address.
fn frames(mac: MacAddr, address: IpAddr) -> Vec<Vec<u8>> {
    match address {
        // Some hosts heed only the request, some only the answer.
        IpAddr::V4(ip) => vec![gratuitous_arp(mac, ip, 1), gratuitous_arp(mac, ip, 2)],
        IpAddr::V6(ip) => vec![neighbour_advertisement(mac, ip)],
    }
}

fn gratuitous_arp(mac: MacAddr, ip: Ipv4Addr, operation: u16) -> Vec<u8> {
    let target = if operation == 1 { MacAddr::ZERO } else { MacAddr::BROADCAST };
    let mut frame = ethernet(MacAddr::BROADCAST, mac, 0x0806);
    // Ethernet, IPv4, address lengths 6 and 4.
    frame.extend([0, 1, 8, 0, 6, 4]);
    frame.extend(operation.to_be_bytes());
    frame.extend(mac.octets());
    frame.extend(ip.octets());
    frame.extend(target.octets());
    frame.extend(ip.octets());
    frame
}

fn neighbour_advertisement(mac: MacAddr, ip: Ipv6Addr) -> Vec<u8> {
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    // Router and override flags; the target's link-layer address as the option.
    let mut body = vec![136, 0, 0, 0, 0xa0, 0, 0, 0];
    body.extend(ip.octets());
    body.extend([2, 1]);
    body.extend(mac.octets());
    let checksum = icmp6_checksum(ip, ALL_NODES, &body).to_be_bytes();
    body.splice(2..4, checksum);

    let mut frame = ethernet(MacAddr::new([0x33, 0x33, 0, 0, 0, 1]), mac, 0x86dd);
    frame.extend([0x60, 0, 0, 0, 0, u8::try_from(body.len()).unwrap_or(u8::MAX), 58, 255]);
    frame.extend(ip.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(body);
    frame
}

fn ethernet(destination: MacAddr, source: MacAddr, kind: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(86);
    frame.extend(destination.octets());
    frame.extend(source.octets());
    frame.extend(kind.to_be_bytes());
    frame
}

/// Internet checksum over pseudo header and body (RFC 8200 §8.1); bodies here
/// are of even length.
fn icmp6_checksum(source: Ipv6Addr, destination: Ipv6Addr, body: &[u8]) -> u16 {
    let words = |bytes: &[u8]| -> u32 {
        bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum()
    };
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut sum = words(&source.octets()) + words(&destination.octets()) + length + 58 + words(body);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;

    fn mac() -> MacAddr {
        MacAddr::new([0xfa, 0x16, 0x3e, 1, 2, 3])
    }

    #[test]
    fn arp_says_who_has_the_address_in_both_ways() {
        let ip = Ipv4Addr::new(172, 24, 0, 76);
        for (frame, operation) in frames(mac(), ip.into()).iter().zip([1, 2]) {
            let packet = SlicedPacket::from_ethernet(frame).expect("frame");
            let Some(NetSlice::Arp(arp)) = packet.net else { panic!("not ARP: {packet:?}") };
            assert_eq!(arp.operation().0, operation);
            assert_eq!(arp.sender_hw_addr(), mac().octets());
            assert_eq!(arp.sender_protocol_addr(), ip.octets());
            assert_eq!(arp.target_protocol_addr(), ip.octets());
        }
    }

    #[test]
    fn the_neighbour_advertisement_is_well_formed() {
        let ip: Ipv6Addr = "fd00::1".parse().expect("ip");
        let frame = &frames(mac(), ip.into())[0];
        let packet = SlicedPacket::from_ethernet(frame).expect("frame");
        let Some(NetSlice::Ipv6(v6)) = &packet.net else { panic!("not IPv6: {packet:?}") };
        assert_eq!(v6.header().hop_limit(), 255);
        let Some(TransportSlice::Icmpv6(icmp)) = &packet.transport else { panic!("not ICMPv6") };
        let (source, destination) = (v6.header().source(), v6.header().destination());
        assert!(icmp.is_checksum_valid(source, destination));
        assert_eq!(icmp.type_u8(), 136);
        assert_eq!(icmp.payload()[..16], ip.octets());
    }
}
