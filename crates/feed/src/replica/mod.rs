//! What an agent knows: all facts of its host at one version.
//!
//! A snapshot is built aside by [`Intake`] and comes out as a [`CompleteSnapshot`]
//! only when its end arrived and the count was right; only adopting such a value
//! makes [`Replica::may_sweep`] true. Later changes are applied one by one: applying
//! one twice changes nothing, and one older than what is held is refused.

mod frames;
mod intake;
mod journal;
mod load;
mod writer;

pub use intake::{CompleteSnapshot, Intake, IntakeError, Step};
pub use load::{Loaded, ReplicaFileError, load};
pub use writer::ReplicaWriter;

use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use crate::convert::{BadRecord, kind_name};
use crate::facts::{FactKey, Facts};
use crate::proto;

/// Records that did not parse, by kind and id as sent.
pub type SetAside = BTreeMap<(&'static str, String), BadRecord>;

/// Why a change was not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The replica already holds something newer.
    #[error("change {got} is older than the replica at {have}")]
    OutOfDate {
        /// Version of the replica.
        have: u64,
        /// Version of the change.
        got: u64,
    },
    /// A change says what differs from a snapshot; there is none yet.
    #[error("a change came before any snapshot")]
    NoSnapshot,
}

/// The facts of this host at one version. One task owns it.
#[derive(Debug, Default)]
pub struct Replica {
    facts: Facts,
    version: u64,
    complete: bool,
    set_aside: SetAside,
}

impl Replica {
    /// A replica that knows nothing and permits no sweep.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The facts.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The version the facts are at; 0 before the first snapshot.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Whether what no fact names may be removed from the host: only once a complete
    /// snapshot was received, by this life of the agent or one before it.
    #[must_use]
    pub const fn may_sweep(&self) -> bool {
        self.complete
    }

    /// Records that did not parse. The facts do not hold them.
    #[must_use]
    pub const fn set_aside(&self) -> &SetAside {
        &self.set_aside
    }

    /// Replaces everything by a snapshot, in one step. A snapshot is the whole truth,
    /// so one older than what is held (a restored database) is taken too.
    pub fn adopt(&mut self, snapshot: CompleteSnapshot) {
        let CompleteSnapshot { facts, version, set_aside } = snapshot;
        *self = Self { facts, version, complete: true, set_aside };
    }

    /// Applies one change: what it removes, then what it sets. Returns the keys whose
    /// facts are different now.
    ///
    /// # Errors
    /// [`ApplyError`]; nothing was changed then.
    pub fn apply(&mut self, change: &proto::Change) -> Result<BTreeSet<FactKey>, ApplyError> {
        if !self.complete {
            return Err(ApplyError::NoSnapshot);
        }
        if change.version < self.version {
            return Err(ApplyError::OutOfDate { have: self.version, got: change.version });
        }
        self.version = change.version;
        let mut touched = BTreeSet::new();
        for key in &change.removed {
            self.set_aside.remove(&(kind_name(key.kind()), key.id.clone()));
            if let Ok(key) = FactKey::try_from(key)
                && self.facts.remove(&key)
            {
                touched.insert(key);
            }
        }
        for record in &change.set {
            touched.extend(take_record(&mut self.facts, &mut self.set_aside, record));
        }
        Ok(touched)
    }
}

/// Takes one record into the facts or sets it aside; the key whose fact changed.
fn take_record(facts: &mut Facts, set_aside: &mut SetAside, record: &proto::Record) -> Option<FactKey> {
    match facts.apply_record(record) {
        Ok(changed) => {
            if !set_aside.is_empty()
                && let Some(key) = crate::convert::record_key(record)
            {
                set_aside.remove(&(kind_name(key.kind()), key.id));
            }
            changed
        }
        Err(bad) => {
            warn!(kind = bad.kind, id = bad.id, reason = %bad.reason, "record set aside");
            let key = bad.key;
            set_aside.insert((bad.kind, bad.id.clone()), *bad);
            key
        }
    }
}

#[cfg(test)]
mod tests;
