//! What operators are told of the feed: metrics, and an event for what failed.

use std::time::Duration;

use isospin_feed::proto::{Report, item_status::State};
use metrics::{counter, gauge, histogram};
use tracing::warn;

/// One session in the number of sessions, as long as it lives.
pub(super) struct Open;

impl Open {
    pub(super) fn new() -> Self {
        gauge!("isospin_feed_sessions").increment(1);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!("isospin_feed_sessions").decrement(1);
    }
}

/// All sessions have been handed the changes up to this version.
pub(super) fn version(version: u64) {
    #[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
    gauge!("isospin_feed_version").set(version as f64);
}

/// A host was told everything, which took so long to find.
pub(super) fn snapshot(took: Duration, records: usize) {
    histogram!("isospin_feed_snapshot_seconds").record(took);
    counter!("isospin_feed_records_total", "in" => "snapshot").increment(records as u64);
}

/// A host was told of a change.
pub(super) fn change(records: usize) {
    counter!("isospin_feed_records_total", "in" => "change").increment(records as u64);
}

/// What a host says that failed.
pub(super) fn failures(host: &str, report: &Report) {
    for item in report.items.iter().filter(|item| item.state() == State::Failed) {
        // What an agent sends is not to become a label.
        let kind = known(&item.kind, &["port", "router", "floating_ip", "network", "security_group_rule"]);
        let party = known(&item.party, &["l2", "l3", "dhcp", "metadata"]);
        counter!("isospin_failed_items_total", "kind" => kind, "party" => party).increment(1);
        let (id, reason) = (&item.id, &item.reason);
        warn!(host, kind = item.kind, id, party = item.party, reason, "an item failed on a host");
    }
}

fn known(name: &str, names: &[&'static str]) -> &'static str {
    names.iter().find(|known| **known == name).copied().unwrap_or("other")
}
