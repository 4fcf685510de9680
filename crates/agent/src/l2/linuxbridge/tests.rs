//! The plan, without a host.

use std::collections::BTreeSet;
use std::sync::Arc;

use isospin_feed::facts::{AddressPair, Facts, Port, Segment};
use isospin_host_io::{Link, LinkChange};

use super::plan::{Step, plan};
use super::{Intent, Observed, intent, names, owned};
use crate::config::{AgentConfig, PhysicalNetwork};
use crate::firewall::testing::{self, add_port, cloud, mac};

fn link(index: u32, name: &str, kind: &str) -> Link {
    Link {
        index,
        name: name.to_owned(),
        kind: kind.to_owned(),
        mac: None,
        mtu: 1500,
        up: false,
        carrier: true,
        forwards: None,
        master: None,
        alias: None,
        vni: None,
        group: None,
        answers: false,
    }
}

fn observed(links: impl IntoIterator<Item = Link>) -> Observed {
    let links = links.into_iter().map(|link| (link.name.clone(), link)).collect();
    Observed { links, ..Observed::default() }
}

/// One port on one network, and its tap.
fn one_port() -> (Facts, Intent, String, String) {
    let (mut facts, _) = cloud(0);
    let port = add_port(&mut facts, 7, &[]);
    let intent = intent::of(&facts, &testing::config());
    let tap = facts.ports[&port].tap_name();
    let bridge = intent.taps[&tap].bridge.clone();
    (facts, intent, tap, bridge)
}

fn kinds(steps: &[Step]) -> Vec<String> {
    let kind = |step: &Step| format!("{step:?}").split([' ', '{']).next().unwrap_or_default().to_owned();
    steps.iter().map(|step| format!("{} {}", kind(step), step.device())).collect()
}

#[test]
fn a_network_gets_its_bridge_before_any_tap() {
    let (_, intent, tap, bridge) = one_port();
    let steps = plan(&intent, &observed([]), true);
    let expected = ["CreateBridge", "DisableIpv6", "Change"].map(|kind| format!("{kind} {bridge}"));
    assert_eq!(kinds(&steps), expected);
    let steps = plan(&intent, &observed([link(5, &tap, "tun")]), true);
    let last = format!("Change {tap}");
    assert_eq!(kinds(&steps)[3..], [last.clone(), last], "marked, then put in and set up");
}

#[test]
fn a_healthy_host_needs_no_step() {
    let (facts, intent, tap, bridge) = one_port();
    let port = facts.ports.values().next().expect("port");
    let bridge =
        Link { up: true, alias: Some(owned::network_alias(port.network_id)), ..link(5, &bridge, "bridge") };
    let tap =
        Link { up: true, master: Some(5), alias: Some(owned::port_alias(port.id)), ..link(6, &tap, "tun") };
    assert_eq!(plan(&intent, &observed([bridge, tap]), true), []);
}

#[test]
fn only_what_is_ours_is_swept_and_only_when_allowed() {
    let ours = Link { alias: Some("isospin:network:x".to_owned()), ..link(1, "brqold", "bridge") };
    let tunnel = Link { alias: Some("isospin:network:x".to_owned()), ..link(2, "vxlan-9", "vxlan") };
    let theirs = link(3, "brqtheirs", "bridge");
    // The mark alone is not enough: somebody may have renamed or reused a device.
    let odd = Link { alias: Some("isospin:network:x".to_owned()), ..link(4, "eth7", "") };
    let host = observed([ours, tunnel, theirs, odd]);
    assert_eq!(plan(&Intent::default(), &host, false), []);
    assert_eq!(kinds(&plan(&Intent::default(), &host, true)), ["Sweep vxlan-9", "Sweep brqold"]);
}

#[test]
fn a_tap_of_a_gone_port_leaves_the_bridge_and_loses_its_mark() {
    let tap = Link { master: Some(5), alias: Some("isospin:port:x".to_owned()), ..link(6, "tapgone", "tun") };
    let unknown = Link { master: Some(5), ..link(7, "tapunknown", "tun") };
    let host = observed([tap, unknown]);
    assert_eq!(plan(&Intent::default(), &host, false), []);
    let change = LinkChange { master: Some(None), alias: Some(String::new()), ..LinkChange::default() };
    let expected = [Step::Change { name: "tapgone".to_owned(), change }];
    assert_eq!(plan(&Intent::default(), &host, true), expected);
}

