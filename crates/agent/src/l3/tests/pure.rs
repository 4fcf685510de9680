//! Intent, plan and rendered text, without a host.

use isospin_feed::facts::Ipv6Mode;

use super::facts::World;
use super::model::settle;
use crate::l3::intent::{self, RouterIntent};
use crate::l3::observe::{self, Observed};
use crate::l3::plan::{Step, plan};
use crate::l3::{forwards, owned, render};

const MARK: &str = "isospin l3 host-1";

fn only(world: &World) -> RouterIntent {
    let intents = intent::routers(&world.facts, &world.host);
    intents.up.into_values().next().expect("one router")
}

fn lines(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("{step:?}\n")).collect()
}

#[test]
fn the_table_of_a_usual_router_reads_well() {
    let mut world = World::counted();
    world.usual();
    insta::assert_snapshot!(render::replace(&only(&world).nat));
}

#[test]
fn a_router_without_gateway_translates_nothing_but_serves_metadata() {
    let mut world = World::counted();
    let usual = world.usual();
    world.change(usual.router, |router| router.gateway_port_id = None);
    let intent = only(&world);
    insta::assert_snapshot!(render::replace(&intent.nat));
    let reason = intent.floating_ips[&usual.floating].clone().expect_err("nowhere to be");
    assert_eq!(reason, "the router has no gateway on this host");
}

#[test]
fn the_plan_of_a_fresh_router_is_in_the_right_order() {
    let mut world = World::counted();
    let usual = world.usual();
    world.route(usual.router, "192.168.7.0/24", "10.20.0.99");
    insta::assert_snapshot!(lines(&plan(&only(&world), &Observed::default(), MARK, true)));
}

#[test]
fn without_snat_only_floating_ips_are_translated() {
    let mut world = World::counted();
    let usual = world.usual();
    world.change(usual.router, |router| router.enable_snat = false);
    let script = render::replace(&only(&world).nat);
    assert!(!script.contains("172.24.2.252"), "{script}");
    assert!(script.contains("172.24.0.76 : 10.20.0.146"), "{script}");
}

#[test]
fn a_changed_floating_ip_changes_elements_and_forgets_its_connections() {
    let mut world = World::counted();
    let usual = world.usual();
    let before = only(&world);
    let mut host = Observed::default();
    settle(&mut host, &before, true);
    world.facts.floating_ips.remove(&usual.floating);
    world.floating(usual.router, "172.24.0.77", "10.20.0.146");
    insta::assert_snapshot!(lines(&plan(&only(&world), &host, MARK, true)));
}

#[test]
fn switching_snat_off_forgets_what_was_translated() {
    let mut world = World::counted();
    let usual = world.usual();
    let before = only(&world);
    let mut host = Observed::default();
    settle(&mut host, &before, true);
    world.change(usual.router, |router| router.enable_snat = false);
    let steps = plan(&only(&world), &host, MARK, true);
    assert!(steps.iter().any(|step| matches!(step, Step::ForgetFlows(_))), "{steps:#?}");
}

#[test]
fn the_gateway_gets_routes_to_the_other_subnets_and_to_an_outside_next_hop() {
    let mut world = World::counted();
    let usual = world.usual();
    world.subnet(world.external, "198.51.100.0/24", Some("198.51.100.1"));
    let subnet = world.external_subnet;
    let subnet = std::sync::Arc::make_mut(world.facts.subnets.get_mut(&subnet).expect("subnet"));
    subnet.gateway_ip = Some("203.0.113.1".parse().expect("ip"));
    let device = owned::gateway_device(usual.gateway);
    let routes: Vec<String> = only(&world)
        .routes
        .iter()
        .map(|route| format!("{} {:?} {:?}", route.destination, route.via, route.scope))
        .collect();
    assert_eq!(
        routes,
        ["0.0.0.0/0 Some(203.0.113.1) Global", "198.51.100.0/24 None Link", "203.0.113.1/32 None Link"],
        "all by {device}"
    );
}

