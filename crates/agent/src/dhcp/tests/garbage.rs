//! Bytes chosen by a hostile guest (N34: the server is reachable by every tenant).

use std::collections::BTreeMap;

use dhcproto::{Decodable, Decoder};
use isospin_feed::facts::FixedIp;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::dhcp::leases::{Lease, Leases, Subnet6};
use crate::dhcp::server4::Outcome;
use crate::dhcp::testing::{mac, port, service};
use crate::dhcp::{frame, server4, server6};

const CLIENT: &str = "fa:16:3e:00:00:05";

fn leases() -> Leases {
    let mut port = port(CLIENT, "10.0.0.5");
    let mut service = service();
    let id = "5b3c3a52-0f34-4f5e-a8e1-2f43c0d9d006".parse().expect("id");
    let prefix = "2001:db8::/64".parse().expect("prefix");
    service.subnets6 = BTreeMap::from([(id, Subnet6 { prefix, stateful: true, dns: Vec::new() })]);
    port.fixed_ips.push(FixedIp { subnet_id: id, ip_address: "2001:db8::5".parse().expect("address") });
    let mut leases = Leases::new(service);
    leases.set(port.mac, Lease::of(&port).0);
    leases
}

/// A header the server takes, then anything.
fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
    let options = vec((0u8..=255, vec(any::<u8>(), 0..20), 0u8..40), 0..12);
    (1u8..9, any::<[u8; 4]>(), options, vec(any::<u8>(), 0..30)).prop_map(|(kind, ciaddr, options, tail)| {
        let mut bytes = vec![1, 1, 6, 0, 0, 0, 0, 7, 0, 0, 0, 0];
        bytes.extend(ciaddr);
        bytes.resize(28, 0);
        bytes.extend(mac(CLIENT).octets());
        bytes.resize(236, 0);
        bytes.extend([99, 130, 83, 99, 53, 1, kind]);
        for (code, value, lie) in options {
            // Some lengths are wrong on purpose.
            bytes.extend([code, if lie < 4 { lie * 60 } else { value.len() as u8 }]);
            bytes.extend(value);
        }
        bytes.extend(tail);
        bytes
    })
}

fn nearly_right6() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![1u16..30, any::<u16>()];
    let options = vec((code, vec(any::<u8>(), 0..40), 0u16..60), 0..8);
    (0u8..14, options).prop_map(|(kind, options)| {
        let mut bytes = vec![kind, 1, 2, 3, 0, 1, 0, 4, 0, 3, 0, 1];
        for (code, value, lie) in options {
            bytes.extend(code.to_be_bytes());
            bytes.extend((if lie < 4 { lie * 30 } else { value.len() as u16 }).to_be_bytes());
            bytes.extend(value);
        }
        bytes
    })
}

fn check4(payload: &[u8]) {
    if let Outcome::Answer(answer) = server4::answer(&leases(), mac(CLIENT), payload) {
        assert!((300..=1422).contains(&answer.payload.len()));
        let read = dhcproto::v4::Message::decode(&mut Decoder::new(&answer.payload)).expect("decodes");
        assert!(read.opts().msg_type().is_some());
        assert!(read.yiaddr().is_unspecified() || read.yiaddr().to_string() == "10.0.0.5");
    }
}

fn check6(payload: &[u8]) {
    for multicast in [true, false] {
        if let Some(answer) = server6::answer(&leases(), mac(CLIENT), multicast, payload) {
            dhcproto::v6::Message::decode(&mut Decoder::new(&answer)).expect("decodes");
        }
    }
}

proptest! {
    #[test]
    fn n34_any_bytes_are_survived(bytes in vec(any::<u8>(), 0..1500)) {
        check4(&bytes);
        check6(&bytes);
        let _ = frame::parse4(&bytes);
        let _ = frame::parse6(&bytes);
    }

    #[test]
    fn n34_nearly_right_requests_are_answered_rightly_or_not_at_all(bytes in nearly_right()) {
        check4(&bytes);
    }

    #[test]
    fn n34_nearly_right_requests_of_version_six_too(bytes in nearly_right6()) {
        check6(&bytes);
    }
}
