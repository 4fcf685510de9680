//! Hosts without a kernel: real agents with mechanisms that touch nothing.
//!
//! Session, replica, disk, loop and reports are the agent's own; only the passes are
//! simulated. Hundreds run in one process. A test can hold a host between two rounds,
//! let it take one round at a time, make items fail, cut it off and start it again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use isospin_agent::config::{AgentConfig, Role};
use isospin_agent::converge::{ItemState, Mechanism, PassReport, Scope};
use isospin_agent::host_notices::HostNotices;
use isospin_agent::session::FeedSource;
use isospin_agent::simulated::Simulated;
use isospin_agent::status::AgentStatus;
use isospin_feed::client::join;
use isospin_feed::facts::{FactKey, Facts};
use isospin_feed::pki::{HostIdentity, JoinToken};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest wait for a state before a test is told that it will not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// One simulated host with its agent running.
pub struct SimulatedHost {
    name: String,
    roles: BTreeSet<Role>,
    servers: Vec<String>,
    identity: HostIdentity,
    folder: PathBuf,
    /// Gone with the host, when the folder is its own.
    _state: Option<TempDir>,
    control: Arc<Control>,
    life: Life,
}

/// One life of the agent.
struct Life {
    status: watch::Receiver<AgentStatus>,
    notices: HostNotices,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

/// What the test wants of the host.
#[derive(Debug)]
struct Control {
    /// Rounds the host may still take.
    rounds: Semaphore,
    failing: Mutex<BTreeMap<FactKey, String>>,
}

impl SimulatedHost {
    /// Joins `name` at the feed server behind `url` and starts its agent.
    ///
    /// # Errors
    /// When joining is refused or the system gives no temporary folder.
    pub async fn join(url: &str, name: &str, token: &JoinToken, roles: &[Role]) -> anyhow::Result<Self> {
        let state = tempfile::tempdir().context("a folder for the host's state")?;
        let identity = join(url, name, token, &state.path().join("feed")).await?;
        Ok(Self::begin(state.path().to_owned(), Some(state), vec![url.to_owned()], identity, roles))
    }

    /// Starts the agent of a host that has its identity already.
    ///
    /// # Errors
    /// When the system gives no temporary folder.
    pub fn start(servers: Vec<String>, identity: HostIdentity, roles: &[Role]) -> anyhow::Result<Self> {
        let state = tempfile::tempdir().context("a folder for the host's state")?;
        Ok(Self::begin(state.path().to_owned(), Some(state), servers, identity, roles))
    }

    /// As [`SimulatedHost::start`], with its state in a folder of the caller, which is made.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn start_in(
        folder: &Path,
        servers: Vec<String>,
        identity: HostIdentity,
        roles: &[Role],
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).context("a folder for the host's state")?;
        Ok(Self::begin(folder.to_owned(), None, servers, identity, roles))
    }

    fn begin(
        folder: PathBuf,
        state: Option<TempDir>,
        servers: Vec<String>,
        identity: HostIdentity,
        roles: &[Role],
    ) -> Self {
        let name = identity.host().to_owned();
        let roles: BTreeSet<Role> = roles.iter().copied().collect();
        let control =
            Arc::new(Control { rounds: Semaphore::new(Semaphore::MAX_PERMITS), failing: Mutex::default() });
        let life = Life::begin(&name, &roles, &servers, &identity, &folder, &control);
        Self { name, roles, servers, identity, folder, _state: state, control, life }
    }

    /// The host's name, as ports are bound to it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The newest status of the agent.
    #[must_use]
    pub fn status(&self) -> AgentStatus {
        self.life.status.borrow().clone()
    }

    /// Waits until the status is as wanted, and returns it.
    ///
    /// # Errors
    /// After a minute without it, with the status as it is.
    pub async fn until(&self, wanted: impl FnMut(&AgentStatus) -> bool) -> anyhow::Result<AgentStatus> {
        let mut status = self.life.status.clone();
        match tokio::time::timeout(PATIENCE, status.wait_for(wanted)).await {
            Ok(Ok(status)) => Ok(status.clone()),
            Ok(Err(_)) => anyhow::bail!("the agent of {} has ended", self.name),
            Err(_) => anyhow::bail!("{} did not get there in {PATIENCE:?}: {:?}", self.name, self.status()),
        }
    }

    /// Waits until this version, or a newer one, is applied.
    ///
    /// # Errors
    /// As [`SimulatedHost::until`].
    pub async fn applied(&self, version: u64) -> anyhow::Result<AgentStatus> {
        self.until(|status| status.ready && status.applied_version >= version).await
    }

    /// Lets no further round begin; facts are still received. [`SimulatedHost::step`]
    /// lets one through, [`SimulatedHost::release`] all.
    pub fn hold(&self) {
        self.control.rounds.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets one round through a held host.
    pub fn step(&self) {
        self.control.rounds.add_permits(1);
    }

    /// Lets all rounds through again.
    pub fn release(&self) {
        let missing = Semaphore::MAX_PERMITS - self.control.rounds.available_permits();
        self.control.rounds.add_permits(missing);
    }

    /// From the next pass over it this item fails with `reason`.
    pub fn fail(&self, key: FactKey, reason: &str) {
        self.control.failing.lock().insert(key, reason.to_owned());
        self.life.notices.everything();
    }

    /// The item works again.
    pub fn heal(&self, key: &FactKey) {
        self.control.failing.lock().remove(key);
        self.life.notices.everything();
    }

    /// Ends the agent cleanly and starts it again on the same state folder, no longer held.
    ///
    /// # Errors
    /// What the agent ended with.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let next = || {
            Life::begin(&self.name, &self.roles, &self.servers, &self.identity, &self.folder, &self.control)
        };
        // A round that waits for its step would never end.
        self.release();
        self.life.shutdown.cancel();
        let ended = (&mut self.life.task).await.context("the agent's task")?;
        self.life = next();
        ended
    }

    /// Ends the agent cleanly; its state is removed.
    ///
    /// # Errors
    /// What the agent ended with.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.release();
        self.life.shutdown.cancel();
        (&mut self.life.task).await.context("the agent's task")?
    }
}

