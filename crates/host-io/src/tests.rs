//! The doors against this machine's kernel, inside namespaces made for the test.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::links::LinkEvents;
use crate::raw::{FrameSender, Icmp6Socket};
use crate::{
    BridgeSpec, Conntrack, DeviceFilters, FilterLoss, FlowFilter, LinkChange, LinkEventKind, Links,
    Namespace, NamespaceWatch, Nft, PacketRule, Place, RouteEntry, RouteScope, SetChange, SetElement,
    SetVerb, VethSpec, VxlanSpec, process, sysctl,
};
use futures::StreamExt;
use isospin_types::MacAddr;

/// Namespaces that are gone when the test ends, however it ends.
struct Lab {
    names: Vec<String>,
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

impl Lab {
    /// `None`, said aloud, where the test cannot run.
    fn new() -> Option<Self> {
        if nix::unistd::geteuid().is_root() {
            return Some(Self { names: Vec::new() });
        }
        eprintln!("SKIPPED: needs root to make network namespaces");
        None
    }

    fn name(&mut self) -> String {
        let name = format!("hio-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        self.names.push(name.clone());
        name
    }

    fn namespace(&mut self) -> Namespace {
        Namespace::create(&self.name()).expect("namespace")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Namespace::delete(name);
        }
    }
}

/// Waits for a future of the kernel's, not for time; the limit only ends a failing test.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("nothing came within ten seconds")
}

fn mac(last: u8) -> MacAddr {
    MacAddr::new([0xfa, 0x16, 0x3e, 0, 0, last])
}

fn up() -> LinkChange {
    LinkChange { up: Some(true), ..LinkChange::default() }
}

fn veth(name: &str, peer: &str, namespace: Option<&Namespace>) -> VethSpec {
    VethSpec {
        name: name.to_owned(),
        mac: Some(mac(1)),
        mtu: Some(1400),
        alias: Some("isospin".to_owned()),
        peer_name: peer.to_owned(),
        peer_mac: Some(mac(2)),
        peer_namespace: namespace.cloned(),
    }
}

/// Two namespaces joined by a veth pair, 10.9.0.1 and 10.9.0.2.
async fn pair(lab: &mut Lab) -> (Namespace, Namespace) {
    let (left, right) = (lab.namespace(), lab.namespace());
    let near = Links::open(&left.clone().into()).await.expect("links");
    let far = Links::open(&right.clone().into()).await.expect("links");
    near.create_veth(&veth("left", "right", Some(&right))).await.expect("veth");
    for (links, name, last) in [(&near, "left", 1), (&far, "right", 2)] {
        let net = format!("10.9.0.{last}/24").parse().expect("net");
        links.add_address(name, net).await.expect("address");
        links.set(name, &up()).await.expect("up");
    }
    (left, right)
}

async fn ping(from: &Namespace, to: &str) {
    let args = ["-c1", "-w5", to];
    process::run(&from.clone().into(), "ping", &args, b"", process::DEFAULT_LIMIT).await.expect("ping");
}

#[tokio::test]
async fn a_namespace_made_again_is_another() {
    let Some(mut lab) = Lab::new() else { return };
    let name = lab.name();
    assert_eq!(Namespace::open(&name).expect("open").map(|n| n.inode()), None);
    let first = Namespace::create(&name).expect("create");
    assert_eq!(Namespace::create(&name).expect("again").inode(), first.inode());
    assert!(Namespace::list().expect("list").contains(&name));

    Namespace::delete(&name).expect("delete");
    Namespace::delete(&name).expect("absent is fine");
    assert!(Namespace::open(&name).expect("open").is_none());
    let second = Namespace::create(&name).expect("create");
    assert_ne!(second.inode(), first.inode());

    Namespace::delete(&name).expect("delete");
    std::fs::write(format!("/run/netns/{name}"), "").expect("stale file");
    assert!(Namespace::open(&name).expect("open").is_none(), "a bare file is not a namespace");
    Namespace::create(&name).expect("the stale file is replaced");
    assert!(Namespace::open(&name).expect("open").is_some());
}