#[test]
fn tunnels_flood_to_peers_and_know_where_macs_are() {
    let (mut facts, _) = cloud(0);
    add_port(&mut facts, 7, &[]);
    let remote = add_port(&mut facts, 8, &[]);
    let port = Arc::make_mut(facts.ports.get_mut(&remote).expect("port"));
    (port.host, port.tunnel_ip) = ("there".to_owned(), "172.31.0.2".parse().ok());
    let network = facts.networks.values_mut().next().map(Arc::make_mut).expect("network");
    network.segment = Segment::Vxlan { vni: 42 };
    network.tunnel_peers = BTreeSet::from(["172.31.0.1", "172.31.0.2"].map(|ip| ip.parse().expect("ip")));
    let alone = intent::of(&facts, &testing::config());
    assert!(alone.vxlans.is_empty(), "a single machine opens no tunnel");
    let config = AgentConfig { tunnel_ip: "172.31.0.1".parse().ok(), ..testing::config() };
    let vxlan = &intent::of(&facts, &config).vxlans["vxlan-42"];
    let peer = "172.31.0.2".parse().expect("ip");
    assert_eq!(
        vxlan.entries,
        BTreeSet::from([(isospin_types::MacAddr::ZERO, peer), (mac(8), peer)]),
        "itself is no peer"
    );
    // A peer that went away is forgotten, after the new ones are known.
    let mut host = observed([]);
    let old = "172.31.0.9".parse().expect("ip");
    host.entries.insert("vxlan-42".to_owned(), BTreeSet::from([(mac(8), old)]));
    let steps = plan(&intent::of(&facts, &config), &host, true);
    let entries: Vec<_> = kinds(&steps).into_iter().filter(|step| step.contains("Entry")).collect();
    assert_eq!(entries, ["AddEntry vxlan-42", "AddEntry vxlan-42"], "the device is new");
    host.links.insert("vxlan-42".to_owned(), Link { answers: true, ..link(9, "vxlan-42", "vxlan") });
    let steps = plan(&intent::of(&facts, &config), &host, true);
    let entries: Vec<_> = kinds(&steps).into_iter().filter(|step| step.contains("Entry")).collect();
    assert_eq!(entries, ["AddEntry vxlan-42", "AddEntry vxlan-42", "DeleteEntry vxlan-42"]);
}

#[test]
fn a_tunnel_answers_only_when_it_knows_everybody() {
    let (mut facts, _) = cloud(0);
    add_port(&mut facts, 7, &[]);
    let remote = add_port(&mut facts, 8, &[]);
    let mut change = |change: &dyn Fn(&mut Port)| {
        let port = Arc::make_mut(facts.ports.get_mut(&remote).expect("port"));
        (port.host, port.tunnel_ip) = ("there".to_owned(), "172.31.0.2".parse().ok());
        (port.device_owner, port.port_security_enabled) = ("compute:nova".to_owned(), true);
        change(port);
        let network = facts.networks.values_mut().next().map(Arc::make_mut).expect("network");
        network.segment = Segment::Vxlan { vni: 42 };
        let config = AgentConfig { tunnel_ip: "172.31.0.1".parse().ok(), ..testing::config() };
        intent::of(&facts, &config).vxlans["vxlan-42"].clone()
    };
    let known = change(&|_| {}).neighbours.expect("everybody is known");
    let own: BTreeSet<&str> = ["10.0.0.8", "fd00::8", "fe80::f816:3eff:fe00:8"].into();
    assert_eq!(
        known.keys().map(ToString::to_string).collect::<BTreeSet<_>>(),
        own.iter().map(ToString::to_string).collect()
    );
    assert!(known.values().all(|at| *at == mac(8)));
    assert!(change(&|port| port.device_owner = "network:dhcp".to_owned()).neighbours.is_some());
    assert!(change(&|port| port.device_owner = "network:other".to_owned()).neighbours.is_none());
    assert!(change(&|port| port.port_security_enabled = false).neighbours.is_none());
    let pair = AddressPair { ip: "10.0.0.9/32".parse().expect("net"), mac: mac(8) };
    let vxlan = change(&|port| port.allowed_address_pairs = vec![pair]);
    assert!(vxlan.neighbours.is_none());
    // A device that does otherwise is made anew, with all its entries.
    let mut host = observed([Link { answers: true, ..link(9, "vxlan-42", "vxlan") }]);
    host.links.get_mut("vxlan-42").expect("link").alias = Some("isospin:network:x".to_owned());
    host.entries.insert("vxlan-42".to_owned(), vxlan.entries.clone());
    let intent = Intent { vxlans: [("vxlan-42".to_owned(), vxlan)].into(), ..Intent::default() };
    let steps = kinds(&plan(&intent, &host, true));
    assert_eq!(steps[..2], ["Sweep vxlan-42", "CreateVxlan vxlan-42"]);
    assert!(steps.contains(&"AddEntry vxlan-42".to_owned()), "{steps:?}");
}

