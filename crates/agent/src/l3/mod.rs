//! Routers: one namespace each, with a pair of devices per port, routes, address
//! translation in one nftables table, and announcements.
//!
//! Data flow: facts -> [`intent`] (pure) -> with what [`observe`] read ->
//! [`plan`] (pure) -> [`apply`]. [`router`] joins these for one router, this
//! file for all of them: routers are looked at side by side, each in a task of
//! its own, so that none can stop another.
//!
//! A full pass observes every router; a pass over what was touched looks only at
//! those whose intent, namespace or devices changed, and ends in the same place.

mod advertise;
mod announce;
mod apply;
mod conntrack_helpers;
mod flows;
mod forwards;
mod intent;
mod metering;
mod observe;
mod owned;
mod plan;
mod qos;
mod render;
mod router;
mod scopes;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use isospin_feed::facts::{FactKey, Facts};
use isospin_host_io::{HostError, Links, Namespace, Place};
use isospin_types::RouterId;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::config::AgentConfig;
use crate::converge::{Item, ItemState, Mechanism, PassReport, Scope};
use intent::{Intents, RouterIntent};
use router::{Running, Surroundings};

/// Routers looked at side by side. Most of a look is waiting for `nft`.
const SIDE_BY_SIDE: usize = 8;

/// The routers of this host.
#[derive(Debug)]
pub struct L3 {
    host: String,
    mark: String,
    place: Place,
    links: Option<Links>,
    software_checksums: bool,
    routers: BTreeMap<RouterId, Running>,
}

impl L3 {
    /// The mechanism of the host `config` names. Opens nothing yet.
    #[must_use]
    pub fn new(config: &AgentConfig) -> Self {
        Self { software_checksums: config.wiring.is_in_userspace(), ..Self::at(Place::Host, &config.host) }
    }

    /// As [`L3::new`], with the host's ends of device pairs at `place`.
    #[must_use]
    pub fn at(place: Place, host: &str) -> Self {
        Self {
            host: host.to_owned(),
            mark: owned::mark(host),
            place,
            links: None,
            software_checksums: false,
            routers: BTreeMap::new(),
        }
    }

    async fn run(&mut self, facts: &Facts, scope: &Scope, may_sweep: bool) -> PassReport {
        let intents = intent::routers(facts, &self.host);
        let mut report = PassReport::default();
        let chosen: Vec<_> =
            intents.up.values().filter(|intent| self.must_look(intent, scope)).cloned().collect();
        let unwanted = match may_sweep {
            true => self.unwanted(&intents, scope, &mut report),
            false => BTreeSet::new(),
        };
        // Nearly every pass has nothing to do here, and a host has many devices.
        if !chosen.is_empty() || !unwanted.is_empty() {
            let around = match self.surroundings(may_sweep).await {
                Ok(around) => Arc::new(around),
                Err(error) => return all_failed(&intents, &error),
            };
            self.look(chosen, &around, &mut report).await;
            self.sweep(unwanted, &around, &mut report).await;
        }
        report.items.extend(down_items(&intents));
        report.metered = self.routers.iter().flat_map(|(id, running)| running.metered(*id)).collect();
        report
    }

    async fn surroundings(&mut self, may_sweep: bool) -> Result<Surroundings, HostError> {
        let links = match &self.links {
            Some(links) => links.clone(),
            None => {
                let links = Links::open(&self.place).await?;
                self.links.insert(links.with_software_checksums(self.software_checksums)).clone()
            }
        };
        let taps = observe::taps(&links).await?;
        Ok(Surroundings { links, taps, mark: self.mark.clone(), may_remove: may_sweep })
    }

    /// Whether this pass has to look at a router.
    fn must_look(&self, intent: &RouterIntent, scope: &Scope) -> bool {
        let Scope::Touched { links, .. } = scope else { return true };
        let Some(running) = self.routers.get(&intent.id) else { return true };
        let mut taps = intent.interfaces.values().map(|interface| &interface.tap);
        // The intent says all the facts say: comparing it covers every fact touched.
        !running.is_settled(intent) || taps.any(|tap| links.contains(tap))
    }

