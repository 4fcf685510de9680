//! PostgreSQL: a pool of connections, one of them held by the writer, some shared by short reads.

mod listen;
mod shared;

use std::sync::Arc;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures::future::{join, join_all, try_join_all};
use postgres_types::{ToSql, Type};
use tokio_postgres::{NoTls, Statement};

pub(crate) use listen::listen;
pub(crate) use shared::SharedConnections;

use crate::{Row, StoreError, Value};

/// Prepared statements kept for each connection; list queries make many forms.
const STATEMENT_CACHE: usize = 512;

/// Key of the advisory lock a writer holds from BEGIN to COMMIT ("isospin" in ASCII).
pub(crate) const WRITER_LOCK: i64 = 0x0069_736f_7370_696e;

/// Channel of NOTIFY on which writers tell the newest version.
pub(crate) const CHANNEL: &str = "isospin_changes";

/// A checked-out connection.
pub(crate) struct PgConnection {
    client: Arc<Object>,
    /// What goes out with the next statement, before it.
    waiting: Vec<Waiting>,
}

/// Something to run whose answer nobody waits for on its own.
enum Waiting {
    Statement(String, Vec<Value>),
    Script(String),
}

/// Opens a pool for the address, a `postgresql://` URL or key=value text.
pub(crate) fn pool(address: &str, size: usize) -> Result<Pool, StoreError> {
    let mut config: tokio_postgres::Config = address
        .parse()
        .map_err(|error: tokio_postgres::Error| StoreError::PostgresAddress { reason: error.to_string() })?;
    config.application_name("isospin");
    // A server that vanishes inside a transaction must not hold the writer's lock.
    // Indexes are held in memory, or on disks that do not turn: with the default of 4 a page's
    // children are looked for in whole tables. No statement here is worth compiling: that
    // takes longer than the longest of them.
    config.options(
        "-c idle_in_transaction_session_timeout=15s -c statement_timeout=60s -c random_page_cost=1.1 -c jit=off",
    );
    let manager =
        Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    Pool::builder(manager)
        .max_size(size)
        .build()
        .map_err(|error| StoreError::PostgresConnect { reason: error.to_string() })
}

/// A connection from the pool.
pub(crate) async fn connect(pool: &Pool) -> Result<PgConnection, StoreError> {
    let client =
        pool.get().await.map_err(|error| StoreError::PostgresConnect { reason: describe(&error) })?;
    Ok(PgConnection::over(Arc::new(client)))
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl PgConnection {
    fn over(client: Arc<Object>) -> Self {
        Self { client, waiting: Vec::new() }
    }

    /// Closes the connection instead of returning it to the pool.
    pub(crate) fn discard(self) {
        if let Some(client) = Arc::into_inner(self.client) {
            drop(Object::take(client));
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs the statement with the next one that is waited for, and in its round trip.
    pub(crate) fn execute_later(&mut self, sql: &str, values: Vec<Value>) {
        self.waiting.push(Waiting::Statement(sql.to_owned(), values));
    }

    /// As [`Self::execute_later`], for plain text.
    pub(crate) fn script_later(&mut self, sql: &str) {
        self.waiting.push(Waiting::Script(sql.to_owned()));
    }

    /// Drops what has not been sent: its unit of work failed.
    pub(crate) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    pub(crate) async fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let waiting = self.ready().await?;
        after(&self.client, &waiting, rows(&self.client, sql, values)).await
    }

    pub(crate) async fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let waiting = self.ready().await?;
        after(&self.client, &waiting, execute(&self.client, sql, values)).await
    }

    pub(crate) async fn rows_many(
        &mut self,
        queries: &[(&str, Vec<Value>)],
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        let waiting = self.ready().await?;
        // Polled together, the requests leave in order and in one packet.
        let all = try_join_all(queries.iter().map(|(sql, values)| rows(&self.client, sql, values)));
        after(&self.client, &waiting, all).await
    }

    pub(crate) async fn execute_many(
        &mut self,
        statements: &[(&str, Vec<Value>)],
    ) -> Result<Vec<u64>, StoreError> {
        let waiting = self.ready().await?;
        // Preparing first keeps the order of execution equal to the order given.
        for (sql, _) in statements {
            prepare(&self.client, sql).await?;
        }
        let all = try_join_all(statements.iter().map(|(sql, values)| execute(&self.client, sql, values)));
        after(&self.client, &waiting, all).await
    }

    pub(crate) async fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        let waiting = self.ready().await?;
        let own = async { Ok(self.client.batch_execute(sql).await?) };
        after(&self.client, &waiting, own).await
    }

    /// Takes what waits, prepared, so that it can be sent without a pause.
    async fn ready(&mut self) -> Result<Vec<Waiting>, StoreError> {
        let waiting = std::mem::take(&mut self.waiting);
        for item in &waiting {
            if let Waiting::Statement(sql, _) = item {
                prepare(&self.client, sql).await?;
            }
        }
        Ok(waiting)
    }
}

async fn prepare(client: &Object, sql: &str) -> Result<Statement, StoreError> {
    if client.statement_cache.size() > STATEMENT_CACHE {
        client.statement_cache.clear();
    }
    Ok(client.prepare_cached(sql).await?)
}

async fn rows(client: &Object, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
    let statement = prepare(client, sql).await?;
    let rows = client.query(&statement, &parameters(values)).await?;
    rows.iter().map(decode).collect()
}

async fn execute(client: &Object, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
    let statement = prepare(client, sql).await?;
    Ok(client.execute(&statement, &parameters(values)).await?)
}

/// Sends what waited and `own` behind it in one go. The first failure in this order is
/// told: those after it are only its consequences.
async fn after<T>(
    client: &Object,
    waiting: &[Waiting],
    own: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    if waiting.is_empty() {
        return own.await;
    }
    let earlier = join_all(waiting.iter().map(async |item| match item {
        Waiting::Statement(sql, values) => execute(client, sql, values).await.map(|_| ()),
        Waiting::Script(sql) => Ok(client.batch_execute(sql).await?),
    }));
    let (earlier, own) = join(earlier, own).await;
    earlier.into_iter().collect::<Result<(), _>>()?;
    own
}

fn parameters(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn decode(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let mut values = Vec::with_capacity(row.len());
    for (index, column) in row.columns().iter().enumerate() {
        values.push(match *column.type_() {
            Type::BOOL => integer(row.try_get::<_, Option<bool>>(index)?),
            Type::INT2 => integer(row.try_get::<_, Option<i16>>(index)?),
            Type::INT4 => integer(row.try_get::<_, Option<i32>>(index)?),
            Type::INT8 => integer(row.try_get::<_, Option<i64>>(index)?),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(index)?.map_or(Value::Null, Value::Bytes),
            _ => row.try_get::<_, Option<String>>(index)?.map_or(Value::Null, Value::Text),
        });
    }
    Ok(Row(values))
}

fn integer<T: Into<i64>>(value: Option<T>) -> Value {
    value.map_or(Value::Null, |value| Value::Int(value.into()))
}
