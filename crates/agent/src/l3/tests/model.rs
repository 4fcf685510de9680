//! A host in memory that carries out plans the way the kernel does, and random
//! routers on it: from any state a plan leads to the same end, in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use isospin_feed::facts::{Direction, MeteringRule};
use isospin_types::{MacAddr, MeteringLabelId};
use proptest::prelude::*;

use super::facts::World;
use crate::l3::intent::{self, RouterIntent};
use crate::l3::observe::{Device, Inside, Observed};
use crate::l3::plan::{SETTINGS, Step, plan, setting_keys};
use crate::l3::{conntrack_helpers, forwards, metering, render};

const MARK: &str = "isospin l3 host-1";

/// One pass over a host in memory.
pub fn settle(host: &mut Observed, intent: &RouterIntent, may_remove: bool) {
    let steps = plan(intent, host, MARK, may_remove);
    carry_out(host, intent, steps);
}

/// Does to `host` what the steps of a plan for `intent` do to a kernel, and
/// refuses what a kernel refuses.
fn carry_out(host: &mut Observed, intent: &RouterIntent, steps: Vec<Step>) {
    for step in steps {
        if matches!(step, Step::CreateNamespace) {
            assert!(host.inside.is_none(), "namespace exists");
            let defaults = SETTINGS.iter().map(|(key, _)| ((*key).to_owned(), "default".to_owned()));
            host.inside = Some(Inside { settings: defaults.collect(), ..Inside::default() });
            continue;
        }
        let inside = host.inside.as_mut().expect("a namespace comes first");
        match step {
            Step::CreateNamespace => unreachable!(),
            Step::Claim(mark) => (inside.mark, inside.loopback_up) = (Some(mark), true),
            Step::Settings(settings) => inside.settings.extend(settings),
            Step::Rules(script) => apply_rules(inside, intent, &script),
            Step::Helper(script) => apply_helper(inside, &script),
            Step::Scopes(_) => {
                assert!(inside.devices.is_empty() || inside.table.is_some());
                inside.scopes = intent.scopes.table().map(|table| table.listed());
            }
            Step::Metering(_) => {
                let device = intent.nat.gateway.as_ref().map_or("", |gateway| &gateway.device);
                inside.metering = metering::expected(device, &intent.metering);
            }
            Step::Qos(_) => inside.qos = intent.qos_table().map(|table| table.listed()),
            Step::RemovePair { device, tap } => {
                inside.devices.remove(&device);
                inside.settings.remove(&format!("net/ipv6/conf/{device}/accept_ra"));
                inside.routes.retain(|route| route.link.as_deref() != Some(&device));
                host.taps.remove(&tap);
            }
            Step::CreatePair { device, tap, mac, mtu } => {
                assert!(inside.table.is_some(), "rules stand before traffic can flow");
                assert_eq!(host.taps.insert(tap, mtu), None, "the host's end exists");
                let fresh = Device { mac: Some(mac), mtu, up: false, addresses: BTreeSet::new() };
                assert_eq!(inside.devices.insert(device.clone(), fresh), None, "the device exists");
                inside.settings.insert(format!("net/ipv6/conf/{device}/accept_ra"), "0".to_owned());
            }
            Step::Resize { device, tap, mtu } => {
                inside.devices.get_mut(&device).expect("device").mtu = mtu;
                *host.taps.get_mut(&tap).expect("tap") = mtu;
            }
            Step::DeviceSetting { key, value, .. } => {
                assert!(inside.settings.insert(key, value).is_some(), "no such setting");
            }
            Step::RemoveAddress { device, net } => {
                let addresses = &mut inside.devices.get_mut(&device).expect("device").addresses;
                assert!(addresses.remove(&net), "no such address");
                if addresses.is_empty() {
                    inside.routes.retain(|route| route.link.as_deref() != Some(&device));
                }
            }
            Step::AddAddress { device, net } => {
                assert!(inside.devices.get_mut(&device).expect("device").addresses.insert(net));
            }
            Step::SetUp { device } => inside.devices.get_mut(&device).expect("device").up = true,
            Step::RemoveRoute(route) => assert!(inside.routes.remove(&route), "no such route"),
            Step::PutRoute(route) => {
                let device = route.link.as_ref().and_then(|link| inside.devices.get(link));
                let device = device.expect("a route needs its device");
                assert!(device.up, "a route needs its device to be up");
                let on_link = |via: &std::net::IpAddr| {
                    let direct = inside.routes.iter().filter(|r| r.via.is_none() && r.link == route.link);
                    device.addresses.iter().any(|net| net.contains(via))
                        || direct.into_iter().any(|r| r.destination.contains(via))
                };
                assert!(route.via.as_ref().is_none_or(on_link), "the next hop is unreachable: {route:?}");
                inside.routes.retain(|other| other.destination != route.destination);
                inside.routes.insert(route);
            }
            Step::ForgetFlows(nat) => assert_eq!(nat, intent.nat),
            Step::Announce { device, addresses, .. } => {
                let device = &inside.devices[&device];
                let there: BTreeSet<_> = device.addresses.iter().map(IpNet::addr).collect();
                assert!(device.up && addresses.is_subset(&there), "announced what is not there");
            }
        }
    }
}

