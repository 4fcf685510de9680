//! What the next round has to look at.

use std::collections::BTreeSet;
use std::time::Instant;

use isospin_feed::facts::FactKey;

use super::Scope;
use crate::host_notices::Noticed;

/// Everything noticed since the last round, as one scope.
#[derive(Debug, Default)]
pub(super) struct Pending {
    everything: bool,
    facts: BTreeSet<FactKey>,
    links: BTreeSet<String>,
    retry: bool,
    /// When the oldest change not yet applied arrived.
    received: Option<Instant>,
}

impl Pending {
    pub(super) const fn everything(&mut self) {
        self.everything = true;
    }

    pub(super) fn facts(&mut self, touched: BTreeSet<FactKey>, received: Instant) {
        self.facts.extend(touched);
        self.received.get_or_insert(received);
    }

    pub(super) fn host(&mut self, noticed: Noticed) {
        self.everything |= noticed.everything;
        self.links.extend(noticed.links);
    }

    /// What failed is to be tried again.
    pub(super) fn retry(&mut self, failed: BTreeSet<FactKey>) {
        self.retry = true;
        self.facts.extend(failed);
    }

    /// The scope of the next round, when one is due.
    pub(super) fn take(&mut self) -> Option<(Scope, Option<Instant>)> {
        let Self { everything, facts, links, retry, received } = std::mem::take(self);
        if everything {
            return Some((Scope::Everything, received));
        }
        let due = retry || received.is_some() || !facts.is_empty() || !links.is_empty();
        due.then_some((Scope::Touched { facts, links }, received))
    }
}
