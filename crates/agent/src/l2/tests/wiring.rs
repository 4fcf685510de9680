//! Taps that come, go, are down or unknown.

use isospin_feed::facts::{FactKey, Segment};
use isospin_host_io::{BridgeSpec, LinkChange, VethSpec};
use isospin_types::PortId;

use super::facts::{change, config, default_group, network, port};
use super::lab::{Lab, Temporary, state};
use crate::converge::{ItemState, Scope};

/// Two members of one group on one network.
async fn two() -> (Lab, [PortId; 2]) {
    let mut facts = Default::default();
    let net = network(&mut facts, Segment::Local);
    let group = default_group(&mut facts);
    let a = port(&mut facts, net, &["10.0.0.1"], &[group]);
    let b = port(&mut facts, net, &["10.0.0.2"], &[group]);
    (Lab::new(config(), facts).await, [a, b])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_is_wired_when_it_comes_and_down_when_it_goes() {
    if !super::can_run() {
        return;
    }
    let (mut lab, [a, b]) = two().await;
    let report = lab.full_pass().await;
    assert_eq!(state(&report, a), Some(ItemState::Down), "no tap yet");
    let bridge = format!("brq{}", lab.facts.ports[&a].network_id.device_suffix());
    let link = lab.links.get(&bridge).await.expect("get").expect("bridge");
    assert!(link.up && link.mtu == 1450, "{link:?}");
    assert!(lab.links.addresses(Some(&bridge)).await.expect("addresses").is_empty());

    let (_ga, gb) = (lab.plug(a).await, lab.plug(b).await);
    let [tap_a, tap_b] = [lab.tap(a), lab.tap(b)];
    let report = lab.pass(&[], &[tap_a.clone(), tap_b.clone()]).await;
    assert_eq!(state(&report, a), Some(ItemState::Up), "{report:?}");
    let link = lab.links.get(&tap_a).await.expect("get").expect("tap");
    assert_eq!((link.mtu, link.up), (1450, true));
    assert!(gb.reaches("10.0.0.1").await);
    assert_eq!(lab.full_pass().await.changes, 0);

    lab.links.delete(&tap_a).await.expect("delete");
    let report = lab.pass(&[], std::slice::from_ref(&tap_a)).await;
    assert_eq!(state(&report, a), Some(ItemState::Down));
    assert_eq!(report.changes, 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_taps_are_put_right() {
    if !super::can_run() {
        return;
    }
    let (mut lab, [a, b]) = two().await;
    let [_ga, gb] = lab.start([a, b]).await;
    let wrong = LinkChange { up: Some(false), mtu: Some(900), master: Some(None), ..LinkChange::default() };
    let tap = lab.tap(a);
    lab.links.set(&tap, &wrong).await.expect("set");
    lab.pass(&[], std::slice::from_ref(&tap)).await;
    let link = lab.links.get(&tap).await.expect("get").expect("tap");
    assert!(link.up && link.mtu == 1450 && link.master.is_some(), "{link:?}");
    assert!(gb.reaches("10.0.0.1").await);
    // All of it by hand, as a reboot of the host's state would.
    lab.shell("nft flush ruleset; ip link del $(ip -o link | grep -o 'brq[^:@ ]*' | head -1)").await;
    lab.full_pass().await;
    assert!(gb.reaches("10.0.0.1").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_taps_on_our_bridges_pass_nothing_and_strangers_are_left_alone() {
    if !super::can_run() {
        return;
    }
    let (mut lab, [a, b]) = two().await;
    let [_ga, gb] = lab.start([a, b]).await;
    let bridge = format!("brq{}", lab.facts.ports[&a].network_id.device_suffix());
    let up = LinkChange { up: Some(true), ..LinkChange::default() };
    lab.links.create_bridge("virbr7", &BridgeSpec::default()).await.expect("bridge");
    lab.links.set("virbr7", &up).await.expect("up");
    let mut strangers = Vec::new();
    for (name, master, address) in [
        ("tapstranger0", bridge.as_str(), "10.0.0.7/24"),
        ("tapstranger1", "virbr7", "10.5.0.1/24"),
        ("tapstranger2", "virbr7", "10.5.0.2/24"),
    ] {
        let ns = Temporary::new("stranger");
        let spec = VethSpec {
            name: name.to_owned(),
            mac: None,
            mtu: None,
            alias: None,
            peer_name: "eth0".to_owned(),
            peer_mac: None,
            peer_namespace: Some(ns.0.clone()),
        };
        lab.links.create_veth(&spec).await.expect("veth");
        let join = LinkChange { master: Some(Some(master.to_owned())), ..up.clone() };
        lab.links.set(name, &join).await.expect("join");
        let links = isospin_host_io::Links::open(&ns.place()).await.expect("links");
        links.set("eth0", &up).await.expect("up");
        links.add_address("eth0", address.parse().expect("net")).await.expect("address");
        strangers.push(super::lab::Guest { ns });
    }
    let names: Vec<String> = (0..3).map(|index| format!("tapstranger{index}")).collect();
    assert!(strangers[0].misses("10.0.0.1").await, "closed before any pass has seen it");
    lab.pass(&[], &names).await;
    assert!(strangers[0].misses("10.0.0.1").await && gb.misses("10.0.0.7").await);
    assert!(strangers[1].reaches("10.5.0.2").await, "a bridge of somebody else works on");
    let link = lab.links.get("tapstranger0").await.expect("get").expect("left where it is");
    assert!(link.master.is_some() && link.alias.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_down_or_gone_is_closed_and_taken_out() {
    if !super::can_run() {
        return;
    }
    let (mut lab, [a, b]) = two().await;
    let [ga, _gb] = lab.start([a, b]).await;
    assert!(ga.reaches("10.0.0.2").await);
    change(&mut lab.facts, a, |port| port.admin_state_up = false);
    let report = lab.pass(&[FactKey::Port(a)], &[]).await;
    assert_eq!(state(&report, a), Some(ItemState::Down));
    let out = |link: isospin_host_io::Link| link.master.is_none() && link.alias.is_none();
    assert!(out(lab.links.get(&lab.tap(a)).await.expect("get").expect("tap")));
    assert!(ga.misses("10.0.0.2").await);
    change(&mut lab.facts, a, |port| port.admin_state_up = true);
    lab.pass(&[FactKey::Port(a)], &[]).await;
    assert!(ga.reaches("10.0.0.2").await);

    // Gone, but no snapshot has said so yet: wired taps stay as they are.
    let tap = lab.tap(a);
    let port = lab.facts.ports.remove(&a).expect("port");
    let early = lab.l2.pass(&lab.facts, &Scope::Everything, false).await;
    assert_eq!(early.swept, 0);
    assert!(lab.links.get(&tap).await.expect("get").expect("tap").master.is_some());
    lab.full_pass().await;
    assert!(out(lab.links.get(&tap).await.expect("get").expect("tap")));

    // The network's last port goes: the bridge goes.
    lab.facts.ports.clear();
    let report = lab.full_pass().await;
    assert_eq!(report.swept, 1, "{report:?}");
    let bridge = format!("brq{}", port.network_id.device_suffix());
    assert_eq!(lab.links.get(&bridge).await.expect("get"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_agent_without_facts_closes_nothing() {
    if !super::can_run() {
        return;
    }
    let (mut lab, [a, b]) = two().await;
    let [ga, _gb] = lab.start([a, b]).await;
    lab.restart();
    let report = lab.l2.pass(&Default::default(), &Scope::Everything, false).await;
    assert_eq!((report.changes, report.swept), (0, 0), "{report:?}");
    assert!(ga.reaches("10.0.0.2").await);
}
