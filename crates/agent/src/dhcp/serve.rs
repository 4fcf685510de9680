//! The server of one network on its sockets.
//!
//! One task per network holds, on the device in the namespace,
//! - a packet socket for DHCPv4 and one for DHCPv6: they see which Ethernet
//!   address really asks, and answer clients that have no address yet;
//! - an ordinary UDP socket on each port that receives nothing: with it the
//!   kernel takes the port for open and tells no client it is unreachable, and
//!   through it the host joins the group of DHCPv6 servers.
//!
//! The server outlives a device that goes down and up; for another device the next
//! pass starts another server.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use isospin_host_io::HostError;
use isospin_host_io::packet::{FrameFilter, PacketSocket, nothing};
use isospin_types::NetworkId;
use parking_lot::RwLock;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::task::JoinHandle;

use super::frame::{self, Route};
use super::leases::Leases;
use super::observe::Door;
use super::server4::{self, Outcome};
use super::server6;

const SERVER_PORT4: u16 = 67;
const CLIENT_PORT4: u16 = 68;
const SERVER_PORT6: u16 = 547;
/// All DHCPv6 relays and servers of the link (RFC 8415 §7.1).
const SERVERS6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// Clients' messages are far shorter; a longer frame is cut and then ignored.
const LONGEST_FRAME: usize = 4096;

/// What a running server stands on; when it changes another is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footing {
    /// Of the namespace.
    pub inode: u64,
    /// Of the device inside.
    pub index: u32,
    pub v4: bool,
    pub v6: bool,
}

/// A server that runs until dropped.
#[derive(Debug)]
pub struct Running {
    footing: Footing,
    task: JoinHandle<()>,
}

impl Running {
    /// Whether it still serves on this footing.
    #[must_use]
    pub fn is_alive_on(&self, footing: Footing) -> bool {
        self.footing == footing && !self.is_finished()
    }

