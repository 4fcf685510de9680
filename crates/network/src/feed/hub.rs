//! Follows the change rows and loads each changed object once, for all sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use isospin_feed::proto::{
    AddressGroup, DhcpService, FloatingIp, Network, Port, Router, SecurityGroup, SecurityGroupRule, Subnet,
    Timing,
};
use isospin_store_kit::{Change, Session, Store, StoreError, changes};
use jiff::Timestamp;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;
use tracing::warn;

use super::account;
use super::load::{self, Of};
use crate::under_way::UnderWay;

/// Change rows read at a time.
const ROWS: u32 = 2000;
/// Batches a slow session may be behind before it must start over.
pub(super) const BACKLOG: usize = 256;
/// Change rows kept for readers that come late; who is further behind starts over.
const KEPT_VERSIONS: u64 = 10_000;
/// How often old rows are forgotten, in versions.
const PURGE_EVERY: u64 = 5_000;
/// Pause after a read that failed.
const RETRY: Duration = Duration::from_millis(500);

/// What became of one object: its newest state, or gone.
pub(super) type Loaded<T> = BTreeMap<String, Option<T>>;

/// All objects that changed between two versions, as they are now.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// All changes up to this version are in this batch or an earlier one.
    pub version: u64,
    /// Some changes were forgotten before they were read: only a snapshot helps.
    pub incomplete: bool,
    pub request_ids: Vec<String>,
    /// When it was read from the store, and how long the request took until then.
    pub timing: Option<Timing>,
    /// Without tunnel peers: those depend on who asks.
    pub networks: Loaded<Network>,
    pub subnets: Loaded<Subnet>,
    pub ports: Loaded<Port>,
    pub groups: Loaded<SecurityGroup>,
    pub rules: Loaded<SecurityGroupRule>,
    pub address_groups: Loaded<AddressGroup>,
    /// With the host that carries each.
    pub routers: Loaded<(Router, String)>,
    pub floating_ips: Loaded<FloatingIp>,
    /// By network: the services given for it, with their hosts.
    pub dhcp: BTreeMap<String, Vec<(DhcpService, String)>>,
    /// By host: the address of its tunnels.
    pub tunnels: Loaded<String>,
}

impl Batch {
    /// Whether no host can have to hear of it.
    fn is_empty(&self) -> bool {
        !self.incomplete
            && self.networks.is_empty()
            && self.subnets.is_empty()
            && self.ports.is_empty()
            && self.groups.is_empty()
            && self.rules.is_empty()
            && self.address_groups.is_empty()
            && self.routers.is_empty()
            && self.floating_ips.is_empty()
            && self.dhcp.is_empty()
            && self.tunnels.is_empty()
    }
}

/// The one reader of change rows of this process. Ends when dropped.
pub(super) struct Hub {
    sender: broadcast::Sender<Arc<Batch>>,
    follower: AbortHandle,
}

impl Hub {
    /// Starts following.
    pub(super) fn start(store: Store, under_way: UnderWay) -> Arc<Self> {
        let (sender, _) = broadcast::channel(BACKLOG);
        let follower = tokio::spawn(follow(store, under_way, sender.clone())).abort_handle();
        Arc::new(Self { sender, follower })
    }