impl Drop for SimulatedHost {
    fn drop(&mut self) {
        self.life.shutdown.cancel();
    }
}

impl Life {
    fn begin(
        name: &str,
        roles: &BTreeSet<Role>,
        servers: &[String],
        identity: &HostIdentity,
        state: &Path,
        control: &Arc<Control>,
    ) -> Self {
        let parties: Vec<Box<dyn Mechanism>> = roles
            .iter()
            .enumerate()
            .map(|(at, role)| {
                let simulated = Simulated::new(*role, name);
                Box::new(Stepped { simulated, begins_round: at == 0, control: control.clone() }) as _
            })
            .collect();
        let notices = HostNotices::new();
        let shutdown = CancellationToken::new();
        let sender = watch::Sender::new(AgentStatus::default());
        let status = sender.subscribe();
        let feed = FeedSource::Servers { servers: servers.to_vec(), identity: identity.clone() };
        let config = config(name, roles, state);
        let agent = isospin_agent::run(config, feed, parties, notices.clone(), sender, shutdown.clone());
        let task = tokio::spawn(async move { Ok(agent.await?) });
        Self { status, notices, shutdown, task }
    }
}

fn config(name: &str, roles: &BTreeSet<Role>, state: &Path) -> AgentConfig {
    AgentConfig {
        host: name.to_owned(),
        roles: roles.clone(),
        state_dir: state.to_owned(),
        tunnel_ip: None,
        vxlan_port: 4789,
        vxlan_group: None,
        wiring: Arc::new(isospin_agent::l2::linuxbridge::LinuxBridgeConfig),
        physical_networks: BTreeMap::new(),
        availability_zone: "nova".to_owned(),
        dhcp_lease_duration: 86_400,
        dns_domain: "openstacklocal".to_owned(),
    }
}

/// A simulated party under the test's control.
struct Stepped {
    simulated: Simulated,
    /// Whether this is the first party of a round, which waits for the round's permit.
    begins_round: bool,
    control: Arc<Control>,
}

impl Mechanism for Stepped {
    fn party(&self) -> &'static str {
        self.simulated.party()
    }

    fn pass<'a>(
        &'a mut self,
        facts: &'a Facts,
        scope: &'a Scope,
        may_sweep: bool,
    ) -> BoxFuture<'a, PassReport> {
        async move {
            if self.begins_round
                && let Ok(permit) = self.control.rounds.acquire().await
            {
                permit.forget();
            }
            let mut report = self.simulated.pass(facts, scope, may_sweep).await;
            let failing = self.control.failing.lock();
            for item in &mut report.items {
                if let Some(reason) = failing.get(&item.key) {
                    item.state = ItemState::Failed(reason.clone());
                    report.retry = true;
                }
            }
            report
        }
        .boxed()
    }
}
