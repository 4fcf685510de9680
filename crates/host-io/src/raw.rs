//! Raw sockets on one device of a place: whole frames out, and the ICMPv6
//! messages a router exchanges with its neighbours.

use std::io::{self, IoSliceMut};
use std::mem::size_of;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::unix::AsyncFd;

use crate::readiness::{self, Owned};
use crate::{HostError, Place};

/// Sends whole Ethernet frames out of one device; receives nothing.
#[derive(Debug)]
pub struct FrameSender {
    socket: Socket,
    link: String,
}

impl FrameSender {
    /// Opens it on the device `link` of the place.
    ///
    /// # Errors
    /// When there is no such device or the kernel refuses.
    pub async fn open(place: &Place, link: &str) -> Result<Self, HostError> {
        let name = link.to_owned();
        let open = move || -> io::Result<Socket> {
            let index = if_nametoindex(name.as_str())?;
            // Protocol 0 takes part in no reception at all.
            let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)?;
            socket.bind(&device_address(index, 0)?)?;
            Ok(socket)
        };
        let socket = place.run(open).await?;
        let socket = socket.map_err(|source| HostError::kernel("open a packet socket on", link, source))?;
        Ok(Self { socket, link: link.to_owned() })
    }

    /// Sends one frame, from its destination address on.
    ///
    /// # Errors
    /// When the device is down or gone, or its queue is full.
    pub fn send(&self, frame: &[u8]) -> Result<(), HostError> {
        let sent = self.socket.send(frame);
        sent.map(|_| ()).map_err(|source| HostError::kernel("send a frame on", &self.link, source))
    }
}

/// The address that binds a packet socket to a device and, unless 0, makes it
/// receive frames of this Ethernet type.
pub(crate) fn device_address(index: u32, ether_type: u16) -> io::Result<SockAddr> {
    let index = i32::try_from(index).map_err(io::Error::other)?;
    // SAFETY: the storage is zeroed and larger than a sockaddr_ll, which is plain
    // data; family and length are set to what it is.
    let (_, address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let device = storage.cast::<libc::sockaddr_ll>();
            (*device).sll_family = libc::AF_PACKET as libc::sa_family_t;
            (*device).sll_protocol = ether_type.to_be();
            (*device).sll_ifindex = index;
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })
    }?;
    Ok(address)
}

/// An ICMPv6 message as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icmp6Message {
    pub source: Ipv6Addr,
    /// 255 proves that no router forwarded it.
    pub hop_limit: u8,
    /// From the type on.
    pub body: Vec<u8>,
}

/// Exchanges ICMPv6 messages on one device; the kernel fills in checksums.
#[derive(Debug)]
pub struct Icmp6Socket {
    socket: AsyncFd<Owned<Socket>>,
    link: String,
    index: u32,
}

impl Icmp6Socket {
    /// Opens it on the device `link` of the place. Only messages of the type
    /// `wanted` are received, also those to the multicast `group`.
    ///
    /// # Errors
    /// When there is no such device or the kernel refuses.
    pub async fn open(place: &Place, link: &str, wanted: u8, group: Ipv6Addr) -> Result<Self, HostError> {
        let wrong = |source| HostError::kernel("open an ICMPv6 socket on", link, source);
        let name = link.to_owned();
        let open = move || -> io::Result<(Socket, u32)> {
            let index = if_nametoindex(name.as_str())?;
            let kind = Type::RAW.nonblocking().cloexec();
            let socket = Socket::new(Domain::IPV6, kind, Some(Protocol::ICMPV6))?;
            filter_type(&socket, wanted)?;
            socket.bind_device(Some(name.as_bytes()))?;
            socket.join_multicast_v6(&group, index)?;
            socket.set_multicast_if_v6(index)?;
            socket.set_multicast_hops_v6(255)?;
            socket.set_unicast_hops_v6(255)?;
            socket.set_multicast_loop_v6(false)?;
            socket.set_recv_hoplimit_v6(true)?;
            Ok((socket, index))
        };
        let (socket, index) = place.run(open).await?.map_err(wrong)?;
        let socket = readiness::register(socket).map_err(wrong)?;
        Ok(Self { socket, link: link.to_owned(), index })
    }

    /// Waits for the next message. Safe to cancel.
    ///
    /// # Errors
    /// When the device is gone.
    pub async fn receive(&self) -> Result<Icmp6Message, HostError> {
        let wrong = |source| HostError::kernel("receive ICMPv6 on", &self.link, source);
        loop {
            let mut ready = self.socket.readable().await.map_err(wrong)?;
            match ready.try_io(|socket| receive_now(socket.get_ref().get())) {
                Ok(Ok(Some(message))) => return Ok(message),
                Ok(Ok(None)) | Err(_) => {}
                Ok(Err(error)) => return Err(wrong(error)),
            }
        }
    }

    /// Sends one message, from its type on; the checksum is left zero.
    ///
    /// # Errors
    /// When the device is down or gone, or its queue is full.
    pub fn send(&self, destination: Ipv6Addr, body: &[u8]) -> Result<(), HostError> {
        let address = SocketAddrV6::new(destination, 0, 0, self.index).into();
        let sent = self.socket.get_ref().get().send_to(body, &address);
        sent.map(|_| ()).map_err(|source| HostError::kernel("send ICMPv6 on", &self.link, source))
    }
}

/// `None` for a message without the facts we asked for.
fn receive_now(socket: &Socket) -> io::Result<Option<Icmp6Message>> {
    let mut body = vec![0; 2048];
    let mut space = nix::cmsg_space!(libc::c_int);
    let mut parts = [IoSliceMut::new(&mut body)];
    let received =
        recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty())?;
    let hop_limit = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::Ipv6HopLimit(limit) => u8::try_from(limit).ok(),
        _ => None,
    });
    let source = received.address.map(|address| address.ip());
    let length = received.bytes;
    body.truncate(length);
    Ok(source.zip(hop_limit).map(|(source, hop_limit)| Icmp6Message { source, hop_limit, body }))
}

/// Lets only ICMPv6 messages of one type through (ICMP6_FILTER, RFC 3542 §3.2).
fn filter_type(socket: &Socket, wanted: u8) -> io::Result<()> {
    const ICMP6_FILTER: libc::c_int = 1;
    // A set bit blocks its type.
    let mut blocked = [u32::MAX; 8];
    if let Some(word) = blocked.get_mut(usize::from(wanted >> 5)) {
        *word &= !(1 << (wanted & 31));
    }
    // SAFETY: the option's value is 32 octets, which `blocked` is, read only during the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_ICMPV6,
            ICMP6_FILTER,
            blocked.as_ptr().cast(),
            size_of::<[u32; 8]>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
