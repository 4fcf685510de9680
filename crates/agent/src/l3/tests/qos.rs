//! Limits of floating IPs and gateways, without a host.

use std::collections::BTreeMap;

use isospin_feed::facts::{Direction, Qos, Rate};

use super::facts::World;
use crate::l3::intent::{self, RouterIntent};

fn only(world: &World) -> RouterIntent {
    let intents = intent::routers(&world.facts, &world.host);
    intents.up.into_values().next().expect("one router")
}

/// What is asked of bandwidth, in kilobits.
pub fn bandwidth(directions: &[(Direction, u32)]) -> Qos {
    let rates = directions.iter().map(|(direction, rate)| (*direction, Rate { rate: *rate, burst: None }));
    Qos { bandwidth: rates.collect(), ..Qos::default() }
}

#[test]
fn each_address_has_its_own_limits_on_the_gateways_device() {
    let mut world = World::counted();
    let usual = world.usual();
    assert_eq!(only(&world).qos_table(), None, "nobody asked");
    world.change(usual.router, |router| {
        router.gateway_qos = bandwidth(&[(Direction::Egress, 8000), (Direction::Ingress, 16_000)]);
    });
    world.change_floating(usual.floating, |floating| {
        floating.qos = Qos {
            packets: BTreeMap::from([(Direction::Ingress, Rate { rate: 2, burst: Some(1) })]),
            dscp: Some(26),
            ..Qos::default()
        };
    });
    let script = only(&world).qos_table().expect("a table").script();
    let rules: Vec<&str> =
        script.lines().map(|line| line.split(" comment ").next().unwrap_or_default().trim()).collect();
    let device = only(&world).nat.gateway.expect("a gateway").device;
    let entries =
        |way: &str| format!("172.24.0.76 : goto {way}_172.24.0.76, 172.24.2.252 : goto {way}_172.24.2.252");
    assert_eq!(
        rules,
        [
            "table ip isospin_qos",
            "delete table ip isospin_qos",
            "table ip isospin_qos {",
            "chain inwards_172.24.0.76 {",
            "limit rate over 2000/second burst 1000 packets drop",
            "}",
            "chain inwards_172.24.2.252 {",
            "limit rate over 2000000 bytes/second burst 1600000 bytes drop",
            "}",
            "chain inwards {",
            "type filter hook prerouting priority -300; policy accept;",
            &format!("iifname \"{device}\" ip daddr vmap {{ {} }}", entries("inwards")),
            "}",
            "chain outwards_172.24.0.76 {",
            "ip dscp set 0x1a",
            "}",
            "chain outwards_172.24.2.252 {",
            "limit rate over 1000000 bytes/second burst 800000 bytes drop",
            "}",
            "chain outwards {",
            "type filter hook postrouting priority 110; policy accept;",
            &format!("oifname \"{device}\" ip saddr vmap {{ {} }}", entries("outwards")),
            "}",
            "}",
        ]
    );
}

#[test]
fn a_rate_of_nothing_is_no_limit() {
    let mut world = World::counted();
    let usual = world.usual();
    world.change(usual.router, |router| router.gateway_qos = bandwidth(&[(Direction::Egress, 0)]));
    assert_eq!(only(&world).qos_table(), None);
}

#[test]
fn without_a_gateway_there_is_nothing_to_limit() {
    let mut world = World::counted();
    let usual = world.usual();
    world.change_floating(usual.floating, |floating| floating.qos.dscp = Some(8));
    world.change(usual.router, |router| router.gateway_port_id = None);
    assert_eq!(only(&world).qos_table(), None);
}
