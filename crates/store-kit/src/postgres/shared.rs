//! Connections on which reads of a few rows share the way: their statements follow each
//! other without waiting for the answers before them.

use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::{Object, Pool};

use super::{PgConnection, connect};
use crate::StoreError;

/// A few connections of the pool, opened when first needed. Cheap to clone.
///
/// A process of PostgreSQL that finds the next question waiting answers it without going
/// to sleep in between, and few of them have fewer switches between each other: shows cost
/// both sides less. What takes long must have a connection of its own, or those behind
/// it wait.
#[derive(Clone)]
pub(crate) struct SharedConnections {
    pool: Pool,
    open: Arc<Mutex<Vec<Arc<Object>>>>,
    most: usize,
}

impl SharedConnections {
    /// `most` connections of the pool at most.
    pub(crate) fn new(pool: Pool, most: usize) -> Self {
        Self { pool, open: Arc::default(), most }
    }

    /// The one that fewest use.
    pub(crate) async fn take(&self) -> Result<PgConnection, StoreError> {
        if let Some(client) = self.least_used() {
            return Ok(PgConnection::over(client));
        }
        let connection = connect(&self.pool).await?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Others may have opened theirs meanwhile: then this one goes back to the pool.
        if open.len() < self.most {
            open.push(Arc::clone(&connection.client));
        }
        Ok(connection)
    }

    fn least_used(&self) -> Option<Arc<Object>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|client| !client.is_closed());
        let least = open.iter().min_by_key(|client| Arc::strong_count(client))?;
        let is_free = Arc::strong_count(least) == 1;
        (is_free || open.len() >= self.most).then(|| Arc::clone(least))
    }
}
