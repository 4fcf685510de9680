//! PostgreSQL: a pool of connections, one of them held by the writer.

mod listen;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures::future::try_join_all;
use postgres_types::{ToSql, Type};
use tokio_postgres::{NoTls, Statement};

pub(crate) use listen::listen;

use crate::{Row, StoreError, Value};

/// Prepared statements kept for each connection; list queries make many forms.
const STATEMENT_CACHE: usize = 512;

/// Key of the advisory lock a writer holds from BEGIN to COMMIT ("isospin" in ASCII).
pub(crate) const WRITER_LOCK: i64 = 0x0069_736f_7370_696e;

/// Channel of NOTIFY on which writers tell the newest version.
pub(crate) const CHANNEL: &str = "isospin_changes";

/// A checked-out connection.
pub(crate) struct PgConnection {
    client: Object,
}

/// Opens a pool for the address, a `postgresql://` URL or key=value text.
pub(crate) fn pool(address: &str, size: usize) -> Result<Pool, StoreError> {
    let mut config: tokio_postgres::Config = address
        .parse()
        .map_err(|error: tokio_postgres::Error| StoreError::PostgresAddress { reason: error.to_string() })?;
    config.application_name("isospin");
    // A server that vanishes inside a transaction must not hold the writer's lock.
    config.options("-c idle_in_transaction_session_timeout=15s -c statement_timeout=60s");
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
    Ok(PgConnection { client })
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
    /// Closes the connection instead of returning it to the pool.
    pub(crate) fn discard(self) {
        drop(Object::take(self.client));
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    async fn prepare(&self, sql: &str) -> Result<Statement, StoreError> {
        if self.client.statement_cache.size() > STATEMENT_CACHE {
            self.client.statement_cache.clear();
        }
        Ok(self.client.prepare_cached(sql).await?)
    }

    pub(crate) async fn rows(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql).await?;
        let rows = self.client.query(&statement, &parameters(values)).await?;
        rows.iter().map(decode).collect()
    }

    pub(crate) async fn execute(&self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let statement = self.prepare(sql).await?;
        Ok(self.client.execute(&statement, &parameters(values)).await?)
    }

    pub(crate) async fn rows_many(
        &self,
        queries: &[(&str, Vec<Value>)],
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        // Polled together, the requests leave in order and in one packet.
        try_join_all(queries.iter().map(|(sql, values)| self.rows(sql, values))).await
    }

    pub(crate) async fn execute_many(
        &self,
        statements: &[(&str, Vec<Value>)],
    ) -> Result<Vec<u64>, StoreError> {
        // Preparing first keeps the order of execution equal to the order given.
        for (sql, _) in statements {
            self.prepare(sql).await?;
        }
        try_join_all(statements.iter().map(|(sql, values)| self.execute(sql, values))).await
    }

    pub(crate) async fn script(&self, sql: &str) -> Result<(), StoreError> {
        Ok(self.client.batch_execute(sql).await?)
    }
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
