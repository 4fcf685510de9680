//! Watches the switch and its database, and puts what changes on the board.

use std::path::PathBuf;

use isospin_host_io::ovsdb::OvsdbEvents;
use isospin_host_io::{Ovsdb, Switch};
use tokio::task::JoinHandle;

use super::observe::WATCHED;
use crate::host_notices::HostNotices;

/// A connection to the database, watched as long as this is kept.
#[derive(Debug)]
pub struct Database {
    pub ovsdb: Ovsdb,
    watch: JoinHandle<()>,
}

impl Database {
    /// Connects.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn open(socket: PathBuf, notices: HostNotices) -> Result<Self, isospin_host_io::HostError> {
        let (ovsdb, events) = Ovsdb::open(&socket, &WATCHED).await?;
        Ok(Self { ovsdb, watch: tokio::spawn(rows(events, notices)) })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

async fn rows(mut events: OvsdbEvents, notices: HostNotices) {
    while let Some(touched) = events.next().await {
        for (table, name) in touched {
            match table.as_str() {
                "Interface" | "Port" => notices.link(&name),
                _ => notices.everything(),
            }
        }
    }
    // The server of the database has gone; the switch works on.
    notices.everything();
}

/// The switch itself: when it goes its flows go with it.
#[derive(Debug)]
pub struct Life(JoinHandle<()>);

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
        let alive = switch.alive(bridge).await?;
        Ok(Self(tokio::spawn(async move {
            alive.ended().await;
            notices.everything();
        })))
    }

    /// Whether it has gone since.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.abort();
    }
}
