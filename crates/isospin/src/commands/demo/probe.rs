//! What an instance or the host tries: pings, connections, forged frames.
//!
//! Sockets are opened inside the namespace they speak from; nothing on the host but
//! the kernel is needed.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use isospin_host_io::{Place, raw::FrameSender};
use isospin_types::MacAddr;
use socket2::{Domain, Protocol, Socket, Type};

/// Time a probe that must succeed may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time after which silence counts as refusal.
pub const SILENCE: Duration = Duration::from_millis(700);
/// Time one try to connect may take.
const TRY: Duration = Duration::from_millis(100);
/// Between two tries.
pub const PAUSE: Duration = Duration::from_millis(50);

/// Pings until answered.
pub async fn ping(place: &Place, to: Ipv4Addr) -> Result<()> {
    if !in_place(place, move || echo(to, PATIENCE)).await? {
        bail!("no answer from {to} within {} s", PATIENCE.as_secs());
    }
    Ok(())
}

/// Pings for a while; an answer is the error.
pub async fn no_ping(place: &Place, to: Ipv4Addr) -> Result<()> {
    if in_place(place, move || echo(to, SILENCE)).await? {
        bail!("{to} answers, but must not");
    }
    Ok(())
}

/// Runs blocking work inside the place.
pub async fn in_place<T: Send + 'static>(
    place: &Place,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    Ok(place.run_blocking(work).await??)
}

/// Sends echo requests until one is answered or the time is over.
fn echo(to: Ipv4Addr, patience: Duration) -> io::Result<bool> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    socket.connect(&SocketAddr::from((to, 0)).into())?;
    socket.set_read_timeout(Some(PAUSE))?;
    let mut socket = socket;
    let id = std::process::id().to_be_bytes();
    let deadline = Instant::now() + patience;
    let mut sequence = 0u16;
    while Instant::now() < deadline {
        sequence = sequence.wrapping_add(1);
        let [high, low] = sequence.to_be_bytes();
        let mut request = vec![8, 0, 0, 0, id[2], id[3], high, low, 0x69, 0x73, 0x6f];
        let sum = checksum(&request);
        request[2..4].copy_from_slice(&sum.to_be_bytes());
        // A refusal by the kernel (no route yet, host unreachable) is no answer.
        let _ = socket.write(&request);
        let until = Instant::now() + PAUSE;
        while Instant::now() < until {
            let mut answer = [0u8; 256];
            match socket.read(&mut answer) {
                // 20 bytes of IP header, then the echo reply of ours.
                Ok(length) if length >= 28 && answer[20] == 0 && answer[24..26] == id[2..4] => {
                    return Ok(true);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
    Ok(false)
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// A listening socket inside the place.
pub async fn listen(place: &Place, address: SocketAddr) -> Result<TcpListener> {
    let listener = in_place(place, move || TcpListener::bind(address)).await?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Connects from the place, trying anew until the time is over: the kernel itself
/// repeats a request nobody answered only after a second.
pub async fn connect(place: &Place, to: SocketAddr, patience: Duration) -> Result<TcpStream> {
    let deadline = Instant::now() + patience;
    loop {
        match in_place(place, move || TcpStream::connect_timeout(&to, TRY)).await {
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("cannot connect to {to}"));
            }
            Err(_) => tokio::time::sleep(TRY / 10).await,
            Ok(stream) => return Ok(stream),
        }
    }
}

/// The next connection of a listener.
pub async fn accept(listener: &TcpListener) -> Result<(TcpStream, IpAddr)> {
    let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
    let (stream, peer) =
        tokio::time::timeout(PATIENCE, listener.accept()).await.context("nobody connected")??;
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok((stream, peer.ip()))
}

/// Whether what is written on one end comes out of the other in time.
pub async fn carries(mut from: TcpStream, mut to: TcpStream, patience: Duration) -> Result<bool> {
    Ok(tokio::task::spawn_blocking(move || -> io::Result<bool> {
        to.set_read_timeout(Some(patience))?;
        from.write_all(b"isospin")?;
        let mut buffer = [0u8; 7];
        match to.read_exact(&mut buffer) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    })
    .await??)
}

/// GET over HTTP/1.0: the body of a 200.
pub async fn get(place: &Place, server: SocketAddr, path: &'static str) -> Result<String> {
    let mut stream = connect(place, server, PATIENCE).await?;
    let answer = tokio::task::spawn_blocking(move || -> io::Result<String> {
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {server}\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    })
    .await??;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.lines().next().unwrap_or_default();
    if !status.contains(" 200") {
        bail!("{path}: {status}");
    }
    Ok(body.to_owned())
}

/// A UDP frame with chosen addresses.
pub struct Frame {
    pub source_mac: MacAddr,
    pub target_mac: MacAddr,
    pub source: Ipv4Addr,
    pub target: Ipv4Addr,
    pub port: u16,
    pub text: &'static [u8],
}

impl Frame {
    fn bytes(&self) -> Vec<u8> {
        let udp_length = 8 + self.text.len();
        let mut ip = vec![0x45, 0];
        ip.extend(u16::try_from(20 + udp_length).unwrap_or(0).to_be_bytes());
        ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
        ip.extend(self.source.octets());
        ip.extend(self.target.octets());
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        // Checksum 0: none, which UDP over IPv4 allows.
        ip.extend(self.port.to_be_bytes());
        ip.extend(self.port.to_be_bytes());
        ip.extend(u16::try_from(udp_length).unwrap_or(0).to_be_bytes());
        ip.extend([0, 0]);
        ip.extend(self.text);
        ethernet(self.target_mac, self.source_mac, 0x0800, &ip)
    }

    /// Sends it from a device of the place.
    pub async fn send(&self, place: &Place, device: &str) -> Result<()> {
        Ok(FrameSender::open(place, device).await?.send(&self.bytes())?)
    }
}

/// An ARP request: `sender` asks who has `target`.
pub fn arp_request(sender_mac: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
    arp.extend(sender_mac.octets());
    arp.extend(sender.octets());
    arp.extend([0; 6]);
    arp.extend(target.octets());
    ethernet(MacAddr::BROADCAST, sender_mac, 0x0806, &arp)
}

fn ethernet(target: MacAddr, source: MacAddr, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + payload.len());
    frame.extend(target.octets());
    frame.extend(source.octets());
    frame.extend(ether_type.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Texts a UDP socket receives until `last` is among them or the time is over.
pub async fn receive_until(socket: UdpSocket, last: &'static [u8]) -> Result<Vec<Vec<u8>>> {
    Ok(tokio::task::spawn_blocking(move || -> io::Result<Vec<Vec<u8>>> {
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut texts = Vec::new();
        loop {
            let mut buffer = [0u8; 64];
            let (length, _) = socket.recv_from(&mut buffer)?;
            texts.push(buffer[..length].to_vec());
            if &buffer[..length] == last {
                return Ok(texts);
            }
        }
    })
    .await??)
}