#[test]
fn without_l2population_a_tunnel_floods_to_its_group_by_the_device_with_its_address() {
    let (mut facts, _) = cloud(0);
    add_port(&mut facts, 7, &[]);
    let network = facts.networks.values_mut().next().map(Arc::make_mut).expect("network");
    network.segment = Segment::Vxlan { vni: 42 };
    let group = "239.1.1.1".parse().ok();
    let config =
        AgentConfig { tunnel_ip: "172.31.0.1".parse().ok(), vxlan_group: group, ..testing::config() };
    let mut host = observed([]);
    host.underlay = Some("eth0".to_owned());
    let intent = intent::of(&facts, &config);
    let steps = plan(&intent, &host, true);
    let spec = steps.iter().find_map(|step| match step {
        Step::CreateVxlan { spec, .. } => Some(spec),
        _ => None,
    });
    let spec = spec.expect("a tunnel");
    assert_eq!((spec.group, spec.device.as_deref(), spec.learning), (group, Some("eth0"), true));
    assert!(!spec.answers);
    // What it learned stays.
    host.links.insert("vxlan-42".to_owned(), Link { group, ..link(9, "vxlan-42", "vxlan") });
    let learned = BTreeSet::from([(mac(8), "172.31.0.9".parse().expect("ip"))]);
    host.entries.insert("vxlan-42".to_owned(), learned);
    let steps = kinds(&plan(&intent, &host, true));
    assert!(!steps.iter().any(|step| step.contains("Entry") || step.contains("Sweep")), "{steps:?}");
}

#[test]
fn a_vlan_is_a_device_of_the_nic_in_the_bridge_of_its_network() {
    let (mut facts, _) = cloud(0);
    add_port(&mut facts, 7, &[]);
    let network = facts.networks.values_mut().next().map(Arc::make_mut).expect("network");
    network.segment = Segment::Vlan { physical_network: "provider".to_owned(), vlan: 101 };
    let mut config = testing::config();
    let with = |interface: Option<&str>| PhysicalNetwork {
        bridge: "br-prov".to_owned(),
        interface: interface.map(str::to_owned),
        ..PhysicalNetwork::default()
    };
    config.physical_networks.insert("provider".to_owned(), with(None));
    let reasons: Vec<_> = intent::of(&facts, &config).impossible.into_values().collect();
    assert_eq!(reasons, ["physical network 'provider' has no interface on this host"]);
    config.physical_networks.insert("provider".to_owned(), with(Some("eth1")));
    let intent = intent::of(&facts, &config);
    let tap = intent.taps.values().next().expect("a tap");
    assert!(tap.bridge.starts_with("brq"), "not the bridge of what is not tagged");
    let steps = plan(&intent, &observed([link(2, "eth1", "")]), true);
    let vlan: Vec<_> = kinds(&steps).into_iter().filter(|step| step.contains("eth1.101")).collect();
    assert_eq!(vlan, ["CreateVlan eth1.101", "DisableIpv6 eth1.101", "Change eth1.101"]);
    let spec = steps.iter().find_map(|step| match step {
        Step::CreateVlan { spec, .. } => Some((spec.device.as_str(), spec.vlan)),
        _ => None,
    });
    assert_eq!(spec, Some(("eth1", 101)));
    // It goes with its network, before the bridge it is in.
    let ours = |index, name: &str, kind: &str| Link {
        alias: Some("isospin:network:x".to_owned()),
        ..link(index, name, kind)
    };
    let host = observed([ours(3, "eth1.101", "vlan"), ours(4, "brqold", "bridge")]);
    assert_eq!(kinds(&plan(&Intent::default(), &host, true)), ["Sweep eth1.101", "Sweep brqold"]);
}

#[test]
fn names_of_vlan_devices_fit_and_stay_apart() {
    assert_eq!(names::vlan("eth1", 101), "eth1.101");
    let long = names::vlan("enp129s0f1np1x", 4094);
    assert_eq!(long.len(), 15);
    assert!(long.ends_with(".4094") && long != names::vlan("enp129s0f1np1y", 4094));
}

#[test]
fn the_bridge_of_a_physical_network_is_used_as_it_is() {
    let mut config = testing::config();
    let physical = PhysicalNetwork {
        bridge: "br-ex".to_owned(),
        interface: Some("eth1".to_owned()),
        addresses: vec!["10.77.77.1/24".parse().expect("net")],
        masquerade: false,
    };
    config.physical_networks.insert("external".to_owned(), physical);
    let intent = intent::of(&Facts::default(), &config);
    let steps = plan(&intent, &observed([link(2, "eth1", "")]), true);
    assert_eq!(kinds(&steps), ["CreateBridge br-ex", "Change br-ex", "AddAddress br-ex", "Change eth1"]);
    // Made by the operator, and complete: nothing to do, no mark, no change of MTU.
    let mut host = observed([
        Link { up: true, ..link(3, "br-ex", "bridge") },
        Link { up: true, master: Some(3), ..link(2, "eth1", "") },
    ]);
    host.addresses.insert("br-ex".to_owned(), BTreeSet::from(["10.77.77.1/24".parse().expect("net")]));
    host.with_ipv6.insert("br-ex".to_owned());
    assert_eq!(plan(&intent, &host, true), []);
}
