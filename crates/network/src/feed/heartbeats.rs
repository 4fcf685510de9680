//! Heartbeats of all sessions, written together: a thousand hosts cost one commit a
//! second, not one each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use isospin_store_kit::query::Select;
use isospin_store_kit::{Store, StoreError, Tx, Value, values};
use tokio::sync::{Notify, mpsc};
use tracing::warn;

use super::agents::{Registered, TIME};

/// Heartbeats that may wait to be written.
const QUEUE: usize = 4096;
/// How long the first one waits for others; little beside the time between two.
const GATHER: Duration = Duration::from_secs(1);

/// One heartbeat.
struct Beat {
    agents: Registered,
    removed: Arc<Notify>,
}

/// The way to the one task that writes them. It ends with the last of these.
#[derive(Clone)]
pub(super) struct Heartbeats(mpsc::Sender<Beat>);

impl Heartbeats {
    /// Starts the task.
    pub(super) fn start(store: Store) -> Self {
        let (sender, beats) = mpsc::channel(QUEUE);
        tokio::spawn(write(store, beats));
        Self(sender)
    }

    /// These agents are alive. `removed` is notified when one of them is not
    /// registered any more.
    pub(super) async fn beat(&self, agents: &Registered, removed: &Arc<Notify>) {
        let beat = Beat { agents: agents.clone(), removed: Arc::clone(removed) };
        // The task lives as long as this.
        let _ = self.0.send(beat).await;
    }
}

async fn write(store: Store, mut queue: mpsc::Receiver<Beat>) {
    let mut beats = Vec::new();
    while queue.recv_many(&mut beats, QUEUE).await > 0 {
        tokio::time::sleep(GATHER).await;
        while let Ok(beat) = queue.try_recv() {
            beats.push(beat);
        }
        let alive = beats.iter().map(|beat| beat.agents.clone()).collect();
        match note(&store, alive).await {
            Ok(removed) => {
                for beat in beats.iter().filter(|beat| removed.contains(&beat.agents.host)) {
                    beat.removed.notify_one();
                }
            }
            // The next ones say the same.
            Err(error) => warn!(error = ?error, "cannot note that agents are alive"),
        }
        beats.clear();
    }
}

/// Notes that the agents of these hosts are alive; the hosts that miss one.
///
/// # Errors
/// The store's.
pub(super) async fn note(store: &Store, alive: Vec<Registered>) -> Result<Vec<String>, StoreError> {
    let now = jiff::Timestamp::now().strftime(TIME).to_string();
    let mut alike: Alike = BTreeMap::new();
    for agents in alive {
        alike.entry(agents.agent_types).or_default().push(agents.host);
    }
    store.write("", move |tx| Box::pin(async move { note_each(tx, &now, alike).await })).await
}

/// Hosts by the agents they have.
type Alike = BTreeMap<Vec<&'static str>, Vec<String>>;

async fn note_each(tx: &mut Tx, now: &str, alike: Alike) -> Result<Vec<String>, StoreError> {
    let mut removed = Vec::new();
    for (agent_types, hosts) in alike {
        let mut mine = Select::new("id", "agents");
        mine.one_of("host", hosts.iter().map(Value::from).collect());
        mine.one_of("agent_type", agent_types.iter().copied().map(Value::from).collect());
        let (mine, mut values) = mine.build();
        values.extend(values![now]);
        let sql = format!(
            "UPDATE agents SET heartbeat_timestamp = ${} WHERE id IN ({mine}) RETURNING host",
            values.len()
        );
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        for row in tx.rows(&sql, values).await? {
            *known.entry(row.columns().text()?).or_default() += 1;
        }
        let misses = |host: &String| known.get(host).copied().unwrap_or(0) < agent_types.len();
        removed.extend(hosts.into_iter().filter(misses));
    }
    Ok(removed)
}
