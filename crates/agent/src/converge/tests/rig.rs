//! An agent whose host is a set of ports in memory and whose feed is the test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use isospin_feed::client::{FeedEvent, Outbox};
use isospin_feed::facts::{FactKey, Facts, Port};
use isospin_feed::proto::from_agent::Message as Said;
use isospin_feed::proto::from_server::Message;
use isospin_feed::proto::{Change, FromAgent, Key, Record, Report, SnapshotBegin, SnapshotEnd};
use isospin_feed::replica::{CompleteSnapshot, Intake, Step};
use isospin_types::{MacAddr, PortId};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::{AgentConfig, Role};
use crate::converge::{Item, ItemState, Mechanism, PassReport, Scope, run};
use crate::host_notices::HostNotices;
use crate::session::FeedSource;
use crate::status::AgentStatus;

const SOON: Duration = Duration::from_secs(300);

/// The host: which ports are there, and which calls fail how often.
#[derive(Debug, Default)]
pub struct Host {
    pub ports: BTreeSet<PortId>,
    pub failing: BTreeMap<PortId, u32>,
    /// Passes do not end what they begin.
    pub is_slow: bool,
    pub scopes: Vec<Scope>,
    pub order: Vec<&'static str>,
}

/// A mechanism that makes ports in [`Host`]. Each pass takes one permit of `gate`.
pub struct Fake {
    party: &'static str,
    host: Arc<Mutex<Host>>,
    gate: Arc<Semaphore>,
}

impl Mechanism for Fake {
    fn party(&self) -> &'static str {
        self.party
    }

    fn pass<'a>(
        &'a mut self,
        facts: &'a Facts,
        scope: &'a Scope,
        may_sweep: bool,
    ) -> BoxFuture<'a, PassReport> {
        async move {
            self.gate.acquire().await.expect("open").forget();
            let mut host = self.host.lock();
            host.scopes.push(scope.clone());
            host.order.push(self.party);
            host.make_equal(facts, may_sweep)
        }
        .boxed()
    }
}

impl Host {
    fn make_equal(&mut self, facts: &Facts, may_sweep: bool) -> PassReport {
        if self.is_slow {
            return PassReport { goes_on: true, ..PassReport::default() };
        }
        let mut report = PassReport::default();
        for id in facts.ports.keys() {
            let state = match self.failing.get_mut(id) {
                Some(times) if *times > 0 && !self.ports.contains(id) => {
                    *times -= 1;
                    report.retry = true;
                    ItemState::Failed("the kernel said no".to_owned())
                }
                _ => {
                    report.changes += u64::from(self.ports.insert(*id));
                    ItemState::Up
                }
            };
            report.items.push(Item { key: FactKey::Port(*id), state });
        }
        if may_sweep {
            let before = self.ports.len();
            self.ports.retain(|id| facts.ports.contains_key(id));
            report.swept = (before - self.ports.len()) as u64;
            report.changes += report.swept;
        }
        report
    }
}

pub fn config(state_dir: &Path) -> AgentConfig {
    AgentConfig {
        host: "h1".to_owned(),
        roles: BTreeSet::from([Role::L2]),
        state_dir: state_dir.to_owned(),
        tunnel_ip: None,
        vxlan_port: 4789,
        vxlan_group: None,
        wiring: Arc::new(crate::l2::linuxbridge::LinuxBridgeConfig),
        physical_networks: BTreeMap::new(),
        availability_zone: "nova".to_owned(),
        dhcp_lease_duration: 86_400,
        dns_domain: "openstacklocal".to_owned(),
    }
}

