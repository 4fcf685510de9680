//! The plan, without a host.

use std::collections::BTreeSet;
use std::sync::Arc;

use isospin_feed::facts::{Facts, Segment};
use isospin_host_io::{Link, LinkChange};

use super::plan::{Step, plan};
use super::{Intent, Observed, intent, owned};
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
    assert_eq!(entries, ["AddEntry vxlan-42", "AddEntry vxlan-42", "DeleteEntry vxlan-42"]);
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
