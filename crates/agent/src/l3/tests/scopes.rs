//! Address scopes of routers, without a host.

use super::facts::{Usual, World};
use super::model::settle;
use crate::l3::intent::{self, RouterIntent};
use crate::l3::observe::Observed;
use crate::l3::plan::{Step, plan};
use crate::l3::{owned, render};

const MARK: &str = "isospin l3 host-1";

fn only(world: &World) -> RouterIntent {
    let intents = intent::routers(&world.facts, &world.host);
    intents.up.into_values().next().expect("one router")
}

/// The usual router, with a second inner network; the subnets of both.
fn two_networks(world: &mut World) -> (Usual, [isospin_types::SubnetId; 2]) {
    let usual = world.usual();
    let first = world.facts.ports[&usual.interface].fixed_ips[0].subnet_id;
    let network = world.network(1450, false);
    let second = world.subnet(network, "10.30.0.0/24", Some("10.30.0.1"));
    world.interface(usual.router, &[(second, "10.30.0.1")]);
    (usual, [first, second])
}

#[test]
fn without_scopes_there_is_no_table() {
    let mut world = World::counted();
    two_networks(&mut world);
    assert_eq!(only(&world).scopes.table(), None);
    let steps = plan(&only(&world), &Observed::default(), MARK, true);
    assert!(!steps.iter().any(|step| matches!(step, Step::Scopes(_))));
}

#[test]
fn the_table_of_two_scopes_reads_well() {
    let mut world = World::counted();
    let (usual, [first, _]) = two_networks(&mut world);
    world.scope(first, 7);
    let intent = only(&world);
    let script = intent.scopes.table().expect("a table").script();
    let rules: Vec<&str> =
        script.lines().map(|line| line.split(" comment ").next().unwrap_or_default()).collect();
    let gateway = owned::gateway_device(usual.gateway);
    let scoped = owned::internal_device(usual.interface);
    let other = intent.interfaces.keys().find(|device| **device != gateway && **device != scoped);
    let other = other.expect("the other network");
    let jumps = [(&gateway, 0), (other, 0), (&scoped, 1)];
    let jumps = jumps.map(|(device, chain)| format!("\"{device}\" : jump ipv4_{chain}"));
    assert_eq!(
        rules,
        [
            "table inet isospin_scopes",
            "delete table inet isospin_scopes",
            "table inet isospin_scopes {",
            "  chain ipv4_0 {",
            &format!("    oifname {{ \"{gateway}\", \"{other}\" }} accept"),
            "    drop",
            "  }",
            "  chain ipv4_1 {",
            &format!("    oifname {{ \"{scoped}\" }} accept"),
            "    drop",
            "  }",
            "  chain forward {",
            "    type filter hook forward priority 10; policy accept;",
            "    ct direction reply accept",
            "    meta nfproto ipv4 ct status dnat accept",
            &format!("    meta nfproto ipv4 oifname \"{gateway}\" accept"),
            &format!("    meta nfproto ipv4 iifname vmap {{ {} }}", jumps.join(", ")),
            "    meta nfproto ipv4 drop",
            "  }",
            "}",
        ]
    );
}

#[test]
fn what_is_of_the_external_scope_leaves_as_it_is() {
    let mut world = World::counted();
    let (_, [first, _]) = two_networks(&mut world);
    let direct = |world: &World| {
        let script = render::replace(&only(world).nat);
        script.lines().any(|line| line.contains("iifname { \"qr-") && line.contains("accept"))
    };
    world.scope(first, 7);
    assert!(!direct(&world), "the external network is in no scope");
    world.scope(world.external_subnet, 8);
    assert!(!direct(&world), "in another one");
    world.scope(world.external_subnet, 7);
    assert!(direct(&world));
    let intent = only(&world);
    let gateway = intent.nat.gateway.expect("a gateway");
    assert_eq!(gateway.direct.len(), 1, "the other network is still translated");
    assert!(gateway.snat.is_some());
}

#[test]
fn the_table_goes_with_the_last_scope_when_things_may_go() {
    let mut world = World::counted();
    let (_, [first, _]) = two_networks(&mut world);
    let plain = world.clone();
    world.scope(first, 7);
    let mut host = Observed::default();
    settle(&mut host, &only(&world), true);
    assert_eq!(plan(&only(&world), &host, MARK, true), [], "a healthy host is left alone");
    let without = only(&plain);
    let scripts = |may_remove| {
        let steps = plan(&without, &host, MARK, may_remove);
        steps.into_iter().filter(|step| matches!(step, Step::Scopes(_))).collect::<Vec<_>>()
    };
    assert_eq!(scripts(false), []);
    assert_eq!(scripts(true), [Step::Scopes("delete table inet isospin_scopes\n".to_owned())]);
}