    async fn look(&mut self, chosen: Vec<RouterIntent>, around: &Arc<Surroundings>, report: &mut PassReport) {
        let permits = Arc::new(Semaphore::new(SIDE_BY_SIDE));
        let mut tasks = JoinSet::new();
        let mut task_routers = BTreeMap::new();
        for intent in chosen {
            let running = self.routers.remove(&intent.id).unwrap_or_default();
            let (around, permits, id) = (Arc::clone(around), Arc::clone(&permits), intent.id);
            let floating: Vec<_> = intent.floating_ips.keys().copied().collect();
            let task = tasks.spawn(async move {
                let _permit = permits.acquire_owned().await;
                (intent.id, router::converge(running, intent, &around).await)
            });
            task_routers.insert(task.id(), (id, floating));
        }
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok((id, (running, looked))) => {
                    self.routers.insert(id, running);
                    report.changes += looked.changes;
                    report.retry |= looked.retry;
                    report.items.extend(looked.items);
                }
                Err(error) => {
                    // A defect of ours that one router's facts bring out.
                    report.retry = true;
                    if let Some((id, floating)) = task_routers.remove(&error.id()) {
                        tracing::error!(router = %id, %error, "looking at a router failed");
                        let reason = ItemState::Failed("internal error; see the agent's log".to_owned());
                        let keys = floating.into_iter().map(FactKey::FloatingIp).chain([FactKey::Router(id)]);
                        report.items.extend(keys.map(|key| Item { key, state: reason.clone() }));
                    }
                }
            }
        }
    }

    /// Routers of ours that nobody wants here any more.
    fn unwanted(&self, intents: &Intents, scope: &Scope, report: &mut PassReport) -> BTreeSet<RouterId> {
        let mut unwanted: BTreeSet<RouterId> = self.routers.keys().copied().collect();
        unwanted.extend(intents.down.keys());
        if *scope == Scope::Everything {
            match Namespace::list() {
                Ok(names) => unwanted.extend(names.iter().filter_map(|name| owned::router_of(name))),
                Err(error) => {
                    tracing::warn!(error = %error.reason(), "namespaces cannot be listed");
                    report.retry = true;
                }
            }
        }
        unwanted.retain(|id| !intents.up.contains_key(id));
        unwanted
    }

    /// Removes these.
    async fn sweep(&mut self, unwanted: BTreeSet<RouterId>, around: &Surroundings, report: &mut PassReport) {
        for id in unwanted {
            let running = self.routers.remove(&id).unwrap_or_default();
            match router::remove(id, running, around).await {
                Ok(removed) => {
                    report.changes += u64::from(removed);
                    report.swept += u64::from(removed);
                }
                Err(error) => {
                    tracing::warn!(router = %id, error = %error.reason(), "a router cannot be removed");
                    report.retry = true;
                }
            }
        }
    }
}

fn down_items(intents: &Intents) -> impl Iterator<Item = Item> {
    let keys = intents.down.iter().flat_map(|(router, floating)| {
        floating.iter().map(|id| FactKey::FloatingIp(*id)).chain([FactKey::Router(*router)])
    });
    keys.map(|key| Item { key, state: ItemState::Down })
}

fn all_failed(intents: &Intents, error: &HostError) -> PassReport {
    let state = ItemState::Failed(error.reason());
    let items = intents.up.keys().map(|id| Item { key: FactKey::Router(*id), state: state.clone() });
    PassReport { items: items.collect(), retry: true, ..PassReport::default() }
}

impl Mechanism for L3 {
    fn party(&self) -> &'static str {
        "l3"
    }

    fn pass<'a>(
        &'a mut self,
        facts: &'a Facts,
        scope: &'a Scope,
        may_sweep: bool,
    ) -> BoxFuture<'a, PassReport> {
        Box::pin(self.run(facts, scope, may_sweep))
    }
}
