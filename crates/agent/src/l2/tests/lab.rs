//! A host in a namespace, guests in theirs, and what guests can try.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use isospin_feed::facts::{FactKey, Facts, Port};
use isospin_host_io::{LinkChange, Links, Namespace, Place, VethSpec, process};
use isospin_testkit::lab::Switch;
use isospin_types::PortId;

use crate::config::AgentConfig;
use crate::converge::{Item, ItemState, Mechanism, PassReport, Scope};
use crate::host_notices::HostNotices;
use crate::l2::openvswitch::{DatapathType, OpenVSwitchConfig, SwitchFirewall};

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A namespace that goes with the value.
pub struct Temporary(pub Namespace);

impl Temporary {
    pub fn new(what: &str) -> Self {
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("l2t-{}-{count}-{what}", std::process::id());
        Self(Namespace::create(&name).expect("namespace"))
    }

    pub fn place(&self) -> Place {
        Place::Namespace(self.0.clone())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = Namespace::delete(self.0.name());
    }
}

/// A guest with one interface, eth0.
pub struct Guest {
    pub ns: Temporary,
}

pub struct Lab {
    pub host: Temporary,
    pub config: AgentConfig,
    pub facts: Facts,
    pub l2: Box<dyn Mechanism>,
    pub links: Links,
    notices: HostNotices,
    // Ends before the host it is on.
    pub switch: Option<Switch>,
}

/// How the host of a test wires its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    LinuxBridge,
    OpenVSwitch,
    /// Open vSwitch, with a filtered bridge for each port.
    Hybrid,
}

impl Backend {
    /// Those this machine can run.
    pub fn all() -> Vec<Self> {
        let switches = isospin_testkit::lab::can_run().then_some([Self::OpenVSwitch, Self::Hybrid]);
        std::iter::once(Self::LinuxBridge).chain(switches.into_iter().flatten()).collect()
    }
}

impl Lab {
    pub async fn new(config: AgentConfig, facts: Facts) -> Self {
        let host = Temporary::new("host");
        let links = Links::open(&host.place()).await.expect("links");
        links.set("lo", &LinkChange { up: Some(true), ..LinkChange::default() }).await.expect("lo up");
        let notices = HostNotices::new();
        let l2 = config.wiring.driver(&config, host.place(), &notices);
        Self { host, config, facts, l2, links, notices, switch: None }
    }

    /// A host with this back end.
    pub async fn on(backend: Backend, mut config: AgentConfig, facts: Facts) -> Self {
        if backend == Backend::LinuxBridge {
            return Self::new(config, facts).await;
        }
        let host = Temporary::new("host");
        let links = Links::open(&host.place()).await.expect("links");
        links.set("lo", &LinkChange { up: Some(true), ..LinkChange::default() }).await.expect("lo up");
        let switch = Switch::in_namespace(host.0.name()).expect("switch");
        config.wiring = Arc::new(OpenVSwitchConfig {
            run_dir: switch.run_dir().to_owned(),
            datapath_type: DatapathType::Netdev,
            firewall: match backend {
                Backend::Hybrid => SwitchFirewall::Hybrid,
                Backend::LinuxBridge | Backend::OpenVSwitch => SwitchFirewall::OpenFlow,
            },
            ..OpenVSwitchConfig::default()
        });
        let notices = HostNotices::new();
        let l2 = config.wiring.driver(&config, host.place(), &notices);
        let links = links.with_software_checksums(true);
        Self { host, config, facts, l2, links, notices, switch: Some(switch) }
    }

    /// An agent that knows nothing of what an earlier one did.
    pub fn restart(&mut self) {
        self.notices = HostNotices::new();
        self.l2 = self.config.wiring.driver(&self.config, self.host.place(), &self.notices);
    }

    /// Whether the agent is told of something within some seconds.
    pub async fn is_told(&self) -> bool {
        tokio::time::timeout(Duration::from_secs(10), self.notices.changed()).await.is_ok()
    }

    /// Forgets what the agent was told of.
    pub fn forget(&self) {
        let _ = self.notices.take();
    }

    /// The meters of the integration bridge; none on a host without Open vSwitch.
    pub fn meters(&self) -> Vec<String> {
        let Some(switch) = &self.switch else { return Vec::new() };
        let text = switch.ofctl("dump-meters", "br-int", &[]).expect("meters");
        text.lines().filter(|line| line.starts_with("meter=")).map(str::to_owned).collect()
    }

    pub async fn full_pass(&mut self) -> PassReport {
        let report = self.l2.pass(&self.facts, &Scope::Everything, true).await;
        self.settled(report).await
    }

    /// A switch numbers its ports later: passes until every port is up and nothing changes.
    async fn settled(&mut self, mut report: PassReport) -> PassReport {
        if self.switch.is_none() {
            return report;
        }
        let is_up = |item: &Item| !matches!(item.key, FactKey::Port(_)) || item.state == ItemState::Up;
        let (mut changes, end) = (report.changes, Instant::now() + Duration::from_secs(10));
        while Instant::now() < end && (report.changes > 0 || !report.items.iter().all(is_up)) {
            if report.changes == 0 {
                let _ = tokio::time::timeout(Duration::from_secs(1), self.notices.changed()).await;
            }
            let links = self.notices.take().links;
            report = self.l2.pass(&self.facts, &Scope::Touched { facts: BTreeSet::new(), links }, true).await;
            changes += report.changes;
        }
        if let Some(switch) = self.switch.as_ref().filter(|_| changes > 0) {
            // It may have been stopped on purpose.
            let _ = switch.caught_up();
        }
        PassReport { changes, ..report }
    }

