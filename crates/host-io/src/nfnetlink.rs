//! The wire of nfnetlink (linux/netfilter/nfnetlink.h): what nftables and connection
//! tracking share. Messages are built and read here; a socket belongs
//! to the namespace of the thread that opens it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
};
use nix::sys::time::TimeVal;
use socket2::{SockFilter, SockRef};

/// Length of a netlink header and the nfnetlink header after it.
const HEADERS: usize = 16 + 4;
/// Asks for a verdict also when there is nothing to complain of.
const ACK: u16 = 0x04;
/// The two high bits of an attribute's type are flags.
const TYPE_MASK: u16 = 0x3fff;
const NESTED: u16 = 0x8000;

/// An open nfnetlink socket.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

/// A request of a transaction.
#[derive(Debug)]
pub(crate) struct Request {
    /// Subsystem and number of the message.
    pub(crate) kind: u16,
    /// NFPROTO_*.
    pub(crate) family: u8,
    pub(crate) attributes: Vec<u8>,
}

/// One message without its netlink header.
#[derive(Debug)]
pub(crate) struct Message {
    /// Subsystem and number of the message.
    pub(crate) kind: u16,
    /// Netlink port of who caused it; the process id of most tools.
    pub(crate) port: u32,
    /// AF_INET or AF_INET6.
    pub(crate) family: u8,
    body: Vec<u8>,
}

/// One attribute: its type without flags, and its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute<'a> {
    pub(crate) kind: u16,
    pub(crate) value: &'a [u8],
}

impl Socket {
    /// Opens a socket in the namespace of this thread, subscribed to `groups` (a bit mask).
    pub(crate) fn open(groups: u32) -> io::Result<Self> {
        let fd = socket::socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        // A lost answer must not hold the thread for ever.
        socket::setsockopt(&fd, socket::sockopt::ReceiveTimeout, &TimeVal::new(5, 0))?;
        Ok(Self { fd, sequence: 0 })
    }

    /// Keeps other messages than those of one kind out of this socket's buffer, which a
    /// transaction with 10,000 elements would overflow.
    pub(crate) fn hear_only(&self, kind: u16) -> io::Result<()> {
        const LOAD_HALF: u16 = 0x28;
        const JUMP_EQUAL: u16 = 0x15;
        const RETURN: u16 = 0x06;
        const KIND_AT: u32 = 4;
        // Filters read numbers in network order; the header is in the host's.
        let kind = u32::from(u16::from_be_bytes(kind.to_ne_bytes()));
        SockRef::from(&self.fd).attach_filter(&[
            SockFilter::new(LOAD_HALF, 0, 0, KIND_AT),
            SockFilter::new(JUMP_EQUAL, 0, 1, kind),
            SockFilter::new(RETURN, 0, 0, u32::MAX),
            SockFilter::new(RETURN, 0, 0, 0),
        ])
    }

    /// Gives the descriptor away, for waiting on it asynchronously.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// The port the kernel gave this socket: it is in what others are told of our changes.
    pub(crate) fn port(&self) -> io::Result<u32> {
        Ok(socket::getsockname::<NetlinkAddr>(self.fd.as_raw_fd())?.pid())
    }

    /// Sends requests to a subsystem as one transaction: all of them are done, or none.
    pub(crate) fn transaction(&mut self, subsystem: u8, requests: &[Request]) -> io::Result<()> {
        const BEGIN: u16 = 16;
        const END: u16 = 17;
        let Some((last, before)) = requests.split_last() else { return Ok(()) };
        let mut batch = Vec::new();
        self.message(&mut batch, BEGIN, 0, (0, subsystem), &[])?;
        for request in before {
            self.message(&mut batch, request.kind, 0, (request.family, 0), &request.attributes)?;
        }
        // Refusals are told in any case, so the last one's success is that of all.
        self.message(&mut batch, last.kind, ACK, (last.family, 0), &last.attributes)?;
        self.message(&mut batch, END, 0, (0, subsystem), &[])?;
        send(self.fd.as_raw_fd(), &batch, MsgFlags::empty())?;
        self.verdict()
    }

    /// Sends a request and waits for the kernel's verdict.
    pub(crate) fn acknowledged(&mut self, kind: u16, family: u8, attributes: &[u8]) -> io::Result<()> {
        self.send(kind, ACK, family, attributes)?;
        self.verdict()
    }

