//! Routers with real namespaces and packets: a host, an outside world and
//! instances, each a namespace; bridges built by the test in place of l2.

mod metering;
mod qos;
mod services;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use isospin_feed::facts::{FactKey, Ipv6Mode};
use isospin_host_io::{
    BridgeSpec, Conntrack, FlowFilter, LinkChange, Links, Namespace, Nft, Place, VethSpec, process, sysctl,
};
use isospin_types::{PortId, RouterId};

use super::facts::{Usual, World};
use crate::converge::{ItemState, Mechanism, PassReport, Scope};
use crate::l3::{L3, owned};

mod scopes;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A machine with a router agent. Everything is gone when it is dropped.
struct Lab {
    world: World,
    host: Namespace,
    links: Links,
    l3: L3,
    names: BTreeSet<String>,
    routers: BTreeSet<RouterId>,
}

impl Lab {
    /// `None`, said aloud, where the test cannot run.
    async fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: needs root to make network namespaces");
            return None;
        }
        let name = fresh_name();
        let host = Namespace::create(&name).expect("namespace");
        let place: Place = host.clone().into();
        // Bridged frames of the lab are no business of the machine's own rules.
        let links = Links::open(&place).await.expect("links");
        let lab = Self {
            world: World::unique(&name),
            l3: L3::at(place, &name),
            host,
            links,
            names: BTreeSet::from([name]),
            routers: BTreeSet::new(),
        };
        lab.bridge("ext").await;
        lab.bridge("int").await;
        Some(lab)
    }

    async fn bridge(&self, name: &str) {
        let spec = BridgeSpec { multicast_snooping: Some(false), ..BridgeSpec::default() };
        self.links.create_bridge(name, &spec).await.expect("bridge");
        self.links.set(name, &up()).await.expect("up");
    }

    /// A machine on a bridge, with an address and a default gateway.
    async fn machine(&mut self, bridge: &str, net: &str, gateway: Option<&str>) -> Namespace {
        let name = fresh_name();
        self.names.insert(name.clone());
        let machine = Namespace::create(&name).expect("namespace");
        let tap = format!("m{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        let spec = VethSpec {
            name: tap.clone(),
            mac: None,
            mtu: None,
            alias: None,
            peer_name: "eth0".to_owned(),
            peer_mac: None,
            peer_namespace: Some(machine.clone()),
        };
        self.links.create_veth(&spec).await.expect("veth");
        self.plug(&tap, bridge).await;
        let links = Links::open(&machine.clone().into()).await.expect("links");
        links.add_address("eth0", net.parse().expect("net")).await.expect("address");
        links.set("lo", &up()).await.expect("up");
        links.set("eth0", &up()).await.expect("up");
        // What is sent before the kernel has taken notice is lost.
        for (place, link) in [(&self.host, tap.as_str()), (&machine, "eth0")] {
            let shown = async || run(place, "ip", &["link", "show", link]).await;
            until("the link carries", async || shown().await.is_ok_and(|it| it.contains("state UP"))).await;
        }
        if let Some(gateway) = gateway {
            let default = if gateway.contains(':') { "::/0" } else { "0.0.0.0/0" };
            run(&machine, "ip", &["route", "add", default, "via", gateway]).await.expect("route");
        }
        machine
    }

    async fn plug(&self, tap: &str, bridge: &str) {
        let change = LinkChange { master: Some(Some(bridge.to_owned())), ..up() };
        self.links.set(tap, &change).await.expect("plug");
    }

    async fn pass(&mut self) -> PassReport {
        self.pass_over(&Scope::Everything, true).await
    }

    async fn pass_over(&mut self, scope: &Scope, may_sweep: bool) -> PassReport {
        self.routers.extend(self.world.facts.routers.keys());
        self.l3.pass(&self.world.facts, scope, may_sweep).await
    }

    /// A pass, and what l2 does: the router's taps into their bridges.
    async fn pass_and_plug(&mut self, usual: &Usual) -> PassReport {
        let report = self.pass().await;
        self.plug(&tap(usual.interface), "int").await;
        self.plug(&tap(usual.gateway), "ext").await;
        report
    }

    fn router(&self, id: RouterId) -> Namespace {
        Namespace::open(&owned::namespace_name(id)).expect("open").expect("the router's namespace")
    }

    fn restart_agent(&mut self) {
        self.l3 = L3::at(self.host.clone().into(), &self.world.host);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let routers = self.routers.iter().map(|id| owned::namespace_name(*id));
        for name in self.names.iter().cloned().chain(routers) {
            let _ = Namespace::delete(&name);
        }
    }
}

