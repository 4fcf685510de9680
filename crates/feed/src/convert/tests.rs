use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::facts::{Facts, Remote};
use crate::proto::{self, Record, record::Fact as WireFact};
use crate::samples::{fact, id, port_on};

proptest! {
    #[test]
    fn every_fact_survives_the_wire(fact in fact()) {
        let record = Record::from(&fact);
        prop_assert_eq!(parse_record(&record), Ok(fact.clone()));
        prop_assert_eq!(
            record_key(&record),
            Some(proto::Key::from(&fact.key())),
            "the key of the record and of the fact differ"
        );
    }

    #[test]
    fn every_key_survives_the_wire(fact in fact()) {
        let key = fact.key();
        prop_assert_eq!(FactKey::try_from(&proto::Key::from(&key)), Ok(key));
    }
}

fn wire_port(n: u8) -> proto::Port {
    (&port_on("h1", n)).into()
}

fn wire_rule() -> proto::SecurityGroupRule {
    proto::SecurityGroupRule {
        id: "00000000-0000-0000-0000-000000000001".to_owned(),
        security_group_id: "00000000-0000-0000-0000-000000000002".to_owned(),
        ingress: true,
        ip_version: 4,
        ..Default::default()
    }
}

fn record(fact: WireFact) -> Record {
    Record { fact: Some(fact) }
}

/// The record does not parse, and the message names the field.
#[track_caller]
fn check_refused(fact: WireFact, field: &str) {
    let error = parse_record(&record(fact)).expect_err("parsed");
    let text = error.to_string();
    assert!(text.starts_with(field), "'{text}' does not name '{field}'");
}

#[test]
fn a_field_that_holds_what_it_must_not_is_named() {
    check_refused(WireFact::Port(proto::Port { id: "7".into(), ..wire_port(1) }), "id '7'");
    check_refused(WireFact::Port(proto::Port { mac_address: "fa:16".into(), ..wire_port(1) }), "mac_address");
    check_refused(WireFact::Port(proto::Port { tunnel_ip: "host".into(), ..wire_port(1) }), "tunnel_ip");
    let qos = proto::Qos { dscp: Some(64), ..Default::default() };
    check_refused(WireFact::Port(proto::Port { qos: Some(qos), ..wire_port(1) }), "qos.dscp '64'");
    let fixed_ips = vec![proto::FixedIp {
        subnet_id: id::<isospin_types::SubnetId>(1).to_string(),
        ..Default::default()
    }];
    check_refused(WireFact::Port(proto::Port { fixed_ips, ..wire_port(1) }), "fixed_ips.ip_address ''");
    let network =
        proto::Network { id: id::<isospin_types::NetworkId>(1).to_string(), mtu: 1450, ..Default::default() };
    check_refused(WireFact::Network(proto::Network { mtu: 20, ..network.clone() }), "mtu");
    check_refused(WireFact::Network(network.clone()), "network_type ''");
    for (kind, segment) in [("vxlan", 0), ("vxlan", 1 << 24), ("vlan", 4095)] {
        let network =
            proto::Network { network_type: kind.into(), segmentation_id: segment, ..network.clone() };
        check_refused(WireFact::Network(network), "segmentation_id");
    }
    check_refused(
        WireFact::Network(proto::Network { network_type: "flat".into(), ..network }),
        "physical_network",
    );
    let member = proto::SecurityGroupMember {
        id: "other".into(),
        security_group_id: id::<isospin_types::SecurityGroupId>(1).to_string(),
        port_id: id::<isospin_types::PortId>(1).to_string(),
        addresses: vec!["10.0.0.1".into()],
    };
    check_refused(WireFact::SecurityGroupMember(member), "id 'other'");
}

#[test]
fn a_long_value_is_cut_in_the_message() {
    let port = proto::Port { mac_address: "x".repeat(10_000), ..wire_port(1) };
    let error = parse_record(&record(WireFact::Port(port))).expect_err("parsed");
    assert!(error.to_string().len() < 200);
}

#[test]
fn a_fact_of_a_newer_release_is_unknown_not_an_end() {
    assert_eq!(parse_record(&Record { fact: None }), Err(RecordError::Unknown));
    let bad = Facts::default().apply_record(&Record { fact: None }).expect_err("applied");
    assert_eq!((bad.kind, bad.key), ("unknown", None));
}

#[test]
fn a_lone_address_is_the_prefix_of_itself() {
    let rule = proto::SecurityGroupRule { remote_ip_prefix: "10.0.0.7".into(), ..wire_rule() };
    let Ok(Fact::SecurityGroupRule(rule)) = parse_record(&record(WireFact::SecurityGroupRule(rule))) else {
        panic!("refused");
    };
    assert_eq!(rule.remote, Remote::Prefix(IpAddr::from([10, 0, 0, 7]).into()));
}

/// N04: an invalid CIDR in one rule killed the agent of the whole host.
#[test]
fn n04_a_rule_with_an_invalid_cidr_is_set_aside_and_the_rest_applied() {
    let mut facts = Facts::default();
    let good = proto::SecurityGroupRule { remote_ip_prefix: "10.0.0.0/8".into(), ..wire_rule() };
    for cidr in ["10.0.0.0/33", "::/0", "10.0.0.0/8; drop", "\n"] {
        let bad = proto::SecurityGroupRule {
            id: "00000000-0000-0000-0000-00000000000b".to_owned(),
            remote_ip_prefix: cidr.into(),
            ..wire_rule()
        };
        let error = facts.apply_record(&record(WireFact::SecurityGroupRule(bad))).expect_err("applied");
        assert_eq!(error.kind, "security_group_rule");
        assert!(error.reason.to_string().starts_with("remote_ip_prefix"), "{error}");
        facts.apply_record(&record(WireFact::SecurityGroupRule(good.clone()))).expect("good rule");
    }
    assert_eq!(facts.len(), 1);
}

