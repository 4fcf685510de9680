//! Names of DHCP options as users of `extra_dhcp_opts` write them (they are those
//! of dnsmasq, `dnsmasq --help dhcp` and `--help dhcp6`), their codes, and the
//! form of their values.

/// How the text of a value becomes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One or more addresses with commas between.
    Addresses,
    /// Address pairs: destination and router, or address and mask.
    Pairs,
    /// `destination/length,next hop,...` (RFC 3442).
    Routes,
    /// Text as it is.
    Text,
    /// Domain names as labels, commas between.
    Domains,
    /// A number of this many bytes.
    Number(u8),
    /// Seconds, or a number with s, m, h, d, w, or `infinite`; four bytes.
    Time,
    /// Addresses or domain names, with a byte before that says which (RFC 3361).
    Sip,
    /// Unknown: colon-separated hex bytes, a number, addresses, or text.
    Guess,
}

use Form::{Addresses, Domains, Guess, Number, Pairs, Routes, Sip, Text, Time};

/// The number dnsmasq lends to the header field `siaddr`.
pub const SERVER_ADDRESS: u8 = 255;

/// DHCPv4 (RFC 2132 and later).
pub const V4: &[(&str, u8, Form)] = &[
    ("netmask", 1, Addresses),
    ("time-offset", 2, Number(4)),
    ("router", 3, Addresses),
    ("dns-server", 6, Addresses),
    ("log-server", 7, Addresses),
    ("lpr-server", 9, Addresses),
    ("hostname", 12, Text),
    ("boot-file-size", 13, Number(2)),
    ("domain-name", 15, Text),
    ("swap-server", 16, Addresses),
    ("root-path", 17, Text),
    ("extension-path", 18, Text),
    ("ip-forward-enable", 19, Number(1)),
    ("non-local-source-routing", 20, Number(1)),
    ("policy-filter", 21, Pairs),
    ("max-datagram-reassembly", 22, Number(2)),
    ("default-ttl", 23, Number(1)),
    ("mtu", 26, Number(2)),
    ("all-subnets-local", 27, Number(1)),
    ("broadcast", 28, Addresses),
    ("router-discovery", 31, Number(1)),
    ("router-solicitation", 32, Addresses),
    ("static-route", 33, Pairs),
    ("trailer-encapsulation", 34, Number(1)),
    ("arp-timeout", 35, Number(4)),
    ("ethernet-encap", 36, Number(1)),
    ("tcp-ttl", 37, Number(1)),
    ("tcp-keepalive", 38, Number(4)),
    ("nis-domain", 40, Text),
    ("nis-server", 41, Addresses),
    ("ntp-server", 42, Addresses),
    ("vendor-encap", 43, Guess),
    ("netbios-ns", 44, Addresses),
    ("netbios-dd", 45, Addresses),
    ("netbios-nodetype", 46, Number(1)),
    ("netbios-scope", 47, Text),
    ("x-windows-fs", 48, Addresses),
    ("x-windows-dm", 49, Addresses),
    ("lease-time", 51, Time),
    ("T1", 58, Time),
    ("T2", 59, Time),
    ("vendor-class", 60, Text),
    ("nis+-domain", 64, Text),
    ("nis+-server", 65, Addresses),
    ("tftp-server", 66, Text),
    ("bootfile-name", 67, Text),
    ("mobile-ip-home", 68, Addresses),
    ("smtp-server", 69, Addresses),
    ("pop3-server", 70, Addresses),
    ("nntp-server", 71, Addresses),
    ("irc-server", 74, Addresses),
    ("user-class", 77, Guess),
    ("client-arch", 93, Number(2)),
    ("posix-timezone", 100, Text),
    ("tzdb-timezone", 101, Text),
    ("ipv6-only", 108, Number(4)),
    ("captive-portal", 114, Text),
    ("domain-search", 119, Domains),
    ("sip-server", 120, Sip),
    ("classless-static-route", 121, Routes),
    ("vendor-id-encap", 125, Guess),
    ("tftp-server-address", 150, Addresses),
    ("path-prefix", 210, Text),
    ("classless-static-route-ms", 249, Routes),
    ("server-ip-address", SERVER_ADDRESS, Addresses),
];

/// DHCPv6 (RFC 8415 and later).
pub const V6: &[(&str, u16, Form)] = &[
    ("sip-server-domain", 21, Domains),
    ("sip-server", 22, Addresses),
    ("dns-server", 23, Addresses),
    ("domain-search", 24, Domains),
    ("nis-server", 27, Addresses),
    ("nis+-server", 28, Addresses),
    ("nis-domain", 29, Domains),
    ("nis+-domain", 30, Domains),
    ("sntp-server", 31, Addresses),
    ("information-refresh-time", 32, Time),
    ("posix-timezone", 41, Text),
    ("tzdb-timezone", 42, Text),
    ("ntp-server", 56, Guess),
    ("bootfile-url", 59, Text),
    ("captive-portal", 103, Text),
];

/// Codes the protocol itself decides on; no port may set them.
pub const RESERVED_V4: &[u8] = &[0, 50, 52, 53, 54, 55, 57, 61, 80, 82];
/// As [`RESERVED_V4`].
pub const RESERVED_V6: &[u16] = &[0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 18, 19, 20, 25, 26];
