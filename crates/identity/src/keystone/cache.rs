//! What Keystone said, and for how long it is good.

use std::sync::Arc;
use std::time::Duration;

use isospin_api_kit::Caller;
use isospin_api_kit::auth::AuthError;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::tokens::now;

/// How long a refusal is remembered: not long, for Keystones behind each other may
/// learn of a new token a moment later.
const REFUSAL: Duration = Duration::from_secs(3);
/// Questions to Keystone at a time.
const TURNS: usize = 64;

/// Name of a token in memory.
pub type Key = [u8; 32];

pub fn key(token: &str, allow_expired: bool) -> Key {
    let mut digest = Sha256::new();
    digest.update([u8::from(allow_expired)]);
    digest.update(token);
    digest.finalize().into()
}

/// What Keystone says of a token.
#[derive(Debug, Clone)]
pub enum Said {
    Valid {
        caller: Arc<Caller>,
        /// Seconds since 1970.
        expires_at: i64,
    },
    Invalid,
}

impl Said {
    /// The answer for who asked.
    pub fn caller(&self, allow_expired: bool) -> Result<Arc<Caller>, AuthError> {
        match self {
            Self::Valid { caller, expires_at } if allow_expired || *expires_at > now() => {
                Ok(Arc::clone(caller))
            }
            Self::Valid { .. } | Self::Invalid => Err(AuthError::Invalid),
        }
    }
}

/// What was said, and when.
struct Known {
    said: Said,
    at: Instant,
}

/// All that is remembered; bounded.
pub struct Answers {
    known: Cache<Key, Arc<Known>>,
    good_for: Duration,
    turns: Vec<Mutex<()>>,
}

impl Answers {
    pub fn new(entries: u64, good_for: Duration) -> Self {
        let turns = (0..TURNS).map(|_| Mutex::new(())).collect();
        Self { known: Cache::new(entries), good_for, turns }
    }

    /// What was said lately.
    pub fn fresh(&self, key: &Key) -> Option<Said> {
        let known = self.known.get(key)?;
        let good_for = match known.said {
            Said::Valid { .. } => self.good_for,
            Said::Invalid => REFUSAL.min(self.good_for),
        };
        (known.at.elapsed() < good_for).then(|| known.said.clone())
    }

    /// What was said within that time, for want of better.
    pub fn last(&self, key: &Key, within: Duration) -> Option<Said> {
        self.known.get(key).filter(|known| known.at.elapsed() < within).map(|known| known.said.clone())
    }

    pub fn keep(&self, key: Key, said: Said) {
        self.known.insert(key, Arc::new(Known { said, at: Instant::now() }));
    }

    /// One who may ask for this token.
    pub async fn turn(&self, key: &Key) -> MutexGuard<'_, ()> {
        let number = usize::from(key[0]) % self.turns.len();
        self.turns[number].lock().await
    }
}
