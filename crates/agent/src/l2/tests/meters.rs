//! Limits on Open vSwitch, whose switch keeps them by meters.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::time::Duration;

use isospin_feed::facts::{Direction, FactKey, Facts, Segment};
use isospin_host_io::raw::FrameSender;
use isospin_types::{MacAddr, PortId};

use super::facts::{self, change};
use super::frames::{Tap, arp, udp4};
use super::lab::{Backend, Lab, state};
use super::qos::{only, rate};
use crate::converge::{ItemState, Scope};

const WITH_SWITCH: Backend = Backend::OpenVSwitch;

/// Whether this machine can run an Open vSwitch; says aloud when it cannot.
fn can_run() -> bool {
    super::can_run() && Backend::all().contains(&WITH_SWITCH)
}

/// A host with ports 10.0.0.11 and on, in the order of their ids.
fn ports<const N: usize>(facts: &mut Facts) -> [PortId; N] {
    let network = facts::network(facts, Segment::Local);
    let group = facts::default_group(facts);
    let ids: BTreeSet<PortId> = (0..N)
        .map(|index| facts::port(facts, network, &[&format!("10.0.0.{}", 11 + index)], &[group]))
        .collect();
    ids.into_iter().collect::<Vec<_>>().try_into().expect("as many as asked for")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meter_somebody_takes_away_comes_back_with_its_flows_and_those_of_others_stay() {
    if !can_run() {
        return;
    }
    let mut facts = Facts::default();
    let [one, other] = ports(&mut facts);
    for direction in [Direction::Egress, Direction::Ingress] {
        change(&mut facts, one, |port| {
            port.qos.bandwidth.insert(direction, rate(50_000, 0));
            port.qos.packets.insert(direction, rate(5, 0));
            port.qos.dscp = Some(26);
        });
    }
    let mut lab = Lab::on(WITH_SWITCH, facts::config(), facts).await;
    let guests = lab.start([one, other]).await;
    let before = lab.meters();
    assert_eq!(before.len(), 4, "{before:?}");
    let ofctl = |command: &str, arguments: &[&str]| {
        lab.switch.as_ref().expect("a switch").ofctl(command, "br-int", arguments).expect("ovs-ofctl")
    };
    ofctl("add-meter", &["meter=7,kbps,band=type=drop,rate=1000"]);
    // Flows of one priority come in the order they were made.
    let in_order = |flows: &str| flows.lines().map(str::to_owned).collect::<BTreeSet<String>>();
    let flows = in_order(&ofctl("dump-flows", &[]));
    for meter in &before {
        let id = meter.split([' ', '=']).nth(1).expect("a number").to_owned();
        lab.forget();
        lab.switch
            .as_ref()
            .expect("a switch")
            .ofctl("del-meter", "br-int", &[&format!("meter={id}")])
            .expect("gone");
        assert!(lab.is_told().await, "a flow went with meter {id}");
        assert!(lab.full_pass().await.changes >= 2, "the meter and its flow");
    }
    let after = lab.meters();
    assert!(before.iter().all(|meter| after.contains(meter)), "{after:?}");
    assert_eq!(after.len(), 5, "one of others is not ours to take: {after:?}");
    let switch = lab.switch.as_ref().expect("a switch");
    assert_eq!(in_order(&switch.ofctl("dump-flows", "br-int", &[]).expect("flows")), flows);
    assert!(guests[0].reaches("10.0.0.12").await || guests[1].reaches("10.0.0.12").await);
    // A rate somebody changed.
    let (id, _) = before[0]["meter=".len()..].split_once(' ').expect("a number");
    let wrong = format!("meter={id},pktps,band=type=drop,rate=1");
    switch.ofctl("mod-meter", "br-int", &[&wrong]).expect("changed");
    assert_eq!(lab.full_pass().await.changes, 1);
    assert!(lab.meters().contains(&before[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_changes_under_running_traffic() {
    if !can_run() {
        return;
    }
    let mut facts = Facts::default();
    let network = facts::network(&mut facts, Segment::Local);
    let group = facts::default_group(&mut facts);
    let [sender, receiver] =
        ["10.0.0.11", "10.0.0.12"].map(|ip| facts::port(&mut facts, network, &[ip], &[group]));
    change(&mut facts, receiver, |port| port.qos.bandwidth = only(Direction::Ingress, rate(400, 100)));
    let mut lab = Lab::on(WITH_SWITCH, facts::config(), facts).await;
    let [from, to] = lab.start([sender, receiver]).await;
    // As DHCP tells guests: larger packets than the network's do not pass.
    from.shell("ip link set eth0 mtu 1450").await;
    to.shell("ip link set eth0 mtu 1450").await;
    let listener = to.listen(7001).await;
    let mut stream = from.opens("10.0.0.12", 7001).await;
    let (mut other, _) = listener.accept().expect("accepted");
    other.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    // Eighty seconds' worth, if nothing changed.
    let whole = 4_000_000;
    let writer = std::thread::spawn(move || stream.write_all(&vec![0; whole]));
    let mut buffer = vec![0; 65_536];
    let mut seen = other.read(&mut buffer).expect("data");
    change(&mut lab.facts, receiver, |port| port.qos.bandwidth = only(Direction::Ingress, rate(100_000, 0)));
    let report = lab.pass(&[FactKey::Port(receiver)], &[]).await;
    assert_eq!(report.changes, 1, "the meter, and no flow: {report:?}");
    let end = std::time::Instant::now() + Duration::from_secs(40);
    while seen < whole {
        let read = other.read(&mut buffer).expect("data");
        assert!(read > 0 && std::time::Instant::now() < end, "{seen} of {whole} bytes");
        seen += read;
    }
    writer.join().expect("a writer").expect("written");
    assert_eq!(lab.full_pass().await.changes, 0);
}

/// A copy that a meter drops takes no other with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_one_receiver_is_none_of_the_others() {
    if !can_run() {
        return;
    }
    let mut facts = Facts::default();
    let [slow, other, fast, sender] = ports(&mut facts);
    let first = slow;
    for id in [slow, other, fast, sender] {
        change(&mut facts, id, |port| port.port_security_enabled = false);
    }
    change(&mut facts, slow, |port| port.qos.bandwidth = only(Direction::Ingress, rate(8, 1)));
    change(&mut facts, fast, |port| port.qos.packets = only(Direction::Ingress, rate(100, 0)));
    let mac = facts.ports[&sender].mac;
    let mut lab = Lab::on(WITH_SWITCH, facts::config(), facts).await;
    let [slow, other, fast, sender] = lab.start([slow, other, fast, sender]).await;
    let send = FrameSender::open(&sender.ns.place(), "eth0").await.expect("sender");
    let mut taps = [Tap::on(&slow).await, Tap::on(&other).await, Tap::on(&fast).await];
    let ips = [Ipv4Addr::new(10, 0, 0, 99), Ipv4Addr::BROADCAST];
    // ARP is not counted: it ends each round for the slow one too.
    let end = arp(mac, MacAddr::BROADCAST, 1, (mac, ips[0]), Ipv4Addr::new(10, 0, 0, 98));
    let mut counts = [0; 3];
    // More than 65,550 bytes, which any limit lets through at once.
    for number in 0..100_u16 {
        let text = [number.to_be_bytes().as_slice(), &[0; 1300]].concat();
        send.send(&udp4(mac, MacAddr::BROADCAST, ips, [5000, 5000], &text)).expect("sent");
        if number % 10 == 9 {
            send.send(&end).expect("sent");
            for (count, tap) in counts.iter_mut().zip(&mut taps) {
                *count += tap.count_until(&end, |frame| frame.len() > 1300);
            }
        }
    }
    let [slow, other, fast] = counts;
    assert!(slow < 80, "{slow} of 100");
    // The first ones may come behind the mark of their round.
    assert!(other > 90 && fast > 90, "{other} and {fast} of 100");
    let report = lab.l2.pass(&lab.facts, &Scope::Everything, true).await;
    assert_eq!((report.changes, state(&report, first)), (0, Some(ItemState::Up)));
}
