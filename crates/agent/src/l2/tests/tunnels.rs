//! Two hosts with kernel bridges, and vxlan between them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use isospin_feed::facts::{FactKey, Facts, Port, Segment};
use isospin_host_io::raw::FrameSender;
use isospin_host_io::{LinkChange, Links, VethSpec};
use isospin_testkit::lab::Capture;
use isospin_types::{MacAddr, NetworkId, PortId};

use super::facts::{change, config, default_group, network, pair, port};
use super::frames::arp;
use super::lab::{Guest, Lab, Temporary, eventually};

const HOSTS: [&str; 2] = ["172.31.0.1", "172.31.0.2"];

/// The hosts, each with a port on one network, and the wire between them.
struct Pair {
    underlay: Temporary,
    labs: Vec<Lab>,
    guests: Vec<Guest>,
    ports: [PortId; 2],
    network: NetworkId,
}

impl Pair {
    /// With ports like this, and tunnels that flood to the group.
    async fn start(group: Option<Ipv4Addr>, like: impl Fn(&mut Port)) -> Self {
        let underlay = Temporary::new("underlay");
        let links = Links::open(&underlay.place()).await.expect("links");
        links.create_bridge("under", &Default::default()).await.expect("bridge");
        let up = LinkChange { up: Some(true), ..LinkChange::default() };
        links.set("under", &up).await.expect("up");
        let mut facts = Facts::default();
        let net = network(&mut facts, Segment::Vxlan { vni: 4242 });
        let own = default_group(&mut facts);
        let ports =
            [["10.0.0.1", "fd00::1"], ["10.0.0.2", "fd00::2"]].map(|ips| port(&mut facts, net, &ips, &[own]));
        for (index, id) in ports.into_iter().enumerate() {
            change(&mut facts, id, |port| {
                port.host = format!("host{index}");
                port.tunnel_ip = HOSTS[index].parse().ok();
                like(port);
            });
        }
        let peers = HOSTS.iter().map(|ip| ip.parse().expect("ip")).collect();
        Arc::make_mut(facts.networks.get_mut(&net).expect("network")).tunnel_peers = peers;
        let (mut labs, mut guests) = (Vec::new(), Vec::new());
        for (index, ip) in HOSTS.iter().enumerate() {
            let mut config = config();
            config.host = format!("host{index}");
            config.tunnel_ip = ip.parse().ok();
            config.vxlan_group = group.map(IpAddr::V4);
            let lab = Lab::new(config, facts.clone()).await;
            let spec = VethSpec {
                name: format!("host{index}"),
                mac: None,
                mtu: None,
                alias: None,
                peer_name: "eth0".to_owned(),
                peer_mac: None,
                peer_namespace: Some(lab.host.0.clone()),
            };
            links.create_veth(&spec).await.expect("veth");
            let join = LinkChange { master: Some(Some("under".to_owned())), ..up.clone() };
            links.set(&spec.name, &join).await.expect("join");
            lab.links.set("eth0", &up).await.expect("up");
            lab.links.add_address("eth0", format!("{ip}/24").parse().expect("net")).await.expect("address");
            labs.push(lab);
        }
        for (lab, port) in labs.iter_mut().zip(ports) {
            let [guest] = lab.start([port]).await;
            guests.push(guest);
        }
        Self { underlay, labs, guests, ports, network: net }
    }

    async fn capture(&self) -> Capture {
        self.underlay.0.run(Capture::open).await.expect("run").expect("capture")
    }
}

