//! `extra_dhcp_opts`: names, values, and what users try to smuggle in.

use isospin_feed::facts::DhcpOption;
use proptest::prelude::*;

use crate::dhcp::extra::{Effect, Extra, Refused, parse};
use crate::dhcp::leases::Lease;
use crate::dhcp::testing::port;

fn option(name: &str, value: &str, ip_version: u8) -> DhcpOption {
    DhcpOption { name: name.to_owned(), value: value.to_owned(), ip_version }
}

fn check(name: &str, value: &str, want: (u16, &[u8])) {
    let extra = parse(&option(name, value, 4));
    let effect = Effect::Send { code: want.0, value: want.1.to_vec() };
    assert_eq!(extra, Ok(Extra { effect, ipxe: None }), "{name}={value}");
}

#[test]
fn names_and_numbers_take_values_of_their_form() {
    check("bootfile-name", "pxelinux.0", (67, b"pxelinux.0"));
    check("67", "pxelinux.0", (67, b"pxelinux.0"));
    check("option:67", "pxelinux.0", (67, b"pxelinux.0"));
    check("tftp-server", "10.0.0.9", (66, b"10.0.0.9"));
    check("tftp-server-address", "10.0.0.9", (150, &[10, 0, 0, 9]));
    check("ntp-server", "10.0.0.9, 10.0.0.10", (42, &[10, 0, 0, 9, 10, 0, 0, 10]));
    check("mtu", "1400", (26, &[5, 120]));
    check("26", "1400", (26, &[5, 120]));
    check("T1", "2m", (58, &[0, 0, 0, 120]));
    check("lease-time", "infinite", (51, &[255; 4]));
    check("time-offset", "-60", (2, &[255, 255, 255, 196]));
    check("domain-search", "a.b,c", (119, &[1, b'a', 1, b'b', 0, 1, b'c', 0]));
    check("classless-static-route", "10.1.0.0/16,10.0.0.7", (121, &[16, 10, 1, 10, 0, 0, 7]));
    check("static-route", "10.1.0.0,10.0.0.7", (33, &[10, 1, 0, 0, 10, 0, 0, 7]));
    check("sip-server", "10.0.0.1", (120, &[1, 10, 0, 0, 1]));
    check("sip-server", "sip.example", (120, b"\0\x03sip\x07example\0"));
    check("224", "300", (224, &[1, 44]));
    check("224", "ab:cd:0", (224, &[0xab, 0xcd, 0]));
    check("224", "10.0.0.1", (224, &[10, 0, 0, 1]));
    check("224", "some text", (224, b"some text"));
}

#[test]
fn version_six_has_its_own_names() {
    let send = |code: u16, value: &[u8]| {
        Ok(Extra { effect: Effect::Send { code, value: value.to_vec() }, ipxe: None })
    };
    let address = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    assert_eq!(parse(&option("dns-server", "[2001:db8::1]", 6)), send(23, &address));
    assert_eq!(parse(&option("59", "tftp://[::1]/x", 6)), send(59, b"tftp://[::1]/x"));
    assert!(matches!(parse(&option("router", "::1", 6)), Err(Refused::UnknownName { version: 6, .. })));
}

#[test]
fn what_is_wrong_is_refused_for_that_option_only() {
    for (name, value) in [
        ("no-such-option", "1"),
        ("256", "1"),
        ("-1", "1"),
        ("mtu", "70000"),
        ("mtu", "x"),
        ("router", "10.0.0.256"),
        ("router", "::1"),
        ("server-ip-address", "10.0.0.1,10.0.0.2"),
        ("classless-static-route", "10.0.0.0/8"),
        ("static-route", "10.0.0.0"),
        ("domain-search", "a..b"),
        ("bootfile-name", ""),
        ("message-type", "5"),
        ("53", "5"),
        ("54", "10.0.0.66"),
        ("52", "3"),
        ("tag:other,67", "x"),
        ("tag:67", "x"),
    ] {
        assert!(parse(&option(name, value, 4)).is_err(), "{name}={value}");
    }
    let mut port = port("fa:16:3e:00:00:05", "10.0.0.5");
    port.extra_dhcp_opts = vec![option("nonsense", "1", 4), option("mtu", "1400", 4)];
    let (lease, refused) = Lease::of(&port);
    assert_eq!(lease.extra4.len(), 1);
    assert_eq!(refused, ["there is no DHCPv4 option named 'nonsense'"]);
}

/// CVE-2021-40085: a newline in a value became a line of the server's configuration.
#[test]
fn n21_a_value_cannot_leave_its_option() {
    for value in ["a\nrouter=10.6.6.6", "a\r\n", "a\0b", "\u{1b}[2J", "x\u{7f}"] {
        for name in ["bootfile-name", "domain-name", "224", "root-path", "hostname"] {
            assert!(parse(&option(name, value, 4)).is_err(), "{name}={value:?}");
        }
    }
    for name in ["67\nrouter", "mtu\n", "option:67\n,3"] {
        assert!(parse(&option(name, "1400", 4)).is_err(), "{name:?}");
    }
}

proptest! {
    /// Whatever the text, a value sent is one option with a code of its own and
    /// no control characters from the user's text.
    #[test]
    fn n21_any_text_is_one_option_or_refused(name in "\\PC{0,20}|[a-z0-9:,-]{0,20}", value in any::<String>(), six in any::<bool>()) {
        let option = option(&name, &value, if six { 6 } else { 4 });
        if let Ok(Extra { effect: Effect::Send { code, value: bytes }, .. }) = parse(&option) {
            let reserved: &[u16] = if six { &[0, 1, 2, 3, 13] } else { &[0, 50, 52, 53, 54, 55, 61, 82, 255] };
            prop_assert!(!reserved.contains(&code));
            prop_assert!(!name.chars().chain(value.chars()).any(char::is_control));
            prop_assert!(!bytes.is_empty() && bytes.len() <= 4 * value.len() + 8);
        }
    }
}