    pub async fn pass(&mut self, facts: &[FactKey], links: &[String]) -> PassReport {
        let scope = Scope::Touched {
            facts: facts.iter().copied().collect(),
            links: links.iter().cloned().collect::<BTreeSet<_>>(),
        };
        let report = self.l2.pass(&self.facts, &scope, true).await;
        self.settled(report).await
    }

    pub fn tap(&self, port: PortId) -> String {
        self.facts.ports[&port].tap_name()
    }

    /// Makes the tap of a port, with the guest behind it, as a hypervisor does.
    pub async fn plug(&self, port: PortId) -> Guest {
        let port = &self.facts.ports[&port];
        let ns = Temporary::new("guest");
        let spec = VethSpec {
            name: port.tap_name(),
            mac: None,
            mtu: None,
            alias: None,
            peer_name: "eth0".to_owned(),
            peer_mac: Some(port.mac),
            peer_namespace: Some(ns.0.clone()),
        };
        self.links.create_veth(&spec).await.expect("veth");
        self.join(port).await;
        let links = Links::open(&ns.place()).await.expect("links");
        let up = LinkChange { up: Some(true), ..LinkChange::default() };
        links.set("lo", &up).await.expect("lo up");
        links.set("eth0", &up).await.expect("eth0 up");
        for fixed in &port.fixed_ips {
            let length = if fixed.ip_address.is_ipv4() { 24 } else { 64 };
            let net = ipnet::IpNet::new(fixed.ip_address, length).expect("net");
            links.add_address("eth0", net).await.expect("address");
        }
        Guest { ns }
    }

    /// Puts a tap on a bridge of its own, where that is how ports are plugged in.
    async fn join(&self, port: &Port) {
        let is_hybrid = self.config.wiring.configurations(&self.config)["ovs_hybrid_plug"] == true;
        if !is_hybrid || port.is_trusted() {
            return;
        }
        let (id, mtu) = (port.id.device_suffix(), self.facts.networks[&port.network_id].mtu);
        self.shell(&format!(
            "ip link add qbr{id} type bridge ageing_time 0 forward_delay 0 mcast_snooping 0
             ip link add qvb{id} mtu {mtu} type veth peer name qvo{id} mtu {mtu}
             ip link set qvb{id} master qbr{id} up && ip link set tap{id} mtu {mtu} master qbr{id} up
             ip link set qbr{id} up"
        ))
        .await;
    }

    /// Plugs several ports and wires them.
    pub async fn start<const N: usize>(&mut self, ports: [PortId; N]) -> [Guest; N] {
        let mut guests = Vec::new();
        for port in ports {
            guests.push(self.plug(port).await);
        }
        let report = self.full_pass().await;
        for port in ports {
            assert_eq!(state(&report, port), Some(ItemState::Up), "{report:?}");
        }
        // What is sent before the kernel has taken notice is lost.
        for guest in &guests {
            let carries = async || guest.shell("ip link show eth0").await.contains("state UP");
            assert!(eventually(carries).await, "the link of a guest carries");
        }
        guests.try_into().unwrap_or_else(|_| panic!("as many guests as ports"))
    }

    pub async fn shell(&self, command: &str) -> String {
        shell(&self.host.place(), command).await
    }
}

pub fn state(report: &PassReport, port: PortId) -> Option<ItemState> {
    report.items.iter().find(|item| item.key == FactKey::Port(port)).map(|item| item.state.clone())
}

pub async fn shell(place: &Place, command: &str) -> String {
    let output = process::run(place, "sh", &["-c", command], b"", Duration::from_secs(20)).await;
    String::from_utf8_lossy(&output.expect("command").stdout).into_owned()
}

impl Guest {
    pub async fn shell(&self, command: &str) -> String {
        shell(&self.ns.place(), command).await
    }

    /// Whether an answer comes in the end: the first packets may meet ARP, duplicate address
    /// detection, and a kernel that has not taken notice of a new link yet.
    pub async fn reaches(&self, ip: &str) -> bool {
        let args = ["-c", "4", "-i", "0.2", "-W", "1", ip];
        let answered = async || {
            process::run(&self.ns.place(), "ping", &args, b"", Duration::from_secs(10)).await.is_ok()
        };
        eventually(answered).await
    }

    /// Whether nothing comes back to one packet.
    pub async fn misses(&self, ip: &str) -> bool {
        let args = ["-c", "2", "-i", "0.2", "-W", "1", ip];
        process::run(&self.ns.place(), "ping", &args, b"", Duration::from_secs(10)).await.is_err()
    }

    pub async fn listen(&self, port: u16) -> TcpListener {
        let address = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port);
        self.ns.0.run(move || TcpListener::bind(address)).await.expect("run").expect("listen")
    }

    /// A connection, which has to come up in the end.
    pub async fn opens(&self, ip: &str, port: u16) -> TcpStream {
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if let Some(stream) = self.connect(ip, port).await {
                return stream;
            }
        }
        panic!("no connection to {ip} port {port}");
    }

    /// A connection, or `None` when none comes up soon.
    pub async fn connect(&self, ip: &str, port: u16) -> Option<TcpStream> {
        let address = SocketAddr::new(ip.parse().expect("ip"), port);
        let connect = move || TcpStream::connect_timeout(&address, Duration::from_millis(700));
        self.ns.0.run(connect).await.expect("run").ok()
    }
}

/// Whether one byte written at one end arrives at the other within a second.
pub fn carries(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    to.set_read_timeout(Some(Duration::from_secs(1))).expect("timeout");
    if from.write_all(b"x").is_err() {
        return false;
    }
    matches!(to.read(&mut [0; 16]), Ok(read) if read > 0)
}

/// Asks again and again until the answer is yes, for ten seconds at most.
pub async fn eventually(mut ask: impl AsyncFnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if ask().await {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}
