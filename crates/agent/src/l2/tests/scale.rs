//! One port more on a host full of ports.

use std::time::Instant;

use isospin_feed::facts::{FactKey, Segment};

use super::facts::{allow_port, config, default_group, network, port};
use super::lab::Lab;
use crate::firewall::rule::TCP;

#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_a_handful_of_elements_among_a_thousand() {
    if !super::can_run() {
        return;
    }
    let mut facts = Default::default();
    let net = network(&mut facts, Segment::Local);
    let groups: Vec<_> = (0..10).map(|_| default_group(&mut facts)).collect();
    for group in &groups {
        allow_port(&mut facts, *group, TCP, 22);
    }
    for index in 0..1000_u32 {
        let ip = format!("10.0.{}.{}", index / 250, index % 250 + 1);
        port(&mut facts, net, &[&ip], &[groups[index as usize % 10]]);
    }
    let mut lab = Lab::new(config(), facts).await;
    let start = Instant::now();
    lab.full_pass().await;
    let full = start.elapsed();
    let start = Instant::now();
    assert_eq!(lab.full_pass().await.changes, 0);
    let again = start.elapsed();
    let chains = lab.shell("nft list chains | grep -c chain").await;
    let mut times = Vec::new();
    for index in 0..10 {
        let id = port(&mut lab.facts, net, &[&format!("10.0.9.{}", index + 1)], &[groups[0]]);
        let keys = [FactKey::Port(id), FactKey::SecurityGroupMember(groups[0], id)];
        let start = Instant::now();
        let report = lab.pass(&keys, &[]).await;
        times.push(start.elapsed());
        // secured, egress, ingress, mac, lladdr, ip4, ip6 (link-local), nd6, member.
        assert_eq!(report.changes, 9, "{report:?}");
    }
    times.sort();
    eprintln!("1000 ports: first {full:?}, again {again:?}, one more {:?} (median)", times[5]);
    assert_eq!(lab.shell("nft list chains | grep -c chain").await, chains, "no rule, no chain");
}
