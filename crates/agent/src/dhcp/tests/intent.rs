//! What the facts make of a network.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use isospin_feed::facts::{Ipv6Mode, Route, Subnet};
use isospin_types::SubnetId;

use crate::config::Role;
use crate::dhcp::encode;
use crate::dhcp::intent::{NetworkIntent, Settings, Wanted, intent, wanted};
use crate::dhcp::isolation::RouterAddresses;
use crate::dhcp::testing::{Cloud, config, host, subnet_id};
use crate::dhcp::wire4::code;

fn intent_of(cloud: &Cloud) -> NetworkIntent {
    intent_with(cloud, &Settings::of(&config()))
}

fn intent_with(cloud: &Cloud, settings: &Settings) -> NetworkIntent {
    let mut routers = RouterAddresses::default();
    for port in cloud.facts.ports.values() {
        routers.set(port);
    }
    let subnets: Vec<Arc<Subnet>> = cloud.facts.subnets.values().cloned().collect();
    let Wanted::Here(network, port) = wanted(&cloud.facts, cloud.network, &host()) else {
        panic!("not served")
    };
    intent(&network, &port, &subnets, &routers, settings)
}

fn option(intent: &NetworkIntent, code: u8) -> Option<Vec<u8>> {
    let subnet = intent.service.subnets4.get(&subnet_id()).expect("subnet");
    subnet.options.iter().find(|option| option.code == code).map(|option| option.value.clone())
}

fn routes(list: &[(&str, &str)]) -> Option<Vec<u8>> {
    let parse = |(net, via): &(&str, &str)| (net.parse().expect("net"), via.parse().expect("address"));
    Some(encode::routes(&list.iter().map(parse).collect::<Vec<(Ipv4Net, Ipv4Addr)>>()))
}

#[test]
fn a_subnet_without_a_router_reaches_metadata_through_the_dhcp_port() {
    let mut cloud = Cloud::new();
    let intent = intent_of(&cloud);
    let metadata: IpNet = "169.254.169.254/32".parse().expect("net");
    assert_eq!(intent.addresses, BTreeSet::from(["10.0.0.2/24".parse().expect("net"), metadata]));
    let isolated = routes(&[("169.254.169.254/32", "10.0.0.2"), ("0.0.0.0/0", "10.0.0.1")]);
    assert_eq!(option(&intent, code::CLASSLESS_ROUTES), isolated);
    assert_eq!(option(&intent, code::CLASSLESS_ROUTES_MS), isolated);
    assert_eq!(option(&intent, code::ROUTER), Some(vec![10, 0, 0, 1]));

    cloud.add_router();
    let intent = intent_of(&cloud);
    assert!(!intent.addresses.contains(&metadata));
    let routed = routes(&[("169.254.169.254/32", "10.0.0.1"), ("0.0.0.0/0", "10.0.0.1")]);
    assert_eq!(option(&intent, code::CLASSLESS_ROUTES), routed);
}

#[test]
fn a_host_without_metadata_promises_none() {
    let mut config = config();
    config.roles.remove(&Role::Metadata);
    let intent = intent_with(&Cloud::new(), &Settings::of(&config));
    assert_eq!(intent.addresses.len(), 1);
    let routed = routes(&[("169.254.169.254/32", "10.0.0.1"), ("0.0.0.0/0", "10.0.0.1")]);
    assert_eq!(option(&intent, code::CLASSLESS_ROUTES), routed);
}

#[test]
fn without_gateway_there_is_no_router_option_and_no_default_route() {
    let mut cloud = Cloud::new();
    cloud.change_subnet(|subnet| subnet.gateway_ip = None);
    let intent = intent_of(&cloud);
    assert_eq!(option(&intent, code::ROUTER), None);
    assert_eq!(option(&intent, code::CLASSLESS_ROUTES), routes(&[("169.254.169.254/32", "10.0.0.2")]));
}

