//! DHCPv4 on the wire (RFC 2131 §2, RFC 2132, RFC 3396): bytes to [`Request`],
//! [`Reply`] to bytes.
//!
//! Every byte of a request is chosen by a guest. The reader takes the few fields
//! a server of fixed leases needs, keeps option values as bytes, and cannot
//! fail but by saying [`Malformed`]; one odd option does not hide the others.
//! Tests read our replies with an independent decoder.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use isospin_types::MacAddr;

/// Option codes used by name here (RFC 2132 and the IANA registry).
pub mod code {
    pub const PAD: u8 = 0;
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTER: u8 = 3;
    pub const DNS_SERVER: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const DOMAIN_NAME: u8 = 15;
    pub const MTU: u8 = 26;
    pub const BROADCAST: u8 = 28;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const LEASE_TIME: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_ID: u8 = 54;
    pub const PARAMETER_LIST: u8 = 55;
    pub const MESSAGE: u8 = 56;
    pub const MAX_MESSAGE_SIZE: u8 = 57;
    pub const RENEWAL_TIME: u8 = 58;
    pub const REBINDING_TIME: u8 = 59;
    pub const BOOT_FILE: u8 = 67;
    pub const CLASSLESS_ROUTES: u8 = 121;
    pub const IPXE: u8 = 175;
    /// What Windows before Vista asks for instead of 121.
    pub const CLASSLESS_ROUTES_MS: u8 = 249;
    pub const END: u8 = 255;
}

const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Fixed fields, `sname`, `file` and cookie.
const HEADER: usize = 240;
const SNAME: std::ops::Range<usize> = 44..108;
const FILE: std::ops::Range<usize> = 108..236;
/// Old relays and clients drop shorter messages (RFC 1542 §2.1).
const MIN_MESSAGE: usize = 300;

/// Message types (RFC 2132 §9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Discover,
    Offer,
    Request,
    Decline,
    Ack,
    Nak,
    Release,
    Inform,
}

impl Kind {
    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            _ => return None,
        })
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Discover => 1,
            Self::Offer => 2,
            Self::Request => 3,
            Self::Decline => 4,
            Self::Ack => 5,
            Self::Nak => 6,
            Self::Release => 7,
            Self::Inform => 8,
        }
    }
}

/// Why a message is not a request to this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("shorter than a DHCP header")]
    Short,
    #[error("not a request")]
    NotARequest,
    #[error("not of an Ethernet client")]
    NotEthernet,
    #[error("through a relay, and this network is one segment")]
    Relayed,
    #[error("without the DHCP cookie")]
    NoCookie,
    #[error("without a message type")]
    NoMessageType,
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub kind: Kind,
    pub xid: u32,
    /// The client cannot receive unicast before it is configured.
    pub broadcast: bool,
    pub ciaddr: Ipv4Addr,
    pub chaddr: MacAddr,
    options: BTreeMap<u8, Vec<u8>>,
}

impl Request {
    /// Reads a UDP payload.
    ///
    /// # Errors
    /// When it is not a request of a directly attached Ethernet client.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (header, area) = bytes.split_at_checked(HEADER).ok_or(Malformed::Short)?;
        let [op, hardware, hardware_length, ..] = *header else { return Err(Malformed::Short) };
        if op != 1 {
            return Err(Malformed::NotARequest);
        }
        if (hardware, hardware_length) != (1, 6) {
            return Err(Malformed::NotEthernet);
        }
        if field::<4>(header, 24) != [0; 4] {
            return Err(Malformed::Relayed);
        }
        if field::<4>(header, 236) != COOKIE {
            return Err(Malformed::NoCookie);
        }
        let options = read_all_options(header, area);
        let kind = match options.get(&code::MESSAGE_TYPE).map(Vec::as_slice) {
            Some(&[byte]) => Kind::from_byte(byte),
            _ => None,
        };
        Ok(Self {
            kind: kind.ok_or(Malformed::NoMessageType)?,
            xid: u32::from_be_bytes(field(header, 4)),
            broadcast: u16::from_be_bytes(field(header, 10)) & 0x8000 != 0,
            ciaddr: Ipv4Addr::from(field::<4>(header, 12)),
            chaddr: MacAddr::new(field(header, 28)),
            options,
        })
    }

    /// The bytes of an option, fragments joined.
    #[must_use]
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.get(&code).map(Vec::as_slice)
    }

    /// An option that holds one address.
    #[must_use]
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.option(code)?.try_into().ok()?;
        Some(Ipv4Addr::from(octets))
    }

    /// Whether the client wants this option; without a list it wants everything.
    #[must_use]
    pub fn wants(&self, code: u8) -> bool {
        self.option(code::PARAMETER_LIST).is_none_or(|list| list.contains(&code))
    }

    /// The longest UDP payload the client takes: its "maximum message size" less
    /// IP and UDP headers, never below what every client must take (RFC 2131 §2).
    #[must_use]
    pub fn payload_limit(&self) -> usize {
        let size: Option<[u8; 2]> =
            self.option(code::MAX_MESSAGE_SIZE).and_then(|bytes| bytes.try_into().ok());
        let size = size.map_or(576, u16::from_be_bytes).max(576);
        usize::from(size) - 28
    }
}

