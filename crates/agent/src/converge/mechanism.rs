//! What every mechanism on the host promises to the loop.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::BoxFuture;
use isospin_feed::facts::{FactKey, Facts};

use crate::status::Metered;

/// Where a pass must look at least. Looking wider is always correct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Observe the whole host again: at start, after a snapshot, when the host was
    /// changed by somebody else, and now and then.
    Everything,
    /// Only these facts and devices changed since the last pass; what the
    /// mechanism remembers of the rest still holds.
    Touched { facts: BTreeSet<FactKey>, links: BTreeSet<String> },
}

impl Scope {
    /// The facts that changed; `None`: any may have.
    #[must_use]
    pub const fn facts(&self) -> Option<&BTreeSet<FactKey>> {
        match self {
            Self::Everything => None,
            Self::Touched { facts, .. } => Some(facts),
        }
    }
}

/// The state of one item as its mechanism sees it after a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemState {
    Up,
    Down,
    /// Programming it failed; the reason is one line for people. It stays dirty
    /// and is tried again in the next pass.
    Failed(String),
}

/// One line of a report to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub key: FactKey,
    pub state: ItemState,
}

/// What a pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassReport {
    /// Objects created, changed or removed on the host. Zero on a healthy host.
    pub changes: u64,
    /// States of the items this pass looked at. Unchanged ones may be repeated:
    /// the loop sends differences only.
    pub items: Vec<Item>,
    /// Items of ours removed by this pass because no fact wants them any more.
    pub swept: u64,
    /// Connections cut because no rule allows them. Not objects of the plan: whoever floods
    /// what a port here may not hear, as bridges do while they do not know where the port is,
    /// has such a connection with nobody hearing of it.
    pub cut: u64,
    /// All that this mechanism has counted under metering labels, as last read.
    pub metered: Vec<Metered>,
    /// Whether something failed and another pass is wanted soon.
    pub retry: bool,
    /// Whether something the pass began goes on after it. Items it is about are not told; a
    /// notice asks for another pass when it has ended.
    pub goes_on: bool,
    /// The part of the pass in which the host was changed; the rest was finding out how.
    pub applying: Duration,
}

/// One mechanism on the host (bridges and taps, firewall, routers, DHCP, metadata).
///
/// Rules (design §6): leave alone what is already right; one failed item never
/// stops another; nothing of ours is removed unless `may_sweep`, which is false
/// until the first complete snapshot was received by any life of this agent;
/// nothing that is not ours is ever touched.
pub trait Mechanism: Send {
    /// Name in logs, metrics and reports: "l2", "l3", "dhcp", "metadata".
    fn party(&self) -> &'static str;

    /// Makes the host equal to what `facts` want of this mechanism.
    fn pass<'a>(
        &'a mut self,
        facts: &'a Facts,
        scope: &'a Scope,
        may_sweep: bool,
    ) -> BoxFuture<'a, PassReport>;
}