    /// Batches from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Batch>> {
        self.sender.subscribe()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

async fn follow(store: Store, under_way: UnderWay, sender: broadcast::Sender<Arc<Batch>>) {
    let mut versions = store.versions();
    let mut seen = *versions.borrow_and_update();
    let mut purged = seen;
    while versions.changed().await.is_ok() {
        let mut newest = *versions.borrow_and_update();
        while seen < newest {
            match step(&store, &under_way, &sender, seen, newest).await {
                Ok(version) => seen = version,
                Err(error) => {
                    warn!(error = ?error, "cannot read changes; trying again");
                    tokio::time::sleep(RETRY).await;
                    newest = *versions.borrow_and_update();
                }
            }
        }
        account::version(seen);
        if seen > purged + PURGE_EVERY {
            purged = seen;
            purge(&store, seen.saturating_sub(KEPT_VERSIONS)).await;
        }
    }
}

/// Reads and tells the next changes; the version reached.
async fn step(
    store: &Store,
    under_way: &UnderWay,
    sender: &broadcast::Sender<Arc<Batch>>,
    seen: u64,
    newest: u64,
) -> Result<u64, StoreError> {
    if sender.receiver_count() == 0 {
        // Nobody listens; whoever comes takes a snapshot.
        return Ok(newest);
    }
    let committed = Timestamp::now();
    let mut reader = store.reader().await?;
    let Some(mut batch) = read(&mut reader, seen, newest, ROWS).await? else { return Ok(newest) };
    let version = batch.version;
    if batch.is_empty() {
        return Ok(version);
    }
    batch.timing = Some(Timing {
        committed_at_us: u64::try_from(committed.as_microsecond()).unwrap_or(0),
        request_us: under_way
            .longest(&batch.request_ids)
            .and_then(|took| u64::try_from(took.as_micros()).ok()),
    });
    // An error means that the last listener has just gone.
    let _ = sender.send(Arc::new(batch));
    Ok(version)
}

/// About `rows` of the changes after `seen`, or nothing up to `newest`.
pub(super) async fn read(
    session: &mut Session,
    seen: u64,
    newest: u64,
    rows: u32,
) -> Result<Option<Batch>, StoreError> {
    let rows = changes::since(session, seen, rows).await?;
    // Asked for afterwards: what was purged before the rows were read is below it.
    let floor = changes::floor(session).await?;
    if floor > seen {
        let version = rows.last().map_or(newest, |change| change.version).max(floor);
        return Ok(Some(Batch { version, incomplete: true, ..Batch::default() }));
    }
    let Some(version) = rows.last().map(|change| change.version) else { return Ok(None) };
    load_batch(session, version, &rows).await.map(Some)
}

async fn purge(store: &Store, version: u64) {
    let result: Result<u64, StoreError> =
        store.write("", move |tx| Box::pin(async move { changes::purge(tx, version).await })).await;
    if let Err(error) = result {
        warn!(error = ?error, "cannot forget old changes");
    }
}

/// Loads what the rows name. Kinds that did not change cost no query.
async fn load_batch(session: &mut Session, version: u64, rows: &[Change]) -> Result<Batch, StoreError> {
    let ids = |topic: &str| -> Vec<String> {
        let ids: BTreeSet<&str> =
            rows.iter().filter(|change| change.topic == topic).map(|change| change.id.as_str()).collect();
        ids.into_iter().map(str::to_owned).collect()
    };
    let requests: BTreeSet<&str> =
        rows.iter().map(|change| change.request_id.as_str()).filter(|id| !id.is_empty()).collect();
    let of = Of::Column;

    let wanted = ids("network");
    let found = load::networks(session, &of("id", wanted.clone())).await?;
    let networks = loaded(wanted, found, |network| &network.id);
    let wanted = ids("subnet");
    let found = load::subnets(session, &of("id", wanted.clone())).await?;
    let subnets = loaded(wanted, found, |subnet| &subnet.id);
    let wanted = ids("port");
    let found = load::ports(session, &of("p.id", wanted.clone())).await?;
    let ports = loaded(wanted, found, |port| &port.id);
    let wanted = ids("security_group");
    let found = load::security_groups(session, &of("id", wanted.clone())).await?;
    let groups = loaded(wanted, found, |group| &group.id);
    let wanted = ids("security_group_rule");
    let found = load::rules(session, &of("id", wanted.clone())).await?;
    let rules = loaded(wanted, found, |rule| &rule.id);
    let wanted = ids("address_group");
    let found = load::address_groups(session, wanted.clone()).await?;
    let address_groups = loaded(wanted, found, |group| &group.id);
    let wanted = ids("router");
    let found = load::routers(session, &of("r.id", wanted.clone())).await?;
    let routers = loaded(wanted, found, |(router, _)| &router.id);
    let wanted = ids("floating_ip");
    let found = load::floating_ips(session, &of("id", wanted.clone())).await?;
    let floating_ips = loaded(wanted, found, |floating_ip| &floating_ip.id);
    let wanted = ids("dhcp_binding");
    let found = load::dhcp_services(session, &of("network_id", wanted.clone())).await?;
    let mut dhcp: BTreeMap<String, Vec<(DhcpService, String)>> =
        wanted.into_iter().map(|network| (network, Vec::new())).collect();
    for service in found {
        dhcp.entry(service.0.network_id.clone()).or_default().push(service);
    }
    let wanted = ids("agent");
    let mut found = load::tunnel_addresses(session, wanted.clone()).await?;
    let tunnels = wanted.into_iter().map(|host| (host.clone(), found.remove(&host))).collect();
    let request_ids = requests.into_iter().map(str::to_owned).collect();
    Ok(Batch {
        version,
        incomplete: false,
        request_ids,
        timing: None,
        networks,
        subnets,
        ports,
        groups,
        rules,
        address_groups,
        routers,
        floating_ips,
        dhcp,
        tunnels,
    })
}

/// Every wanted id with what was found of it.
fn loaded<T>(wanted: Vec<String>, found: Vec<T>, id: impl Fn(&T) -> &String) -> Loaded<T> {
    let mut loaded: Loaded<T> = wanted.into_iter().map(|id| (id, None)).collect();
    for object in found {
        loaded.insert(id(&object).clone(), Some(object));
    }
    loaded
}
