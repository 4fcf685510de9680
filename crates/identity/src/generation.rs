//! Which state of identity a remembered answer belongs to.
//!
//! Every identity change (user, project, role, assignment, revocation ...) adds one
//! to a number kept in the database, in the same transaction. Whatever is remembered
//! carries the number it was computed under and is good only while that is still
//! the newest. Network writes do not touch the number.
//!
//! A change made here takes effect before its caller gets the answer. With other
//! servers on the same PostgreSQL a follower reads the number when versions move,
//! and once a second in any case. A follower that cannot ask ends the lease, and
//! nothing remembered is used until it can again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use isospin_store_kit::{ChangeKind, Engine, Session, Store, StoreError, Tx, values};

/// Pause between two looks while versions keep moving.
const PAUSE: Duration = Duration::from_millis(20);
/// A look is taken at least this often.
const PERIOD: Duration = Duration::from_secs(1);
/// Without a look for this long, nothing remembered is used.
const LEASE: Duration = Duration::from_secs(3);

/// The newest number known here.
pub struct Generation {
    number: AtomicU64,
    /// When the number was last confirmed, in ms since `started`.
    confirmed: AtomicU64,
    started: Instant,
    /// Whether others may change it too.
    shared: bool,
}

impl Generation {
    /// Reads the number, and follows it when other servers may write.
    pub async fn follow(store: &Store) -> Result<Arc<Self>, StoreError> {
        let number = read(&mut *store.reader().await?).await?;
        let shared = store.engine() == Engine::Postgres;
        let generation = Arc::new(Self {
            number: AtomicU64::new(number),
            confirmed: AtomicU64::new(0),
            started: Instant::now(),
            shared,
        });
        if shared {
            tokio::spawn(follower(store.clone(), Arc::downgrade(&generation)));
        }
        Ok(generation)
    }

    /// The number to put on what is computed from now on.
    pub fn current(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// Whether what carries `number` may still be used.
    pub fn holds(&self, number: u64) -> bool {
        self.current() == number && (!self.shared || self.leased())
    }

    fn leased(&self) -> bool {
        let confirmed = Duration::from_millis(self.confirmed.load(Ordering::Acquire));
        self.started.elapsed().saturating_sub(confirmed) < LEASE
    }

    /// A change was committed under `number`.
    pub fn raise(&self, number: u64) {
        self.number.fetch_max(number, Ordering::AcqRel);
    }

    fn confirm(&self, number: u64, asked: Instant) {
        self.raise(number);
        let at = asked.duration_since(self.started).as_millis();
        self.confirmed.fetch_max(u64::try_from(at).unwrap_or(u64::MAX), Ordering::AcqRel);
    }
}

/// Counts an identity change, at the end of the unit of work that made it.
pub async fn advance(tx: &mut Tx) -> Result<u64, StoreError> {
    tx.execute("UPDATE identity_generation SET generation = generation + 1 WHERE one = 1", values![]).await?;
    let number = read(tx).await?;
    // Wakes the followers on other servers.
    tx.record("identity", ChangeKind::Set, number);
    Ok(number)
}

async fn read(session: &mut Session) -> Result<u64, StoreError> {
    let row = session.row("SELECT generation FROM identity_generation WHERE one = 1", values![]).await?;
    row.map_or(Ok(0), |row| row.columns().number())
}

async fn look(store: &Store) -> Result<u64, StoreError> {
    read(&mut *store.reader().await?).await
}

async fn follower(store: Store, generation: Weak<Generation>) {
    let mut versions = store.versions();
    let mut failing = false;
    loop {
        versions.borrow_and_update();
        let asked = Instant::now();
        let found = look(&store).await;
        let Some(generation) = generation.upgrade() else { return };
        match found {
            Ok(number) => generation.confirm(number, asked),
            Err(error) if !failing => {
                tracing::warn!(%error, "cannot follow identity changes; tokens are checked in full");
            }
            Err(_) => {}
        }
        failing = !generation.leased();
        drop(generation);
        tokio::time::sleep(PAUSE).await;
        if let Ok(Err(_)) = tokio::time::timeout(PERIOD, versions.changed()).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_look_in_time_nothing_remembered_is_used() {
        let Some(started) = Instant::now().checked_sub(Duration::from_secs(10)) else { return };
        let generation =
            |shared| Generation { number: AtomicU64::new(7), confirmed: AtomicU64::new(0), started, shared };
        let shared = generation(true);
        assert!(!shared.holds(7), "last confirmed ten seconds ago");
        shared.confirm(7, Instant::now());
        assert!(shared.holds(7));
        shared.confirm(6, Instant::now());
        assert!(shared.holds(7), "an older look does not turn time back");
        shared.confirm(8, Instant::now());
        assert!(!shared.holds(7) && shared.holds(8));
        let alone = generation(false);
        assert!(alone.holds(7), "nobody else can have written");
        alone.raise(8);
        assert!(!alone.holds(7));
    }
}
