//! Who a trusted port is, and who it is not.

use isospin_feed::facts::{FactKey, Segment};

use super::facts::{change, config, default_group, network, port};
use super::lab::{Backend, Lab};

#[tokio::test(flavor = "multi_thread")]
async fn n12_port_security_and_owner_are_followed_both_ways() {
    if !super::can_run() {
        return;
    }
    for backend in Backend::all() {
        port_security_and_owner_are_followed_both_ways(backend).await;
    }
}

async fn port_security_and_owner_are_followed_both_ways(backend: Backend) {
    let mut facts = Default::default();
    let net = network(&mut facts, Segment::Local);
    let [ours, theirs] = [default_group(&mut facts), default_group(&mut facts)];
    let a = port(&mut facts, net, &["10.0.0.1"], &[ours]);
    let b = port(&mut facts, net, &["10.0.0.2"], &[theirs]);
    let mut lab = Lab::on(backend, config(), facts).await;
    let [_ga, gb] = lab.start([a, b]).await;
    assert!(gb.misses("10.0.0.1").await);
    change(&mut lab.facts, a, |port| port.port_security_enabled = false);
    lab.pass(&[FactKey::Port(a)], &[]).await;
    assert!(gb.reaches("10.0.0.1").await, "no filters");
    change(&mut lab.facts, a, |port| port.port_security_enabled = true);
    lab.pass(&[FactKey::Port(a)], &[]).await;
    assert!(gb.misses("10.0.0.1").await, "filters are back");
    // A name, a device id or a mark on the device makes nobody trusted.
    change(&mut lab.facts, a, |port| port.name = "network:dhcp".to_owned());
    change(&mut lab.facts, a, |port| port.device_id = "network:dhcp".to_owned());
    lab.pass(&[FactKey::Port(a)], &[]).await;
    assert!(gb.misses("10.0.0.1").await);
}
