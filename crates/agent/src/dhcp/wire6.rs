//! DHCPv6 on the wire (RFC 8415 §8, §21): bytes to [`Message`] and back.
//!
//! As for version 4 every byte comes from a guest: options are kept as slices
//! of the packet, and a cut-off option ends the list.

use std::net::Ipv6Addr;

/// Option codes used by name here (RFC 8415 §21 and the IANA registry).
pub mod code {
    pub const CLIENT_ID: u16 = 1;
    pub const SERVER_ID: u16 = 2;
    pub const IA_NA: u16 = 3;
    pub const IA_TA: u16 = 4;
    pub const IA_ADDR: u16 = 5;
    pub const OPTION_REQUEST: u16 = 6;
    pub const STATUS: u16 = 13;
    pub const RAPID_COMMIT: u16 = 14;
    pub const DNS_SERVERS: u16 = 23;
    pub const DOMAIN_LIST: u16 = 24;
    pub const IA_PD: u16 = 25;
}

/// Status codes (RFC 8415 §21.13).
pub mod status {
    pub const SUCCESS: u16 = 0;
    pub const NO_ADDRESSES: u16 = 2;
    pub const NOT_ON_LINK: u16 = 4;
    pub const USE_MULTICAST: u16 = 5;
    pub const NO_PREFIX: u16 = 6;
}

/// Message types a client or server of one link uses (RFC 8415 §7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Solicit,
    Advertise,
    Request,
    Confirm,
    Renew,
    Rebind,
    Reply,
    Release,
    Decline,
    InformationRequest,
}

impl Kind {
    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Solicit,
            2 => Self::Advertise,
            3 => Self::Request,
            4 => Self::Confirm,
            5 => Self::Renew,
            6 => Self::Rebind,
            7 => Self::Reply,
            8 => Self::Release,
            9 => Self::Decline,
            11 => Self::InformationRequest,
            _ => return None,
        })
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Solicit => 1,
            Self::Advertise => 2,
            Self::Request => 3,
            Self::Confirm => 4,
            Self::Renew => 5,
            Self::Rebind => 6,
            Self::Reply => 7,
            Self::Release => 8,
            Self::Decline => 9,
            Self::InformationRequest => 11,
        }
    }
}

/// A client's message, borrowed from the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    pub kind: Kind,
    pub xid: [u8; 3],
    options: Vec<(u16, &'a [u8])>,
}

impl<'a> Message<'a> {
    /// Reads a UDP payload; `None` when it is no message of a client or server
    /// (a relay's, for example).
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[kind, a, b, c], area) = bytes.split_first_chunk::<4>()?;
        Some(Self { kind: Kind::from_byte(kind)?, xid: [a, b, c], options: options(area) })
    }

    /// The first option with this code.
    #[must_use]
    pub fn option(&self, code: u16) -> Option<&'a [u8]> {
        self.options.iter().find(|(found, _)| *found == code).map(|(_, value)| *value)
    }

    /// All identity associations of one kind, by their option code.
    pub fn associations(&self, code: u16) -> impl Iterator<Item = Association> + '_ {
        self.options.iter().filter(move |(found, _)| *found == code).filter_map(|(code, value)| {
            // A temporary association has no times.
            let fixed = if *code == code::IA_TA { 4 } else { 12 };
            let (head, area) = value.split_at_checked(fixed)?;
            let id = *head.first_chunk::<4>()?;
            let addresses = options(area)
                .into_iter()
                .filter(|(code, _)| *code == code::IA_ADDR)
                .filter_map(|(_, value)| value.first_chunk::<16>())
                .map(|octets| Ipv6Addr::from(*octets))
                .collect();
            Some(Association { id, addresses })
        })
    }

    /// Whether the client's option request names the option.
    #[must_use]
    pub fn wants(&self, code: u16) -> bool {
        let list = self.option(code::OPTION_REQUEST).unwrap_or_default();
        list.chunks_exact(2).any(|pair| pair == code.to_be_bytes())
    }
}

/// An identity association: the client's name for a set of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    pub id: [u8; 4],
    pub addresses: Vec<Ipv6Addr>,
}

fn options(mut area: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let Some((&[a, b, c, d], rest)) = area.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([c, d]));
        let Some((value, rest)) = rest.split_at_checked(length) else { break };
        found.push((u16::from_be_bytes([a, b]), value));
        area = rest;
    }
    found
}

/// Builds a message, or the inside of an option, from the front.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// The start of a message.
    #[must_use]
    pub fn message(kind: Kind, [a, b, c]: [u8; 3]) -> Self {
        Self(vec![kind.byte(), a, b, c])
    }

    /// Bytes without a header, for fixed parts inside an option.
    #[must_use]
    pub fn fixed(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Adds an option; one longer than 65535 bytes is left out.
    #[must_use]
    pub fn option(mut self, code: u16, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        if let Ok(length) = u16::try_from(value.len()) {
            self.0.extend(code.to_be_bytes());
            self.0.extend(length.to_be_bytes());
            self.0.extend(value);
        }
        self
    }

    /// Adds a status code with its text.
    #[must_use]
    pub fn status(self, status: u16, text: &str) -> Self {
        self.option(code::STATUS, [&status.to_be_bytes(), text.as_bytes()].concat())
    }

    /// Adds an address with its lifetimes in seconds; 0 takes it away.
    #[must_use]
    pub fn address(self, address: Ipv6Addr, lifetime: u32) -> Self {
        let lifetime = lifetime.to_be_bytes();
        self.option(code::IA_ADDR, [&address.octets()[..], &lifetime, &lifetime].concat())
    }

    /// The finished bytes.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        self.0
    }
}
