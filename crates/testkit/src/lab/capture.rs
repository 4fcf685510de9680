//! Everything that is heard at a place.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

/// Every Ethernet type, as the kernel wants it.
const EVERY: i32 = u16::to_be(0x0003) as i32;
/// For what arrives between two looks.
const BUFFER: usize = 16 << 20;

/// A network that is listened to.
#[derive(Debug)]
pub struct Capture(Socket);

impl Capture {
    /// Listens to all devices of the calling thread's network, to what they send too.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> Result<Self> {
        let kind = Type::RAW.nonblocking().cloexec();
        let socket =
            Socket::new(Domain::PACKET, kind, Some(Protocol::from(EVERY))).context("a packet socket")?;
        setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
        Ok(Self(socket))
    }

    /// The frames since the last look.
    pub fn frames(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut buffer = [0; 9000];
        while let Ok(length) = self.0.read(&mut buffer) {
            frames.push(buffer.iter().take(length).copied().collect());
        }
        frames
    }
}

/// The IP addresses a frame is between, of ARP too.
#[must_use]
pub fn ends(frame: &[u8]) -> Vec<IpAddr> {
    let v4 = |at: usize| {
        let bytes: [u8; 4] = frame.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::V4(Ipv4Addr::from(bytes)))
    };
    let v6 = |at: usize| {
        let bytes: [u8; 16] = frame.get(at..at + 16)?.try_into().ok()?;
        Some(IpAddr::V6(Ipv6Addr::from(bytes)))
    };
    let both = match frame.get(12..14) {
        Some([0x08, 0x00]) => [v4(26), v4(30)],
        Some([0x08, 0x06]) => [v4(28), v4(38)],
        Some([0x86, 0xdd]) => [v6(22), v6(38)],
        _ => [None, None],
    };
    both.into_iter().flatten().collect()
}