#[test]
fn n05_what_cannot_be_made_is_a_problem_of_its_router_only() {
    let mut world = World::counted();
    let good = world.usual();
    let bad = world.router();
    let v6 = world.network(1450, false);
    let subnet = world.subnet(v6, "fd00:1::/64", Some("fd00:1::1"));
    let lost = world.interface(bad, &[(subnet, "fd00:1::1")]);
    world.facts.subnets.remove(&subnet);
    world.route(bad, "10.0.0.0/8", "fd00:1::9");
    world.route(bad, "10.0.0.0/8", "192.0.2.1");
    let intents = intent::routers(&world.facts, &world.host);
    assert_eq!(intents.up[&good.router].problems, Vec::<String>::new());
    let bad = &intents.up[&bad];
    assert_eq!(bad.problems.len(), 3, "{:#?}", bad.problems);
    assert!(bad.unknown.contains(&owned::internal_device(lost)), "its device is left as it is");
}

#[test]
fn routers_elsewhere_or_switched_off_are_not_served() {
    let mut world = World::counted();
    let usual = world.usual();
    world.change(usual.router, |router| router.admin_state_up = false);
    let intents = intent::routers(&world.facts, &world.host);
    assert!(intents.up.is_empty() && intents.down[&usual.router].contains(&usual.floating));
    assert_eq!(intent::routers(&world.facts, "another"), intent::Intents::default());
}

#[test]
fn advertisements_follow_the_modes_of_the_subnets() {
    let mut world = World::counted();
    let network = world.network(1450, false);
    let slaac = world.subnet(network, "fd00:1::/64", Some("fd00:1::1"));
    let stateful = world.subnet(network, "fd00:2::/64", Some("fd00:2::1"));
    let silent = world.subnet(network, "fd00:3::/64", Some("fd00:3::1"));
    world.ra_mode(slaac, Ipv6Mode::Slaac);
    world.ra_mode(stateful, Ipv6Mode::Dhcpv6Stateful);
    let router = world.router();
    let port =
        world.interface(router, &[(slaac, "fd00:1::1"), (stateful, "fd00:2::1"), (silent, "fd00:3::1")]);
    let intent = only(&world);
    let said = &intent.advertisements[&owned::internal_device(port)];
    let prefixes: Vec<_> = said.prefixes.iter().map(|(net, own)| (net.to_string(), *own)).collect();
    assert_eq!(prefixes, [("fd00:1::/64".to_owned(), true), ("fd00:2::/64".to_owned(), false)]);
    assert!(said.managed && !said.other);
}

#[test]
fn the_owners_route_wins_over_the_gateways_and_a_connected_network_over_both() {
    let mut world = World::counted();
    let usual = world.usual();
    world.route(usual.router, "0.0.0.0/0", "10.20.0.9");
    world.route(usual.router, "10.20.0.0/24", "172.24.0.9");
    let intent = only(&world);
    let defaults: Vec<_> = intent.routes.iter().filter(|route| route.destination.prefix_len() == 0).collect();
    assert_eq!(defaults.len(), 1);
    assert_eq!(defaults[0].link, Some(owned::internal_device(usual.interface)));
    assert_eq!(intent.problems, ["route to 10.20.0.0/24: the router is on that network itself"]);
}

#[test]
fn a_listing_with_anything_foreign_is_not_our_table() {
    let listing = |item: serde_json::Value| serde_json::json!({"nftables": [{"metainfo": {}}, item]});
    let chain = |policy: &str| serde_json::json!({"chain": {"name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": policy}});
    assert!(observe::table(&listing(chain("accept"))).is_some());
    assert_eq!(observe::table(&listing(chain("drop"))), None);
    assert_eq!(observe::table(&listing(serde_json::json!({"set": {"name": "x"}}))), None);
    assert_eq!(observe::table(&serde_json::json!({})), None);
}

#[test]
fn two_floating_ips_of_one_address_both_lead_to_it_and_one_speaks_for_it() {
    let mut world = World::counted();
    let usual = world.usual();
    world.floating(usual.router, "172.24.0.75", "10.20.0.146");
    let table = render::expected(&only(&world).nat);
    assert_eq!(table.maps[render::TO_FIXED].len(), 2);
    assert_eq!(table.maps[render::TO_FLOATING]["10.20.0.146"], "172.24.0.75");
}

