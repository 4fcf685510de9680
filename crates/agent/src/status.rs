//! What the agent says of itself to people and tools on its own host.
//!
//! The newest status is a `watch` value inside the process and the file
//! `status.json` in the state folder outside of it, replaced in one step.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::warn;

/// Name of the file in the state folder.
pub const FILE: &str = "status.json";

/// The state of an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// Name of the host.
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// When the process started: RFC 3339, UTC.
    pub started_at: String,
    /// Whether there is a session with a server. Without one the host works on.
    pub connected: bool,
    /// URL of that server.
    pub server: Option<String>,
    /// Whether the host was made equal to a complete snapshot by this process.
    pub ready: bool,
    /// Version of the facts held.
    pub version: u64,
    /// Version wholly applied: every mechanism has passed over it, and what failed
    /// is in `failed`.
    pub applied_version: u64,
    /// Snapshots of the server wholly applied since the start.
    #[serde(default)]
    pub snapshots: u64,
    /// Rounds of passes since the start.
    pub passes: u64,
    /// Those that looked at everything.
    pub full_passes: u64,
    /// Objects created, changed or removed on the host since the start. 0 after a
    /// restart on a healthy host.
    pub changes: u64,
    /// Objects of ours removed because no fact wants them, of `changes`.
    pub swept: u64,
    /// Microseconds from the arrival of the newest change to its being applied.
    pub feed_to_applied_us: Option<u64>,
    /// Items that failed in the last pass over them.
    pub failed: Vec<FailedItem>,
    /// Ids of ports of this host that are not wired and did not fail: nobody has plugged them in,
    /// or they are administratively down.
    #[serde(default)]
    pub down: Vec<String>,
    /// What was counted under metering labels, when it was last read: once a minute at
    /// least.
    #[serde(default)]
    pub metered: Vec<Metered>,
    /// Records of the server that could not be read.
    pub set_aside: Vec<SetAsideRecord>,
}

/// An item that could not be made true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedItem {
    /// "port", "router", "floating_ip", "network" ...
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Which mechanism failed.
    pub party: String,
    /// Why.
    pub reason: String,
}

/// What passed the gateway of a router and counts under a label, since the label was
/// first counted on this host. It starts over when the router comes to another host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metered {
    /// Id of the router.
    pub router: String,
    /// Id of the metering label.
    pub label: String,
    pub packets: u64,
    /// With IP headers, without those of the link.
    pub bytes: u64,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAsideRecord {
    /// "port", "subnet" ...
    pub kind: String,
    /// Its id as sent.
    pub id: String,
    /// What is wrong with it.
    pub reason: String,
}

impl AgentStatus {
    /// The status an agent last wrote into its state folder; `None` when it never did.
    ///
    /// # Errors
    /// When the file cannot be read, or is no status (`InvalidData`).
    pub fn read(state_dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(state_dir.join(FILE)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the status in one step: a reader sees the old or the new one, whole.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, state_dir: &Path) -> io::Result<()> {
        let beside = state_dir.join("status.json.new");
        fs::write(&beside, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&beside, state_dir.join(FILE))
    }
}

/// Keeps the file up to date until the sender of `status` is gone; then the last
/// value is in it. A disk that fails costs the file only.
pub(crate) async fn keep_file(mut status: watch::Receiver<AgentStatus>, state_dir: &Path) {
    let mut failing = false;
    while status.changed().await.is_ok() {
        let newest = status.borrow_and_update().clone();
        let folder = state_dir.to_owned();
        match tokio::task::spawn_blocking(move || newest.write(&folder)).await {
            Ok(Ok(())) => failing = false,
            Ok(Err(error)) if !failing => {
                warn!(%error, "cannot write {FILE}");
                failing = true;
            }
            Ok(Err(_)) => {}
            // Only when the runtime ends.
            Err(_) => return,
        }
    }
}
