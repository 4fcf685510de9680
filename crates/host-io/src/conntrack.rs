//! Connections the kernel follows: listing and forgetting them, over ctnetlink
//! (linux/netfilter/nfnetlink_conntrack.h), without the `conntrack` tool.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::nfnetlink::{Attribute, Message, Socket, put};
use crate::{HostError, Place};

const SUBSYSTEM: u16 = 1 << 8;
const NEW: u16 = SUBSYSTEM;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;

const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const MARK: u16 = 8;
const ID: u16 = 12;
const ZONE: u16 = 18;
const MARK_MASK: u16 = 21;

/// A followed connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    pub zone: u16,
    pub mark: u32,
    /// IP protocol number.
    pub protocol: u8,
    /// As the first packet had them.
    pub original: Ends,
    /// As answers are expected: differs from the original reversed where NAT is at work.
    pub reply: Ends,
    /// What the kernel needs to find it again.
    key: Vec<u8>,
    family: u8,
}

/// The two ends of one direction. Ports are `None` where the protocol has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub source_port: Option<u16>,
    pub destination_port: Option<u16>,
    /// Type and code, of ICMP and ICMPv6.
    pub icmp: Option<(u8, u8)>,
}

/// Which connections are meant: those that fit every field given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlowFilter {
    pub zone: Option<u16>,
    pub protocol: Option<u8>,
    /// Of the original direction.
    pub source: Option<IpAddr>,
    pub destination: Option<IpAddr>,
    pub source_port: Option<u16>,
    pub destination_port: Option<u16>,
    /// Of the reply direction.
    pub reply_source: Option<IpAddr>,
    pub reply_destination: Option<IpAddr>,
}

impl FlowFilter {
    /// Whether the connection fits.
    #[must_use]
    pub fn fits(&self, flow: &Flow) -> bool {
        self.zone.is_none_or(|zone| zone == flow.zone)
            && self.protocol.is_none_or(|protocol| protocol == flow.protocol)
            && self.source.is_none_or(|ip| ip == flow.original.source)
            && self.destination.is_none_or(|ip| ip == flow.original.destination)
            && self.source_port.is_none_or(|port| Some(port) == flow.original.source_port)
            && self.destination_port.is_none_or(|port| Some(port) == flow.original.destination_port)
            && self.reply_source.is_none_or(|ip| ip == flow.reply.source)
            && self.reply_destination.is_none_or(|ip| ip == flow.reply.destination)
    }
}

/// What came of marking connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// How many times one was marked.
    pub count: u64,
    /// Whether none was found in the end that should have been.
    pub all: bool,
}

/// The door to the connections of a place.
#[derive(Debug, Clone)]
pub struct Conntrack {
    place: Place,
}

impl Conntrack {
    /// The door; nothing is opened before the first call.
    #[must_use]
    pub const fn open(place: Place) -> Self {
        Self { place }
    }

