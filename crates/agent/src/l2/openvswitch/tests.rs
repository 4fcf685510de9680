//! Intent, plan and flows as values; real packets are in `l2/tests` and in the lab of
//! the test kit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use isospin_feed::facts::{self, Direction, Facts, Network, Parent, Rate, Segment};
use isospin_host_io::openflow::{Action, Field, FlowTable, MeterChange};
use isospin_types::{NetworkId, PortId};

use super::flows::{self, View};
use super::intent::{self, Way};
use super::items::items;
use super::layers::{Layer, Source};
use super::mechanism::vlans;
use super::numbers::numbers;
use super::observe::{Bridge, Observed, Port};
use super::shaping::{self, METERS, Shaping};
use super::{DatapathType, OpenVSwitchConfig, TunnelType, names, plan, tunnels};
use crate::config::{AgentConfig, PhysicalNetwork};
use crate::converge::ItemState;
use crate::firewall::openflow::table;
use crate::firewall::policy::{Folds, Kept, Policy};
use crate::firewall::testing::{self, add_port, cloud};

fn host() -> (AgentConfig, OpenVSwitchConfig) {
    let physical = PhysicalNetwork { bridge: "br-ex".to_owned(), ..PhysicalNetwork::default() };
    let config = AgentConfig {
        tunnel_ip: Some([192, 0, 2, 1].into()),
        physical_networks: [("public".to_owned(), physical)].into(),
        ..testing::config()
    };
    (config, OpenVSwitchConfig { datapath_type: DatapathType::Netdev, ..OpenVSwitchConfig::default() })
}

/// A port here and one elsewhere, on a network of this kind.
fn two_ports(segment: Segment) -> Facts {
    let (mut facts, _) = cloud(0);
    for network in facts.networks.values_mut() {
        let network = Arc::make_mut(network);
        network.segment = segment.clone();
        network.tunnel_peers = BTreeSet::from([[192, 0, 2, 2].into()]);
    }
    add_port(&mut facts, 1, &[]);
    let there = add_port(&mut facts, 2, &[]);
    let port = Arc::make_mut(facts.ports.get_mut(&there).expect("port"));
    port.host = "there".to_owned();
    port.tunnel_ip = Some([192, 0, 2, 2].into());
    facts
}

/// A host on which everything the intent wants is there, numbered in order.
fn observed(intent: &intent::Intent) -> Observed {
    let mut observed = Observed::default();
    let mut add = |name: &str, bridge: &str, kind: &str| {
        let ofport = Some(u32::try_from(observed.ports.len()).expect("few") + 1);
        let port = Port {
            name: name.to_owned(),
            bridge: bridge.to_owned(),
            kind: kind.to_owned(),
            ofport,
            ..Port::default()
        };
        observed.ports.insert(name.to_owned(), port);
    };
    for name in intent.bridges.keys() {
        add(name, name, "internal");
    }
    for (name, uplink) in &intent.uplinks {
        add(name, &uplink.bridge, uplink.kind);
    }
    for tap in intent.taps.values() {
        add(&tap.device, "br-int", "");
    }
    for name in intent.bridges.keys() {
        let bridge = Bridge { fail_mode: "secure".to_owned(), ..Bridge::default() };
        observed.bridges.insert(name.clone(), bridge);
    }
    observed.devices = intent.taps.values().map(|tap| tap.device.clone()).collect();
    observed
}

#[test]
fn names_are_those_operators_know() {
    assert_eq!(names::patch("int", "br-ex"), "int-br-ex");
    assert_eq!(names::tunnel("vxlan", [10, 0, 0, 5].into()), "vxlan-0a000005");
    let long = names::patch("phy", "br-provider-network");
    assert_eq!(long.len(), 15);
    assert_ne!(long, names::patch("phy", "br-provider-other"));
    assert!(names::tunnel("geneve", "2001:db8::1".parse().expect("ip")).len() <= 15);
}

