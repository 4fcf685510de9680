//! Agents without a kernel, and waiting for all of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use isospin_agent::config::Role;
use isospin_agent::status::AgentStatus;
use isospin_feed::pki::{Authority, HostIdentity, KeyRequest};
use isospin_testkit::simulated::SimulatedHost;
use tempfile::TempDir;

use crate::driver::Measured;
use crate::server::Server;

/// A file system in memory.
const MEMORY: &str = "/dev/shm";
/// Connections made at a time.
const AT_ONCE: usize = 50;
/// Nothing more is to come when nobody was told anything for so long.
const QUIET: Duration = Duration::from_secs(2);

/// Agents that follow one server.
pub struct Crowd {
    hosts: Vec<SimulatedHost>,
    _folder: TempDir,
}

impl Crowd {
    /// Starts so many agents; they are in sync when it returns.
    pub async fn join(server: &Server, count: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("isospin-bench-").tempdir_in(MEMORY)?;
        let authority = Authority::open_or_create(&server.authority_folder())?;
        let url = server.feed_url()?;
        let mut hosts = Vec::with_capacity(count);
        for index in 0..count {
            let identity = identity(&authority, &format!("host-{index}"))?;
            let place = folder.path().join(index.to_string());
            hosts.push(SimulatedHost::start_in(&place, vec![url.clone()], identity, &[Role::L2])?);
            if hosts.len() % AT_ONCE == 0 {
                ready(&hosts).await?;
            }
        }
        ready(&hosts).await?;
        Ok(Self { hosts, _folder: folder })
    }

    /// Names of the hosts.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(SimulatedHost::name)
    }

    /// Waits until nobody has heard anything for a while; `alike` says that all hosts are
    /// told of every change, so that they are at one version then.
    pub async fn settled(&self, alike: bool) -> Result<()> {
        let look = || -> Vec<(u64, u64)> {
            let statuses = self.hosts.iter().map(SimulatedHost::status);
            statuses.map(|status| (status.applied_version, status.passes)).collect()
        };
        let mut before = look();
        loop {
            tokio::time::sleep(QUIET).await;
            let now = look();
            let level = !alike || now.windows(2).all(|pair| matches!(pair, [(a, _), (b, _)] if a == b));
            if now == before && level {
                break;
            }
            before = now;
        }
        for host in &self.hosts {
            let status = host.status();
            ensure!(status.failed.is_empty(), "{}: {:?}", host.name(), status.failed);
        }
        Ok(())
    }

    /// To be waited for: each has applied something newer than now.
    pub fn next_change(&self) -> All<'_> {
        self.all(|before, now| now.applied_version > before.applied_version)
    }

    /// To be waited for: each has lost its session, has another and has passed over what
    /// it was told in that.
    pub fn back(&self) -> All<'_> {
        self.all(|before, now| now.snapshots > before.snapshots && now.connected)
    }

    fn all(&self, done: fn(&AgentStatus, &AgentStatus) -> bool) -> All<'_> {
        All { hosts: self.hosts.iter().map(|host| (host, host.status())).collect(), done }
    }

    /// Ends all agents.
    pub async fn leave(self) -> Result<()> {
        try_join_all(self.hosts.into_iter().map(SimulatedHost::stop)).await?;
        Ok(())
    }
}

/// Agents with what they said when the waiting was planned.
pub struct All<'c> {
    hosts: Vec<(&'c SimulatedHost, AgentStatus)>,
    done: fn(&AgentStatus, &AgentStatus) -> bool,
}

impl All<'_> {
    /// Waits for all; how long it took each since `began`.
    pub async fn wait(self, began: Instant) -> Result<Measured> {
        let done = self.done;
        let waits = self.hosts.into_iter().map(|(host, before)| async move {
            host.until(|now| done(&before, now)).await?;
            anyhow::Ok(began.elapsed())
        });
        let mut latencies = try_join_all(waits).await?;
        latencies.sort_unstable();
        Ok(Measured { elapsed: began.elapsed(), latencies, answers: Vec::new() })
    }
}

async fn ready(hosts: &[SimulatedHost]) -> Result<()> {
    try_join_all(hosts.iter().map(|host| host.until(|status| status.ready && status.connected))).await?;
    Ok(())
}

fn identity(authority: &Authority, host: &str) -> Result<HostIdentity> {
    let request = KeyRequest::generate(host)?;
    let certificate = authority.sign_request(request.csr_der(), host)?;
    request.complete(&certificate, authority.certificate_pem()).context("a certificate")
}