    /// Connections that fit.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn list(&self, filter: FlowFilter) -> Result<Vec<Flow>, HostError> {
        self.work("list connections in", move |socket| read(socket, |flow| filter.fits(flow))).await
    }

    /// Forgets the connections that fit any of the filters; returns how many.
    /// Their next packet is judged as the first of a new connection.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn delete(&self, filters: &[FlowFilter]) -> Result<u64, HostError> {
        if filters.is_empty() {
            return Ok(0);
        }
        let filters = filters.to_vec();
        self.delete_where(move |flow| filters.iter().any(|filter| filter.fits(flow))).await
    }

    /// Forgets the connections for which `doomed` is true; returns how many.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn delete_where(
        &self,
        doomed: impl Fn(&Flow) -> bool + Send + 'static,
    ) -> Result<u64, HostError> {
        self.work("delete connections in", move |socket| {
            let mut deleted = 0;
            for flow in read(socket, doomed)? {
                match socket.acknowledged(DELETE, flow.family, &flow.key) {
                    Ok(()) => deleted += 1,
                    // It ended by itself meanwhile.
                    Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(deleted)
        })
        .await
    }

    /// Sets the bits of `mask` in the marks of the connections for which `meant` is true to those
    /// of `value`, and looks again until there is none left, `looks` times at most. Whether
    /// none was left.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn mark_until_none(
        &self,
        value: u32,
        mask: u32,
        looks: usize,
        meant: impl Fn(&Flow) -> bool + Send + 'static,
    ) -> Result<Marked, HostError> {
        self.work("mark connections in", move |socket| {
            let mut marked = Marked { count: 0, all: false };
            for _ in 0..looks {
                let found = mark(socket, value, mask, &meant)?;
                marked.count += found;
                marked.all = found == 0;
                if marked.all {
                    break;
                }
            }
            Ok(marked)
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Socket) -> io::Result<T> + Send + 'static,
    ) -> Result<T, HostError> {
        let result =
            self.place.run_blocking(move || Socket::open(0).and_then(|mut socket| work(&mut socket)));
        result.await?.map_err(|source| HostError::kernel(operation, self.place.name(), source))
    }
}

/// Of IPv4 and IPv6 in one go: the kernel walks its whole table each time.
fn read(socket: &mut Socket, wanted: impl Fn(&Flow) -> bool) -> io::Result<Vec<Flow>> {
    const BOTH: u8 = 0;
    let mut flows = Vec::new();
    socket.dump(GET, BOTH, |message| flows.extend(parse(&message).filter(|flow| wanted(flow))))?;
    Ok(flows)
}

fn mark(socket: &mut Socket, value: u32, mask: u32, meant: impl Fn(&Flow) -> bool) -> io::Result<u64> {
    let mut marked = 0;
    for flow in read(socket, meant)? {
        let mut message = flow.key.clone();
        put(&mut message, MARK, false, &value.to_be_bytes());
        put(&mut message, MARK_MASK, false, &mask.to_be_bytes());
        match socket.acknowledged(NEW, flow.family, &message) {
            Ok(()) => marked += 1,
            // It ended by itself meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(marked)
}

fn parse(message: &Message) -> Option<Flow> {
    let mut original = None;
    let mut reply = None;
    let mut zone = 0;
    let mut mark = 0;
    let mut key = Vec::new();
    for attribute in message.attributes() {
        match attribute.kind {
            TUPLE_ORIG => {
                original = ends(attribute);
                put(&mut key, TUPLE_ORIG, true, attribute.value);
            }
            TUPLE_REPLY => reply = ends(attribute),
            MARK => mark = attribute.number()?,
            ID => put(&mut key, ID, false, attribute.value),
            ZONE => {
                zone = u16::try_from(attribute.number()?).ok()?;
                put(&mut key, ZONE, false, attribute.value);
            }
            _ => {}
        }
    }
    let (protocol, original) = original?;
    let (_, reply) = reply?;
    Some(Flow { zone, mark, protocol, original, reply, key, family: message.family })
}

/// Protocol and ends of one tuple.
fn ends(tuple: Attribute<'_>) -> Option<(u8, Ends)> {
    const IP: u16 = 1;
    const PROTOCOL: u16 = 2;
    let (mut source, mut destination) = (None, None);
    let (mut number, mut source_port, mut destination_port) = (None, None, None);
    let (mut icmp_type, mut icmp_code) = (None, None);
    for part in tuple.nested() {
        match part.kind {
            IP => {
                for item in part.nested() {
                    match item.kind {
                        1 | 3 => source = address(item.value),
                        2 | 4 => destination = address(item.value),
                        _ => {}
                    }
                }
            }
            PROTOCOL => {
                for item in part.nested() {
                    match item.kind {
                        1 => number = item.value.first().copied(),
                        2 => source_port = item.number().and_then(|port| u16::try_from(port).ok()),
                        3 => destination_port = item.number().and_then(|port| u16::try_from(port).ok()),
                        5 | 8 => icmp_type = item.value.first().copied(),
                        6 | 9 => icmp_code = item.value.first().copied(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let icmp = icmp_type.zip(icmp_code);
    let ends = Ends { source: source?, destination: destination?, source_port, destination_port, icmp };
    Some((number?, ends))
}

fn address(value: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(value)
        .map(|octets| IpAddr::V4(Ipv4Addr::from(octets)))
        .or_else(|_| <[u8; 16]>::try_from(value).map(|octets| IpAddr::V6(Ipv6Addr::from(octets))))
        .ok()
}
