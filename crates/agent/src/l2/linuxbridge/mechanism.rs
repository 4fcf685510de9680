//! The "l2" mechanism of a host with kernel bridges.
//!
//! One pass: look at the host, make the firewall what the facts want, then wire.
//! In this order a tap never carries a frame before its rules are there. Then
//! connections that lost their rule are cut, and every port is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use isospin_feed::facts::{FactKey, Facts};
use isospin_host_io::{Conntrack, Flow, HostError, Links, Place, sysctl};

use super::{Intent, Observed, apply, intent, observe, owned, plan, sides};
use crate::config::AgentConfig;
use crate::converge::{Item, ItemState, Mechanism, PassReport, Scope};
use crate::firewall::cut::{self, Judge};
use crate::firewall::nftables::{NAT, Nftables, QOS, base::CUT};
use crate::firewall::policy::{Folds, Kept, Policy};
use crate::l2::{failed, masquerade, qos};

/// Looks at connections in a row, at most.
const CUTS: usize = 10;

/// Bridges, tunnels and taps, and the firewall in front of them.
pub struct LinuxBridge {
    config: AgentConfig,
    place: Place,
    /// Opened by the first pass.
    links: Option<Links>,
    firewall: Nftables,
    folds: Folds,
    observed: Option<Observed>,
    /// The policy in the kernel; `None` before the first pass of this life.
    policy: Option<Arc<Policy>>,
    /// Connections still to be looked at, when an earlier try failed.
    uncut: BTreeSet<String>,
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
            firewall: Nftables::open(place.clone()),
            place,
            folds: Folds::default(),
            links: None,
            observed: None,
            policy: None,
            uncut: BTreeSet::new(),
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

        let policy = self.program(facts, &intent, &observed, may_sweep, &mut report).await?;
        if let Some(policy) = &policy
            && *scope == Scope::Everything
            && report.changes > 0
        {
            // Without all of its rules the host may have taken note of connections no rule
            // allows. Nobody heard of them, but an answer would be one to something known.
            self.uncut.extend(policy.ports.keys().cloned());
        }
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
            report.changes += self.cut(facts, policy, &mut report.retry).await;
        }
        report.items = items(facts, scope, &intent, &observed, &outcome.failures, self.policy.as_deref());
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
            _ => {
                self.firewall.forget();
                observe::everything(links, &self.place, intent).await
            }
        }
    }

    /// Firewall first: hooks, then one transaction. Gives the policy that is now in
    /// the kernel, or `None` when it was left as it is.
    async fn program(
        &mut self,
        facts: &Facts,
        intent: &Intent,
        observed: &Observed,
        may_sweep: bool,
        report: &mut PassReport,
    ) -> Result<Option<Arc<Policy>>, HostError> {
        report.changes += self.firewall.assert_hooks().await?;
        let kept = match &self.policy {
            Some(policy) => Kept::of(policy),
            None => self.firewall.kept().await?,
        };
        let foreign = owned::foreign_taps(intent, observed);
        let policy = Arc::new(Policy::of(facts, &self.config, foreign, &kept, &mut self.folds));
        // No facts have come yet: programming that would close ports an earlier life opened.
        if !may_sweep && facts.ports.is_empty() && self.firewall.is_present().await? {
            return Ok(None);
        }
        let nat = masquerade::table(&self.config).map(|table| (NAT, table));
        let qos = qos::table(facts, &self.config.host).map(|table| (QOS, table));
        let begun = Instant::now();
        report.changes += self.firewall.apply(&policy, nat.into_iter().chain(qos).collect()).await?;
        report.applying += begun.elapsed();
        Ok(Some(policy))
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

    /// Cuts connections that lost their rule; returns how many.
    async fn cut(&mut self, facts: &Facts, policy: Arc<Policy>, retry: &mut bool) -> u64 {
        let mut devices = std::mem::take(&mut self.uncut);
        let mut disowned = BTreeSet::new();
        match &self.policy {
            Some(before) => {
                devices.extend(policy.narrowed_since(before));
                let (before, after) = policy.difference(before);
                disowned = cut::disowned(&before, &after);
            }
            // Rules may have gone while no agent was here to see it.
            None => devices.extend(policy.ports.keys().cloned()),
        }
        let judge = Arc::new(Judge::new(facts, &policy, &devices));
        self.policy = Some(policy);
        let trouble = match self.cut_flows(&judge, disowned).await {
            Ok(Cut { count, all }) => {
                if count > 0 {
                    tracing::info!(count, "cut connections that lost their rule");
                }
                if all {
                    return count;
                }
                "connections that lost their rule come back".to_owned()
            }
            Err(error) => error.reason(),
        };
        tracing::warn!(error = %trouble, "cannot cut connections; trying again");
        self.uncut = devices;
        *retry = true;
        0
    }

    /// Marks until there is nothing left to mark. A packet that was let through as one of a running
    /// connection just before its mark came takes the mark away again when it leaves; a
    /// busy connection has one under way at nearly any moment.
    async fn cut_flows(
        &self,
        judge: &Arc<Judge>,
        disowned: BTreeSet<(u16, std::net::IpAddr)>,
    ) -> Result<Cut, HostError> {
        let conntrack = Conntrack::open(self.place.clone());
        let mut cut = Cut { count: 0, all: judge.is_idle() };
        for _ in 0..CUTS {
            if cut.all {
                break;
            }
            let judge = Arc::clone(judge);
            let lost = move |flow: &Flow| flow.mark & CUT == 0 && judge.refuses(flow);
            let marked = conntrack.mark_where(CUT, CUT, lost).await?;
            cut.count += marked;
            cut.all = marked == 0;
        }
        if !disowned.is_empty() {
            let has = move |zone, ip| disowned.contains(&(zone, ip));
            cut.count += conntrack
                .delete_where(move |flow| {
                    has(flow.zone, flow.original.source) || has(flow.zone, flow.reply.source)
                })
                .await?;
        }
        Ok(cut)
    }
}

/// What came of cutting connections.
struct Cut {
    count: u64,
    /// Whether none was found in the end that should have been cut.
    all: bool,
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
    let looked_at = |port: &isospin_feed::facts::Port, device: &str| match scope {
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
