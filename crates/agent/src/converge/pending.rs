//! What the next round has to look at.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use isospin_feed::facts::FactKey;
use isospin_feed::proto::Timing;
use jiff::Timestamp;

use super::Scope;
use crate::host_notices::Noticed;

/// Everything noticed since the last round, as one scope.
#[derive(Debug, Default)]
pub(super) struct Pending {
    everything: bool,
    /// Whether the facts, or our own failures, ask for work on the host.
    expected: bool,
    facts: BTreeSet<FactKey>,
    links: BTreeSet<String>,
    retry: bool,
    /// The oldest change not yet applied.
    told: Option<Told>,
}

/// A change on its way to the host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// When it arrived.
    pub received: Instant,
    /// From the request to its commit, and from there to here; the server may not say.
    pub server: Option<Duration>,
    pub feed: Option<Duration>,
}

impl Told {
    /// A change that has just arrived. The way here is known as well as the clocks of
    /// server and host agree.
    pub(super) fn now(received: Instant, timing: Option<Timing>) -> Self {
        let now = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or(0);
        let feed = timing.map(|timing| Duration::from_micros(now.saturating_sub(timing.committed_at_us)));
        let server = timing.and_then(|timing| timing.request_us).map(Duration::from_micros);
        Self { received, server, feed }
    }
}

/// What a round looks at, and why.
#[derive(Debug)]
pub(super) struct Due {
    pub scope: Scope,
    pub told: Option<Told>,
    /// Whether nothing but the host itself is to blame for what the round changes.
    pub drift: bool,
}

impl Pending {
    /// Everything, because the facts or our failures ask for it.
    pub(super) const fn everything(&mut self) {
        self.everything = true;
        self.expected = true;
    }

    /// Everything, to see whether it is still as it was made.
    pub(super) const fn inspect(&mut self) {
        self.everything = true;
    }

    pub(super) fn facts(&mut self, touched: BTreeSet<FactKey>, told: Told) {
        self.expected = true;
        self.facts.extend(touched);
        self.told.get_or_insert(told);
    }

    pub(super) fn host(&mut self, noticed: Noticed) {
        self.everything |= noticed.everything;
        self.links.extend(noticed.links);
    }

    /// What failed is to be tried again.
    pub(super) fn retry(&mut self, failed: BTreeSet<FactKey>) {
        self.retry = true;
        self.expected = true;
        self.facts.extend(failed);
    }

    /// The next round, when one is due.
    pub(super) fn take(&mut self) -> Option<Due> {
        let Self { everything, expected, facts, links, retry, told } = std::mem::take(self);
        if everything {
            // A new device is work, not drift.
            let drift = !expected && links.is_empty();
            return Some(Due { scope: Scope::Everything, told, drift });
        }
        let due = retry || told.is_some() || !facts.is_empty() || !links.is_empty();
        due.then_some(Due { scope: Scope::Touched { facts, links }, told, drift: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noticed(everything: bool, links: &[&str]) -> Noticed {
        Noticed { everything, links: links.iter().map(|link| (*link).to_owned()).collect() }
    }

    fn drift(prepare: impl FnOnce(&mut Pending)) -> bool {
        let mut pending = Pending::default();
        prepare(&mut pending);
        pending.take().expect("a round is due").drift
    }

    #[test]
    fn only_what_nobody_asked_for_is_drift() {
        assert!(drift(|pending| pending.inspect()));
        assert!(drift(|pending| pending.host(noticed(true, &[]))));
        assert!(!drift(|pending| pending.everything()), "a snapshot");
        assert!(!drift(|pending| pending.host(noticed(true, &["tap1"]))), "an instance is plugged in");
        assert!(!drift(|pending| pending.host(noticed(false, &["tap1"]))));
        assert!(!drift(|pending| {
            pending.inspect();
            pending.facts(BTreeSet::new(), Told::now(Instant::now(), None));
        }));
        assert!(!drift(|pending| {
            pending.inspect();
            pending.retry(BTreeSet::new());
        }));
        assert!(Pending::default().take().is_none());
    }

    #[test]
    fn times_on_the_way_are_known_as_far_as_the_server_says() {
        let now = u64::try_from(Timestamp::now().as_microsecond()).expect("after 1970");
        let timing = Timing { committed_at_us: now - 1000, request_us: None };
        let told = Told::now(Instant::now(), Some(timing));
        assert!(told.feed.expect("said") >= Duration::from_millis(1));
        assert_eq!(told.server, None);
        let ahead = Timing { committed_at_us: now + 1_000_000_000, request_us: Some(5) };
        let told = Told::now(Instant::now(), Some(ahead));
        assert_eq!((told.feed, told.server), (Some(Duration::ZERO), Some(Duration::from_micros(5))));
        assert_eq!(Told::now(Instant::now(), None).feed, None);
    }
}
