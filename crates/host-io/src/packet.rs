//! Whole Ethernet frames of one device: for servers that answer a client before
//! it has an address, and that must know which Ethernet address really asked.
//!
//! The kernel hands over only what the filter wants, so the sockets cost
//! nothing when other traffic passes. Frames are sent exactly as given, with
//! the checksums the caller put in.

use std::io;

use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::raw::device_address;
use crate::readiness::{self, Owned};
use crate::{HostError, Place};

/// What a [`PacketSocket`] receives: unfragmented UDP to this port, sent to the
/// device, broadcast or multicast (not to somebody else).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameFilter {
    /// Over IPv4.
    Udp4(u16),
    /// Over IPv6 without extension headers.
    Udp6(u16),
}

/// A socket for whole frames on one device of a namespace. While the device is
/// down it is silent; with the device it dies, and must be opened on the next one.
#[derive(Debug)]
pub struct PacketSocket {
    socket: AsyncFd<Owned<Socket>>,
}

impl PacketSocket {
    /// Opens the socket on the device with this index at `place`.
    ///
    /// # Errors
    /// When the device is absent or privilege is missing.
    pub async fn open(place: &Place, link_index: u32, filter: FrameFilter) -> Result<Self, HostError> {
        let wrong = |source| HostError::kernel("open a packet socket at", place.name(), source);
        let socket = place.run(move || open(link_index, filter)).await?.map_err(wrong)?;
        let socket = readiness::register(socket).map_err(wrong)?;
        Ok(Self { socket })
    }

    /// The next frame, from its Ethernet header on; a longer one than `buffer` is cut.
    ///
    /// # Errors
    /// Once when the device goes down or away ([`io::ErrorKind::NetworkDown`]);
    /// one that comes up again is received from again.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket
            .async_io(Interest::READABLE | Interest::ERROR, |socket| {
                io::Read::read(&mut socket.get(), buffer)
            })
            .await
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// When the device is down or gone, or the frame is longer than its MTU.
    pub async fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.async_io(Interest::WRITABLE, |socket| socket.get().send(frame)).await.map(|_| ())
    }
}

/// Without a protocol the socket receives nothing; it gets one only with the
/// binding to its device, so no frame of another device slips in between.
fn open(link_index: u32, filter: FrameFilter) -> io::Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None::<Protocol>)?;
    let (ether_type, program) = match filter {
        FrameFilter::Udp4(port) => (libc::ETH_P_IP, udp4_program(port)),
        FrameFilter::Udp6(port) => (libc::ETH_P_IPV6, udp6_program(port)),
    };
    socket.attach_filter(&program)?;
    socket.bind(&device_address(link_index, ether_type as u16)?)?;
    Ok(socket)
}

/// Classic BPF opcodes (linux/bpf_common.h), joined as the programs use them.
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF: u16 = 0x28;
const LOAD_HALF_INDEXED: u16 = 0x48;
const LOAD_IP_HEADER_LENGTH: u16 = 0xb1;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// Loads the frame's packet type (SKF_AD_OFF + SKF_AD_PKTTYPE, linux/filter.h).
const LOAD_PACKET_TYPE: (u16, u32) = (LOAD_BYTE, 0xffff_f004);
const PACKET_OTHERHOST: u32 = 3;
const UDP: u32 = 17;
const WHOLE_FRAME: u32 = 0xffff;

fn udp4_program(port: u16) -> Vec<SockFilter> {
    vec![
        SockFilter::new(LOAD_PACKET_TYPE.0, 0, 0, LOAD_PACKET_TYPE.1),
        SockFilter::new(JUMP_EQUAL, 8, 0, PACKET_OTHERHOST),
        SockFilter::new(LOAD_BYTE, 0, 0, 23),
        SockFilter::new(JUMP_EQUAL, 0, 6, UDP),
        SockFilter::new(LOAD_HALF, 0, 0, 20),
        SockFilter::new(JUMP_ANY_BIT, 4, 0, 0x3fff),
        SockFilter::new(LOAD_IP_HEADER_LENGTH, 0, 0, 14),
        SockFilter::new(LOAD_HALF_INDEXED, 0, 0, 16),
        SockFilter::new(JUMP_EQUAL, 0, 1, u32::from(port)),
        SockFilter::new(RETURN, 0, 0, WHOLE_FRAME),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

fn udp6_program(port: u16) -> Vec<SockFilter> {
    vec![
        SockFilter::new(LOAD_PACKET_TYPE.0, 0, 0, LOAD_PACKET_TYPE.1),
        SockFilter::new(JUMP_EQUAL, 5, 0, PACKET_OTHERHOST),
        SockFilter::new(LOAD_BYTE, 0, 0, 20),
        SockFilter::new(JUMP_EQUAL, 0, 3, UDP),
        SockFilter::new(LOAD_HALF, 0, 0, 56),
        SockFilter::new(JUMP_EQUAL, 0, 1, u32::from(port)),
        SockFilter::new(RETURN, 0, 0, WHOLE_FRAME),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// A filter that lets nothing through, for a socket that is open only so that
/// the kernel does not answer "port unreachable".
#[must_use]
pub fn nothing() -> Vec<SockFilter> {
    vec![SockFilter::new(RETURN, 0, 0, 0)]
}
