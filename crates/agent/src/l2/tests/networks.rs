//! Networks apart from each other, and beside the host.

use isospin_feed::facts::{Direction, FactKey, Segment};
use isospin_host_io::{Conntrack, FlowFilter, LinkChange, Links, VethSpec};

use super::facts::{allow_port, change, config, default_group, group, network, port, rule};
use super::lab::{Lab, Temporary, state};
use crate::config::PhysicalNetwork;
use crate::converge::ItemState;
use crate::firewall::rule::{ICMP, TCP};

#[tokio::test(flavor = "multi_thread")]
async fn networks_with_the_same_addresses_never_meet() {
    if !super::can_run() {
        return;
    }
    let mut facts = Default::default();
    let [one, two] = [network(&mut facts, Segment::Local), network(&mut facts, Segment::Vxlan { vni: 77 })];
    let [ours, theirs] = [default_group(&mut facts), group(&mut facts)];
    allow_port(&mut facts, ours, TCP, 80);
    rule(&mut facts, theirs, |rule| rule.direction = Direction::Egress);
    let a1 = port(&mut facts, one, &["10.0.0.1"], &[ours]);
    let b1 = port(&mut facts, one, &["10.0.0.2"], &[theirs]);
    let a2 = port(&mut facts, two, &["10.0.0.1"], &[theirs]);
    let b2 = port(&mut facts, two, &["10.0.0.2"], &[ours]);
    let alone = port(&mut facts, two, &["10.0.0.3"], &[ours]);
    let mut lab = Lab::new(config(), facts).await;
    let [ga1, gb1, ga2, gb2, _galone] = lab.start([a1, b1, a2, b2, alone]).await;
    let listener = ga1.listen(80).await;
    let _other = ga2.listen(80).await;
    // The same five numbers on both networks: only the first has the rule.
    let mut near = gb1.opens("10.0.0.1", 80).await;
    let (mut far, _) = listener.accept().expect("accepted");
    assert!(gb2.connect("10.0.0.1", 80).await.is_none(), "refused on the second");
    assert!(super::lab::carries(&mut near, &mut far));
    assert!(gb1.misses("10.0.0.3").await, "the other network's port is not there");
    let flows = Conntrack::open(lab.host.place()).list(FlowFilter::default()).await.expect("flows");
    let tcp: Vec<_> = flows.iter().filter(|flow| flow.protocol == TCP).collect();
    assert!(tcp.len() == 1 && tcp[0].zone >= 4097, "a zone of the first network's own: {tcp:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_the_gateway_of_a_physical_network() {
    if !super::can_run() {
        return;
    }
    let mut config = config();
    let physical = PhysicalNetwork {
        bridge: "br-ex".to_owned(),
        interface: None,
        addresses: vec!["10.77.77.1/24".parse().expect("net")],
        masquerade: true,
    };
    config.physical_networks.insert("external".to_owned(), physical);
    let mut facts = Default::default();
    let net = network(&mut facts, Segment::Flat { physical_network: "external".to_owned() });
    let group = default_group(&mut facts);
    let vm = port(&mut facts, net, &["10.77.77.50"], &[group]);
    let router = port(&mut facts, net, &["10.77.77.200"], &[]);
    change(&mut facts, router, |port| port.device_owner = "network:router_gateway".to_owned());

    let mut lab = Lab::new(config, Default::default()).await;
    // An outside world behind another device of the host.
    let outside = Temporary::new("outside");
    let spec = VethSpec {
        name: "eth9".to_owned(),
        mac: None,
        mtu: None,
        alias: None,
        peer_name: "eth0".to_owned(),
        peer_mac: None,
        peer_namespace: Some(outside.0.clone()),
    };
    lab.links.create_veth(&spec).await.expect("veth");
    let up = LinkChange { up: Some(true), ..LinkChange::default() };
    lab.links.set("eth9", &up).await.expect("up");
    lab.links.add_address("eth9", "192.0.2.1/24".parse().expect("net")).await.expect("address");
    let far = Links::open(&outside.place()).await.expect("links");
    far.set("eth0", &up).await.expect("up");
    far.add_address("eth0", "192.0.2.2/24".parse().expect("net")).await.expect("address");

    lab.full_pass().await;
    let bridge = lab.links.get("br-ex").await.expect("get").expect("there before any network uses it");
    assert_eq!(bridge.alias.as_deref(), Some("isospin:physical:external"));
    lab.facts = facts;
    let [gvm, grouter] = lab.start([vm, router]).await;
    for guest in [&gvm, &grouter] {
        guest.shell("ip route add default via 10.77.77.1").await;
        assert!(guest.reaches("10.77.77.1").await, "the host");
        assert!(guest.reaches("192.0.2.2").await, "the world outside, masqueraded");
    }
    assert!(lab.shell("ping -c 3 -i 0.2 -W 1 10.77.77.200 && echo reached").await.contains("reached"));
    let ping = "ping -c 2 -i 0.2 -W 1 10.77.77.50 && echo reached || true";
    assert!(!lab.shell(ping).await.contains("reached"), "rules hold for the host too");
    let icmp = rule(&mut lab.facts, group, |rule| rule.protocol = Some(ICMP));
    lab.pass(&[FactKey::SecurityGroupRule(icmp)], &[]).await;
    assert!(lab.shell(ping).await.contains("reached"));
    assert_eq!(lab.full_pass().await.changes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn vlan_networks_and_unknown_physical_ones_are_reported() {
    if !super::can_run() {
        return;
    }
    let mut facts = Default::default();
    let physical_network = "nowhere".to_owned();
    let vlan = network(&mut facts, Segment::Vlan { physical_network: physical_network.clone(), vlan: 7 });
    let flat = network(&mut facts, Segment::Flat { physical_network });
    let group = default_group(&mut facts);
    let [a, b] =
        [port(&mut facts, vlan, &["10.0.0.1"], &[group]), port(&mut facts, flat, &["10.0.0.1"], &[group])];
    let mut lab = Lab::new(config(), facts).await;
    let report = lab.full_pass().await;
    for (id, text) in [(a, "'nowhere' is not configured"), (b, "'nowhere' is not configured")] {
        match state(&report, id) {
            Some(ItemState::Failed(reason)) => assert!(reason.contains(text), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}
