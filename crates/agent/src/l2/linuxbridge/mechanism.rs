//! The "l2" mechanism of a host with kernel bridges.
//!
//! One pass: look at the host, make the firewall what the facts want, then wire.
//! In this order a tap never carries a frame before its rules are there. Then
//! connections that lost their rule are cut, and every port is reported.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use isospin_feed::facts::{FactKey, Facts, Port};
use isospin_host_io::{HostError, Links, Place, sysctl};

use super::{Intent, Observed, apply, intent, names, observe, owned, plan, sides};
use crate::config::AgentConfig;
use crate::converge::{Item, ItemState, Mechanism, PassReport, Scope};
use crate::firewall::nftables::{NAT, QOS};
use crate::firewall::policy::{Folds, Kept, Policy};
use crate::l2::bridge_firewall::BridgeFirewall;
use crate::l2::{failed, masquerade, qos};

/// Bridges, tunnels and taps, and the firewall in front of them.
pub struct LinuxBridge {
    config: AgentConfig,
    place: Place,
    /// Opened by the first pass.
    links: Option<Links>,
    firewall: BridgeFirewall,
    folds: Folds,
    observed: Option<Observed>,
}

impl LinuxBridge {
    /// For the host this process runs on.
    #[must_use]
    pub fn new(config: &AgentConfig) -> Self {
        Self::at(config, Place::Host)
    }

    /// For a host that is a namespace.
    #[must_use]
    pub fn at(config: &AgentConfig, place: Place) -> Self {
        Self {
            config: config.clone(),
            firewall: BridgeFirewall::open(place.clone()),
            place,
            folds: Folds::default(),
            links: None,
            observed: None,
        }
    }

    async fn run(&mut self, facts: &Facts, scope: &Scope, may_sweep: bool) -> Result<PassReport, HostError> {
        let links = match &self.links {
            Some(links) => links.clone(),
            None => self.links.insert(Links::open(&self.place).await?).clone(),
        };
        self.folds.look(facts, scope.facts());
        let intent = intent::of(facts, &self.config);
        let mut observed = self.look(&links, facts, &intent, scope).await?;
        let mut report = PassReport::default();

        let policy = self.program(facts, &intent, &observed, (scope, may_sweep), &mut report).await?;
        report.changes += self.forwarding().await?;
        // Before taps join their bridges, and again for the devices that are made now.
        self.bar(&links, &intent, &mut observed, policy.as_deref(), may_sweep, &mut report).await;
        let steps = plan::plan(&intent, &observed, may_sweep);
        let begun = Instant::now();
        let outcome = apply::apply(&links, &self.place, &mut observed, steps).await;
        report.applying += begun.elapsed();
        report.changes += outcome.changes;
        report.swept += outcome.swept;
        report.retry |= !outcome.failures.is_empty();
        self.bar(&links, &intent, &mut observed, policy.as_deref(), may_sweep, &mut report).await;
        if let Some(policy) = policy {
            report.cut += self.firewall.cut(facts, policy, &mut report.retry).await;
        }
        report.items = items(facts, scope, &intent, &observed, &outcome.failures, self.firewall.policy());
        self.observed = Some(observed);
        Ok(report)
    }

    /// What is on the host: all of it, or what is remembered with the touched parts read again.
    async fn look(
        &mut self,
        links: &Links,
        facts: &Facts,
        intent: &Intent,
        scope: &Scope,
    ) -> Result<Observed, HostError> {
        match (self.observed.take(), scope) {
            (Some(mut observed), Scope::Touched { facts: keys, links: names }) => {
                let touched = intent::devices(facts, intent, keys).chain(names.iter().cloned()).collect();
                observe::again(&mut observed, links, &self.place, touched).await?;
                Ok(observed)
            }
            _ => observe::everything(links, &self.place, intent).await,
        }
    }

