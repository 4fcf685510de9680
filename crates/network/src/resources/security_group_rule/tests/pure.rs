//! Normalisation of rules, for any input.

use ipnet::IpNet;
use isospin_api_kit::{Bodies, Body};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::resources::security_group_rule::TYPE;
use crate::resources::security_group_rule::model::{Ethertype, Matching, PROTOCOLS, Protocol};
use crate::resources::security_group_rule::rules::matching;

fn read(object: &Value) -> Result<Matching, String> {
    let bytes = json!({ "security_group_rule": object }).to_string();
    match Body::create(&TYPE, bytes.as_bytes()).map_err(|fault| fault.message)? {
        Bodies::One(body) => matching(&body).map_err(|fault| fault.message),
        Bodies::Many(_) => Err("one was sent".to_owned()),
    }
}

/// What the API would show of it, sent again.
fn written(matching: &Matching) -> Value {
    json!({
        "security_group_id": "00000000-0000-0000-0000-000000000000",
        "direction": matching.direction.as_str(),
        "ethertype": matching.ethertype.as_str(),
        "protocol": matching.protocol.map(|protocol| protocol.to_string()),
        "port_range_min": matching.port_range_min,
        "port_range_max": matching.port_range_max,
        "remote_ip_prefix": matching.remote.prefix().map(|net| net.to_string()),
        "remote_group_id": matching.remote.group().map(|id| id.to_string()),
    })
}

fn protocols() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!("any")),
        prop::sample::select(PROTOCOLS).prop_map(|(name, _)| json!(name)),
        prop::sample::select(PROTOCOLS).prop_map(|(name, _)| json!(name.to_uppercase())),
        (0u16..300).prop_map(|number| json!(number)),
        (0u16..300).prop_map(|number| json!(number.to_string())),
    ]
}

fn numbers() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (-2i32..300).prop_map(|number| json!(number)),
        Just(json!(1)),
        Just(json!(65535)),
        (0u32..70000).prop_map(|number| json!(number)),
    ]
}

fn prefixes() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (any::<[u8; 4]>(), 0u8..34)
            .prop_map(|(a, length)| json!(format!("{}.{}.{}.{}/{length}", a[0], a[1], a[2], a[3]))),
        (any::<u16>(), 0u8..130).prop_map(|(a, length)| json!(format!("fd00::{a:x}/{length}"))),
        any::<[u8; 4]>().prop_map(|a| json!(std::net::Ipv4Addr::from(a).to_string())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// An accepted rule keeps the bounds every agent relies on, and means the same
    /// when what is shown of it is sent again.
    #[test]
    fn accepted_rules_are_programmable_and_stable(
        ingress in any::<bool>(),
        v6 in any::<bool>(),
        protocol in protocols(),
        min in numbers(),
        max in numbers(),
        prefix in prefixes(),
    ) {
        let object = json!({
            "security_group_id": "00000000-0000-0000-0000-000000000000",
            "direction": if ingress { "ingress" } else { "egress" },
            "ethertype": if v6 { "ipv6" } else { "IPV4" },
            "protocol": protocol, "port_range_min": min, "port_range_max": max, "remote_ip_prefix": prefix,
        });
        let Ok(matching) = read(&object) else { return Ok(()) };
        let (min, max) = (matching.port_range_min, matching.port_range_max);
        match matching.protocol {
            Some(protocol) if protocol.has_ports() => {
                prop_assert_eq!(min.is_some(), max.is_some());
                prop_assert!(min.is_none_or(|port| port > 0) && min <= max);
                prop_assert_ne!((min, max), (Some(1), Some(u16::MAX)));
            }
            Some(protocol) if protocol.is_icmp() => {
                prop_assert!(min.is_none_or(|kind| kind < 256) && max.is_none_or(|code| code < 256));
                prop_assert!(min.is_some() || max.is_none());
            }
            _ => prop_assert_eq!((min, max), (None, None)),
        }
        if let Some(net) = matching.remote.prefix() {
            prop_assert_eq!(matches!(net, IpNet::V6(_)), matching.ethertype == Ethertype::Ipv6);
        }
        if matching.ethertype == Ethertype::Ipv4 {
            prop_assert!(matching.protocol.is_none_or(|protocol| !protocol.is_ipv6_only()));
        } else {
            prop_assert!(matching.protocol.is_none_or(|protocol| protocol.number() != Protocol::ICMP));
        }
        let again = read(&written(&matching)).map_err(TestCaseError::fail)?;
        prop_assert_eq!(again.identity(), matching.identity());
        prop_assert_eq!(again, matching);
    }

    /// Host bits, the spelling of the protocol and a prefix of everything make no difference.
    #[test]
    fn equal_rules_have_one_identity(host in any::<u8>(), at in 0..PROTOCOLS.len()) {
        let (name, number) = PROTOCOLS[at];
        let of = |protocol: Value, prefix: Value| {
            let v6 = Protocol::of_number(number).is_ipv6_only();
            let base = json!({"security_group_id": "00000000-0000-0000-0000-000000000000", "direction": "ingress",
                "ethertype": if v6 { "IPv6" } else { "IPv4" }, "protocol": protocol, "remote_ip_prefix": prefix});
            read(&base).map(|matching| matching.identity())
        };
        let v6 = Protocol::of_number(number).is_ipv6_only();
        let (net, everything) = if v6 { ("fd00::", "::/0") } else { ("10.0.0.", "0.0.0.0/0") };
        let with_host = if v6 { format!("{net}{host:x}/64") } else { format!("{net}{host}/24") };
        let without = if v6 { "fd00::/64".to_owned() } else { "10.0.0.0/24".to_owned() };
        prop_assert_eq!(of(json!(name), json!(with_host)), of(json!(number), json!(without)));
        prop_assert_eq!(of(json!(name), json!(everything)), of(json!(number.to_string()), Value::Null));
    }
}