fn apply_rules(inside: &mut Inside, intent: &RouterIntent, script: &str) {
    if script.starts_with("table ip") {
        inside.table = Some(render::expected(&intent.nat));
        return;
    }
    let table = inside.table.as_mut().expect("elements need their table");
    for line in script.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let map = table.maps.get_mut(words[4]).expect("map");
        let elements = line.split_once('{').and_then(|(_, rest)| rest.strip_suffix('}')).expect("braces");
        for pair in elements.split(',') {
            let (key, value) = pair.split_once(" : ").expect("pair");
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            match words[0] {
                "delete" => assert_eq!(map.remove(&key), Some(value), "no such element"),
                "add" => {
                    assert!(!map.keys().any(|other| forwards::collide(other, &key)), "in the way of {key}");
                    map.insert(key, value);
                }
                other => panic!("{other}"),
            }
        }
    }
}

fn apply_helper(inside: &mut Inside, script: &str) {
    let name = script.lines().next().and_then(|line| line.rsplit(' ').next()).expect("a name").to_owned();
    if script.starts_with("delete") {
        assert!(inside.helpers.remove(&name).is_some(), "no such table");
    } else {
        inside.helpers.insert(name, conntrack_helpers::comment_of(script).to_owned());
    }
}

/// What a router may look like.
#[derive(Debug, Clone)]
struct Shape {
    gateway: Option<u8>,
    gateway_known: bool,
    snat: bool,
    interfaces: BTreeSet<u8>,
    floating: BTreeMap<u8, u8>,
    /// First port, how many more, and whether they change their numbers.
    forwarded: BTreeMap<u8, (u16, u16, bool)>,
    helpers: BTreeSet<u16>,
    routes: BTreeSet<(u8, u8)>,
    mtu: u32,
    mac: u8,
    other_external: bool,
    /// Parts in the one scope there is; 9 is the external network.
    scoped: BTreeSet<u8>,
    /// Mark of what leaves with the gateway's address, and with that of a floating IP.
    marks: (Option<u8>, Option<u8>),
    /// Labels, and of each the third octet of what counts.
    metering: BTreeMap<u8, u8>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let floating = proptest::collection::btree_map(1u8..6, 10u8..14, 0..4);
    let forwarded = proptest::collection::btree_map(1u8..4, (80u16..84, 0u16..4, any::<bool>()), 0..3);
    let helpers = proptest::collection::btree_set(20u16..23, 0..3);
    let mark = || proptest::option::of(8u8..10);
    let marks = (mark(), mark());
    let metering = proptest::collection::btree_map(0u8..3, 0u8..3, 0..3);
    let routes = proptest::collection::btree_set((0u8..4, 0u8..4), 0..4);
    (
        (proptest::option::of(2u8..4), any::<bool>(), any::<bool>(), any::<bool>()),
        proptest::collection::btree_set(0u8..4, 0..4),
        (floating, forwarded, helpers, marks, metering),
        routes,
        prop_oneof![Just(1450u32), Just(1400)],
        0u8..2,
        proptest::collection::btree_set(prop_oneof![0u8..4, Just(9)], 0..3),
    )
        .prop_map(
            |(
                (gateway, gateway_known, snat, other_external),
                interfaces,
                (floating, forwarded, helpers, marks, metering),
                routes,
                mtu,
                mac,
                scoped,
            )| Shape {
                gateway,
                gateway_known,
                snat,
                interfaces,
                floating,
                forwarded,
                helpers,
                routes,
                mtu,
                mac,
                other_external,
                scoped,
                marks,
                metering,
            },
        )
}