/// Who is asked for in tunnels: targets of ARP requests and neighbour solicitations.
fn asked_for(frames: &[Vec<u8>]) -> BTreeSet<IpAddr> {
    let target = |frame: &Vec<u8>| -> Option<IpAddr> {
        let is_vxlan = frame.get(23) == Some(&17) && frame.get(36..38)? == 4789_u16.to_be_bytes();
        let inner = is_vxlan.then(|| frame.get(50..)).flatten()?;
        match inner.get(12..14)? {
            [0x08, 0x06] if inner.get(20..22)? == [0, 1] => {
                Some(IpAddr::from(<[u8; 4]>::try_from(inner.get(38..42)?).ok()?))
            }
            [0x86, 0xdd] if inner.get(20) == Some(&58) && inner.get(54) == Some(&135) => {
                Some(IpAddr::from(<[u8; 16]>::try_from(inner.get(62..78)?).ok()?))
            }
            _ => None,
        }
    };
    frames.iter().filter_map(target).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_talk_through_vxlan_and_known_addresses_are_answered_for_here() {
    if !super::can_run() {
        return;
    }
    let mut pair = Pair::start(None, |_| {}).await;
    let mut capture = pair.capture().await;
    assert!(pair.guests[0].reaches("10.0.0.2").await && pair.guests[0].reaches("fd00::2").await);
    let frames = capture.frames();
    assert!(!frames.is_empty(), "pings crossed the wire");
    assert_eq!(asked_for(&frames), BTreeSet::new(), "nobody is asked across the wire");
    let first = &mut pair.labs[0];
    assert_eq!(first.full_pass().await.changes, 0);
    first.restart();
    assert_eq!(first.full_pass().await.changes, 0, "also the tunnel is known again");

    // An address moves to another port there: the answer moves with it.
    let moved = MacAddr::new([0xfa, 0x16, 0x3e, 0, 0, 0x77]);
    change(&mut first.facts, pair.ports[1], |port| port.mac = moved);
    first.pass(&[FactKey::Port(pair.ports[1])], &[]).await;
    pair.guests[0].shell("ip neigh flush all; ping -c 1 -W 1 10.0.0.2 || true").await;
    let neighbour = pair.guests[0].shell("ip neigh show 10.0.0.2").await;
    assert!(neighbour.contains(&moved.to_string()), "{neighbour}");

    // The other host's port goes: its entries go, the device stays.
    let first = &mut pair.labs[0];
    first.facts.ports.remove(&pair.ports[1]);
    let network = Arc::make_mut(first.facts.networks.get_mut(&pair.network).expect("network"));
    network.tunnel_peers.clear();
    let report = first.pass(&[FactKey::Port(pair.ports[1]), FactKey::Network(pair.network)], &[]).await;
    assert!(report.changes > 0);
    let entries = first.links.fdb("vxlan-4242").await.expect("fdb");
    assert!(entries.iter().all(|entry| entry.dst.is_none()), "{entries:?}");
    let neighbours = first.links.neighbours("vxlan-4242").await.expect("neighbours");
    assert!(!neighbours.iter().any(|neighbour| neighbour.permanent), "{neighbours:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_have_addresses_nobody_knows_is_asked() {
    if !super::can_run() {
        return;
    }
    let mut pair = Pair::start(None, |port| {
        port.allowed_address_pairs = vec![pair("10.0.0.99", port.mac)];
    })
    .await;
    let mut capture = pair.capture().await;
    pair.guests[1].shell("ip address add 10.0.0.99/24 dev eth0").await;
    assert!(pair.guests[0].reaches("10.0.0.99").await, "an address the server does not know");
    assert!(asked_for(&capture.frames()).contains(&IpAddr::from([10, 0, 0, 99])));
    // Without pairs everybody is known again, and the device made anew.
    for lab in &mut pair.labs {
        for id in pair.ports {
            change(&mut lab.facts, id, |port| port.allowed_address_pairs.clear());
        }
        assert!(lab.full_pass().await.changes > 0);
    }
    pair.guests[0].shell("ip neigh flush all").await;
    capture.frames();
    assert!(pair.guests[0].reaches("10.0.0.2").await);
    assert_eq!(asked_for(&capture.frames()), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_l2population_hosts_flood_to_a_group_and_learn() {
    if !super::can_run() {
        return;
    }
    let mut pair = Pair::start(Some(Ipv4Addr::new(239, 1, 1, 1)), |_| {}).await;
    let mut capture = pair.capture().await;
    assert!(pair.guests[0].reaches("10.0.0.2").await && pair.guests[0].reaches("fd00::2").await);
    let to_group =
        |frame: &&Vec<u8>| frame.get(30..34) == Some(&[239, 1, 1, 1]) && frame.get(23) == Some(&17);
    assert!(capture.frames().iter().any(|frame| to_group(&frame)), "nobody heard a flood");
    assert_eq!(pair.labs[0].full_pass().await.changes, 0);
    pair.labs[0].restart();
    assert_eq!(pair.labs[0].full_pass().await.changes, 0);
    let learned = pair.labs[0].links.fdb("vxlan-4242").await.expect("fdb");
    let peer: IpAddr = HOSTS[1].parse().expect("ip");
    assert!(learned.iter().any(|entry| entry.dst == Some(peer) && !entry.permanent), "{learned:?}");
    // What is known goes to one host.
    capture.frames();
    let [from, to] = pair.ports.map(|id| pair.labs[0].facts.ports[&id].mac);
    let sender = FrameSender::open(&pair.guests[0].ns.place(), "eth0").await.expect("sender");
    let frame = arp(from, to, 2, (from, Ipv4Addr::new(10, 0, 0, 1)), Ipv4Addr::new(10, 0, 0, 2));
    let mut frames = Vec::new();
    let mut arrives = || {
        sender.send(&frame).expect("sent");
        frames.extend(capture.frames());
        std::future::ready(frames.iter().any(|seen| seen.get(50..62) == frame.get(..12)))
    };
    assert!(eventually(&mut arrives).await);
    let flooded = frames.iter().filter(to_group).any(|seen| seen.get(50..62) == frame.get(..12));
    assert!(!flooded, "a known receiver");
}
