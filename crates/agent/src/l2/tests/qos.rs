//! Limits and marks: the table as it is written, and as packets meet it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use isospin_feed::facts::{Direction, FactKey, Facts, Qos, Rate, Segment};
use isospin_types::PortId;

use super::super::qos::table;
use super::can_run;
use super::facts::{self, HOST};
use super::lab::{Backend, Guest, Lab, eventually, shell};
use crate::converge::{Item, ItemState};

pub(super) fn rate(rate: u32, burst: u32) -> Rate {
    Rate { rate, burst: Some(burst).filter(|burst| *burst > 0) }
}

pub(super) fn only(direction: Direction, rate: Rate) -> BTreeMap<Direction, Rate> {
    BTreeMap::from([(direction, rate)])
}

fn two_ports(facts: &mut Facts) -> [PortId; 2] {
    let network = facts::network(facts, Segment::Local);
    let group = facts::default_group(facts);
    ["10.0.0.11", "10.0.0.12"].map(|ip| facts::port(facts, network, &[ip], &[group]))
}

/// The rules of the chain a port's packets go through.
fn chain(facts: &Facts, direction: &str, port: PortId) -> Vec<String> {
    let table = table(facts, HOST).expect("a table");
    let found = table.chains.get(&format!("{direction}_{port}"));
    found.into_iter().flat_map(|chain| &chain.rules).map(|rule| rule.text.to_string()).collect()
}

#[test]
fn each_direction_has_its_limits_and_what_is_sent_is_marked() {
    let mut facts = Facts::default();
    let [port, other] = two_ports(&mut facts);
    assert!(table(&facts, HOST).is_none(), "nobody wants anything");
    facts::change(&mut facts, port, |port| {
        port.qos = Qos {
            bandwidth: BTreeMap::from([
                (Direction::Egress, rate(1000, 1600)),
                (Direction::Ingress, rate(8000, 0)),
            ]),
            packets: only(Direction::Egress, rate(3, 0)),
            dscp: Some(26),
        };
    });
    assert_eq!(
        chain(&facts, "from", port),
        [
            "limit rate over 3000/second burst 2400 packets drop",
            "limit rate over 125000 bytes/second burst 200000 bytes drop",
            "ether type ip ip dscp set 0x1a",
            "ether type ip6 ip6 dscp set 0x1a",
        ]
    );
    assert_eq!(chain(&facts, "to", port), ["limit rate over 1000000 bytes/second burst 800000 bytes drop"]);
    assert_eq!(chain(&facts, "from", other), Vec::<String>::new());
    facts::change(&mut facts, port, |port| port.host = "elsewhere".to_owned());
    assert!(table(&facts, HOST).is_none(), "not of this host");
}

