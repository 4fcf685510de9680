//! Keys in the database, the same for all servers of a region.
//!
//! They are remembered as all of identity is (`generation`): a rotation counts as a
//! change of identity. A server that has not seen one yet still knows the key that has
//! become the primary, for it was staged before; and a token no known key opens makes
//! it look once more before it refuses. So a rotation refuses nobody at any moment.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use isospin_store_kit::{Session, Store, StoreError, Tx, values};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::rotation::{Known, Rotated, Rotation};
use super::{KeyError, Ring, folder};
use crate::generation::{self, Generation};
use crate::tokens::fernet::Key;
use crate::tokens::now;

const PLACE: &str = "the table fernet_keys";

/// The keys of the database.
pub struct Stored {
    store: Store,
    generation: Arc<Generation>,
    /// As read under a generation.
    known: Mutex<(u64, Ring)>,
    /// Looks that [`Stored::read_again`] has finished.
    finished: AtomicU64,
    /// Held by the one that is under way.
    turn: tokio::sync::Mutex<()>,
}

impl Stored {
    /// Reads the keys. When there are none, those of the folder are taken over, or two
    /// are made.
    pub async fn open(store: &Store, generation: Arc<Generation>, folder: &Path) -> Result<Self, KeyError> {
        let number = generation.current();
        let mut ring = read(&mut *store.reader().await?).await?;
        if ring.is_empty() {
            let mut first = folder::texts(folder)?;
            if first.is_empty() {
                first = vec![(0, Key::generate()), (1, Key::generate())];
            }
            store.write("keys", move |tx| Box::pin(async move { fill(tx, first).await })).await?;
            ring = read(&mut *store.reader().await?).await?;
        }
        let known = Mutex::new((number, Arc::new(ring)));
        let (finished, turn) = (AtomicU64::new(0), tokio::sync::Mutex::new(()));
        Ok(Self { store: store.clone(), generation, known, finished, turn })
    }

    /// The keys as they are now.
    pub async fn current(&self) -> Result<Ring, KeyError> {
        let (number, ring) = self.known.lock().clone();
        if self.generation.holds(number) {
            return Ok(ring);
        }
        self.look().await
    }

    /// The keys as they were at some moment after this was called. However many ask at
    /// a time, one look is under way.
    pub async fn read_again(&self) -> Result<Ring, KeyError> {
        let before = self.finished.load(Ordering::Acquire);
        let _turn = self.turn.lock().await;
        // The first that has ended since may have begun before.
        if self.finished.load(Ordering::Acquire) > before + 1 {
            return Ok(Arc::clone(&self.known.lock().1));
        }
        let ring = self.look().await?;
        self.finished.fetch_add(1, Ordering::AcqRel);
        Ok(ring)
    }

    async fn look(&self) -> Result<Ring, KeyError> {
        let number = self.generation.current();
        let ring = Arc::new(read(&mut *self.store.reader().await?).await?);
        if ring.is_empty() {
            return Err(KeyError::Empty { place: PLACE.to_owned() });
        }
        let mut known = self.known.lock();
        // Two that look at a time may end in the other order.
        if number >= known.0 {
            *known = (number, Arc::clone(&ring));
        }
        Ok(ring)
    }
}

/// Rotates the keys of the database, for all servers at once.
///
/// # Errors
/// [`KeyError::TooSoon`], or the store's.
pub async fn rotate(store: &Store, rotation: &Rotation) -> Result<Rotated, KeyError> {
    let rotation = rotation.clone();
    store.write("keys", move |tx| Box::pin(async move { advance(tx, &rotation).await })).await
}

async fn advance(tx: &mut Tx, rotation: &Rotation) -> Result<Rotated, KeyError> {
    let mut known = Vec::new();
    for row in tx.rows("SELECT number, made_at FROM fernet_keys ORDER BY number", values![]).await? {
        let mut columns = row.columns();
        known.push(Known { number: columns.number()?, made_at: columns.int()? });
    }
    let now = now();
    let planned = rotation
        .plan(&known, now)
        .map_err(|refused| refused.unwrap_or_else(|| KeyError::Empty { place: PLACE.to_owned() }))?;
    let sql = "UPDATE fernet_keys SET number = $1 WHERE number = 0";
    tx.execute(sql, values![planned.primary.cast_signed()]).await?;
    insert(tx, 0, &Key::generate(), now).await?;
    for number in &planned.removed {
        tx.execute("DELETE FROM fernet_keys WHERE number = $1", values![number.cast_signed()]).await?;
    }
    generation::advance(tx).await?;
    Ok(planned)
}

/// Stores the first keys, unless another server has done so meanwhile.
async fn fill(tx: &mut Tx, keys: Vec<(u64, Zeroizing<String>)>) -> Result<(), StoreError> {
    if tx.row("SELECT number FROM fernet_keys LIMIT 1", values![]).await?.is_some() {
        return Ok(());
    }
    for (number, key) in keys {
        insert(tx, number, &key, now()).await?;
    }
    Ok(())
}

async fn insert(tx: &mut Tx, number: u64, key: &str, made_at: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO fernet_keys (number, key, made_at) VALUES ($1, $2, $3)";
    tx.execute(sql, values![number.cast_signed(), key, made_at]).await?;
    Ok(())
}

/// The keys, the primary first.
async fn read(session: &mut Session) -> Result<Vec<Key>, KeyError> {
    let mut keys = Vec::new();
    for row in session.rows("SELECT number, key FROM fernet_keys ORDER BY number DESC", values![]).await? {
        let mut columns = row.columns();
        let number: u64 = columns.number()?;
        let text = Zeroizing::new(columns.text()?);
        let place = || format!("key {number} of {PLACE}");
        keys.push(Key::parse(&text).ok_or_else(|| KeyError::Malformed { place: place() })?);
    }
    Ok(keys)
}
