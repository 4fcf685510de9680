//! What operators are told of each pass: metrics, and a structured event for each port
//! wired, each pass that changed something, each item that failed and each drift.

use std::time::Duration;

use isospin_feed::facts::FactKey;
use metrics::{counter, histogram};
use tracing::{info, warn};

use super::items::News;
use super::pending::Due;
use super::{ItemState, PassReport, Scope};

/// One pass of one mechanism.
pub(super) struct Pass<'a> {
    pub party: &'static str,
    pub due: &'a Due,
    pub report: &'a PassReport,
    pub took: Duration,
}

impl Pass<'_> {
    /// Accounts for the pass and for the states that are new since the last.
    pub(super) fn account(&self, news: &[News]) {
        let Self { party, report, .. } = *self;
        let plan = self.plan();
        histogram!("isospin_agent_pass_seconds", "party" => party).record(self.took);
        histogram!("isospin_agent_plan_seconds", "party" => party).record(plan);
        histogram!("isospin_agent_apply_seconds", "party" => party).record(report.applying);
        counter!("isospin_agent_changes_total", "party" => party).increment(report.changes);
        counter!("isospin_agent_swept_total", "party" => party).increment(report.swept);
        counter!("isospin_agent_connections_cut_total", "party" => party).increment(report.cut);
        if report.changes > 0 {
            let everything = self.due.scope == Scope::Everything;
            info!(
                party,
                changes = report.changes,
                swept = report.swept,
                everything,
                plan_us = micros(plan),
                apply_us = micros(report.applying),
                "a pass changed the host"
            );
            self.drift();
        }
        news.iter().for_each(|news| self.item(news));
    }

    fn plan(&self) -> Duration {
        self.took.saturating_sub(self.report.applying)
    }

    fn drift(&self) {
        if self.due.drift {
            let (party, changes) = (self.party, self.report.changes);
            counter!("isospin_agent_drift_total", "party" => party).increment(changes);
            warn!(party, changes, "the host was not as it was left; it is mended");
        }
    }

    fn item(&self, News { key, state, before }: &News) {
        match (key, state) {
            (_, ItemState::Failed(reason)) => {
                let (party, kind) = (self.party, key.kind_name());
                counter!("isospin_agent_failures_total", "party" => party, "kind" => kind).increment(1);
                warn!(party, kind, id = key.id_text(), reason, "an item failed");
            }
            // In a look at everything, ports are found that were wired long ago.
            (FactKey::Port(id), ItemState::Up)
                if self.party == "l2"
                    && self.report.changes > 0
                    && (before.is_some() || self.due.scope != Scope::Everything) =>
            {
                self.wired(id);
            }
            _ => {}
        }
    }

    fn wired(&self, port: &isospin_types::PortId) {
        let told = self.due.told;
        let server = told.and_then(|told| told.server);
        let feed = told.and_then(|told| told.feed);
        let (plan, apply) = (self.plan(), self.report.applying);
        for (stage, took) in
            [("server", server), ("feed", feed), ("plan", Some(plan)), ("apply", Some(apply))]
        {
            if let Some(took) = took {
                histogram!("isospin_wiring_seconds", "stage" => stage).record(took);
            }
        }
        info!(
            %port,
            server_us = server.map(micros),
            feed_us = feed.map(micros),
            plan_us = micros(plan),
            apply_us = micros(apply),
            "a port is wired"
        );
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