#[test]
fn a_fresh_host_gets_bridges_patch_ports_and_tunnels() {
    let (config, switch) = host();
    let intent = intent::of(&two_ports(Segment::Vxlan { vni: 7 }), &config, &switch);
    assert_eq!(intent.bridges.keys().collect::<Vec<_>>(), ["br-ex", "br-int", "br-tun"]);
    let ports: Vec<&String> = intent.uplinks.keys().collect();
    assert_eq!(ports, ["int-br-ex", "patch-int", "patch-tun", "phy-br-ex", "vxlan-c0000202"]);
    assert_eq!(intent.uplinks["vxlan-c0000202"].options["remote_ip"], "192.0.2.2");
    let none = Observed { root: "root".to_owned(), ..Observed::default() };
    let made = plan::plan(&intent, &none, &switch, (&BTreeMap::new(), &BTreeMap::new()), true);
    assert_eq!((made.changes, made.swept), (3, 0), "bridges first: {:?}", made.operations);
}

#[test]
fn a_type_of_tunnel_or_a_physical_network_that_is_not_configured_fails_its_ports_only() {
    let (config, switch) = host();
    let physical_network = "other".to_owned();
    for (segment, reason) in [
        (Segment::Gre { key: 1 }, "tunnels of type gre are not configured on this host"),
        (Segment::Flat { physical_network }, "physical network 'other' is not configured on this host"),
    ] {
        let intent = intent::of(&two_ports(segment), &config, &switch);
        assert_eq!(intent.impossible.values().collect::<Vec<_>>(), [reason]);
        assert!(intent.taps.is_empty());
    }
}

#[test]
fn local_vlans_are_kept_and_the_lowest_free_is_taken() {
    let ids: Vec<_> = (0..3).map(|_| NetworkId::random()).collect();
    let mut intent = intent::Intent::default();
    intent.networks.extend(ids.iter().map(|id| (*id, Way::None)));
    let vlans = vlans(&intent, &[(ids[1], 1)].into());
    assert_eq!(vlans[&ids[1]], 1);
    assert_eq!(vlans.values().copied().collect::<BTreeSet<u16>>(), BTreeSet::from([1, 2, 3]));
}

/// Runs `check` on the flows of br-int and br-tun for two ports on such a network.
fn with_flows(segment: Segment, check: impl FnOnce(&View<'_>, &Facts)) {
    let (config, mut switch) = host();
    switch.tunnel_types = TunnelType::ALL.into();
    let facts = two_ports(segment);
    let intent = intent::of(&facts, &config, &switch);
    let observed = observed(&intent);
    let bridge_of = |port: &facts::Port| Some(port.network_id.to_string());
    let policy = Arc::new(Policy::of(
        &facts,
        &config,
        bridge_of,
        BTreeSet::new(),
        &Kept::default(),
        &mut Folds::of(&facts),
    ));
    let vlans = vlans(&intent, &BTreeMap::new());
    let shaping = Shaping::of(&facts, &intent);
    let numbers = numbers(&intent, &observed, "br-int");
    let view = View {
        intent: &intent,
        observed: &observed,
        switch: &switch,
        vlans: &vlans,
        numbers: &numbers,
        policy: &policy,
        shaping: &shaping,
    };
    check(&view, &facts);
}

/// The layers as the one table they are in the switch; none has a flow of another.
fn joined<S: Source>(layers: &BTreeMap<Layer, S>) -> FlowTable {
    let (mut all, mut count) = (FlowTable::default(), 0);
    for source in layers.values() {
        source.add(&mut all);
        let mut own = FlowTable::default();
        source.add(&mut own);
        count += own.len();
    }
    assert_eq!(all.len(), count, "two layers have flows with the same match");
    all
}

#[test]
fn nothing_on_the_integration_bridge_is_left_to_learning() {
    for segment in
        [Segment::Local, Segment::Vxlan { vni: 7 }, Segment::Flat { physical_network: "public".into() }]
    {
        with_flows(segment, |view, _| {
            let numbered = view.numbered();
            assert_eq!(numbered.len(), 1);
            let flows = joined(&flows::integration(view, &numbered));
            let learns = |actions: &[Action]| actions.contains(&Action::Normal);
            assert!((0..=254).all(|table| !flows.of(table).any(|(.., actions)| learns(actions))));
            let (_, fields, actions) = flows.of(0).last().expect("a flow that matches all");
            assert_eq!((fields, actions), (&[][..], &[][..]), "what nobody knows is dropped");
        });
    }
}

#[test]
fn n30_a_port_the_switch_cannot_take_is_down_and_stops_no_other() {
    with_flows(Segment::Local, |view, _| {
        let states = |view: &View<'_>| {
            let items = items(view, &view.numbered(), &BTreeMap::new(), &BTreeMap::new());
            items.into_iter().map(|item| item.state).collect::<Vec<_>>()
        };
        assert_eq!(states(view), [ItemState::Up]);
        let without_number = |error: &str| {
            let mut observed = view.observed.clone();
            for port in observed.ports.values_mut().filter(|port| port.kind.is_empty()) {
                (port.ofport, port.error) = (None, error.to_owned());
            }
            let numbers = numbers(view.intent, &observed, "br-int");
            states(&View { observed: &observed, numbers: &numbers, ..*view })
        };
        assert_eq!(without_number(""), [ItemState::Down]);
        assert_eq!(without_number("no such device"), [ItemState::Failed("no such device".to_owned())]);
    });
}

