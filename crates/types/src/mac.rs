//! Ethernet addresses.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A 48-bit Ethernet address, shown in lower-case colon form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddr([u8; 6]);

/// A text that is not an Ethernet address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a valid MAC address")]
pub struct MacError(pub String);

impl MacAddr {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// 00:00:00:00:00:00.
    pub const ZERO: Self = Self([0; 6]);

    /// From its six octets.
    #[must_use]
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// Its six octets.
    #[must_use]
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether the group bit is set (multicast and broadcast).
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// The interface identifier half of an IPv6 address made from this MAC
    /// (modified EUI-64, RFC 4291 appendix A) joined to the upper half of `prefix`.
    #[must_use]
    pub fn eui64(self, prefix: Ipv6Addr) -> Ipv6Addr {
        let mut octets = prefix.octets();
        let m = self.0;
        octets[8..].copy_from_slice(&[m[0] ^ 0x02, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]]);
        Ipv6Addr::from(octets)
    }

    /// The link-local address an interface with this MAC gives itself.
    #[must_use]
    pub fn link_local(self) -> Ipv6Addr {
        self.eui64(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0))
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for MacAddr {
    type Err = MacError;

    /// Accepts colon, hyphen and dotted (`fa16.3e00.0001`) forms in any case.
    fn from_str(text: &str) -> Result<Self, MacError> {
        let wrong = || MacError(text.to_owned());
        let group = match text.len() {
            17 if text.bytes().filter(|b| *b == b':').count() == 5 => 2,
            17 if text.bytes().filter(|b| *b == b'-').count() == 5 => 2,
            14 if text.bytes().filter(|b| *b == b'.').count() == 2 => 4,
            12 => 12,
            _ => return Err(wrong()),
        };
        let parts: Vec<&str> = text.split([':', '-', '.']).collect();
        if parts.iter().any(|part| part.len() != group || !part.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err(wrong());
        }
        let digits: String = parts.concat();
        let mut octets = [0u8; 6];
        for (index, octet) in octets.iter_mut().enumerate() {
            let pair = digits.get(index * 2..index * 2 + 2).ok_or_else(wrong)?;
            *octet = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(octets))
    }
}

impl TryFrom<String> for MacAddr {
    type Error = MacError;
    fn try_from(text: String) -> Result<Self, MacError> {
        text.parse()
    }
}

impl From<MacAddr> for String {
    fn from(mac: MacAddr) -> Self {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_form_is_the_same_address() {
        let want = MacAddr::new([0xfa, 0x16, 0x3e, 0x00, 0xab, 0x01]);
        for text in ["fa:16:3e:00:ab:01", "FA-16-3E-00-AB-01", "fa16.3e00.ab01", "fa163e00ab01"] {
            assert_eq!(text.parse(), Ok(want), "{text}");
        }
        assert_eq!(want.to_string(), "fa:16:3e:00:ab:01");
        for text in ["", "fa:16:3e:00:ab", "fa:16:3e:00:ab:0g", "+a:16:3e:00:ab:01", "fa:16:3e:00:ab:01:02"] {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }

    #[test]
    fn eui64_flips_the_universal_bit() {
        let mac: MacAddr = "fa:16:3e:1f:94:4b".parse().expect("mac");
        let prefix = "fd00:77::".parse().expect("prefix");
        assert_eq!(mac.eui64(prefix).to_string(), "fd00:77::f816:3eff:fe1f:944b");
    }
}
