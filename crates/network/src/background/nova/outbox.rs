//! Events as rows. None is written while no server is configured to tell Nova.

use isospin_store_kit::{ChangeKind, Session, StoreError, Tx, Value, values};
use isospin_types::PortId;
use jiff::Timestamp;
use uuid::Uuid;

/// What changes are recorded under that make the sender look.
const TOPIC: &str = "nova_event";

/// An event, but for the instance and the port it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The port became ACTIVE.
    Plugged,
    /// The port came into ERROR instead.
    PlugFailed,
    /// The port was ACTIVE and is DOWN.
    Unplugged,
    /// Something about the port, or a floating IP that leads to it, is another.
    Changed,
    /// The port is gone.
    Deleted,
}

impl Event {
    /// Name, and status ("" = none is said).
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Plugged => ("network-vif-plugged", "completed"),
            Self::PlugFailed => ("network-vif-plugged", "failed"),
            Self::Unplugged => ("network-vif-unplugged", "completed"),
            Self::Changed => ("network-changed", ""),
            Self::Deleted => ("network-vif-deleted", ""),
        }
    }

    /// What the change of a status means, if anything.
    #[must_use]
    pub fn of_status(before: &str, after: &str) -> Option<Self> {
        match (before, after) {
            ("ACTIVE", "DOWN") => Some(Self::Unplugged),
            ("DOWN" | "BUILD", "ACTIVE") => Some(Self::Plugged),
            ("DOWN" | "BUILD", "ERROR") => Some(Self::PlugFailed),
            _ => None,
        }
    }
}

/// Notes the event of this port, if it is one of an instance. Before the port goes.
///
/// # Errors
/// The store's.
pub async fn note(tx: &mut Tx, event: Event, port_id: PortId) -> Result<(), StoreError> {
    let sql = insert(event, "$1", "ports.id = $2");
    tx.execute_later(&sql, values![now(), port_id]).await
}

/// Notes the event of those ports a statement finds that have one of `statuses` (a list in
/// SQL), and wakes the sender.
///
/// # Errors
/// The store's.
pub async fn note_among(
    tx: &mut Tx,
    event: Event,
    (ports, values): (&str, &[Value]),
    statuses: &str,
) -> Result<(), StoreError> {
    let mut values = values.to_vec();
    values.extend(values![now()]);
    let time = format!("${}", values.len());
    let sql = insert(event, &time, &format!("ports.status IN ({statuses}) AND ports.id IN ({ports})"));
    if tx.execute(&sql, values).await? > 0 {
        tx.record(TOPIC, ChangeKind::Set, "");
    }
    Ok(())
}

fn insert(event: Event, time: &str, condition: &str) -> String {
    let (name, status) = event.words();
    format!(
        "INSERT INTO nova_events (server_uuid, name, tag, status, created_at) \
         SELECT ports.device_id, '{name}', ports.id, '{status}', CAST({time} AS BIGINT) FROM ports, nova_sender \
         WHERE ports.device_owner LIKE 'compute:%' AND ports.device_id <> '' AND {condition} \
         ON CONFLICT (server_uuid, name, tag) DO UPDATE SET status = excluded.status, \
         created_at = excluded.created_at"
    )
}

/// Microseconds since the epoch.
pub(super) fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

/// An event that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub server_uuid: String,
    pub name: String,
    pub tag: String,
    pub status: String,
    pub created_at: i64,
}

impl Waiting {
    /// Nova knows instances by UUID; whatever else has ports is none of its own.
    pub fn is_of_an_instance(&self) -> bool {
        Uuid::parse_str(&self.server_uuid).is_ok()
    }
}

/// The oldest events, at most so many.
pub(super) async fn oldest(session: &mut Session, most: i64) -> Result<Vec<Waiting>, StoreError> {
    let sql = "SELECT server_uuid, name, tag, status, created_at FROM nova_events \
               ORDER BY created_at, tag, name LIMIT $1";
    let rows = session.rows(sql, values![most]).await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            Ok(Waiting {
                server_uuid: columns.text()?,
                name: columns.text()?,
                tag: columns.text()?,
                status: columns.text()?,
                created_at: columns.int()?,
            })
        })
        .collect()
}

/// Forgets events that were told; one that has come again since stays.
pub(super) async fn done(tx: &mut Tx, told: &[Waiting]) -> Result<(), StoreError> {
    let sql = "DELETE FROM nova_events WHERE server_uuid = $1 AND name = $2 AND tag = $3 AND created_at = $4";
    let each = told
        .iter()
        .map(|event| (sql, values![&event.server_uuid, &event.name, &event.tag, event.created_at]))
        .collect();
    tx.execute_many_later(each).await
}