/// The flows of a port are there before its device; the row asks for the number they name.
#[test]
fn a_port_to_come_has_its_flows_and_is_given_the_number_they_name() {
    with_flows(Segment::Local, |view, _| {
        let (id, tap) = view.intent.taps.iter().next().expect("a port");
        let mut observed = view.observed.clone();
        observed.ports.remove(&tap.device);
        let numbers = numbers(view.intent, &observed, "br-int");
        let view = View { observed: &observed, numbers: &numbers, ..*view };
        let number = numbers[id];
        let flows = joined(&flows::integration(&view, &view.numbered()));
        assert!(flows.of(0).any(|(_, fields, _)| fields.contains(&Field::InPort(number))));
        let made = plan::plan(view.intent, &observed, view.switch, (view.vlans, &numbers), true);
        let asked: Vec<_> =
            made.operations.iter().filter_map(|it| it["row"]["ofport_request"].as_u64()).collect();
        assert_eq!(asked, [u64::from(number)], "{:?}", made.operations);
        // Once it is there nothing changes; another number, as of who is put in by others, counts.
        for (ofport, same) in [(number, true), (9, false)] {
            let port = Port { ofport: Some(ofport), bridge: "br-int".to_owned(), ..Port::default() };
            let mut with = observed.clone();
            with.ports.insert(tap.device.clone(), port);
            let then = super::numbers::numbers(view.intent, &with, "br-int");
            assert_eq!((then[id], then == numbers), (ofport, same));
        }
    });
}

#[test]
fn known_receivers_have_one_tunnel_and_are_answered_for_here() {
    for (segment, from) in
        [(Segment::Vxlan { vni: 7 }, 4), (Segment::Gre { key: 7 }, 3), (Segment::Geneve { vni: 7 }, 6)]
    {
        with_flows(segment, |view, facts| {
            let flows = joined(&tunnels::tunnel(view, facts, 1, true));
            let there = facts.ports.values().find(|port| port.host == "there").expect("port");
            let known =
                |(_, fields, _): &(u16, &[Field], &[Action])| fields.contains(&Field::EthDst(there.mac));
            assert_eq!(flows.of(20).filter(known).count(), 1);
            assert_eq!(flows.of(21).count(), 6, "ARP and ND of both, who has no address, and the rest");
            let arrived = [Field::TunnelId(7)];
            assert!(flows.of(from).any(|(_, fields, _)| fields == arrived));
        });
    }
}

/// A tag of the outside never becomes another network's, nor one of ours the outside's.
#[test]
fn vlans_are_translated_both_ways() {
    let physical_network = "public".to_owned();
    with_flows(Segment::Vlan { physical_network, vlan: 101 }, |view, _| {
        let inside = joined(&flows::integration(view, &view.numbered()));
        assert!(inside.of(table::LOCAL_SWITCHING).any(|(priority, fields, actions)| {
            priority == 3
                && fields.contains(&Field::Vlan(101))
                && actions == [Action::SetVlan(1), Action::Resubmit(table::PACKET_RATE_LIMIT)]
        }));
        let outside = flows::physical(view, "br-ex");
        assert!(outside.of(0).any(|(priority, fields, actions)| {
            priority == 4
                && fields.contains(&Field::Vlan(1))
                && actions == [Action::SetVlan(101), Action::Normal]
        }));
    });
}

