//! The nftables firewall of a host's bridges, and the connections it cuts.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use isospin_feed::facts::Facts;
use isospin_host_io::{Conntrack, Flow, HostError, Marked, Place};

use crate::converge::{PassReport, Scope};
use crate::firewall::cut::{self, Judge};
use crate::firewall::nftables::base::CUT;
use crate::firewall::nftables::{Further, Nftables};
use crate::firewall::policy::{Kept, Policy};

/// Looks at connections in a row, at most.
const LOOKS: usize = 10;

/// The firewall of a place.
#[derive(Debug)]
pub struct BridgeFirewall {
    place: Place,
    nft: Nftables,
    /// The policy in the kernel; `None` before the first pass of this life.
    policy: Option<Arc<Policy>>,
    /// Devices whose connections are still to be looked at.
    uncut: BTreeSet<String>,
}

impl BridgeFirewall {
    /// Nothing is touched before the first call.
    #[must_use]
    pub fn open(place: Place) -> Self {
        Self { nft: Nftables::open(place.clone()), place, policy: None, uncut: BTreeSet::new() }
    }

    /// Forgets what the kernel is thought to hold: the next call reads it.
    pub fn forget(&mut self) {
        self.nft.forget();
    }

    /// The policy whose connections were looked at last.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_deref()
    }

    /// Hooks, then one transaction. Gives the policy that is now in the kernel, or `None`
    /// when it was left as it is.
    ///
    /// # Errors
    /// When a tool fails or the kernel lacks br_netfilter.
    pub async fn program(
        &mut self,
        facts: &Facts,
        (scope, may_sweep): (&Scope, bool),
        make: impl FnOnce(&Kept) -> Policy,
        further: Further,
        report: &mut PassReport,
    ) -> Result<Option<Arc<Policy>>, HostError> {
        if *scope == Scope::Everything {
            self.nft.forget();
        }
        let mut changes = self.nft.assert_hooks().await?;
        let kept = match &self.policy {
            Some(policy) => Kept::of(policy),
            None => self.nft.kept().await?,
        };
        let policy = Arc::new(make(&kept));
        // No facts have come yet: programming that would close ports an earlier life opened.
        if !may_sweep && facts.ports.is_empty() && self.nft.is_present().await? {
            report.changes += changes;
            return Ok(None);
        }
        let begun = Instant::now();
        changes += self.nft.apply(&policy, further).await?;
        report.applying += begun.elapsed();
        report.changes += changes;
        if *scope == Scope::Everything && changes > 0 {
            // Without all of its rules the host may have taken note of connections no rule
            // allows. Nobody heard of them, but an answer would be one to something known.
            self.uncut.extend(policy.ports.keys().cloned());
        }
        Ok(Some(policy))
    }

    /// Cuts connections that lost their rule; returns how many.
    pub async fn cut(&mut self, facts: &Facts, policy: Arc<Policy>, retry: &mut bool) -> u64 {
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
        let judge = Judge::of(facts, &policy, &devices);
        self.policy = Some(policy);
        let trouble = match self.cut_flows(judge, disowned).await {
            Ok(Marked { count, all }) => {
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
        judge: Option<Judge>,
        disowned: BTreeSet<(u16, IpAddr)>,
    ) -> Result<Marked, HostError> {
        let conntrack = Conntrack::open(self.place.clone());
        let mut cut = match judge {
            Some(judge) => {
                let lost = move |flow: &Flow| flow.mark & CUT == 0 && judge.refuses(flow);
                conntrack.mark_until_none(CUT, CUT, LOOKS, lost).await?
            }
            None => Marked { count: 0, all: true },
        };
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