/// N05: one router that could not be read stopped all others.
#[test]
fn n05_a_router_that_does_not_parse_does_not_touch_another() {
    let mut facts = Facts::default();
    let router = |n: u8, hop: &str| {
        record(WireFact::Router(proto::Router {
            id: id::<isospin_types::RouterId>(n).to_string(),
            routes: vec![proto::Route { destination: "fd00::/64".into(), nexthop: hop.into() }],
            ..Default::default()
        }))
    };
    assert!(facts.apply_record(&router(1, "fd00::1")).is_ok());
    let bad = facts.apply_record(&router(2, "10.0.0.1")).expect_err("applied");
    assert_eq!(bad.key, Some(FactKey::Router(id(2))));
    assert!(facts.apply_record(&router(3, "fd00::1")).is_ok());
    assert_eq!(facts.routers.len(), 2);
}

/// N17: a port range on a protocol without ports blocked all later programming.
#[test]
fn n17_ports_on_a_protocol_without_ports_set_aside_one_rule() {
    for protocol in [None, Some(112), Some(0), Some(47)] {
        let rule = proto::SecurityGroupRule { protocol, port_range_min: Some(80), ..wire_rule() };
        check_refused(WireFact::SecurityGroupRule(rule), "protocol");
    }
    let icmp =
        |kind| proto::SecurityGroupRule { protocol: Some(1), port_range_min: Some(kind), ..wire_rule() };
    assert!(parse_record(&record(WireFact::SecurityGroupRule(icmp(8)))).is_ok());
    check_refused(WireFact::SecurityGroupRule(icmp(256)), "port_range_min");
    let tcp = |min, max| proto::SecurityGroupRule {
        protocol: Some(6),
        port_range_min: Some(min),
        port_range_max: Some(max),
        ..wire_rule()
    };
    assert!(parse_record(&record(WireFact::SecurityGroupRule(tcp(80, 80)))).is_ok());
    check_refused(WireFact::SecurityGroupRule(tcp(81, 80)), "port_range_min");
    check_refused(WireFact::SecurityGroupRule(tcp(80, 65_536)), "port_range_max");
}

/// N09: what is in dns_nameservers must be addresses.
#[test]
fn n09_dns_servers_that_are_no_addresses_set_aside_the_subnet() {
    for server in ["8.8.8.8,9.9.9.9", "8.8.8.8\nserver=1", "dns.example", ""] {
        let subnet = proto::Subnet {
            id: id::<isospin_types::SubnetId>(1).to_string(),
            network_id: id::<isospin_types::NetworkId>(1).to_string(),
            ip_version: 4,
            cidr: "10.0.0.0/24".into(),
            dns_nameservers: vec![server.into()],
            ..Default::default()
        };
        check_refused(WireFact::Subnet(subnet), "dns_nameservers");
    }
}

#[test]
fn applying_the_same_value_again_changes_nothing() {
    let mut facts = Facts::default();
    let record = Record::from(&port_on("h1", 1));
    assert_eq!(facts.apply_record(&record), Ok(Some(FactKey::Port(id(1)))));
    let before = facts.ports[&id(1)].clone();
    assert_eq!(facts.apply_record(&record), Ok(None));
    assert!(std::sync::Arc::ptr_eq(&before, &facts.ports[&id(1)]), "the value was replaced");
    assert!(facts.remove(&FactKey::Port(id(1))));
    assert!(!facts.remove(&FactKey::Port(id(1))));
    assert!(facts.is_empty());
}

#[test]
fn forwarded_ports_lead_one_to_one_or_all_to_one() {
    let id = |n: u8| format!("00000000-0000-0000-0000-0000000000{n:02}");
    let of = |external_last, internal_last| {
        WireFact::FloatingIp(proto::FloatingIp {
            id: id(1),
            router_id: id(2),
            floating_ip_address: "172.24.0.5".into(),
            floating_network_id: id(3),
            port_forwardings: vec![proto::PortForwarding {
                protocol: 6,
                internal_ip_address: "10.0.0.5".into(),
                external_first: 80,
                external_last,
                internal_first: 8080,
                internal_last,
            }],
            ..Default::default()
        })
    };
    for (external_last, internal_last) in [(80, 8080), (90, 8090), (90, 8080)] {
        assert!(parse_record(&record(of(external_last, internal_last))).is_ok());
    }
    check_refused(of(90, 8085), "port_forwardings.internal_last '8085'");
    check_refused(of(70_000, 8080), "port_forwardings.external_last '70000'");
    check_refused(of(79, 8080), "port_forwardings.external_last '79'");
}

#[test]
fn n21_names_of_conntrack_helpers_are_plain() {
    let of = |helper: &str| {
        WireFact::Router(proto::Router {
            id: "00000000-0000-0000-0000-000000000001".into(),
            conntrack_helpers: vec![proto::ConntrackHelper { helper: helper.into(), protocol: 17, port: 69 }],
            ..Default::default()
        })
    };
    assert!(parse_record(&record(of("netbios-ns"))).is_ok());
    for wrong in ["", "a b", "x\" }\nflush ruleset", "Tftp", &"x".repeat(65)] {
        check_refused(of(wrong), "conntrack_helpers.helper");
    }
}