pub struct Rig {
    pub feed: mpsc::Sender<FeedEvent>,
    pub notices: HostNotices,
    pub status: watch::Receiver<AgentStatus>,
    pub host: Arc<Mutex<Host>>,
    pub gate: Arc<Semaphore>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Rig {
    /// An agent on `host` with its state in `folder`.
    pub fn start(folder: &Path, host: Arc<Mutex<Host>>, parties: &[&'static str]) -> Self {
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let mechanisms = parties
            .iter()
            .map(|party| {
                Box::new(Fake { party, host: host.clone(), gate: gate.clone() }) as Box<dyn Mechanism>
            })
            .collect();
        let (feed, events) = mpsc::channel(64);
        let notices = HostNotices::new();
        let sender = watch::Sender::new(AgentStatus::default());
        let status = sender.subscribe();
        let shutdown = CancellationToken::new();
        let (config, board, stop) = (config(folder), notices.clone(), shutdown.clone());
        let task = tokio::spawn(async move {
            run(config, FeedSource::Steps(events), mechanisms, board, sender, stop).await.expect("it ran");
        });
        Self { feed, notices, status, host, gate, shutdown, task }
    }

    pub async fn until(&mut self, what: impl FnMut(&AgentStatus) -> bool) -> AgentStatus {
        let found = timeout(SOON, self.status.wait_for(what)).await.expect("in time");
        found.expect("the agent runs").clone()
    }

    pub async fn applied(&mut self, version: u64) -> AgentStatus {
        self.until(|status| status.applied_version == version && status.ready).await
    }

    pub async fn connect(&self) -> Heard {
        let (outbox, heard) = Outbox::channel();
        let server = "https://server:9697".to_owned();
        self.tell(FeedEvent::Connected { server, outbox }).await;
        Heard(heard)
    }

    pub async fn tell(&self, event: FeedEvent) {
        self.feed.send(event).await.expect("the agent runs");
    }

    pub async fn snapshot(&self, version: u64, ports: &[u8]) {
        self.tell(FeedEvent::Snapshot(snapshot(version, ports))).await;
    }

    pub async fn change(&self, version: u64, set: &[u8], removed: &[u8]) {
        let change = Change {
            timing: None,
            version,
            set: set.iter().map(|n| Record::from(&port(*n))).collect(),
            removed: removed.iter().map(|n| Key::from(&FactKey::Port(id(*n)))).collect(),
            request_ids: Vec::new(),
        };
        self.tell(FeedEvent::Change { change, received: Instant::now() }).await;
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        timeout(SOON, self.task).await.expect("in time").expect("a clean end");
    }

    pub fn scopes(&self) -> Vec<Scope> {
        std::mem::take(&mut self.host.lock().scopes)
    }
}

/// What the server hears of one session.
pub struct Heard(pub mpsc::Receiver<FromAgent>);

impl Heard {
    /// All up to the report of this version: item lines and the number of reports.
    pub async fn until(&mut self, version: u64) -> Vec<(String, &'static str)> {
        let mut lines = Vec::new();
        loop {
            let report = self.next().await;
            for item in &report.items {
                let state = match item.state() {
                    isospin_feed::proto::item_status::State::Up => "up",
                    isospin_feed::proto::item_status::State::Failed => "failed",
                    _ => "other",
                };
                assert_eq!((item.kind.as_str(), item.party.as_str()), ("port", "l2"));
                lines.push((item.id.clone(), state));
            }
            if report.applied_version == version {
                return lines;
            }
        }
    }

    pub async fn next(&mut self) -> Report {
        let message = timeout(SOON, self.0.recv()).await.expect("in time").expect("the session lives");
        match message.message {
            Some(Said::Report(report)) => report,
            other => panic!("{other:?}"),
        }
    }
}

pub fn id(n: u8) -> PortId {
    Uuid::from_u128(u128::from(n)).into()
}

pub fn port(n: u8) -> Port {
    Port {
        id: id(n),
        name: String::new(),
        network_id: Uuid::nil().into(),
        project_id: String::new(),
        mac: MacAddr::new([0xfa, 0x16, 0x3e, 0, 0, n]),
        fixed_ips: Vec::new(),
        device_id: String::new(),
        device_owner: String::new(),
        admin_state_up: true,
        port_security_enabled: true,
        security_group_ids: BTreeSet::new(),
        allowed_address_pairs: Vec::new(),
        extra_dhcp_opts: Vec::new(),
        host: "h1".to_owned(),
        hostname: String::new(),
        tunnel_ip: None,
        qos: Default::default(),
        parent: None,
    }
}

pub fn snapshot(version: u64, ports: &[u8]) -> CompleteSnapshot {
    let items: Vec<_> = ports.iter().map(|n| Message::Item(Record::from(&port(*n)))).collect();
    let end = SnapshotEnd { version, items: items.len() as u64 };
    let begin = Message::Begin(SnapshotBegin { version });
    let mut intake = Intake::default();
    let mut last = None;
    for message in std::iter::once(begin).chain(items).chain([Message::End(end)]) {
        last = intake.take(message).expect("in order");
    }
    match last {
        Some(Step::Snapshot(snapshot)) => snapshot,
        other => panic!("{other:?}"),
    }
}