/// A port here with parts of it: one of a network of its own, one whose parent is elsewhere.
fn trunk() -> (Facts, [PortId; 3]) {
    let mut facts = two_ports(Segment::Local);
    let [here, there] = [true, false]
        .map(|here| facts.ports.values().find(|port| (port.host == "here") == here).expect("port").id);
    let own = add_port(&mut facts, 3, &[]);
    let others = add_port(&mut facts, 4, &[]);
    let mut network = Network::clone(facts.networks.values().next().expect("network"));
    network.id = NetworkId::random();
    for (id, parent) in [(own, here), (others, there)] {
        let port = Arc::make_mut(facts.ports.get_mut(&id).expect("port"));
        port.parent = Some(Parent { port_id: parent, vlan: 101 });
        port.network_id = network.id;
    }
    facts.networks.insert(network.id, Arc::new(network));
    (facts, [here, own, others])
}

#[test]
fn a_part_of_a_trunk_has_no_port_of_its_own_and_goes_with_its_parent() {
    let (config, switch) = host();
    let (mut facts, [parent, own, others]) = trunk();
    let first = intent::of(&facts, &config, &switch);
    let carrier = first.taps[&own].carrier.clone().expect("a carrier");
    assert_eq!((carrier.port, carrier.vlan), (parent, 101));
    assert!(first.closed.contains_key(&others), "its parent is elsewhere");
    // What a restarted agent finds: the local VLAN of a network that only a part is on.
    let vlans = vlans(&first, &BTreeMap::new());
    let mut held = observed(&first);
    held.ports.remove(&first.taps[&own].device);
    held.devices.remove(&first.taps[&own].device);
    let made = plan::plan(&first, &held, &switch, (&vlans, &BTreeMap::new()), true);
    let text = format!("{:?}", made.operations);
    let network = first.taps[&own].network;
    assert!(text.contains(&format!("{network}={}", vlans[&network])), "{text}");
    let port = held.ports.get_mut(&first.taps[&parent].device).expect("port");
    port.other_config.insert("carried".to_owned(), format!("{network}=77"));
    assert_eq!(held.vlans().get(&network), Some(&77));
    let port = Arc::make_mut(facts.ports.get_mut(&parent).expect("port"));
    port.admin_state_up = false;
    let down = intent::of(&facts, &config, &switch);
    assert!(down.closed.contains_key(&own) && !down.taps.contains_key(&own));
}

#[test]
fn a_limit_is_a_meter_whose_number_stays() {
    let (config, switch) = host();
    let (mut facts, [port, own, _]) = trunk();
    let limit = |facts: &mut Facts, id: PortId| {
        let port = Arc::make_mut(facts.ports.get_mut(&id).expect("port"));
        let rate = Rate { rate: 1000, burst: None };
        port.qos.bandwidth = [(Direction::Egress, rate), (Direction::Ingress, rate)].into();
    };
    limit(&mut facts, port);
    let intent = intent::of(&facts, &config, &switch);
    let one = Shaping::of(&facts, &intent);
    assert_eq!(one.meters.len(), 2);
    assert!(one.meters.keys().all(|number| METERS.contains(number)));
    limit(&mut facts, own);
    let mut both = Shaping::of(&facts, &intent);
    assert!(one.meters.iter().all(|(number, meter)| both.meters.get(number) == Some(meter)));
    assert_eq!(both.meters.len(), 4);
    // Others' meters stay, one of another shape becomes ours, one nobody needs goes.
    let (first, meter) = both.meters.iter().next().map(|(id, meter)| (*id, *meter)).expect("a meter");
    let held = BTreeMap::from([(7, Some(meter)), (first, None), (65_000, Some(meter))]);
    let (before, after) = shaping::changes(&held, &both.meters);
    assert_eq!(before.len(), 4);
    assert!(before.contains(&MeterChange::Modify(first, meter)));
    assert_eq!(after, [MeterChange::Delete(65_000)]);
    // A switch without meters: the ports say so.
    let refused = both.meters.keys().map(|number| (*number, "no".to_owned())).collect();
    assert_eq!(both.without(&refused).into_keys().collect::<BTreeSet<_>>(), [port, own].into());
    let mut flows = FlowTable::default();
    both.of_port(port).expect("limits").add(&mut flows, 3, &[Action::Output(3)]);
    assert!(flows.is_empty(), "no flow names a meter that is not there");
}