#[test]
fn forwarded_ports_are_elements_of_the_map_that_fits() {
    let mut world = World::counted();
    let usual = world.usual();
    world.forwarding(
        usual.router,
        "172.24.0.80",
        &[
            (6, Some([(2222, 2222), (22, 22)]), "10.20.0.5"),
            (17, Some([(100, 102), (53, 53)]), "10.20.0.5"),
            (6, Some([(1000, 2000), (1000, 2000)]), "10.20.0.6"),
            (6, Some([(3000, 3002), (4000, 4002)]), "10.20.0.6"),
            (1, None, "10.20.0.7"),
        ],
    );
    let intent = only(&world);
    let maps = render::expected(&intent.nat).maps;
    let of = |map: &str| -> Vec<String> {
        maps[map].iter().map(|(key, value)| format!("{key} : {value}")).collect()
    };
    assert_eq!(
        of(forwards::PORT),
        [
            "172.24.0.80 . 6 . 2222 : 10.20.0.5 . 22",
            "172.24.0.80 . 6 . 3000 : 10.20.0.6 . 4000",
            "172.24.0.80 . 6 . 3001 : 10.20.0.6 . 4001",
            "172.24.0.80 . 6 . 3002 : 10.20.0.6 . 4002",
        ]
    );
    assert_eq!(of(forwards::TO_ONE), ["172.24.0.80 . 17 . 100-102 : 10.20.0.5 . 53"]);
    assert_eq!(of(forwards::SAME), ["172.24.0.80 . 6 . 1000-2000 : 10.20.0.6"]);
    assert_eq!(of(forwards::PROTOCOL), ["172.24.0.80 . 1 : 10.20.0.7"]);
    let device = owned::gateway_device(usual.gateway);
    let addresses = &intent.interfaces[&device].addresses;
    assert!(addresses.contains(&"172.24.0.80/32".parse().expect("net")), "{addresses:?}");
}

#[test]
fn a_changed_forwarding_changes_elements_and_forgets_its_connections() {
    let mut world = World::counted();
    let usual = world.usual();
    let old = world.forwarding(usual.router, "172.24.0.80", &[(6, Some([(80, 90), (80, 90)]), "10.20.0.5")]);
    let mut host = Observed::default();
    settle(&mut host, &only(&world), true);
    world.facts.floating_ips.remove(&old);
    world.forwarding(usual.router, "172.24.0.80", &[(6, Some([(85, 95), (85, 95)]), "10.20.0.5")]);
    for may_remove in [true, false] {
        let steps = plan(&only(&world), &host, MARK, may_remove);
        let Step::Rules(script) = &steps[0] else { panic!("{steps:#?}") };
        assert_eq!(
            script,
            "delete element ip isospin_router forwarded_same { 172.24.0.80 . 6 . 80-90 : 10.20.0.5 }\n\
             add element ip isospin_router forwarded_same { 172.24.0.80 . 6 . 85-95 : 10.20.0.5 }\n",
            "also before the first snapshot: the old one stands in the way"
        );
        assert_eq!(steps.iter().any(|step| matches!(step, Step::ForgetFlows(_))), may_remove);
    }
}

#[test]
fn helpers_have_a_table_each() {
    let mut world = World::counted();
    let usual = world.usual();
    world.helper(usual.router, "tftp", 17, 69);
    world.helper(usual.router, "tftp", 17, 6969);
    world.helper(usual.router, "ftp", 6, 21);
    world.helper(usual.router, "odd", 132, 5);
    let intent = only(&world);
    assert_eq!(intent.problems, ["helper odd: protocol 132 has no helpers"]);
    let mut host = Observed::default();
    let steps = plan(&intent, &host, MARK, true);
    let scripts: Vec<&str> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Helper(script) => Some(script.as_str()),
            _ => None,
        })
        .collect();
    insta::assert_snapshot!(scripts.join("\n"));
    settle(&mut host, &intent, true);
    world.change(usual.router, |router| router.conntrack_helpers.clear());
    world.helper(usual.router, "ftp", 6, 2121);
    let steps = plan(&only(&world), &host, MARK, true);
    assert_eq!(steps[0], Step::Helper("delete table ip isospin_helper_tftp_udp\n".to_owned()));
    assert!(matches!(&steps[1], Step::Helper(script) if script.contains("{ 2121 }")), "{steps:#?}");
    assert_eq!(steps.len(), 2);
}
