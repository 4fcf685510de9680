//! Trunks: one device carries the frames of several ports, tagged. The guest has an Open
//! vSwitch of its own that takes them apart.

use std::net::Ipv4Addr;
use std::sync::Arc;

use isospin_feed::facts::{FactKey, Facts, Parent, Segment};
use isospin_host_io::raw::FrameSender;
use isospin_testkit::lab::Switch;
use isospin_types::{MacAddr, PortId, SecurityGroupId};

use super::facts::{change, config, default_group, network, port, rule};
use super::frames::{Tap, arp, marker, tagged, udp4};
use super::lab::{Backend, Guest, Lab, eventually, state};
use crate::converge::ItemState;
use crate::firewall::rule::ICMP;

/// A host with a trunk: its parent on a network of its own, a part of it on another. Each
/// network has a plain port too, so has a third one that another trunk's part is on.
struct Host {
    lab: Lab,
    trunk: Guest,
    /// Plain ports beside the parent, beside its part, beside the other trunk's.
    plain: [Guest; 3],
    parent: PortId,
    part: PortId,
    strange: PortId,
    macs: [MacAddr; 3],
    group: SecurityGroupId,
    // Ends before the guest it is in.
    inside: Option<Switch>,
}

const TAG: u8 = 101;
const STRANGE_TAG: u8 = 102;
const PART: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 11);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 12);

/// Whether this machine can run an Open vSwitch; says aloud when it cannot.
fn can_run() -> bool {
    super::can_run() && Backend::all().contains(&Backend::OpenVSwitch)
}

fn carried_by(facts: &mut Facts, parent: PortId, vlan: u8, id: PortId) {
    change(facts, id, |port| {
        port.parent = Some(Parent { port_id: parent, vlan: vlan.into() });
        port.device_owner = "trunk:subport".to_owned();
    });
}

impl Host {
    async fn start() -> Self {
        let mut facts = Facts::default();
        let group = default_group(&mut facts);
        let nets = [(); 3].map(|()| network(&mut facts, Segment::Local));
        let [parent, part] = [("10.0.0.11", 0), ("10.0.1.11", 1)].map(|(ip, at)| {
            let v6 = format!("fd00:{at}::11");
            port(&mut facts, nets[at], &[ip, &v6], &[group])
        });
        carried_by(&mut facts, parent, TAG, part);
        let elsewhere = port(&mut facts, nets[0], &["10.0.0.21"], &[group]);
        let strange = port(&mut facts, nets[2], &["10.0.2.11"], &[group]);
        carried_by(&mut facts, elsewhere, STRANGE_TAG, strange);
        let plain = [0, 1, 2].map(|at| {
            let ips = [format!("10.0.{at}.12"), format!("fd00:{at}::12")];
            port(&mut facts, nets[at], &[&ips[0], &ips[1]], &[group])
        });
        let macs = [parent, part, plain[1]].map(|id| facts.ports[&id].mac);
        let mut lab = Lab::on(Backend::OpenVSwitch, config(), facts).await;
        let [trunk, _other, a, b, c] = lab.start([parent, elsewhere, plain[0], plain[1], plain[2]]).await;
        let inside = take_apart(&trunk, macs[1]).await;
        let plain = [a, b, c];
        Self { lab, trunk, plain, parent, part, strange, macs, group, inside: Some(inside) }
    }

    /// Sends a frame out of the device; whether the other guest gets it like this.
    async fn passes(&self, to: &mut Tap, sent: &[u8], seen: &[u8]) -> bool {
        let sender = FrameSender::open(&self.trunk.ns.place(), "eth0").await.expect("sender");
        let end = marker(self.macs[1], self.macs[2], [PART, PEER]);
        sender.send(sent).expect("send");
        let mut passed = 0;
        for _ in 0..2 {
            sender.send(&tagged(&end, TAG)).expect("send marker");
            passed += to.count_until(&end, |frame| frame.starts_with(seen));
        }
        passed > 0
    }
}