#[tokio::test]
async fn a_veth_pair_crosses_into_its_namespace_and_carries_packets() {
    let Some(mut lab) = Lab::new() else { return };
    let (left, right) = pair(&mut lab).await;
    ping(&left, "10.9.0.2").await;

    let links = Links::open(&left.into()).await.expect("links");
    let link = links.get("left").await.expect("get").expect("there");
    assert_eq!((link.kind.as_str(), link.mac, link.mtu, link.up), ("veth", Some(mac(1)), 1400, true));
    assert_eq!(link.alias.as_deref(), Some("isospin"));
    let far = Links::open(&right.into()).await.expect("links");
    let link = far.get("right").await.expect("get").expect("there");
    assert_eq!((link.mac, link.mtu), (Some(mac(2)), 1400));

    let again = links.create_veth(&veth("left", "other", None)).await.expect_err("exists");
    assert!(again.is_exists(), "{again:?}");
    links.delete("left").await.expect("delete");
    links.delete("left").await.expect("absent is fine");
    assert!(far.get("right").await.expect("get").is_none(), "the peer goes too");
    let absent = links.set("left", &up()).await.expect_err("absent");
    assert!(absent.is_not_found(), "{absent:?}");
}

#[tokio::test]
async fn bridge_ports_and_tunnels_are_made_listed_and_changed() {
    let Some(mut lab) = Lab::new() else { return };
    let links = Links::open(&lab.namespace().into()).await.expect("links");
    let spec = BridgeSpec {
        mtu: Some(1450),
        mac: Some(mac(9)),
        ageing: Some(60),
        multicast_snooping: Some(false),
        alias: Some("ours".to_owned()),
    };
    links.create_bridge("br0", &spec).await.expect("bridge");
    let vxlan = VxlanSpec {
        vni: 77,
        local: Some(Ipv4Addr::LOCALHOST.into()),
        port: 4789,
        learning: false,
        device: None,
        mtu: Some(1450),
        alias: Some("ours".to_owned()),
        group: None,
        answers: false,
    };
    links.create_vxlan("vxlan-77", &vxlan).await.expect("vxlan");
    let change = LinkChange { master: Some(Some("br0".to_owned())), ..up() };
    links.set("vxlan-77", &change).await.expect("enslave");

    let bridge = links.get("br0").await.expect("get").expect("bridge");
    assert_eq!((bridge.kind.as_str(), bridge.mtu, bridge.mac), ("bridge", 1450, Some(mac(9))));
    let tunnel = links.get("vxlan-77").await.expect("get").expect("vxlan");
    assert_eq!((tunnel.kind.as_str(), tunnel.vni, tunnel.up), ("vxlan", Some(77), true));
    assert_eq!((tunnel.master, tunnel.alias.as_deref()), (Some(bridge.index), Some("ours")));

    let flood = MacAddr::ZERO;
    let ends: [IpAddr; 2] = [[10, 0, 0, 2].into(), [10, 0, 0, 3].into()];
    for end in ends {
        links.append_fdb("vxlan-77", flood, end).await.expect("fdb");
        links.append_fdb("vxlan-77", flood, end).await.expect("present is fine");
    }
    let flooded = async || {
        let entries = links.fdb("vxlan-77").await.expect("fdb");
        let mut ends: Vec<_> = entries.iter().filter(|e| e.mac == flood).filter_map(|e| e.dst).collect();
        ends.sort();
        ends
    };
    assert_eq!(flooded().await, ends);
    links.delete_fdb("vxlan-77", flood, ends[0]).await.expect("delete");
    links.delete_fdb("vxlan-77", flood, ends[0]).await.expect("absent is fine");
    assert_eq!(flooded().await, ends[1..]);

    links.replace_neighbour("br0", ends[0], mac(3)).await.expect("neighbour");
    assert_eq!(links.neighbours("br0").await.expect("list").len(), 1);
    links.delete_neighbour("br0", ends[0]).await.expect("delete");
    assert_eq!(links.neighbours("br0").await.expect("list"), []);

    let change = LinkChange { master: Some(None), name: Some("vx".to_owned()), ..LinkChange::default() };
    links.set("vxlan-77", &LinkChange { up: Some(false), ..LinkChange::default() }).await.expect("down");
    links.set("vxlan-77", &change).await.expect("rename");
    assert_eq!(links.get("vx").await.expect("get").expect("there").master, None);
}