/// The same router in every shape: identifiers depend on the part only.
fn intent_of(shape: &Shape) -> RouterIntent {
    let mut world = World::counted();
    let router = world.router();
    let anchor = world.network(1500, false);
    let anchor = world.subnet(anchor, "10.99.0.0/24", None);
    world.interface(router, &[(anchor, "10.99.0.1")]);
    for part in 0..4u8 {
        let network = world.network(shape.mtu, false);
        let (cidr, ip) = match part {
            3 => ("fd00:3::/64".to_owned(), "fd00:3::1".to_owned()),
            part => (format!("10.{part}.0.0/24"), format!("10.{part}.0.1")),
        };
        let subnet = world.subnet(network, &cidr, Some(&ip));
        if shape.scoped.contains(&part) {
            world.scope(subnet, 7);
        }
        let port = world.interface(router, &[(subnet, &ip)]);
        let fact = Arc::make_mut(world.facts.ports.get_mut(&port).expect("port"));
        fact.mac = MacAddr::new([0xfa, 0x16, 0x3e, 0, part, shape.mac]);
        if !shape.interfaces.contains(&part) {
            world.change(router, |router| {
                router.interface_port_ids.remove(&port);
            });
        }
    }
    if shape.scoped.contains(&9) {
        world.scope(world.external_subnet, 7);
    }
    let gateway = world.gateway(router, &format!("172.24.0.{}", shape.gateway.unwrap_or(2)));
    world.change(router, |router| {
        router.enable_snat = shape.snat;
        router.gateway_port_id = shape.gateway.map(|_| gateway);
        router.gateway_qos.dscp = shape.marks.0;
        router.metering = shape.metering.iter().map(|(label, net)| metered(*label, *net)).collect();
    });
    if !shape.gateway_known {
        let subnet = world.external_subnet;
        Arc::make_mut(world.facts.subnets.get_mut(&subnet).expect("subnet")).gateway_ip = None;
    }
    if shape.other_external {
        world.subnet(world.external, "198.51.100.0/24", None);
    }
    for (outer, inner) in &shape.floating {
        let id = world.floating(router, &format!("172.24.9.{outer}"), &format!("10.0.0.{inner}"));
        world.change_floating(id, |floating| floating.qos.dscp = shape.marks.1);
    }
    for (outer, (first, more, shifted)) in &shape.forwarded {
        let external = (*first, first + more);
        let internal = if *shifted { (first + 1000, first + more + 1000) } else { external };
        world.forwarding(
            router,
            &format!("172.24.8.{outer}"),
            &[(6, Some([external, internal]), "10.0.0.10"), (17, Some([external, (53, 53)]), "10.0.0.11")],
        );
    }
    for port in &shape.helpers {
        world.helper(router, "ftp", 6, *port);
    }
    for (to, by) in &shape.routes {
        world.route(router, &format!("192.168.{to}.0/24"), &format!("10.{by}.0.{}", 40 + to));
    }
    intent::routers(&world.facts, &world.host).up.remove(&router).expect("bound here")
}

fn metered(label: u8, net: u8) -> (MeteringLabelId, BTreeSet<MeteringRule>) {
    let source = format!("10.{net}.0.0/24").parse().ok();
    let rule = MeteringRule { direction: Direction::Egress, excluded: false, source, destination: None };
    (super::facts::id(label.into()), BTreeSet::from([rule]))
}

/// What somebody else may do to a router.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Namespace,
    Mark,
    Table,
    Scopes,
    Qos,
    Metering,
    Rule,
    Element,
    Tap(usize),
    Device(usize),
    Down(usize),
    Mtu(usize),
    Address(usize),
    ForeignAddress(usize),
    Route(usize),
    Setting(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = 0usize..8;
    prop_oneof![
        Just(Damage::Namespace),
        Just(Damage::Mark),
        Just(Damage::Table),
        Just(Damage::Scopes),
        Just(Damage::Qos),
        Just(Damage::Metering),
        Just(Damage::Rule),
        Just(Damage::Element),
        at.clone().prop_map(Damage::Tap),
        at.clone().prop_map(Damage::Device),
        at.clone().prop_map(Damage::Down),
        at.clone().prop_map(Damage::Mtu),
        at.clone().prop_map(Damage::Address),
        at.clone().prop_map(Damage::ForeignAddress),
        at.clone().prop_map(Damage::Route),
        at.prop_map(Damage::Setting),
    ]
}

fn nth<K: Ord + Clone, V>(map: &BTreeMap<K, V>, at: usize) -> Option<K> {
    map.keys().nth(at % map.len().max(1)).cloned()
}