    /// Whether its sockets died.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens the sockets and starts the server; it answers when this returns.
///
/// # Errors
/// When a socket cannot be opened.
pub async fn start(
    network: NetworkId,
    door: &Door,
    inside: &str,
    footing: Footing,
    leases: Arc<RwLock<Leases>>,
) -> Result<Running, HostError> {
    let v4 = if footing.v4 {
        Some((
            packets(door, footing, FrameFilter::Udp4(SERVER_PORT4)).await?,
            guard(door, inside, None).await?,
        ))
    } else {
        None
    };
    let v6 = if footing.v6 {
        let group = Some(footing.index);
        Some((
            packets(door, footing, FrameFilter::Udp6(SERVER_PORT6)).await?,
            guard(door, inside, group).await?,
        ))
    } else {
        None
    };
    let task = tokio::spawn(async move {
        let first = async {
            match v4 {
                Some((socket, _guard)) => serve4(&socket, &leases, network).await,
                None => std::future::pending().await,
            }
        };
        let second = async {
            match v6 {
                Some((socket, _guard)) => serve6(&socket, &leases).await,
                None => std::future::pending().await,
            }
        };
        let ended: io::Result<std::convert::Infallible> = tokio::select! {
            ended = first => ended,
            ended = second => ended,
        };
        let Err(error) = ended;
        tracing::info!(%network, %error, "the DHCP server lost its socket");
    });
    Ok(Running { footing, task })
}

async fn packets(door: &Door, footing: Footing, filter: FrameFilter) -> Result<PacketSocket, HostError> {
    PacketSocket::open(&door.place(), footing.index, filter).await
}

/// The silent UDP socket; with a device index, the one of version 6.
async fn guard(door: &Door, inside: &str, group: Option<u32>) -> Result<Socket, HostError> {
    let device = inside.to_owned();
    let open = move || -> io::Result<Socket> {
        let domain = if group.is_some() { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(domain, Type::DGRAM.cloexec(), Some(Protocol::UDP))?;
        socket.attach_filter(&nothing())?;
        // A server that just ended may not have closed its socket yet.
        socket.set_reuse_address(true)?;
        socket.bind_device(Some(device.as_bytes()))?;
        let address = match group {
            None => SocketAddr::from((Ipv4Addr::UNSPECIFIED, SERVER_PORT4)),
            Some(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, SERVER_PORT6)),
        };
        if let Some(index) = group {
            socket.set_only_v6(true)?;
            socket.join_multicast_v6(&SERVERS6, index)?;
        }
        socket.bind(&address.into())?;
        Ok(socket)
    };
    let opened = door.namespace.run(open).await?;
    opened.map_err(|source| HostError::Kernel {
        operation: "open a UDP socket at",
        object: door.namespace.name().to_owned(),
        source,
    })
}

async fn serve4(
    socket: &PacketSocket,
    leases: &RwLock<Leases>,
    network: NetworkId,
) -> io::Result<std::convert::Infallible> {
    let mut buffer = vec![0; LONGEST_FRAME];
    let mut declined = None;
    loop {
        let Some(length) = receive(socket, &mut buffer).await? else { continue };
        let Some(datagram) = buffer.get(..length).and_then(frame::parse4) else { continue };
        let (outcome, from) = {
            let leases = leases.read();
            let outcome = server4::answer(&leases, datagram.sender, datagram.payload);
            (outcome, leases.service().server.mac)
        };
        match outcome {
            Outcome::Ignored => {
                metrics::counter!("isospin_dhcp_ignored_total", "version" => "4").increment(1)
            }
            Outcome::Declined(address) => {
                metrics::counter!("isospin_dhcp_declined_total", "version" => "4").increment(1);
                // Once per client and address: a guest can say this as often as it likes.
                if declined.replace((datagram.sender, address)) != Some((datagram.sender, address)) {
                    tracing::warn!(%network, client = %datagram.sender, %address, "a client found its address in use");
                }
            }
            Outcome::Answer(answer) => {
                let route = Route {
                    from,
                    to: answer.client,
                    source: answer.source,
                    destination: answer.destination,
                    source_port: SERVER_PORT4,
                    destination_port: CLIENT_PORT4,
                };
                send(socket, frame::build4(&route, &answer.payload), "4").await;
            }
        }
    }
}

async fn serve6(socket: &PacketSocket, leases: &RwLock<Leases>) -> io::Result<std::convert::Infallible> {
    let mut buffer = vec![0; LONGEST_FRAME];
    loop {
        let Some(length) = receive(socket, &mut buffer).await? else { continue };
        let Some(datagram) = buffer.get(..length).and_then(frame::parse6) else { continue };
        if datagram.source.is_unspecified() || datagram.source.is_multicast() {
            continue;
        }
        let (answer, from) = {
            let leases = leases.read();
            let multicast = datagram.destination.is_multicast();
            let answer = server6::answer(&leases, datagram.sender, multicast, datagram.payload);
            (answer, leases.service().server.mac)
        };
        let Some(payload) = answer else {
            metrics::counter!("isospin_dhcp_ignored_total", "version" => "6").increment(1);
            continue;
        };
        let route = Route {
            from,
            to: datagram.sender,
            source: from.link_local(),
            destination: datagram.source,
            source_port: SERVER_PORT6,
            destination_port: datagram.source_port,
        };
        send(socket, frame::build6(&route, &payload), "6").await;
    }
}

/// The next frame's length; `None` when the device went down, for it may come up
/// again. When it is replaced instead, the next pass sees another index.
async fn receive(socket: &PacketSocket, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match socket.receive(buffer).await {
        Err(error) if error.kind() == io::ErrorKind::NetworkDown => Ok(None),
        received => received.map(Some),
    }
}

/// A lost answer is asked for again; a dead device shows in receiving.
async fn send(socket: &PacketSocket, frame: Option<Vec<u8>>, version: &'static str) {
    let Some(frame) = frame else { return };
    match socket.send(&frame).await {
        Ok(()) => metrics::counter!("isospin_dhcp_answers_total", "version" => version).increment(1),
        Err(error) => tracing::debug!(%error, "a DHCP answer was not sent"),
    }
}
