//! The task that owns replica and mechanisms.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use isospin_feed::client::{Backoff, FeedEvent};
use isospin_feed::replica::{self, Replica, ReplicaWriter};
use metrics::{counter, gauge, histogram};
use tokio::sync::{mpsc, watch};
use tokio::time::{self, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::account::Pass;
use super::items::Items;
use super::pending::{Due, Pending, Told};
use super::{Mechanism, PassReport, Scope};
use crate::config::AgentConfig;
use crate::host_notices::HostNotices;
use crate::session::FeedSource;
use crate::status::{self, AgentStatus, SetAsideRecord};

/// How often everything is looked at though nothing was noticed. Not how changes
/// are found: those come as events.
pub const FULL_EVERY: Duration = Duration::from_secs(60);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(15);

/// Steps of the feed taken in before a round begins.
const AT_ONCE: usize = 1024;

/// Why an agent cannot run.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum AgentError {
    #[error("cannot use the state folder {}", path.display())]
    StateDir {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Runs an agent until `shutdown`: loads the last replica, passes once at once (with
/// every server down, too), then follows feed and host. A round that has begun is
/// finished.
///
/// `host` is the board others put changes of the host on; `status` always holds the
/// newest state and is written to `status.json` too.
///
/// # Errors
/// [`AgentError`] at the start only. Later failures are states of items.
pub async fn run(
    config: AgentConfig,
    feed: FeedSource,
    mechanisms: Vec<Box<dyn Mechanism>>,
    host: HostNotices,
    status: watch::Sender<AgentStatus>,
    shutdown: CancellationToken,
) -> Result<(), AgentError> {
    let started = jiff::Timestamp::now();
    status.send_modify(|status| {
        status.host.clone_from(&config.host);
        status.pid = std::process::id();
        status.started_at = started.to_string();
    });
    let unusable = |source| AgentError::StateDir { path: config.state_dir.clone(), source };
    std::fs::create_dir_all(&config.state_dir).map_err(unusable)?;
    status.borrow().write(&config.state_dir).map_err(unusable)?;

    let file = status::keep_file(status.subscribe(), &config.state_dir);
    let applied = watch::Sender::new(0);
    let events = feed.open(&config, started.as_second(), applied.subscribe(), shutdown.clone());
    let work = async {
        let converge = Converge::load(&config, mechanisms, status, applied);
        converge.run(events, host, shutdown).await;
    };
    tokio::join!(work, file);
    Ok(())
}

struct Converge {
    mechanisms: Vec<Box<dyn Mechanism>>,
    replica: Replica,
    disk: ReplicaWriter,
    pending: Pending,
    items: Items,
    retry: Retry,
    /// A snapshot came, and no full pass over it has ended yet.
    fresh: bool,
    /// Of a full pass something goes on.
    full_goes_on: bool,
    status: watch::Sender<AgentStatus>,
    applied: watch::Sender<u64>,
}

/// When to try again what failed.
struct Retry {
    at: Option<time::Instant>,
    tries: u32,
    backoff: Backoff,
}

impl Converge {
    fn load(
        config: &AgentConfig,
        mut mechanisms: Vec<Box<dyn Mechanism>>,
        status: watch::Sender<AgentStatus>,
        applied: watch::Sender<u64>,
    ) -> Self {
        // Stable: mechanisms of one party keep the order they were given in.
        mechanisms.sort_by_key(|mechanism| rank(mechanism.party()));
        let folder = config.state_dir.join("replica");
        let loaded = replica::load(&folder, &config.host);
        if let Some(problem) = loaded.problem {
            error!(error = %problem, cause = ?std::error::Error::source(&problem),
                "the replica on disk is not used; nothing is removed before a server has been reached");
        } else if loaded.replica.may_sweep() {
            let (version, facts) = (loaded.replica.version(), loaded.replica.facts().len());
            info!(version, facts, "starting from the replica on disk");
        }
        let mut pending = Pending::default();
        pending.everything();
        let retry = Retry { at: None, tries: 0, backoff: Backoff::new(FIRST_RETRY, LONGEST_RETRY) };
        Self {
            mechanisms,
            replica: loaded.replica,
            disk: ReplicaWriter::start(&folder, &config.host),
            pending,
            items: Items::default(),
            retry,
            fresh: false,
            full_goes_on: false,
            status,
            applied,
        }
    }

    async fn run(
        mut self,
        mut events: mpsc::Receiver<FeedEvent>,
        host: HostNotices,
        shutdown: CancellationToken,
    ) {
        let mut next_full = time::Instant::now() + FULL_EVERY;
        let mut feed_open = true;
        while !shutdown.is_cancelled() {
            // Bounded, so that a flood of changes cannot keep the host waiting.
            for _ in 0..AT_ONCE {
                match events.try_recv() {
                    Ok(event) => self.take(event),
                    Err(_) => break,
                }
            }
            self.pending.host(host.take());
            if let Some(due) = self.pending.take() {
                if due.scope == Scope::Everything {
                    next_full = time::Instant::now() + FULL_EVERY;
                }
                self.round(&due).await;
                continue;
            }
            let outbox = self.items.waiting(*self.applied.borrow());
            tokio::select! {
                event = events.recv(), if feed_open => match event {
                    Some(event) => self.take(event),
                    None => {
                        feed_open = false;
                        self.disconnected();
                    }
                },
                () = host.changed() => {}
                () = sleep_until(next_full) => self.pending.inspect(),
                () = at(self.retry.at) => self.try_again(),
                () = async { if let Some(outbox) = &outbox { outbox.ready().await } }, if outbox.is_some() => {
                    self.items.report(*self.applied.borrow());
                }
                () = shutdown.cancelled() => {}
            }
        }
        self.disconnected();
        self.disk.flush().await;
    }

    /// Takes in what the feed says. Cheap: the host is not touched here.
    fn take(&mut self, event: FeedEvent) {
        match event {
            FeedEvent::Connected { server, outbox } => {
                self.items.connected(outbox);
                self.status.send_modify(|status| {
                    status.connected = true;
                    status.server = Some(server);
                });
            }
            FeedEvent::Snapshot(snapshot) => {
                let (held, got) = (self.replica.version(), snapshot.version());
                if got < held {
                    warn!(held, got, "the server's facts are older than ours; following the server");
                }
                self.replica.adopt(snapshot);
                self.disk.adopted(&self.replica);
                self.items.snapshot();
                self.fresh = true;
                self.pending.everything();
                info!(version = got, facts = self.replica.facts().len(), "snapshot");
            }
            FeedEvent::Change { change, received } => match self.replica.apply(&change) {
                Ok(touched) => {
                    debug!(version = change.version, touched = touched.len(), requests = ?change.request_ids,
                        "change");
                    self.items.changed(&touched);
                    self.pending.facts(touched, Told::now(received, change.timing));
                    self.disk.applied(&self.replica, change);
                }
                Err(error) => debug!(%error, "change refused"),
            },
            FeedEvent::Disconnected { .. } => self.disconnected(),
        }
    }

    /// The host keeps what it has: only reports have nowhere to go.
    fn disconnected(&mut self) {
        self.items.disconnected();
        // Told again after each try: only the first is news.
        self.status.send_if_modified(|status| {
            status.server = None;
            std::mem::take(&mut status.connected)
        });
    }

    /// One pass of every mechanism.
    async fn round(&mut self, due: &Due) {
        let mut whole = PassReport::default();
        let may_sweep = self.replica.may_sweep();
        for mechanism in &mut self.mechanisms {
            let party = mechanism.party();
            let begun = Instant::now();
            let mut report = mechanism.pass(self.replica.facts(), &due.scope, may_sweep).await;
            let took = begun.elapsed();
            let news = self.items.record(party, std::mem::take(&mut report.items));
            Pass { party, due, report: &report, took }.account(&news);
            whole.changes += report.changes;
            whole.swept += report.swept;
            whole.retry |= report.retry;
            whole.goes_on |= report.goes_on;
            whole.metered.extend(report.metered);
            // A port's state does not wait for the mechanisms that come after.
            self.items.report(*self.applied.borrow());
        }
        let touched = match &due.scope {
            Scope::Everything => None,
            Scope::Touched { facts, .. } => Some(facts),
        };
        self.items.forget_missing(self.replica.facts(), touched);
        if !whole.goes_on {
            self.applied.send_replace(self.replica.version());
        }
        self.items.report(*self.applied.borrow());
        self.retry.after_round(whole.retry || self.items.any_failed());
        self.publish(due, whole);
    }

    fn publish(&mut self, due: &Due, whole: PassReport) {
        let full = due.scope == Scope::Everything;
        // A look at everything ends with the round in which nothing goes on any more.
        let looking = full || self.full_goes_on;
        let looked = looking && !whole.goes_on;
        self.full_goes_on = looking && whole.goes_on;
        let snapshots = u64::from(looked && std::mem::take(&mut self.fresh));
        let applied = *self.applied.borrow();
        let (failed, down) = (self.items.failed(), self.items.down());
        counter!("isospin_agent_rounds_total", "scope" => if full { "everything" } else { "touched" })
            .increment(1);
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
        {
            gauge!("isospin_agent_failed_items").set(failed.len() as f64);
            gauge!("isospin_agent_set_aside_records").set(self.replica.set_aside().len() as f64);
            gauge!("isospin_agent_applied_version").set(applied as f64);
        }
        let took = due.told.filter(|_| !whole.goes_on).map(|told| told.received.elapsed());
        if let Some(took) = took {
            histogram!("isospin_agent_feed_to_applied_seconds").record(took);
        }
        let set_aside = self.replica.set_aside().values().map(|bad| SetAsideRecord {
            kind: bad.kind.to_owned(),
            id: bad.id.clone(),
            reason: bad.reason.to_string(),
        });
        self.status.send_modify(|status| {
            status.version = self.replica.version();
            status.applied_version = applied;
            status.ready |= self.replica.may_sweep() && looked;
            status.snapshots += snapshots;
            status.passes += 1;
            status.full_passes += u64::from(full);
            status.changes += whole.changes;
            status.swept += whole.swept;
            status.metered = whole.metered;
            status.failed = failed;
            status.down = down;
            status.set_aside = set_aside.collect();
            if let Some(took) = took {
                status.feed_to_applied_us = Some(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            }
        });
    }

    fn try_again(&mut self) {
        self.retry.at = None;
        self.retry.tries += 1;
        if self.retry.tries == 1 {
            self.pending.retry(self.items.failed_keys());
        } else {
            self.pending.everything();
        }
    }
}

impl Retry {
    fn after_round(&mut self, wanted: bool) {
        if !wanted {
            self.at = None;
            self.tries = 0;
            self.backoff.reset();
        } else if self.at.is_none() {
            self.at = Some(time::Instant::now() + self.backoff.next_pause());
        }
    }
}

/// The order of the passes; the module's comment says why.
fn rank(party: &str) -> usize {
    const ORDER: [&str; 4] = ["l2", "l3", "dhcp", "metadata"];
    ORDER.iter().position(|known| *known == party).unwrap_or(ORDER.len())
}

async fn at(instant: Option<time::Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