/// `N` bytes at `offset` of the header; zeroes beyond its end.
fn field<const N: usize>(header: &[u8], offset: usize) -> [u8; N] {
    header.get(offset..offset + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

/// The options field and, when overloaded, `file` and then `sname` (RFC 3396 §5).
fn read_all_options(header: &[u8], area: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let mut options = BTreeMap::new();
    read_options(area, &mut options);
    let overload = options.get(&code::OVERLOAD).and_then(|bytes| bytes.first().copied()).unwrap_or(0);
    for (bit, range) in [(1, FILE), (2, SNAME)] {
        if overload & bit != 0 {
            read_options(header.get(range).unwrap_or_default(), &mut options);
        }
    }
    options
}

/// Values of a repeated option are joined (RFC 3396 §7). A cut-off option ends the area.
fn read_options(mut area: &[u8], options: &mut BTreeMap<u8, Vec<u8>>) {
    while let Some((&code, rest)) = area.split_first() {
        match code {
            code::PAD => area = rest,
            code::END => return,
            _ => {
                let Some((&length, rest)) = rest.split_first() else { return };
                let Some((value, rest)) = rest.split_at_checked(usize::from(length)) else { return };
                options.entry(code).or_default().extend_from_slice(value);
                area = rest;
            }
        }
    }
}

/// An option to send. An empty value is sent with length zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawOption {
    pub code: u8,
    pub value: Vec<u8>,
}

impl RawOption {
    pub fn new(code: u8, value: impl Into<Vec<u8>>) -> Self {
        Self { code, value: value.into() }
    }

    /// Bytes it takes: a value above 255 bytes becomes several options (RFC 3396).
    fn size(&self) -> usize {
        self.value.len() + 2 * self.value.len().div_ceil(255).max(1)
    }

    fn write(&self, out: &mut Vec<u8>) {
        if self.value.is_empty() {
            out.extend([self.code, 0]);
        }
        for part in self.value.chunks(255) {
            out.extend([self.code, part.len() as u8]);
            out.extend_from_slice(part);
        }
    }
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub kind: Kind,
    pub xid: u32,
    pub broadcast: bool,
    pub ciaddr: Ipv4Addr,
    pub yiaddr: Ipv4Addr,
    /// Where the client loads its boot file from.
    pub siaddr: Ipv4Addr,
    pub chaddr: MacAddr,
    /// For the header's `file` field: a boot file for a client that does not know
    /// the option; cut to 127 bytes.
    pub boot_file: Vec<u8>,
    /// The most important first: what does not fit is left out from the end.
    /// Without message type and overload, which are added here.
    pub options: Vec<RawOption>,
}

impl Reply {
    /// The message, at most `limit` bytes (and at least 300). What finds no room
    /// in the options field goes to `file` and `sname` (RFC 2131 §4.1, option 52).
    #[must_use]
    pub fn to_bytes(&self, limit: usize) -> Vec<u8> {
        let mut out = self.header();
        let kind = RawOption::new(code::MESSAGE_TYPE, [self.kind.byte()]);
        // Room for the overload option and the end mark.
        let mut room = limit.max(MIN_MESSAGE) - HEADER - kind.size() - 3 - 1;
        let mut main = vec![&kind];
        let (mut file, mut sname) = (Vec::new(), Vec::new());
        let file_room = if self.boot_file.is_empty() { FILE.len() } else { 0 };
        for option in &self.options {
            if option.size() <= room {
                room -= option.size();
                main.push(option);
            } else if option.value.len() <= 255 && file.len() + option.size() < file_room {
                option.write(&mut file);
            } else if option.value.len() <= 255 && sname.len() + option.size() < SNAME.len() {
                option.write(&mut sname);
            }
        }
        let overload = u8::from(!file.is_empty()) | (u8::from(!sname.is_empty()) << 1);
        for (range, mut area) in [(FILE, file), (SNAME, sname)] {
            if !area.is_empty() {
                area.push(code::END);
                area.resize(range.len(), code::PAD);
                out.splice(range, area);
            }
        }
        for option in main {
            option.write(&mut out);
        }
        if overload != 0 {
            RawOption::new(code::OVERLOAD, [overload]).write(&mut out);
        }
        out.push(code::END);
        out.resize(out.len().max(MIN_MESSAGE), code::PAD);
        out
    }

    fn header(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(548);
        out.extend([2, 1, 6, 0]);
        out.extend(self.xid.to_be_bytes());
        out.extend([0, 0]);
        out.extend((u16::from(self.broadcast) << 15).to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, Ipv4Addr::UNSPECIFIED] {
            out.extend(address.octets());
        }
        out.extend(self.chaddr.octets());
        out.resize(FILE.start, 0);
        out.extend(self.boot_file.iter().take(FILE.len() - 1));
        out.resize(FILE.end, 0);
        out.extend(COOKIE);
        out
    }
}