#[tokio::test]
async fn addresses_and_routes_of_both_families_come_and_go() {
    let Some(mut lab) = Lab::new() else { return };
    let (left, _right) = pair(&mut lab).await;
    let links = Links::open(&left.into()).await.expect("links");
    let net = "fd00::1/64".parse().expect("net");
    links.add_address("left", net).await.expect("add");
    links.add_address("left", net).await.expect("present is fine");
    let addresses = links.addresses(Some("left")).await.expect("list");
    let found = addresses.iter().find(|address| address.net == net).expect("there");
    assert!(found.permanent && !found.tentative, "no duplicate detection: {found:?}");
    assert_eq!(links.addresses(Some("nothing")).await.expect("absent has none"), []);

    for (destination, via) in [("0.0.0.0/0", "10.9.0.254"), ("fd01::/48", "fd00::2")] {
        let route = RouteEntry {
            destination: destination.parse().expect("net"),
            via: Some(via.parse().expect("ip")),
            link: Some("left".to_owned()),
            protocol: 99,
            scope: RouteScope::Global,
        };
        links.add_route(&route).await.expect("add");
        assert!(links.add_route(&route).await.expect_err("exists").is_exists());
        links.replace_route(&route).await.expect("replace");
        assert!(links.routes().await.expect("list").contains(&route), "{route:?}");
        links.delete_route(&route).await.expect("delete");
        links.delete_route(&route).await.expect("absent is fine");
        assert!(!links.routes().await.expect("list").contains(&route));
    }
    links.delete_address("left", net).await.expect("delete");
    links.delete_address("left", net).await.expect("absent is fine");
    assert!(!links.addresses(None).await.expect("list").iter().any(|address| address.net == net));
}

async fn next_of(events: &mut LinkEvents, name: &str, kind: LinkEventKind) {
    loop {
        let event = events.next().await.expect("the stream goes on");
        if event.name == name && event.kind == kind {
            return;
        }
    }
}

#[tokio::test]
async fn devices_made_by_others_are_told_at_once() {
    let Some(mut lab) = Lab::new() else { return };
    let links = Links::open(&lab.namespace().into()).await.expect("links");
    let mut events = links.events().await.expect("events");
    links.create_bridge("br0", &BridgeSpec::default()).await.expect("bridge");
    soon(next_of(&mut events, "br0", LinkEventKind::Changed)).await;
    links.delete("br0").await.expect("delete");
    soon(next_of(&mut events, "br0", LinkEventKind::Removed)).await;
}