fn fresh_name() -> String {
    format!("l3-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

fn up() -> LinkChange {
    LinkChange { up: Some(true), ..LinkChange::default() }
}

fn tap(port: PortId) -> String {
    format!("tap{}", port.device_suffix())
}

async fn run(machine: &Namespace, program: &str, args: &[&str]) -> Result<String, String> {
    let limit = Duration::from_secs(20);
    let place = machine.clone().into();
    let output = process::run(&place, program, args, b"", limit).await.map_err(|error| error.reason())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// One answered ping within five seconds.
async fn reaches(machine: &Namespace, ip: &str) -> bool {
    run(machine, "ping", &["-n", "-c1", "-i0.2", "-w5", ip]).await.is_ok()
}

/// No answer to three pings.
async fn is_cut_off(machine: &Namespace, ip: &str) -> bool {
    run(machine, "ping", &["-n", "-c3", "-i0.2", "-W1", ip]).await.is_err()
}

/// Waits for a state; the limit only ends a failing test.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        let mut look_again = tokio::time::interval(Duration::from_millis(20));
        while !holds().await {
            look_again.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

fn state(report: &PassReport, key: FactKey) -> ItemState {
    report.items.iter().find(|item| item.key == key).expect("reported").state.clone()
}

fn touched() -> Scope {
    Scope::Touched { facts: BTreeSet::new(), links: BTreeSet::new() }
}

/// Lets only echo requests from `source` reach the machine.
async fn accept_only(machine: &Namespace, source: &str) {
    let rules = format!(
        "table ip probe {{\n chain input {{\n type filter hook input priority 0;\n \
         icmp type echo-request ip saddr != {source} drop\n }}\n}}\n"
    );
    Nft::open(machine.clone().into()).apply(&rules).await.expect("rules");
}

#[tokio::test(flavor = "multi_thread")]
async fn snat_outwards_floating_ip_both_ways_and_hairpin() {
    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    let other = lab.world.floating(usual.router, "172.24.0.78", "10.20.0.150");
    let report = lab.pass_and_plug(&usual).await;
    for key in
        [FactKey::Router(usual.router), FactKey::FloatingIp(usual.floating), FactKey::FloatingIp(other)]
    {
        assert_eq!(state(&report, key), ItemState::Up);
    }
    // The outside knows no way back to 10.20.0.0/24: only translated packets are answered.
    let outside = lab.machine("ext", "172.24.0.1/16", None).await;
    let plain = lab.machine("int", "10.20.0.20/24", Some("10.20.0.1")).await;
    let floating = lab.machine("int", "10.20.0.146/24", Some("10.20.0.1")).await;
    let second = lab.machine("int", "10.20.0.150/24", Some("10.20.0.1")).await;

    assert!(reaches(&plain, "172.24.0.1").await, "SNAT outwards");
    assert!(reaches(&outside, "172.24.2.252").await, "the gateway answers");
    assert!(reaches(&outside, "172.24.0.76").await, "floating IP inwards");
    assert!(reaches(&plain, "172.24.0.76").await, "an instance without floating IP to one with");
    assert!(reaches(&floating, "172.24.0.78").await, "between floating IPs of one router");
    assert!(reaches(&floating, "172.24.0.76").await, "to its own floating IP");

    accept_only(&outside, "172.24.0.76").await;
    assert!(reaches(&floating, "172.24.0.1").await, "leaves with its floating IP");
    assert!(is_cut_off(&plain, "172.24.0.1").await, "leaves with the gateway's address");
    accept_only(&second, "172.24.0.76").await;
    assert!(reaches(&floating, "172.24.0.78").await, "the hairpin shows the floating IP");
    assert!(is_cut_off(&plain, "172.24.0.78").await, "and the gateway's address for others");

    assert_eq!(lab.pass().await.changes, 0, "a healthy host is left alone");
    lab.restart_agent();
    let report = lab.pass().await;
    assert_eq!((report.changes, report.swept, report.retry), (0, 0, false), "also by a fresh agent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_floating_ip_taken_away_cuts_its_connections() {
    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    lab.pass_and_plug(&usual).await;
    let outside = lab.machine("ext", "172.24.0.1/16", None).await;
    let instance = lab.machine("int", "10.20.0.146/24", Some("10.20.0.1")).await;
    assert!(reaches(&outside, "172.24.0.76").await);
    assert!(reaches(&instance, "172.24.0.1").await);
    let conntrack = Conntrack::open(lab.router(usual.router).into());
    let floating = "172.24.0.76".parse().expect("ip");
    let inwards = FlowFilter { destination: Some(floating), ..FlowFilter::default() };
    let outwards = FlowFilter { reply_destination: Some(floating), ..FlowFilter::default() };
    for filter in [inwards, outwards] {
        assert!(!conntrack.list(filter).await.expect("list").is_empty(), "{filter:?}");
    }
    lab.world.facts.floating_ips.clear();
    let report = lab.pass_over(&touched(), true).await;
    assert!(report.changes > 0, "a changed intent is seen without being named");
    for filter in [inwards, outwards] {
        assert_eq!(conntrack.list(filter).await.expect("list"), []);
    }
    assert!(is_cut_off(&outside, "172.24.0.76").await);
    accept_only(&outside, "172.24.2.252").await;
    assert!(reaches(&instance, "172.24.0.1").await, "from now on with the gateway's address");
    let gateway = FlowFilter { reply_destination: "172.24.2.252".parse().ok(), ..FlowFilter::default() };
    assert!(!conntrack.list(gateway).await.expect("list").is_empty());

    // An agent killed right after its new rules stood: the next life finishes.
    lab.world.change(usual.router, |router| router.enable_snat = false);
    let intents = crate::l3::intent::routers(&lab.world.facts, &lab.world.host);
    let script = crate::l3::render::replace(&intents.up[&usual.router].nat);
    Nft::open(lab.router(usual.router).into()).apply(&script).await.expect("rules");
    lab.restart_agent();
    assert_eq!(lab.pass().await.changes, 0);
    assert_eq!(conntrack.list(gateway).await.expect("list"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_break_heals_in_one_pass() {
    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    lab.pass_and_plug(&usual).await;
    let outside = lab.machine("ext", "172.24.0.1/16", None).await;
    let inner = owned::internal_device(usual.interface);
    let outer = owned::gateway_device(usual.gateway);
    let table = owned::TABLE;
    let damages: [&[&str]; 8] = [
        &["nft", "flush", "chain", "ip", table, "prerouting"],
        &["nft", "delete", "element", "ip", table, "floating_to_fixed", "{ 172.24.0.76 : 10.20.0.146 }"],
        &["nft", "add", "rule", "ip", table, "forward", "drop"],
        &["ip", "addr", "del", "172.24.0.76/32", "dev", &outer],
        &["ip", "route", "del", "default"],
        &["ip", "link", "set", &outer, "down"],
        &["sysctl", "-w", "net.ipv4.ip_forward=0"],
        &["ip", "link", "del", &inner],
    ];
    for damage in damages {
        run(&lab.router(usual.router), damage[0], &damage[1..]).await.expect("damage");
        let report = lab.pass_and_plug(&usual).await;
        assert!(report.changes > 0, "{damage:?} was not seen");
        assert_eq!(state(&report, FactKey::Router(usual.router)), ItemState::Up, "{damage:?}");
        assert_eq!(lab.pass().await.changes, 0, "{damage:?} was not healed in one pass");
    }
    let instance = lab.machine("int", "10.20.0.146/24", Some("10.20.0.1")).await;
    assert!(reaches(&outside, "172.24.0.76").await && reaches(&instance, "172.24.0.1").await);

    // Somebody removes the namespace, somebody else makes an empty one of that name.
    let name = owned::namespace_name(usual.router);
    for again in [false, true] {
        Namespace::delete(&name).expect("delete");
        if again {
            Namespace::create(&name).expect("create");
        }
        // No fact and no device was touched: the namespace's identity alone tells.
        let report = lab.pass_over(&touched(), true).await;
        assert_eq!(state(&report, FactKey::Router(usual.router)), ItemState::Up);
        lab.plug(&tap(usual.interface), "int").await;
        lab.plug(&tap(usual.gateway), "ext").await;
        assert!(reaches(&outside, "172.24.0.76").await, "rebuilt, made again: {again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n05_a_router_that_cannot_be_made_stops_no_other() {
    let Some(mut lab) = Lab::new().await else { return };
    let bad = lab.world.usual();
    let network = lab.world.network(1450, false);
    let subnet = lab.world.subnet(network, "10.30.0.0/24", Some("10.30.0.1"));
    let good = lab.world.router();
    lab.world.interface(good, &[(subnet, "10.30.0.1")]);
    // Somebody else's device bears the name of the bad router's gateway.
    lab.bridge(&tap(bad.gateway)).await;
    let report = lab.pass().await;
    assert_eq!(state(&report, FactKey::Router(good)), ItemState::Up);
    for key in [FactKey::Router(bad.router), FactKey::FloatingIp(bad.floating)] {
        let ItemState::Failed(reason) = state(&report, key) else { panic!("{report:#?}") };
        assert!(reason.contains(&tap(bad.gateway)), "{reason}");
    }
    assert!(report.retry);
    // What of it can work does: its internal port is there.
    let links = Links::open(&lab.router(bad.router).into()).await.expect("links");
    assert!(links.get(&owned::internal_device(bad.interface)).await.expect("get").is_some());
    assert_eq!(lab.links.get(&tap(bad.gateway)).await.expect("get").expect("untouched").kind, "bridge");

    lab.links.delete(&tap(bad.gateway)).await.expect("delete");
    let report = lab.pass_over(&touched(), true).await;
    assert_eq!(state(&report, FactKey::Router(bad.router)), ItemState::Up, "the next round heals");
    assert!(!report.items.iter().any(|item| item.key == FactKey::Router(good)), "the other needs no look");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_marked_routers_of_this_host_are_swept_and_only_when_allowed() {
    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    lab.pass().await;
    let foreign = RouterId::random();
    lab.routers.insert(foreign);
    Namespace::create(&owned::namespace_name(foreign)).expect("create");
    let there = |id| Namespace::open(&owned::namespace_name(id)).expect("open").is_some();

    let facts = std::mem::take(&mut lab.world.facts);
    let report = lab.pass_over(&Scope::Everything, false).await;
    assert_eq!((report.changes, report.swept), (0, 0));
    assert!(there(usual.router), "nothing goes before the first snapshot");

    let mut another = L3::at(lab.host.clone().into(), "another-host");
    let report = another.pass(&lab.world.facts, &Scope::Everything, true).await;
    assert_eq!(report.swept, 0, "another agent on this machine leaves it alone");

    lab.restart_agent();
    let report = lab.pass().await;
    assert_eq!(report.swept, 1, "a fresh agent knows its own by the mark");
    assert!(!there(usual.router) && there(foreign));
    assert_eq!(lab.links.get(&tap(usual.interface)).await.expect("get"), None);

    lab.world.facts = facts;
    lab.pass().await;
    lab.world.change(usual.router, |router| router.admin_state_up = false);
    let report = lab.pass_over(&touched(), true).await;
    assert_eq!(state(&report, FactKey::Router(usual.router)), ItemState::Down);
    assert_eq!(state(&report, FactKey::FloatingIp(usual.floating)), ItemState::Down);
    assert!(!there(usual.router), "switched off");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_redirected_and_its_listener_is_hidden_otherwise() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    lab.pass_and_plug(&usual).await;
    let outside = lab.machine("ext", "172.24.0.1/16", Some("172.24.2.252")).await;
    let instance = lab.machine("int", "10.20.0.20/24", Some("10.20.0.1")).await;

    let open = || {
        std::net::TcpListener::bind("0.0.0.0:9697").and_then(|socket| {
            socket.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(socket)
        })
    };
    let listener = lab.router(usual.router).run(open).await.expect("enter").expect("listen");
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            let _ = stream.write_all(peer.ip().to_string().as_bytes()).await;
        }
    });
    let ask = async |machine: &Namespace, to: &'static str| -> Option<String> {
        let connect = move || {
            std::net::TcpStream::connect_timeout(&to.parse().expect("address"), Duration::from_secs(1))
        };
        let stream = machine.run(connect).await.expect("enter").ok()?;
        stream.set_nonblocking(true).expect("nonblocking");
        let mut stream = tokio::net::TcpStream::from_std(stream).expect("stream");
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut answer)).await;
        read.ok()?.ok()?;
        Some(answer)
    };
    assert_eq!(
        ask(&instance, "169.254.169.254:80").await.as_deref(),
        Some("10.20.0.20"),
        "the source is kept"
    );
    assert_eq!(ask(&instance, "10.20.0.1:9697").await, None, "not directly");
    assert_eq!(ask(&outside, "172.24.2.252:9697").await, None, "not from outside");
    run(&outside, "ip", &["route", "add", "169.254.169.254", "via", "172.24.2.252"]).await.expect("route");
    assert_eq!(ask(&outside, "169.254.169.254:80").await, None, "not from outside");

    // Nothing for the metadata address ever leaves by the gateway.
    let probe = "table ip probe {\n chain forward {\n type filter hook postrouting priority -200;\n \
                 ip daddr 169.254.169.254 counter comment \"leak\"\n }\n}\n";
    let nft = Nft::open(lab.router(usual.router).into());
    nft.apply(probe).await.expect("rules");
    assert!(is_cut_off(&instance, "169.254.169.254").await);
    assert_eq!(ask(&instance, "169.254.169.254:8080").await, None);
    let listing = nft.list_table("ip", "probe").await.expect("list").expect("there").to_string();
    assert!(listing.contains("\"packets\": 0") || listing.contains("\"packets\":0"), "{listing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv6_hosts_configure_themselves_and_are_routed() {
    let Some(mut lab) = Lab::new().await else { return };
    lab.bridge("int2").await;
    let router = lab.world.router();
    let mut ports = Vec::new();
    for number in [1, 2] {
        let network = lab.world.network(1450, false);
        let gateway = format!("fd00:{number}::1");
        let subnet = lab.world.subnet(network, &format!("fd00:{number}::/64"), Some(&gateway));
        lab.world.ra_mode(subnet, Ipv6Mode::Slaac);
        ports.push(lab.world.interface(router, &[(subnet, &gateway)]));
    }
    let report = lab.pass().await;
    assert_eq!(state(&report, FactKey::Router(router)), ItemState::Up);
    lab.plug(&tap(ports[0]), "int").await;
    lab.plug(&tap(ports[1]), "int2").await;
    let left = lab.machine("int", "10.20.0.20/24", None).await;
    let right = lab.machine("int2", "10.20.0.21/24", None).await;
    let address = async |machine: &Namespace, prefix: &str| -> Option<String> {
        let links = Links::open(&machine.clone().into()).await.expect("links");
        let all = links.addresses(Some("eth0")).await.expect("list");
        let own = all.iter().find(|a| !a.tentative && a.net.addr().to_string().starts_with(prefix));
        own.map(|address| address.net.addr().to_string())
    };
    until("both hosts made themselves an address", async || {
        address(&left, "fd00:1:").await.is_some() && address(&right, "fd00:2:").await.is_some()
    })
    .await;
    let target = address(&right, "fd00:2:").await.expect("address");
    assert!(reaches(&left, &target).await, "and know the way through the router");
    let routes = Links::open(&left.clone().into()).await.expect("links").routes().await.expect("routes");
    let device = owned::internal_device(ports[0]);
    let mac = Links::open(&lab.router(router).into()).await.expect("links").get(&device).await.expect("get");
    let gateway = mac.and_then(|link| link.mac).expect("mac").link_local();
    assert!(
        routes.iter().any(|route| route.via == Some(gateway.into()) && route.destination.prefix_len() == 0)
    );
    assert_eq!(lab.pass().await.changes, 0);

    // A port made anew is announced anew.
    let inner = owned::internal_device(ports[1]);
    run(&lab.router(router), "ip", &["link", "del", &inner]).await.expect("damage");
    lab.pass().await;
    lab.plug(&tap(ports[1]), "int2").await;
    let late = lab.machine("int2", "10.20.0.22/24", None).await;
    until("a late host made itself an address", async || address(&late, "fd00:2:").await.is_some()).await;

    // Taking the port away says farewell: the route goes at once, not after hours.
    let interface = ports[0];
    lab.world.change(router, |router| {
        router.interface_port_ids.remove(&interface);
    });
    lab.pass_over(&touched(), true).await;
    until("the host forgot its route", async || {
        let links = Links::open(&left.clone().into()).await.expect("links");
        let routes = links.routes().await.expect("routes");
        !routes.iter().any(|route| route.destination.prefix_len() == 0 && route.destination.addr().is_ipv6())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_learn_at_once_where_a_floating_ip_is() {
    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    lab.world.facts.floating_ips.clear();
    lab.pass_and_plug(&usual).await;
    let outside = lab.machine("ext", "172.24.0.1/16", None).await;
    // The address was elsewhere before, and the outside remembers.
    let old =
        ["neigh", "add", "172.24.0.90", "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "reachable"];
    run(&outside, "ip", &old).await.expect("neighbour");
    lab.world.floating(usual.router, "172.24.0.90", "10.20.0.146");
    lab.pass_over(&touched(), true).await;
    let links = Links::open(&outside.clone().into()).await.expect("links");
    let wanted = lab.world.facts.ports[&usual.gateway].mac;
    until("the neighbour is updated", async || {
        let all = links.neighbours("eth0").await.expect("list");
        all.iter().any(|n| n.ip.to_string() == "172.24.0.90" && n.mac == wanted)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn touched_only_passes_end_where_full_passes_end() {
    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    lab.pass_over(&touched(), true).await;
    assert_eq!(lab.pass().await.changes, 0, "first sight");
    let network = lab.world.network(1400, false);
    let subnet = lab.world.subnet(network, "10.40.0.0/24", Some("10.40.0.1"));
    lab.world.interface(usual.router, &[(subnet, "10.40.0.1")]);
    lab.world.route(usual.router, "192.168.9.0/24", "10.40.0.9");
    lab.pass_over(&touched(), true).await;
    assert_eq!(lab.pass().await.changes, 0, "a new interface");
    lab.world.change(usual.router, |router| router.enable_snat = false);
    lab.pass_over(&touched(), true).await;
    assert_eq!(lab.pass().await.changes, 0, "without SNAT");
    let gateway = std::sync::Arc::make_mut(lab.world.facts.ports.get_mut(&usual.gateway).expect("port"));
    gateway.fixed_ips[0].ip_address = "172.24.2.253".parse().expect("ip");
    lab.world.facts.floating_ips.clear();
    lab.pass_over(&touched(), true).await;
    assert_eq!(lab.pass().await.changes, 0, "another gateway address, in place of the only one");
    lab.links.delete(&tap(usual.interface)).await.expect("delete");
    let links = BTreeSet::from([tap(usual.interface)]);
    let report = lab.pass_over(&Scope::Touched { facts: BTreeSet::new(), links }, true).await;
    assert!(report.changes > 0);
    assert_eq!(lab.pass().await.changes, 0, "a device that was touched");
    let other = lab.world.router();
    lab.world.interface(other, &[(subnet, "10.40.0.2")]);
    let report = lab.pass_over(&touched(), true).await;
    assert!(!report.items.iter().any(|item| item.key == FactKey::Router(usual.router)), "left alone");
    lab.world.facts.routers.remove(&usual.router);
    let report = lab.pass_over(&touched(), true).await;
    assert_eq!(report.swept, 1);
    assert_eq!(lab.pass().await.changes, 0, "one router gone, one left");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_learns_its_ipv6_route_only_when_none_is_given() {
    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    let subnet = lab.world.subnet(lab.world.external, "fd00:9::/64", None);
    let port = std::sync::Arc::make_mut(lab.world.facts.ports.get_mut(&usual.gateway).expect("port"));
    let ip_address = "fd00:9::5".parse().expect("ip");
    port.fixed_ips.push(isospin_feed::facts::FixedIp { subnet_id: subnet, ip_address });
    lab.pass().await;
    let place: Place = lab.router(usual.router).into();
    let of = |device: String| format!("net/ipv6/conf/{device}/accept_ra");
    let gateway = of(owned::gateway_device(usual.gateway));
    let internal = of(owned::internal_device(usual.interface));
    assert_eq!(sysctl::get(&place, &gateway).await.expect("get"), "2");
    assert_eq!(sysctl::get(&place, &internal).await.expect("get"), "0");
    let subnet = std::sync::Arc::make_mut(lab.world.facts.subnets.get_mut(&subnet).expect("subnet"));
    subnet.gateway_ip = Some("fd00:9::1".parse().expect("ip"));
    lab.pass_over(&touched(), true).await;
    assert_eq!(sysctl::get(&place, &gateway).await.expect("get"), "0");
    let routes = Links::open(&place).await.expect("links").routes().await.expect("routes");
    assert!(
        routes.iter().any(|route| route.via == subnet_gateway() && route.protocol == owned::ROUTE_PROTOCOL)
    );
    assert_eq!(lab.pass().await.changes, 0);
}

fn subnet_gateway() -> Option<std::net::IpAddr> {
    "fd00:9::1".parse().ok()
}