fn hurt(host: &mut Observed, damage: Damage) {
    if let Damage::Namespace = damage {
        host.inside = None;
        return;
    }
    let Some(inside) = host.inside.as_mut() else { return };
    match damage {
        Damage::Namespace => {}
        Damage::Mark => inside.mark = None,
        Damage::Table => inside.table = None,
        Damage::Scopes => {
            if let Some(scopes) = inside.scopes.as_mut() {
                scopes.pop();
            }
        }
        Damage::Qos => {
            if let Some(qos) = inside.qos.as_mut() {
                qos.pop();
            }
        }
        Damage::Metering => {
            if let Some(metering) = inside.metering.as_mut() {
                metering.listed.pop();
                metering.counters.pop_first();
            }
        }
        Damage::Rule => {
            let rules = inside.table.as_mut().and_then(|table| table.rules.get_mut("prerouting"));
            rules.into_iter().for_each(|rules| rules.truncate(1));
        }
        Damage::Element => {
            let maps = inside.table.iter_mut().flat_map(|table| table.maps.values_mut());
            maps.for_each(|map| {
                map.pop_first();
            });
        }
        Damage::Tap(at) => drop(nth(&host.taps, at).and_then(|tap| host.taps.remove(&tap))),
        Damage::Device(at) => {
            let Some(name) = nth(&inside.devices, at) else { return };
            inside.devices.remove(&name);
            inside.routes.retain(|route| route.link.as_ref() != Some(&name));
        }
        Damage::Down(at) => {
            let Some(name) = nth(&inside.devices, at) else { return };
            inside.devices.get_mut(&name).expect("device").up = false;
            inside.routes.retain(|route| route.link.as_ref() != Some(&name));
        }
        Damage::Mtu(at) => {
            let Some(name) = nth(&inside.devices, at) else { return };
            inside.devices.get_mut(&name).expect("device").mtu = 999;
        }
        Damage::Address(at) => {
            let Some(name) = nth(&inside.devices, at) else { return };
            inside.devices.get_mut(&name).expect("device").addresses.pop_first();
        }
        Damage::ForeignAddress(at) => {
            let Some(name) = nth(&inside.devices, at) else { return };
            let foreign = "192.0.2.7/24".parse().expect("net");
            inside.devices.get_mut(&name).expect("device").addresses.insert(foreign);
        }
        Damage::Route(at) => {
            let route = inside.routes.iter().nth(at % inside.routes.len().max(1)).cloned();
            if let Some(route) = route {
                inside.routes.remove(&route);
            }
        }
        Damage::Setting(at) => {
            let Some(key) = nth(&inside.settings, at) else { return };
            inside.settings.insert(key, "7".to_owned());
        }
    }
}

fn fresh(intent: &RouterIntent) -> Observed {
    let mut host = Observed::default();
    settle(&mut host, intent, true);
    host
}

/// Settings of devices that are gone are not part of a host.
fn comparable(mut host: Observed, intent: &RouterIntent) -> Observed {
    let keys: BTreeSet<String> = setting_keys(intent).into_iter().collect();
    if let Some(inside) = &mut host.inside {
        inside.settings.retain(|key, _| keys.contains(key));
    }
    host
}

proptest! {
    #[test]
    fn every_history_ends_where_a_fresh_start_ends(
        shapes in proptest::collection::vec(shape(), 1..5),
        damages in proptest::collection::vec(damage(), 0..6),
    ) {
        let mut host = Observed::default();
        for shape in &shapes {
            let intent = intent_of(shape);
            settle(&mut host, &intent, true);
            prop_assert_eq!(plan(&intent, &host, MARK, true), vec![], "a second look changes nothing");
        }
        let last = intent_of(shapes.last().expect("one"));
        for damage in &damages {
            hurt(&mut host, *damage);
        }
        settle(&mut host, &last, true);
        prop_assert_eq!(plan(&last, &host, MARK, true), vec![], "damage heals in one pass");
        prop_assert_eq!(comparable(host, &last), comparable(fresh(&last), &last));
    }

    #[test]
    fn a_plan_cut_off_after_any_step_is_finished_by_the_next(
        before in proptest::option::of(shape()), after in shape(), done in 0usize..40,
    ) {
        let mut host = before.as_ref().map(|before| fresh(&intent_of(before))).unwrap_or_default();
        let intent = intent_of(&after);
        let mut steps = plan(&intent, &host, MARK, true);
        steps.truncate(done);
        carry_out(&mut host, &intent, steps);
        settle(&mut host, &intent, true);
        prop_assert_eq!(plan(&intent, &host, MARK, true), vec![]);
        prop_assert_eq!(comparable(host, &intent), comparable(fresh(&intent), &intent));
    }

    #[test]
    fn before_the_first_snapshot_nothing_is_taken_away(before in shape(), after in shape()) {
        let mut host = fresh(&intent_of(&before));
        let was = host.clone();
        let intent = intent_of(&after);
        settle(&mut host, &intent, false);
        prop_assert_eq!(plan(&intent, &host, MARK, false), vec![]);
        let (was, is) = (was.inside.expect("was"), host.inside.expect("is"));
        for (name, device) in &was.devices {
            // A device with another MAC had to make way for the wanted one.
            let Some(now) = is.devices.get(name) else {
                return Err(TestCaseError::fail(format!("{name} is gone")));
            };
            if now.mac == device.mac {
                prop_assert!(device.addresses.is_subset(&now.addresses), "{} lost addresses", name);
            }
        }
    }
}
