//! A connection statements run on, whichever engine is behind it.

use std::ops::{Deref, DerefMut};

use crate::postgres::PgConnection;
use crate::sqlite::{ReadPool, SqliteConnection};
use crate::{Engine, Row, StoreError, Value};

/// Runs statements. Reading functions take `&mut Session`, so that they work
/// inside a unit of work ([`crate::Tx`]) and outside of one ([`Reader`]).
///
/// After a failed statement a unit of work must end with the error: PostgreSQL
/// accepts nothing more. One that goes on and reports success is refused on both
/// engines. Where a conflict is expected write `ON CONFLICT DO NOTHING` and look at
/// the count.
pub struct Session {
    pub(crate) connection: Connection,
    /// Whether a statement has failed since the writer last cleared this.
    pub(crate) failed: bool,
    /// Whether a transaction of a snapshot is open.
    pub(crate) in_snapshot: bool,
}

pub(crate) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Session {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, failed: false, in_snapshot: false }
    }

    /// Remembers a failure.
    fn noted<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.failed |= result.is_err();
        result
    }

    /// The engine behind this session.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self.connection {
            Connection::Sqlite(_) => Engine::Sqlite,
            Connection::Postgres(_) => Engine::Postgres,
        }
    }

    /// All rows of a query.
    pub async fn rows(&mut self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let result = match &mut self.connection {
            Connection::Sqlite(connection) => connection.rows(sql, &values),
            Connection::Postgres(connection) => connection.rows(sql, &values).await,
        };
        self.noted(result)
    }

    /// The first row of a query, if any.
    pub async fn row(&mut self, sql: &str, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Runs a statement that changes rows; how many it changed.
    pub async fn execute(&mut self, sql: &str, values: Vec<Value>) -> Result<u64, StoreError> {
        let result = match &mut self.connection {
            Connection::Sqlite(connection) => connection.execute(sql, &values),
            Connection::Postgres(connection) => connection.execute(sql, &values).await,
        };
        self.noted(result)
    }

    /// Several queries that do not depend on each other: one round trip on PostgreSQL.
    pub async fn rows_many(&mut self, queries: Vec<(&str, Vec<Value>)>) -> Result<Vec<Vec<Row>>, StoreError> {
        let result = match &mut self.connection {
            Connection::Sqlite(connection) => connection.rows_many(&queries),
            Connection::Postgres(connection) => connection.rows_many(&queries).await,
        };
        self.noted(result)
    }

    /// Several statements in this order: one round trip on PostgreSQL. Counts of changed rows.
    pub async fn execute_many(
        &mut self,
        statements: Vec<(&str, Vec<Value>)>,
    ) -> Result<Vec<u64>, StoreError> {
        let result = match &mut self.connection {
            Connection::Sqlite(connection) => {
                statements.iter().map(|(sql, values)| connection.execute(sql, values)).collect()
            }
            Connection::Postgres(connection) => connection.execute_many(&statements).await,
        };
        self.noted(result)
    }

    /// Runs a statement whose count nobody asks for. On PostgreSQL it shares the round trip of
    /// the next statement, or of the end of the unit of work, and a failure is told there: not
    /// for rows that may be refused for what a caller sent.
    pub async fn execute_later(&mut self, sql: &str, values: Vec<Value>) -> Result<(), StoreError> {
        self.execute_many_later(vec![(sql, values)]).await
    }

    /// As [`Session::execute_later`], for several statements in this order.
    pub async fn execute_many_later(
        &mut self,
        statements: Vec<(&str, Vec<Value>)>,
    ) -> Result<(), StoreError> {
        let result = match &mut self.connection {
            Connection::Sqlite(connection) => {
                statements.iter().try_for_each(|(sql, values)| connection.execute(sql, values).map(|_| ()))
            }
            Connection::Postgres(connection) => {
                for (sql, values) in statements {
                    connection.execute_later(sql, values);
                }
                Ok(())
            }
        };
        self.noted(result)
    }

    /// Runs plain text without values, with the next statement where that saves a round trip.
    pub(crate) fn script_later(&mut self, sql: &str) -> Result<(), StoreError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.script(sql),
            Connection::Postgres(connection) => {
                connection.script_later(sql);
                Ok(())
            }
        }
    }

    /// Drops statements that were to run later.
    pub(crate) fn forget_waiting(&mut self) {
        if let Connection::Postgres(connection) = &mut self.connection {
            connection.forget_waiting();
        }
    }

    /// Runs plain text without values: migrations, transaction control.
    pub(crate) async fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.script(sql),
            Connection::Postgres(connection) => connection.script(sql).await,
        }
    }
}

/// A session for reads, returned to its pool when dropped.
pub struct Reader {
    session: Option<Session>,
    home: Option<ReadPool>,
}

impl Reader {
    pub(crate) fn new(session: Session, home: Option<ReadPool>) -> Self {
        Self { session: Some(session), home }
    }
}

impl Deref for Reader {
    type Target = Session;
    #[expect(clippy::expect_used, reason = "the session is taken in drop only")]
    fn deref(&self) -> &Session {
        self.session.as_ref().expect("session present until drop")
    }
}

impl DerefMut for Reader {
    #[expect(clippy::expect_used, reason = "the session is taken in drop only")]
    fn deref_mut(&mut self) -> &mut Session {
        self.session.as_mut().expect("session present until drop")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        match (session.connection, self.home.take()) {
            // A snapshot that panicked has left its transaction open: whoever came
            // next would read the past.
            (Connection::Postgres(connection), _) if session.in_snapshot => connection.discard(),
            (Connection::Sqlite(_), _) if session.in_snapshot => {}
            (Connection::Sqlite(connection), Some(home)) => home.give_back(connection),
            (Connection::Sqlite(_) | Connection::Postgres(_), _) => {}
        }
    }
}
