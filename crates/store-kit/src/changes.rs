//! Change rows: what a follower reads instead of looking at everything.
//!
//! Every unit of work that changed something others follow leaves rows under one
//! version, in the same transaction. Numbers are taken while the writer's lock is
//! held and the lock is held to the commit, so a reader that has seen version N
//! has seen everything up to N.

use crate::{Row, Session, StoreError, values};

/// What happened to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It was created or changed; read it to know how it is now.
    Set,
    /// It is gone.
    Deleted,
}

/// One change row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub version: u64,
    /// What kind of object: "port", "network" ...
    pub topic: String,
    pub kind: ChangeKind,
    pub id: String,
    /// Id of the parent, where the writer gave one; else "".
    pub scope: String,
    /// Request that caused it.
    pub request_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PendingChange {
    pub topic: &'static str,
    pub kind: ChangeKind,
    pub id: String,
    pub scope: String,
}

pub(crate) const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS changes (
    version BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    topic TEXT NOT NULL,
    deleted BOOLEAN NOT NULL,
    object_id TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    PRIMARY KEY (version, seq)
);
CREATE TABLE IF NOT EXISTS change_floor (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL
);
INSERT INTO change_floor (one, version) VALUES (1, 0) ON CONFLICT DO NOTHING;";

/// The newest version: 0 when nothing ever changed.
pub async fn latest_version(session: &mut Session) -> Result<u64, StoreError> {
    let sql = "SELECT newest FROM (SELECT COALESCE((SELECT version FROM changes ORDER BY version DESC LIMIT 1), \
               (SELECT version FROM change_floor)) AS newest) AS versions";
    let row = session.row(sql, values![]).await?;
    row.map_or(Ok(0), |row| row.columns().number())
}

/// The oldest version from which `since` is still complete: rows at or below it were purged.
pub async fn floor(session: &mut Session) -> Result<u64, StoreError> {
    let row = session.row("SELECT version FROM change_floor", values![]).await?;
    row.map_or(Ok(0), |row| row.columns().number())
}

/// Changes after `version`, oldest first, at most about `limit` rows. A version is
/// never cut in two: the last one is given whole.
pub async fn since(session: &mut Session, version: u64, limit: u32) -> Result<Vec<Change>, StoreError> {
    let sql = "SELECT version, topic, deleted, object_id, scope_id, request_id FROM changes \
               WHERE version > $1 AND version <= COALESCE((SELECT version FROM changes WHERE version > $1 \
               ORDER BY version, seq LIMIT 1 OFFSET $2), 9223372036854775807) ORDER BY version, seq";
    let rows = session.rows(sql, values![version.cast_signed(), i64::from(limit)]).await?;
    rows.into_iter().map(change).collect()
}

/// Forgets changes up to and including `version`, at most all there are; how many
/// rows went.
pub async fn purge(session: &mut Session, version: u64) -> Result<u64, StoreError> {
    // The newest version must survive a purge of its rows, and must not jump ahead.
    let version = version.min(latest_version(session).await?);
    session
        .execute("UPDATE change_floor SET version = $1 WHERE version < $1", values![version.cast_signed()])
        .await?;
    session.execute("DELETE FROM changes WHERE version <= $1", values![version.cast_signed()]).await
}

fn change(row: Row) -> Result<Change, StoreError> {
    let mut columns = row.columns();
    Ok(Change {
        version: columns.number()?,
        topic: columns.text()?,
        kind: if columns.flag()? { ChangeKind::Deleted } else { ChangeKind::Set },
        id: columns.text()?,
        scope: columns.text()?,
        request_id: columns.text()?,
    })
}
