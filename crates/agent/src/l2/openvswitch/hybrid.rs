//! The bridge firewall on an Open vSwitch host: each port of an instance has a kernel bridge
//! between its tap and the switch, as os-vif makes them for drivers with hybrid plugging.
//!
//! ```text
//! tap -- qbr -- qvb == qvo -- br-int
//! ```
//!
//! The switch only carries frames; what is judged is judged on `qbr`, by the same rules as
//! on hosts with kernel bridges. Zones of connections are those of single ports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use isospin_feed::facts::{Facts, Port};
use isospin_host_io::{HostError, Link, Place};

use super::SwitchFirewall;
use super::intent::{Intent, is_hybrid};
use super::names::HybridNames;
use crate::config::AgentConfig;
use crate::converge::{PassReport, Scope};
use crate::firewall::nftables::Further;
use crate::firewall::policy::{Folds, Kept, Policy};
use crate::l2::barrier::Side;
use crate::l2::bridge_firewall::BridgeFirewall;

/// The firewall of the bridges of single ports.
#[derive(Debug)]
pub struct Hybrid {
    firewall: BridgeFirewall,
}

impl Hybrid {
    /// Nothing is touched before the first call.
    #[must_use]
    pub fn open(place: Place) -> Self {
        Self { firewall: BridgeFirewall::open(place) }
    }

    /// Forgets what the kernel is thought to hold.
    pub fn forget(&mut self) {
        self.firewall.forget();
    }

    /// Programs the rules, cuts connections that lost theirs, and gives the policy that is in
    /// the kernel; `None` when it was left as it is.
    ///
    /// # Errors
    /// When a tool fails or the kernel lacks br_netfilter.
    pub async fn keep(
        &mut self,
        facts: &Facts,
        (config, folds): (&AgentConfig, &mut Folds),
        links: &BTreeMap<String, Link>,
        (scope, may_sweep): (&Scope, bool),
        report: &mut PassReport,
    ) -> Result<Option<Arc<Policy>>, HostError> {
        let bridge_of = |port: &Port| {
            (is_hybrid(port, SwitchFirewall::Hybrid) && port.parent.is_none())
                .then(|| HybridNames::of(port.id).bridge)
        };
        let foreign = foreign_taps(facts, config, links);
        let make = |kept: &Kept| Policy::of(facts, config, bridge_of, foreign, kept, folds);
        // Limits are the switch's.
        let further = Further::default();
        let policy = self.firewall.program(facts, (scope, may_sweep), make, further, report).await?;
        if let Some(policy) = &policy {
            report.cut += self.firewall.cut(facts, Arc::clone(policy), &mut report.retry).await;
        }
        Ok(policy)
    }
}

/// What the flows of the switch are told: every port is open there.
#[must_use]
pub fn carried(intent: &Intent) -> Policy {
    Policy { open: intent.taps.values().map(|tap| tap.device.clone()).collect(), ..Policy::default() }
}

/// Where the barrier beside nftables stands.
#[must_use]
pub fn sides(policy: &Policy, facts: &Facts) -> BTreeMap<String, Side> {
    let mut sides = BTreeMap::new();
    for port in facts.ports.values() {
        let (tap, names) = (port.tap_name(), HybridNames::of(port.id));
        let side = match (policy.ports.contains_key(&tap), policy.open.contains(&tap)) {
            (true, _) => Side::Filtered,
            (false, true) => Side::Beside,
            (false, false) => continue,
        };
        sides.extend([(tap, side), (names.near, Side::Beside), (names.bridge, Side::Host)]);
    }
    sides
}

/// Taps on bridges of others: not for our firewall to close.
fn foreign_taps(facts: &Facts, config: &AgentConfig, links: &BTreeMap<String, Link>) -> BTreeSet<String> {
    let here = facts.ports.values().filter(|port| port.host == config.host);
    let ours: BTreeSet<String> = here.map(|port| port.tap_name()).collect();
    let qbr: BTreeSet<u32> =
        links.values().filter(|link| link.name.starts_with("qbr")).map(|link| link.index).collect();
    let is_foreign = |link: &&Link| {
        link.name.starts_with("tap")
            && !ours.contains(&link.name)
            && link.master.is_some_and(|master| !qbr.contains(&master))
    };
    links.values().filter(is_foreign).map(|link| link.name.clone()).collect()
}