#[test]
fn host_routes_and_other_subnets_are_told() {
    let mut cloud = Cloud::new();
    cloud.add_router();
    cloud.add_subnet(SubnetId::random(), "10.0.1.0/24", |subnet| subnet.enable_dhcp = false);
    cloud.change_subnet(|subnet| {
        let route = |destination: &str, nexthop: &str| Route {
            destination: destination.parse().expect("net"),
            nexthop: nexthop.parse().expect("address"),
        };
        subnet.host_routes = vec![route("192.168.0.0/16", "10.0.0.9"), route("0.0.0.0/0", "10.0.0.8")];
    });
    let want = routes(&[
        ("10.0.1.0/24", "0.0.0.0"),
        ("192.168.0.0/16", "10.0.0.9"),
        ("169.254.169.254/32", "10.0.0.1"),
        ("0.0.0.0/0", "10.0.0.1"),
    ]);
    assert_eq!(option(&intent_of(&cloud), code::CLASSLESS_ROUTES), want);
    // Without a gateway the host route for everything stands in.
    cloud.change_subnet(|subnet| subnet.gateway_ip = None);
    assert_eq!(option(&intent_of(&cloud), code::ROUTER), Some(vec![10, 0, 0, 8]));
}

#[test]
fn name_servers_are_told_as_given_or_not_at_all() {
    let mut cloud = Cloud::new();
    assert_eq!(option(&intent_of(&cloud), code::DNS_SERVER), Some(vec![9, 9, 9, 9]));
    for servers in [&["0.0.0.0"][..], &[]] {
        cloud.change_subnet(|subnet| {
            subnet.dns_nameservers = servers.iter().map(|text| text.parse().expect("address")).collect();
        });
        assert_eq!(option(&intent_of(&cloud), code::DNS_SERVER), None, "{servers:?}");
    }
}

#[test]
fn a_subnet_without_dhcp_is_not_served_but_its_address_stays() {
    let mut cloud = Cloud::new();
    cloud.change_subnet(|subnet| subnet.enable_dhcp = false);
    let intent = intent_of(&cloud);
    assert!(intent.service.subnets4.is_empty());
    assert_eq!(intent.addresses, BTreeSet::from(["10.0.0.2/24".parse().expect("net")]));
}

#[test]
fn the_address_mode_decides_about_version_six() {
    for (mode, want) in [
        (None, None),
        (Some(Ipv6Mode::Slaac), None),
        (Some(Ipv6Mode::Dhcpv6Stateless), Some(false)),
        (Some(Ipv6Mode::Dhcpv6Stateful), Some(true)),
    ] {
        let mut cloud = Cloud::new();
        let id = SubnetId::random();
        cloud.add_subnet(id, "2001:db8::/64", |subnet| subnet.ipv6_address_mode = mode);
        let intent = intent_of(&cloud);
        assert_eq!(intent.service.subnets6.get(&id).map(|subnet| subnet.stateful), want, "{mode:?}");
    }
}

#[test]
fn a_network_is_served_only_with_a_port_bound_here() {
    let mut cloud = Cloud::new();
    let state = |cloud: &Cloud| wanted(&cloud.facts, cloud.network, &host());
    assert!(matches!(state(&cloud), Wanted::Here(..)));
    let port = cloud.dhcp_port;
    cloud.change_port(port, |port| port.host = "elsewhere".to_owned());
    assert!(matches!(state(&cloud), Wanted::Not));
    // Facts can arrive in any order: half of them decides nothing.
    cloud.facts.ports.clear();
    assert!(matches!(state(&cloud), Wanted::Unknown));
    cloud.facts.dhcp_services.clear();
    assert!(matches!(state(&cloud), Wanted::Not));
    let mut cloud = Cloud::new();
    let network = cloud.network;
    Arc::make_mut(cloud.facts.networks.get_mut(&network).expect("network")).admin_state_up = false;
    assert!(matches!(state(&cloud), Wanted::Not));
}