    /// The first verdict that comes.
    fn verdict(&self) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            for frame in Frames(&buffer[..length]) {
                if let Frame::End(result) = frame? {
                    return result;
                }
            }
        }
    }

    /// Sends a dump request and hands every answer to `each`.
    pub(crate) fn dump(&mut self, kind: u16, family: u8, mut each: impl FnMut(Message)) -> io::Result<()> {
        const DUMP: u16 = 0x300;
        self.send(kind, DUMP, family, &[])?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            for frame in Frames(&buffer[..length]) {
                match frame? {
                    Frame::Message(message) => each(message),
                    Frame::End(result) => return result,
                }
            }
        }
    }

    fn send(&mut self, kind: u16, flags: u16, family: u8, attributes: &[u8]) -> io::Result<()> {
        let mut message = Vec::with_capacity(HEADERS + attributes.len());
        self.message(&mut message, kind, flags, (family, 0), attributes)?;
        send(self.fd.as_raw_fd(), &message, MsgFlags::empty())?;
        Ok(())
    }

    /// Appends a message. The subsystem is named in the frame of a transaction only.
    fn message(
        &mut self,
        out: &mut Vec<u8>,
        kind: u16,
        flags: u16,
        (family, subsystem): (u8, u8),
        attributes: &[u8],
    ) -> io::Result<()> {
        const REQUEST: u16 = 0x01;
        self.sequence += 1;
        let length = u32::try_from(HEADERS + attributes.len()).map_err(io::Error::other)?;
        out.extend(length.to_ne_bytes());
        out.extend(kind.to_ne_bytes());
        out.extend((REQUEST | flags).to_ne_bytes());
        out.extend(self.sequence.to_ne_bytes());
        out.extend(0u32.to_ne_bytes());
        out.extend([family, 0, 0, subsystem]);
        out.extend(attributes);
        Ok(())
    }
}

/// What a datagram holds.
#[derive(Debug)]
pub(crate) enum Frame {
    Message(Message),
    /// End of a dump, or the verdict on a request.
    End(io::Result<()>),
}

/// The frames of one datagram.
pub(crate) struct Frames<'a>(pub(crate) &'a [u8]);

impl Iterator for Frames<'_> {
    type Item = io::Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        const ERROR: u16 = 2;
        const DONE: u16 = 3;
        if self.0.is_empty() {
            return None;
        }
        let short = || io::Error::new(io::ErrorKind::InvalidData, "short netlink message");
        let (Some(length), Some(kind), Some(port)) =
            (read_u32(self.0, 0), read_u16(self.0, 4), read_u32(self.0, 12))
        else {
            self.0 = &[];
            return Some(Err(short()));
        };
        let length = length as usize;
        let Some(frame) = self.0.get(..length).filter(|frame| frame.len() >= 16) else {
            self.0 = &[];
            return Some(Err(short()));
        };
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok(match kind {
            DONE => Frame::End(Ok(())),
            ERROR => Frame::End(match read_u32(frame, 16).map(u32::cast_signed) {
                Some(0) => Ok(()),
                Some(code) => Err(io::Error::from_raw_os_error(code.wrapping_neg())),
                None => Err(short()),
            }),
            _ => match frame.get(16).zip(frame.get(HEADERS..)) {
                Some((family, body)) => {
                    Frame::Message(Message { kind, port, family: *family, body: body.to_vec() })
                }
                None => return Some(Err(short())),
            },
        }))
    }
}

impl Message {
    pub(crate) fn attributes(&self) -> Attributes<'_> {
        Attributes(&self.body)
    }
}

impl<'a> Attribute<'a> {
    pub(crate) const fn nested(&self) -> Attributes<'a> {
        Attributes(self.value)
    }

    /// The value as a number in network order, of 1, 2 or 4 octets.
    pub(crate) fn number(&self) -> Option<u32> {
        match *self.value {
            [a] => Some(u32::from(a)),
            [a, b] => Some(u32::from(u16::from_be_bytes([a, b]))),
            [a, b, c, d] => Some(u32::from_be_bytes([a, b, c, d])),
            _ => None,
        }
    }
}

/// A sequence of attributes; ends at the first that is cut short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let length = read_u16(self.0, 0)? as usize;
        let kind = read_u16(self.0, 2)? & TYPE_MASK;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Attribute { kind, value })
    }
}

/// Appends an attribute. `nested` marks values that are attributes themselves.
pub(crate) fn put(message: &mut Vec<u8>, kind: u16, nested: bool, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    message.extend(length.to_ne_bytes());
    message.extend((kind | if nested { NESTED } else { 0 }).to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_round_trip_and_stop_where_they_are_cut() {
        let mut inner = Vec::new();
        put(&mut inner, 1, false, &[10, 0, 0, 1]);
        let mut bytes = Vec::new();
        put(&mut bytes, 7, true, &inner);
        put(&mut bytes, 9, false, &[1, 2, 3]);
        let read: Vec<_> = Attributes(&bytes).collect();
        assert_eq!((read[0].kind, read[1].kind, read[1].value), (7, 9, &[1, 2, 3][..]));
        assert_eq!(read[0].nested().next().and_then(|a| a.number()), Some(0x0a00_0001));
        assert_eq!(Attributes(&bytes[..bytes.len() - 2]).count(), 1);
    }

    #[test]
    fn a_short_frame_is_an_error_not_a_panic() {
        assert!(Frames(&[1, 2, 3]).next().is_some_and(|frame| frame.is_err()));
        let mut frame = [0u8; 16];
        frame[..4].copy_from_slice(&400u32.to_ne_bytes());
        assert!(Frames(&frame).next().is_some_and(|frame| frame.is_err()));
    }
}
