//! Address scopes with real packets.

use isospin_types::SubnetId;

use super::*;

/// A second inner network on a bridge of its own; the port's tap must be plugged after a pass.
async fn second_network(lab: &mut Lab, usual: &Usual) -> (SubnetId, PortId) {
    lab.bridge("int2").await;
    let network = lab.world.network(1450, false);
    let subnet = lab.world.subnet(network, "10.30.0.0/24", Some("10.30.0.1"));
    (subnet, lab.world.interface(usual.router, &[(subnet, "10.30.0.1")]))
}

#[tokio::test(flavor = "multi_thread")]
async fn address_scopes_are_kept_apart_and_translated_only_where_they_end() {
    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    let (second, port) = second_network(&mut lab, &usual).await;
    let first = lab.world.facts.ports[&usual.interface].fixed_ips[0].subnet_id;
    lab.pass_and_plug(&usual).await;
    lab.plug(&tap(port), "int2").await;
    let outside = lab.machine("ext", "172.24.0.1/16", Some("172.24.2.252")).await;
    let here = lab.machine("int", "10.20.0.146/24", Some("10.20.0.1")).await;
    let plain = lab.machine("int", "10.20.0.20/24", Some("10.20.0.1")).await;
    let there = lab.machine("int2", "10.30.0.20/24", Some("10.30.0.1")).await;
    assert!(reaches(&plain, "10.30.0.20").await, "without scopes all networks are one");

    lab.world.scope(first, 7);
    let report = lab.pass_over(&touched(), true).await;
    assert_eq!(state(&report, FactKey::Router(usual.router)), ItemState::Up);
    assert!(is_cut_off(&plain, "10.30.0.20").await, "into no scope");
    assert!(is_cut_off(&there, "10.20.0.20").await, "out of no scope");
    assert!(reaches(&plain, "172.24.0.1").await, "SNAT leads out of a scope");
    assert!(reaches(&outside, "172.24.0.76").await, "a floating IP leads into one");
    assert!(reaches(&there, "172.24.0.76").await, "also from another inner network");
    assert!(is_cut_off(&outside, "10.20.0.20").await);
    assert_eq!(lab.pass().await.changes, 0, "a healthy host is left alone");

    lab.world.scope(second, 7);
    let external = lab.world.external_subnet;
    lab.world.scope(external, 7);
    lab.pass_over(&touched(), true).await;
    assert!(reaches(&plain, "10.30.0.20").await, "one scope again");
    assert!(reaches(&outside, "10.20.0.20").await, "the external network is in it as well");
    accept_only(&outside, "10.20.0.20").await;
    assert!(reaches(&plain, "172.24.0.1").await, "leaves with its own address");
    accept_only(&here, "10.30.0.20").await;
    assert!(reaches(&there, "10.20.0.146").await);
    lab.restart_agent();
    assert_eq!(lab.pass().await.changes, 0, "also by a fresh agent");
}
