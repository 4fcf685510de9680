//! The reading connections of one SQLite database.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::SqliteConnection;
use crate::StoreError;

/// Idle readers kept open; more are opened under load and closed afterwards.
const IDLE_READERS: usize = 4;

/// Hands out reading connections and takes them back.
#[derive(Clone)]
pub(crate) struct ReadPool {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<SqliteConnection>>>,
}

impl ReadPool {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path: Arc::new(path), idle: Arc::default() }
    }

    /// An idle connection, or a new one.
    pub(crate) fn take(&self) -> Result<SqliteConnection, StoreError> {
        let idle = self.idle.lock().pop();
        match idle {
            Some(connection) => Ok(connection),
            None => SqliteConnection::open_reader(&self.path),
        }
    }

    pub(crate) fn give_back(&self, connection: SqliteConnection) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_READERS {
            idle.push(connection);
        }
    }
}
