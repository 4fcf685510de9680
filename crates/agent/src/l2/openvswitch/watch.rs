//! Watches the switch and its database, and puts what changes on the board.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use isospin_host_io::ovsdb::{Change, OvsdbEvents};
use isospin_host_io::{Ovsdb, Switch};
use tokio::task::JoinHandle;

use super::observe::{Observed, WATCHED};
use crate::host_notices::HostNotices;

/// A connection to the database, watched as long as this is kept.
#[derive(Debug)]
pub struct Database {
    pub ovsdb: Ovsdb,
    /// What a pass has given back.
    seen: Option<Observed>,
    watch: JoinHandle<()>,
}

impl Database {
    /// Connects.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn open(socket: PathBuf, notices: HostNotices) -> Result<Self, isospin_host_io::HostError> {
        let (ovsdb, events) = Ovsdb::open(&socket, &WATCHED).await?;
        Ok(Self { ovsdb, seen: None, watch: tokio::spawn(rows(events, notices)) })
    }

    /// The rows as they are, beside these devices.
    pub fn look(&mut self, devices: BTreeSet<String>) -> Observed {
        let seen = self.seen.take().unwrap_or_default();
        let rows = match self.ovsdb.read_since(seen.version, Observed::of) {
            Some((version, rows)) => Observed { version: Some(version), ..rows },
            None => seen,
        };
        Observed { devices, ..rows }
    }

    /// For the next pass, which reads rows only when one has changed since.
    pub fn give_back(&mut self, seen: Observed) {
        self.seen = Some(seen);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

async fn rows(mut events: OvsdbEvents, notices: HostNotices) {
    while let Some(touched) = events.next().await {
        for ((table, name), change) in touched {
            match (table.as_str(), change) {
                ("Interface" | "Port", _) => notices.link(&name),
                // Ports that come and go tell of themselves.
                ("Bridge", Change::Columns(columns)) if columns.iter().eq(["ports"]) => notices.link(&name),
                _ => notices.everything(),
            }
        }
    }
    // The server of the database has gone; the switch works on.
    notices.everything();
}

/// A bridge of the switch: when the switch goes its flows go with it, and somebody may
/// take them away.
#[derive(Debug)]
pub struct Life {
    task: JoinHandle<()>,
    /// Flows that go by our own hand, of which nothing need be said.
    ours: Arc<AtomicUsize>,
}

impl Life {
    /// Watches a bridge.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn watch(
        switch: &Switch,
        bridge: &str,
        notices: HostNotices,
    ) -> Result<Self, isospin_host_io::HostError> {
        let mut watched = switch.watch(bridge).await?;
        let ours = Arc::new(AtomicUsize::new(0));
        let expected = Arc::clone(&ours);
        let task = tokio::spawn(async move {
            while let Some(count) = watched.removed().await {
                let left = |known: usize| Some(known.saturating_sub(count));
                let known = expected.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).unwrap_or(0);
                if count > known {
                    tracing::warn!(flows = count - known, "somebody took flows away");
                    notices.everything();
                }
            }
            notices.everything();
        });
        Ok(Self { task, ours })
    }

    /// Whether it has gone since.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// So many flows will go by our own hand.
    pub fn will_remove(&self, count: usize) {
        self.ours.fetch_add(count, Ordering::Relaxed);
    }

    /// The bridge was compared: flows that were to go and had gone count no more.
    pub fn compared(&self) {
        self.ours.store(0, Ordering::Relaxed);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.task.abort();
    }
}