    /// Firewall first. Gives the policy that is now in the kernel, or `None` when it was
    /// left as it is.
    async fn program(
        &mut self,
        facts: &Facts,
        intent: &Intent,
        observed: &Observed,
        (scope, may_sweep): (&Scope, bool),
        report: &mut PassReport,
    ) -> Result<Option<Arc<Policy>>, HostError> {
        let foreign = owned::foreign_taps(intent, observed);
        let (config, folds) = (&self.config, &mut self.folds);
        let bridges = names::bridges(facts, config);
        let bridge_of = |port: &Port| bridges.get(&port.network_id)?.clone().ok();
        let make = |kept: &Kept| Policy::of(facts, config, bridge_of, foreign, kept, folds);
        let nat = masquerade::table(config).map(|table| (NAT, table));
        let qos = qos::table(facts, &config.host).map(|table| (QOS, table));
        let further = nat.into_iter().chain(qos).collect();
        self.firewall.program(facts, (scope, may_sweep), make, further, report).await
    }

    /// Keeps the barrier beside nftables. Without a policy the rules that give the marks
    /// may be of an earlier release: nothing is touched.
    async fn bar(
        &self,
        links: &Links,
        intent: &Intent,
        observed: &mut Observed,
        policy: Option<&Policy>,
        may_sweep: bool,
        report: &mut PassReport,
    ) {
        let Some(policy) = policy else { return };
        let wanted = sides::of(intent, policy, observed);
        for device in observed.barrier.taken(&wanted) {
            tracing::debug!(device, "has filters of somebody else: nftables is its only barrier");
        }
        let outcome = observed.barrier.keep(links, &observed.links, &wanted, may_sweep).await;
        report.changes += outcome.changes;
        report.retry |= outcome.retry;
    }

    /// A host that masquerades also forwards.
    async fn forwarding(&self) -> Result<u64, HostError> {
        sysctl::set_all(&self.place, &masquerade::settings(&self.config)).await
    }
}

impl Mechanism for LinuxBridge {
    fn party(&self) -> &'static str {
        "l2"
    }

    fn pass<'a>(
        &'a mut self,
        facts: &'a Facts,
        scope: &'a Scope,
        may_sweep: bool,
    ) -> BoxFuture<'a, PassReport> {
        async move {
            match self.run(facts, scope, may_sweep).await {
                Ok(report) => report,
                Err(error) => {
                    // Nothing remembered can be trusted; ports stay as closed as they are.
                    self.observed = None;
                    self.firewall.forget();
                    self.folds.forget();
                    failed(facts, &self.config, &error)
                }
            }
        }
        .boxed()
    }
}

/// The state of each port the pass looked at, and of rules that were left out.
fn items(
    facts: &Facts,
    scope: &Scope,
    intent: &Intent,
    observed: &Observed,
    failures: &BTreeMap<String, String>,
    policy: Option<&Policy>,
) -> Vec<Item> {
    let looked_at = |port: &Port, device: &str| match scope {
        Scope::Everything => true,
        Scope::Touched { facts, links } => {
            failures.contains_key(device)
                || facts.contains(&FactKey::Port(port.id))
                || facts.contains(&FactKey::Network(port.network_id))
                || links.contains(device)
        }
    };
    let mut items = Vec::new();
    for (device, tap) in &intent.taps {
        let Some(port) = facts.ports.get(&tap.port) else { continue };
        if !looked_at(port, device) {
            continue;
        }
        let failure = failures.get(device).or_else(|| failures.get(&tap.bridge));
        let state = match failure {
            Some(reason) => ItemState::Failed(reason.clone()),
            None if observed.is_wired(device, &tap.bridge) => ItemState::Up,
            None => ItemState::Down,
        };
        items.push(Item { key: FactKey::Port(tap.port), state });
    }
    items.extend(
        intent.closed.values().map(|port| Item { key: FactKey::Port(*port), state: ItemState::Down }),
    );
    items.extend(
        intent.impossible.iter().map(|(port, reason)| Item {
            key: FactKey::Port(*port),
            state: ItemState::Failed(reason.clone()),
        }),
    );
    items.extend(policy.into_iter().flat_map(|policy| &policy.refused).map(|(rule, refusal)| Item {
        key: FactKey::SecurityGroupRule(*rule),
        state: ItemState::Failed(refusal.to_string()),
    }));
    items
}