#[test]
fn limits_stay_within_what_the_kernel_counts() {
    let mut facts = Facts::default();
    let [port, other] = two_ports(&mut facts);
    let most = rate(u32::MAX, u32::MAX);
    facts::change(&mut facts, port, |port| {
        port.qos.bandwidth = only(Direction::Egress, most);
        port.qos.packets = only(Direction::Egress, most);
    });
    // A slow one still lets a whole packet through, and none is no limit.
    facts::change(&mut facts, other, |port| {
        port.qos.bandwidth = only(Direction::Egress, rate(8, 1));
        port.qos.packets = only(Direction::Egress, rate(0, 0));
    });
    assert_eq!(
        chain(&facts, "from", port),
        [
            "limit rate over 1000000000/second burst 4294967295 packets drop",
            "limit rate over 12500000000 bytes/second burst 4294967295 bytes drop",
        ]
    );
    assert_eq!(chain(&facts, "from", other), ["limit rate over 1000 bytes/second burst 65550 bytes drop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_kept_and_goes_with_its_policy() {
    if !can_run() {
        return;
    }
    for backend in Backend::all() {
        a_limit_is_kept(backend).await;
    }
}

async fn a_limit_is_kept(backend: Backend) {
    let mut facts = Facts::default();
    let [sender, receiver] = two_ports(&mut facts);
    facts::change(&mut facts, sender, |port| {
        port.qos.bandwidth = only(Direction::Egress, rate(2000, 600));
    });
    let mut lab = Lab::on(backend, facts::config(), facts).await;
    let [from, to] = lab.start([sender, receiver]).await;
    // As DHCP tells guests: larger packets than the network's do not pass its bridge.
    from.shell("ip link set eth0 mtu 1450").await;
    to.shell("ip link set eth0 mtu 1450").await;
    assert!(from.reaches("10.0.0.12").await);
    assert_eq!(lab.full_pass().await.changes, 0, "a host as it should be");

    lab.restart();
    assert_eq!(lab.full_pass().await.changes, 0, "also for an agent that knows nothing of it");

    // A second's worth and the burst at once, the rest at 250 kB a second.
    let slow = transfer(&from, &to, 7001, 1_200_000).await;
    assert!(slow > Duration::from_secs(2), "{slow:?}");

    facts::change(&mut lab.facts, sender, |port| port.qos = Qos::default());
    let report = lab.pass(&[FactKey::Port(sender)], &[]).await;
    assert!(report.changes > 0 && !report.retry, "{report:?}");
    assert!(!lab.shell("nft list tables").await.contains("isospin_qos"));
    assert_eq!(lab.meters(), Vec::<String>::new());
    let fast = transfer(&from, &to, 7002, 1_200_000).await;
    assert!(fast < slow, "{fast:?} after {slow:?}");
}

/// How long the bytes take from one guest to the other.
async fn transfer(from: &Guest, to: &Guest, port: u16, bytes: usize) -> Duration {
    let listener = to.listen(port).await;
    let mut stream = from.opens("10.0.0.12", port).await;
    let (mut other, _) = listener.accept().expect("accepted");
    other.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    let started = Instant::now();
    let writer = std::thread::spawn(move || stream.write_all(&vec![0; bytes]));
    let mut seen = 0;
    let mut buffer = vec![0; 65_536];
    while seen < bytes {
        let read = other.read(&mut buffer).expect("data");
        assert!(read > 0, "the stream ended after {seen} bytes");
        seen += read;
    }
    writer.join().expect("a writer").expect("written");
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_port_sends_carries_its_mark() {
    if !can_run() {
        return;
    }
    for backend in Backend::all() {
        carries_its_mark(backend).await;
    }
}

async fn carries_its_mark(backend: Backend) {
    let mut facts = Facts::default();
    let [sender, receiver] = two_ports(&mut facts);
    facts::change(&mut facts, sender, |port| port.qos.dscp = Some(26));
    let mut lab = Lab::on(backend, facts::config(), facts).await;
    let [from, to] = lab.start([sender, receiver]).await;
    let count = "nft add table ip seen; \
         nft add chain ip seen input '{ type filter hook input priority 0; }'; \
         nft add rule ip seen input ip dscp 26 icmp type echo-request counter";
    shell(&to.ns.place(), count).await;
    let is_marked = async || {
        from.reaches("10.0.0.12").await && !to.shell("nft list table ip seen").await.contains("packets 0 ")
    };
    assert!(eventually(is_marked).await, "{}", to.shell("nft list table ip seen").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn n17_any_limit_is_taken_by_the_kernel() {
    if !can_run() {
        return;
    }
    for backend in Backend::all() {
        any_limit_is_taken(backend).await;
    }
}

async fn any_limit_is_taken(backend: Backend) {
    let mut facts = Facts::default();
    let [one, other] = two_ports(&mut facts);
    let mut lab = Lab::on(backend, facts::config(), facts).await;
    let _guests = lab.start([one, other]).await;
    for amount in [1, 2, 999, 65_536, 100_000_000, 2_147_483_647, u32::MAX] {
        for burst in [0, 1, 2_147_483_647, u32::MAX] {
            let both = BTreeMap::from([
                (Direction::Egress, rate(amount, burst)),
                (Direction::Ingress, rate(amount, burst)),
            ]);
            facts::change(&mut lab.facts, one, |port| port.qos.bandwidth = both.clone());
            facts::change(&mut lab.facts, other, |port| port.qos.packets = both);
            let report = lab.pass(&[FactKey::Port(one), FactKey::Port(other)], &[]).await;
            assert!(!report.retry, "{amount} {burst}: {report:?}");
            let is_failed = |item: &Item| matches!(item.state, ItemState::Failed(_));
            assert!(!report.items.iter().any(is_failed), "{amount} {burst}: {report:?}");
        }
    }
}
