//! The Fernet keys tokens are sealed with.
//!
//! The key of the highest number is the primary, which seals; all others open only; 0
//! is staged, the primary of after the next rotation. They lie in a [`folder`], in the
//! form of Keystone, or in the database ([`stored`]), where all servers find them.

mod folder;
mod rotation;
mod stored;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use isospin_store_kit::{Store, StoreError};

use super::fernet::{self, Key, Opened};
use crate::config::{KeyPlace, TokenConfig};
use crate::generation::Generation;
use folder::Folder;
use stored::Stored;

pub use folder::rotate as rotate_folder;
pub use rotation::{Rotated, Rotation};
pub use stored::rotate as rotate_stored;

/// Keys, the primary first.
type Ring = Arc<Vec<Key>>;

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot {action} {path}")]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{place} does not hold a Fernet key (44 characters of URL-safe base64)")]
    Malformed { place: String },
    #[error("no key in {place}")]
    Empty { place: String },
    #[error(
        "key {number} has sealed tokens that are valid until {until}: rotate later, keep more keys \
         (max_active_keys), or rotate with --force and end those tokens",
        until = super::view::time(*valid_until)
    )]
    TooSoon { number: u64, valid_until: i64 },
    #[error("the keys in the database cannot be used")]
    Store(#[from] StoreError),
}

/// The keys of this server.
pub enum KeyRepository {
    Folder(Folder),
    Stored(Stored),
}

impl KeyRepository {
    /// Opens the repository; one that is empty gets a primary and a staged key.
    pub async fn open(
        config: &TokenConfig,
        store: &Store,
        generation: &Arc<Generation>,
    ) -> Result<Self, KeyError> {
        Ok(match config.keys_in {
            KeyPlace::Folder => Self::Folder(Folder::open(&config.key_folder)?),
            KeyPlace::Database => {
                Self::Stored(Stored::open(store, Arc::clone(generation), &config.key_folder).await?)
            }
        })
    }

    /// Opens a folder of keys that are not those of tokens.
    pub fn of_folder(folder: &Path) -> Result<Self, KeyError> {
        Ok(Self::Folder(Folder::open(folder)?))
    }

    async fn current(&self) -> Result<Ring, KeyError> {
        match self {
            Self::Folder(folder) => folder.current(),
            Self::Stored(stored) => stored.current().await,
        }
    }

    /// Seals with the primary key.
    pub async fn seal(&self, time: u64, content: &[u8]) -> Result<String, KeyError> {
        let ring = self.current().await?;
        let primary =
            ring.first().ok_or_else(|| KeyError::Empty { place: "the key repository".to_owned() })?;
        Ok(primary.seal(time, content))
    }

    /// Opens a token with any of the keys.
    pub async fn open_token(&self, token: &str) -> Result<Option<Opened>, KeyError> {
        let opened = fernet::open(&self.current().await?, token);
        match (opened, self) {
            // Another server may have rotated, and sealed this, a moment ago.
            (None, Self::Stored(stored)) if fernet::is_sealed(token) => {
                Ok(fernet::open(&stored.read_again().await?, token))
            }
            (opened, _) => Ok(opened),
        }
    }
}
