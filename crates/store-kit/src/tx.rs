//! A unit of work in progress.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};

use crate::changes::PendingChange;
use crate::session::Session;
use crate::{ChangeKind, Value, values};

/// The writer's session while a unit of work runs on it.
///
/// Inside a unit: statements only. No HTTP, no sleeping, no locks; on SQLite the
/// unit is polled once and must never wait for anything but the database.
pub struct Tx {
    pub(crate) session: Session,
    pub(crate) pending: BTreeSet<PendingChange>,
    pub(crate) request_id: String,
}

impl Tx {
    /// Notes that an object changed, for whoever follows changes. All notes of one
    /// unit share one version. Repeating a note is harmless.
    pub fn record(&mut self, topic: &'static str, kind: ChangeKind, id: impl ToString) {
        self.record_in(topic, kind, id, "");
    }

    /// As [`Tx::record`], with the id of the object's parent, which a follower
    /// needs when the object itself is gone.
    pub fn record_in(
        &mut self,
        topic: &'static str,
        kind: ChangeKind,
        id: impl ToString,
        scope: impl ToString,
    ) {
        self.pending.insert(PendingChange { topic, kind, id: id.to_string(), scope: scope.to_string() });
    }

    /// Writes the notes under `version`; called by the writer at the end of a unit, which is to
    /// settle them.
    pub(crate) async fn flush_changes(&mut self, version: u64) -> Result<(), crate::StoreError> {
        let pending = std::mem::take(&mut self.pending);
        let version = version.cast_signed();
        let statements: Vec<(&str, Vec<Value>)> = pending
            .iter()
            .enumerate()
            .map(|(seq, change)| {
                (
                    "INSERT INTO changes (version, seq, topic, deleted, object_id, scope_id, request_id) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    values![
                        version,
                        i64::try_from(seq).unwrap_or(i64::MAX),
                        change.topic,
                        change.kind == ChangeKind::Deleted,
                        &change.id,
                        &change.scope,
                        &self.request_id,
                    ],
                )
            })
            .collect();
        self.session.execute_many_later(statements).await
    }
}

impl Deref for Tx {
    type Target = Session;
    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