#[tokio::test]
async fn rules_are_atomic_listed_and_their_changer_is_known() {
    let Some(mut lab) = Lab::new() else { return };
    let place: Place = lab.namespace().into();
    let nft = Nft::open(place.clone());
    let mut events = nft.events().await.expect("events");
    assert_eq!(nft.list_table("ip", "ours").await.expect("absent"), None);
    let wrong = "table ip ours { chain a { }; }\ntable ip ours { chain b { nonsense; }; }\n";
    let error = nft.apply(wrong).await.expect_err("refused");
    assert!(error.reason().contains("nonsense"), "{}", error.reason());
    assert_eq!(nft.list_tables().await.expect("list"), []);

    nft.apply("table ip ours { chain a { }; }\n").await.expect("apply");
    let event = soon(events.next()).await.expect("event");
    assert!(event.own, "{event:?}");
    assert!(nft.list_table("ip", "ours").await.expect("list").is_some());
    assert_eq!(nft.list_tables().await.expect("list"), [("ip".to_owned(), "ours".to_owned())]);

    Nft::open(place.clone()).apply("add table ip6 ours").await.expect("another door");
    let event = soon(events.next()).await.expect("event");
    assert!(event.own, "{event:?}");

    nft.apply("add set ip ours numbers { type mark; }").await.expect("apply");
    let event = soon(events.next()).await.expect("event");
    assert!(event.own, "{event:?}");
    let change = SetChange {
        family: "ip",
        table: "ours".to_owned(),
        set: "numbers".to_owned(),
        verb: SetVerb::Add,
        elements: vec![SetElement { key: 7_u32.to_ne_bytes().to_vec(), value: None }],
    };
    assert!(nft.change_elements(&[change]).await.expect("elements"));
    let event = soon(events.next()).await.expect("event");
    assert!(event.own, "{event:?}");

    // As many as overflow a socket that is told of each element.
    let many: String = (0..20_000).map(|number| format!("{number},")).collect();
    nft.commit(&format!("add element ip ours numbers {{ {many} }}")).await.expect("commit");
    let event = soon(events.next()).await.expect("no message was lost");
    assert!(event.own, "{event:?}");

    let error = nft.commit(wrong).await.expect_err("refused");
    assert!(error.reason().contains("nonsense"), "{}", error.reason());
    nft.commit("add chain ip ours b { type filter hook input priority 0; }").await.expect("commit");
    nft.commit("delete chain ip ours b").await.expect("commit");
    let table = nft.list_table("ip", "ours").await.expect("list").expect("there").to_string();
    assert!(!table.contains(r#""name":"b""#), "{table}");
    for _ in 0..2 {
        let event = soon(events.next()).await.expect("event");
        assert!(event.own, "{event:?}");
    }

    let delete = ["delete", "table", "ip", "ours"];
    process::run(&place, "nft", &delete, b"", process::DEFAULT_LIMIT).await.expect("somebody else");
    let event = soon(events.next()).await.expect("event");
    assert!(!event.own && event.process.as_deref() == Some("nft"), "{event:?}");
}

#[tokio::test]
async fn a_followed_connection_is_found_and_forgotten() {
    let Some(mut lab) = Lab::new() else { return };
    let (left, right) = pair(&mut lab).await;
    let place: Place = left.clone().into();
    // Connections are followed only where a rule looks at them.
    let rules = "table ip t { chain c { type filter hook output priority 0; ct state new accept; }; }\n";
    Nft::open(place.clone()).apply(rules).await.expect("rules");
    ping(&left, "10.9.0.2").await;
    let conntrack = Conntrack::open(place);
    let filter = FlowFilter { destination: Some([10, 9, 0, 2].into()), ..FlowFilter::default() };
    let flows = conntrack.list(filter).await.expect("list");
    assert_eq!(flows.len(), 1, "{flows:?}");
    assert_eq!((flows[0].protocol, flows[0].reply.source), (1, [10, 9, 0, 2].into()));
    let other = FlowFilter { protocol: Some(6), ..filter };
    assert_eq!(conntrack.delete(&[other]).await.expect("none fits"), 0);
    assert_eq!(conntrack.delete(&[other, filter]).await.expect("delete"), 1);
    assert_eq!(conntrack.list(filter).await.expect("list"), []);
    drop(right);
}

#[tokio::test]
async fn settings_belong_to_their_namespace_and_are_written_once() {
    let Some(mut lab) = Lab::new() else { return };
    let place: Place = lab.namespace().into();
    let key = "net.ipv4.ip_forward";
    let before = sysctl::get(&Place::Host, key).await.expect("get");
    let other = if before == "1" { "0" } else { "1" };
    sysctl::set(&place, key, other).await.expect("set");
    assert!(!sysctl::set(&place, key, other).await.expect("set"), "nothing to change");
    assert_eq!(sysctl::get(&place, key).await.expect("get"), other);
    assert_eq!(sysctl::get(&Place::Host, key).await.expect("get"), before);
    let keys = [key.to_owned(), "net.no.such".to_owned()];
    let values = sysctl::get_all(&place, &keys).await.expect("get");
    assert_eq!(values, [Some(other.to_owned()), None]);
}

#[tokio::test]
async fn entries_made_and_removed_by_others_are_told() {
    let Some(mut lab) = Lab::new() else { return };
    let mut watch = NamespaceWatch::open().expect("watch");
    let name = lab.name();
    let ours = async |watch: &mut NamespaceWatch| {
        while watch.next().await.expect("goes on").name != name {}
    };
    Namespace::create(&name).expect("create");
    soon(ours(&mut watch)).await;
    Namespace::delete(&name).expect("delete");
    soon(ours(&mut watch)).await;
}

#[tokio::test]
async fn icmpv6_of_one_type_passes_between_raw_sockets_and_frames_leave() {
    let Some(mut lab) = Lab::new() else { return };
    let (left, right) = pair(&mut lab).await;
    let (left, right): (Place, Place) = (left.into(), right.into());
    for place in [&left, &right] {
        // Link-local addresses must be usable at once.
        let device = if *place == left { "left" } else { "right" };
        let links = Links::open(place).await.expect("links");
        let last = if *place == left { 1 } else { 2 };
        let net = format!("fe80::{last}/64").parse().expect("net");
        links.add_address(device, net).await.expect("address");
    }
    let group = "ff02::2".parse().expect("group");
    let router = Icmp6Socket::open(&left, "left", 133, group).await.expect("open");
    let host =
        Icmp6Socket::open(&right, "right", 134, "ff02::1".parse().expect("group")).await.expect("open");
    // An echo request first: the filter keeps it out.
    host.send(group, &[128, 0, 0, 0, 0, 0, 0, 0]).expect("send");
    host.send(group, &[133, 0, 0, 0, 0, 0, 0, 0]).expect("send");
    let solicitation = soon(router.receive()).await.expect("receive");
    assert_eq!((solicitation.body.first(), solicitation.hop_limit), (Some(&133), 255));
    // To a neighbour of a link just made a packet may be lost, as any: what is lost is sent again.
    let advertised = soon(async {
        let mut again = tokio::time::interval(Duration::from_millis(500));
        loop {
            tokio::select! {
                _ = again.tick() => {
                    let advertisement = [134, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                    router.send(solicitation.source, &advertisement).expect("send");
                }
                message = host.receive() => break message,
            }
        }
    });
    assert_eq!(advertised.await.expect("receive").body.first(), Some(&134));

    let sender = FrameSender::open(&left, "left").await.expect("open");
    let mut frame = vec![0xff; 60];
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    sender.send(&frame).expect("send");
    let absent = FrameSender::open(&left, "nothing").await.expect_err("no device");
    assert!(absent.is_not_found(), "{absent:?}");
}

#[tokio::test]
async fn packet_rules_are_shared_by_devices_and_their_loss_is_told() {
    let Some(mut lab) = Lab::new() else { return };
    let (near, far) = pair(&mut lab).await;
    let links = Links::open(&near.clone().into()).await.expect("links");
    let mut losses = links.filter_losses().await.expect("losses");
    let index = links.get("left").await.expect("get").expect("device").index;
    assert_eq!(links.filters_of(index).await.expect("filters"), None);
    let [marked, only, except] = [0x11, 0x12, 0x13];
    let closed = DeviceFilters { ingress: Some(marked), egress: Some(only) };
    links.add_filters(index, closed).await.expect("add");
    assert!(links.add_filters(index, closed).await.expect_err("a second time").is_exists());
    assert_eq!(links.filters_of(index).await.expect("filters"), Some(closed));
    assert_eq!(links.filters().await.expect("filters")[&index], closed);
    ping(&far, "10.9.0.1").await;

    // Marks of what came in do not reach answers: nothing goes out.
    for (block, rule) in [(marked, PacketRule::Mark(5)), (only, PacketRule::Only(5))] {
        assert!(!links.has_rule(block, rule).await.expect("rule"));
        links.set_rule(block, rule).await.expect("set");
        links.set_rule(block, rule).await.expect("again");
        assert!(links.has_rule(block, rule).await.expect("rule"));
    }
    let ping_once = ["-c1", "-W1", "10.9.0.1"];
    let lost = process::run(&far.clone().into(), "ping", &ping_once, b"", process::DEFAULT_LIMIT).await;
    assert!(lost.is_err(), "dropped on its way out");
    links.set_rule(only, PacketRule::Except(5)).await.expect("replaced");
    ping(&far, "10.9.0.1").await;

    // Another rule that somebody puts before ours is no rule of ours.
    let tc = "tc filter add block 18 prio 1 protocol all bpf bytecode '1,6 0 0 0' && tc filter del block 17";
    process::run(&near.clone().into(), "sh", &["-c", tc], b"", process::DEFAULT_LIMIT).await.expect("tc");
    assert!(!links.has_rule(only, PacketRule::Except(5)).await.expect("rule"));
    assert_eq!(soon(losses.next()).await, Some(FilterLoss::Filter));
    links.set_rule(only, PacketRule::Except(5)).await.expect("alone again");
    assert!(links.has_rule(only, PacketRule::Except(5)).await.expect("rule"));

    links.delete_filters(index).await.expect("delete");
    links.delete_filters(index).await.expect("absent is fine");
    assert_eq!(links.filters_of(index).await.expect("filters"), None);
    assert_eq!(links.name_of(index).await.expect("name").as_deref(), Some("left"));
    while soon(losses.next()).await != Some(FilterLoss::Device(index)) {}
    assert!(!links.has_rule(only, PacketRule::Except(5)).await.expect("rule"), "gone with its last device");
    assert!(links.set_rule(except, PacketRule::Nothing).await.is_err(), "no device, no block");
}