/// A switch in the guest: what has the tag comes out at "part", which is a device with this MAC.
async fn take_apart(guest: &Guest, mac: MacAddr) -> Switch {
    let switch = Switch::in_namespace(guest.ns.0.name()).expect("switch");
    let all = format!(
        "add-br br0 -- set bridge br0 datapath_type=netdev -- add-port br0 eth0 \
         -- add-port br0 part tag={TAG} -- set interface part type=internal mac=\"{mac}\""
    );
    switch.vsctl(&all).expect("bridge");
    guest.shell("ip address flush dev eth0; ip link set part up").await;
    guest.shell("ip address add 10.0.1.11/24 dev part; ip -6 address add fd00:1::11/64 dev part nodad").await;
    switch
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_trunk_is_on_its_network_and_on_no_other() {
    if !can_run() {
        return;
    }
    let mut host = Host::start().await;
    assert!(host.trunk.reaches("10.0.1.12").await, "IPv4 from the part");
    assert!(host.trunk.reaches("fd00:1::12").await, "IPv6 from the part");
    let [parents, parts, others] = &host.plain;
    assert!(parts.reaches("10.0.1.11").await, "to the part");
    assert!(host.trunk.misses("10.0.0.12").await && parents.misses("10.0.1.11").await);
    assert!(others.misses("10.0.1.11").await);
    assert_eq!(state(&host.lab.full_pass().await, host.part), Some(ItemState::Up));
    let flows = |lab: &Lab| lab.switch.as_ref().expect("a switch").flows("br-int").expect("flows");
    let before = flows(&host.lab);
    host.lab.restart();
    assert_eq!(host.lab.full_pass().await.changes, 0, "an agent that knows nothing of it");
    assert_eq!(flows(&host.lab), before);
    // A flood comes to the part, with its tag; the parent, and other networks, hear nothing.
    let count = "nft add table arp seen; nft add chain arp seen input '{ type filter hook input priority 0; }'; \
         nft add rule arp seen input iifname part arp daddr ip 10.0.1.99 counter";
    host.trunk.shell(count).await;
    let mut unseen = Tap::on(&host.plain[0]).await;
    let peer = host.macs[2];
    let ask = arp(peer, MacAddr::BROADCAST, 1, (peer, PEER), Ipv4Addr::new(10, 0, 1, 99));
    let sender = FrameSender::open(&host.plain[1].ns.place(), "eth0").await.expect("sender");
    for _ in 0..3 {
        sender.send(&ask).expect("sent");
    }
    let heard = async || !host.trunk.shell("nft list table arp seen").await.contains("packets 0 ");
    assert!(eventually(heard).await, "{}", host.trunk.shell("nft list table arp seen").await);
    assert!(!unseen.hears(&ask), "a frame of another network");
}

#[tokio::test(flavor = "multi_thread")]
async fn n20_a_tag_gives_no_more_than_the_addresses_of_its_part() {
    if !can_run() {
        return;
    }
    let host = Host::start().await;
    assert!(host.trunk.reaches("10.0.1.12").await);
    let [parent, part, peer] = host.macs;
    let mut tap = Tap::on(&host.plain[1]).await;
    let own = udp4(part, peer, [PART, PEER], [1, 2], b"own");
    assert!(host.passes(&mut tap, &tagged(&own, TAG), &own).await, "its own addresses");
    let stranger = Ipv4Addr::new(10, 0, 1, 66);
    for (what, frame) in [
        ("the MAC of the parent", udp4(parent, peer, [PART, PEER], [1, 2], b"mac")),
        ("another address", udp4(part, peer, [stranger, PEER], [1, 2], b"ip")),
        ("ARP for another address", arp(part, MacAddr::BROADCAST, 2, (part, stranger), PEER)),
    ] {
        assert!(!host.passes(&mut tap, &tagged(&frame, TAG), &frame).await, "{what}");
    }
    // Without the tag, with a tag more, with the tag of another trunk, with none's.
    let sent = [own.clone(), tagged(&tagged(&own, TAG), TAG), tagged(&own, STRANGE_TAG), tagged(&own, 7)];
    for (index, frame) in sent.iter().enumerate() {
        for seen in [&own, &tagged(&own, TAG)] {
            assert!(!host.passes(&mut tap, frame, seen).await, "frame {index}");
        }
    }
    // Nor does what is another trunk's come to that one's network.
    let strange = host.lab.facts.ports[&host.strange].mac;
    let ips = [Ipv4Addr::new(10, 0, 2, 11), Ipv4Addr::new(10, 0, 2, 12)];
    let frame = udp4(strange, MacAddr::BROADCAST, ips, [1, 2], b"strange");
    let mut theirs = Tap::on(&host.plain[2]).await;
    let sender = FrameSender::open(&host.trunk.ns.place(), "eth0").await.expect("sender");
    for sent in [tagged(&frame, STRANGE_TAG), tagged(&tagged(&frame, STRANGE_TAG), TAG), frame.clone()] {
        sender.send(&sent).expect("sent");
    }
    assert!(host.passes(&mut tap, &tagged(&own, TAG), &own).await, "the device still works");
    assert!(!theirs.hears(&frame), "a frame in another trunk's network");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_has_its_own_groups_and_goes_with_its_parent() {
    if !can_run() {
        return;
    }
    let mut host = Host::start().await;
    let peers = super::facts::group(&mut host.lab.facts);
    // No longer a member of what the other one lets in.
    change(&mut host.lab.facts, host.part, |port| port.security_group_ids = [peers].into());
    host.lab.facts.security_group_members.remove(&(host.group, host.part));
    host.lab.full_pass().await;
    assert!(host.plain[1].misses("10.0.1.11").await);
    rule(&mut host.lab.facts, peers, |rule| rule.protocol = Some(ICMP));
    host.lab.full_pass().await;
    assert!(host.plain[1].reaches("10.0.1.11").await);
    // The instance's port is switched off: nothing of it passes.
    change(&mut host.lab.facts, host.parent, |port| port.admin_state_up = false);
    let report = host.lab.l2.pass(&host.lab.facts, &crate::converge::Scope::Everything, true).await;
    assert_eq!(state(&report, host.part), Some(ItemState::Down));
    assert!(host.plain[1].misses("10.0.1.11").await);
    change(&mut host.lab.facts, host.parent, |port| port.admin_state_up = true);
    host.lab.full_pass().await;
    assert!(eventually(async || host.plain[1].reaches("10.0.1.11").await).await);
    // It leaves the trunk.
    let gone = Arc::clone(&host.lab.facts.ports[&host.part]);
    host.lab.facts.ports.remove(&host.part);
    host.lab.pass(&[FactKey::Port(gone.id)], &[]).await;
    assert!(host.plain[1].misses("10.0.1.11").await);
    assert_eq!(host.lab.full_pass().await.changes, 0);
    drop(host.inside.take());
}
