//! SQLite: one writing connection, a few reading ones.

mod pool;

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Statement};

pub(crate) use pool::ReadPool;

use crate::{Row, StoreError, Value};

/// Prepared statements kept for each connection.
const STATEMENT_CACHE: usize = 256;

/// An open SQLite connection.
pub(crate) struct SqliteConnection {
    inner: Connection,
    /// For statements with many parameters: which value each is given.
    orders: HashMap<String, Arc<[usize]>>,
}

/// Holds the right to write to a database file; other processes are refused.
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock beside `database`, or says that another process has it.
    pub(crate) fn take(database: &Path) -> Result<Self, StoreError> {
        let path = database.with_extension("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| StoreError::CreateFile { path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: database.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StoreError::CreateFile { path, source }),
        }
    }
}

impl SqliteConnection {
    /// The connection units of work run on. `durable` commits reach the disk.
    pub(crate) fn open_writer(path: &Path, durable: bool) -> Result<Self, StoreError> {
        let opened = |source| StoreError::OpenSqlite { path: path.to_owned(), source }.of_file(path);
        // No mutex: each connection is used by one thread at a time.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let inner = Connection::open_with_flags(path, flags).map_err(opened)?;
        keep_plans(&inner).map_err(opened)?;
        let synchronous = if durable { "FULL" } else { "OFF" };
        inner
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; \
                 PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -12000; \
                 PRAGMA wal_autocheckpoint = 4000;"
            ))
            .map_err(opened)?;
        inner.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        Ok(Self { inner, orders: HashMap::new() })
    }

    /// A connection that can only read.
    pub(crate) fn open_reader(path: &Path) -> Result<Self, StoreError> {
        let opened = |source| StoreError::OpenSqlite { path: path.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let inner = Connection::open_with_flags(path, flags).map_err(opened)?;
        keep_plans(&inner).map_err(opened)?;
        inner
            .execute_batch(
                "PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2000; \
                 PRAGMA query_only = ON;",
            )
            .map_err(opened)?;
        inner.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        Ok(Self { inner, orders: HashMap::new() })
    }

    pub(crate) fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.inner.prepare_cached(sql)?;
        let width = statement.column_count();
        bind(&mut statement, sql, &mut self.orders, values)?;
        let mut rows = statement.raw_query();
        let mut answer = Vec::new();
        while let Some(row) = rows.next()? {
            let mut columns = Vec::with_capacity(width);
            for index in 0..width {
                columns.push(value(row.get_ref(index)?, index)?);
            }
            answer.push(Row(columns));
        }
        Ok(answer)
    }

    /// Several queries under one lock of the file, hence of one version.
    pub(crate) fn rows_many(&mut self, queries: &[(&str, Vec<Value>)]) -> Result<Vec<Vec<Row>>, StoreError> {
        let alone = self.inner.is_autocommit() && queries.len() > 1;
        if alone {
            self.execute("BEGIN", &[])?;
        }
        let answers = queries.iter().map(|(sql, values)| self.rows(sql, values)).collect();
        if alone {
            self.execute("COMMIT", &[])?;
        }
        answers
    }

    pub(crate) fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let mut statement = self.inner.prepare_cached(sql)?;
        bind(&mut statement, sql, &mut self.orders, values)?;
        Ok(statement.raw_execute()? as u64)
    }

    pub(crate) fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        Ok(self.inner.execute_batch(sql)?)
    }
}

/// Keeps the plan of a prepared statement whatever values it is given. Without this
/// SQLite compiles a statement anew for every execution, because a value might make
/// one of the partial indexes usable: a third of the cost of reading a row by its id.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

/// Parameters up to which their names are looked up anew at every execution. SQLite
/// finds a name by going through all of them, so long lists of ids are looked up once.
const FEW: usize = 16;

/// Gives `$1` the first value, `$2` the second …. SQLite takes `$1` for a name, and
/// would give values in the order in which the names first appear.
fn bind(
    statement: &mut Statement<'_>,
    sql: &str,
    orders: &mut HashMap<String, Arc<[usize]>>,
    values: &[Value],
) -> Result<(), StoreError> {
    let wanted = statement.parameter_count();
    if wanted != values.len() {
        return Err(rusqlite::Error::InvalidParameterCount(values.len(), wanted).into());
    }
    if wanted <= FEW {
        for index in 1..=wanted {
            let number = number(statement, index);
            statement.raw_bind_parameter(index, nth(values, number)?)?;
        }
        return Ok(());
    }
    let known = orders.get(sql).cloned();
    let order = known.unwrap_or_else(|| {
        if orders.len() >= STATEMENT_CACHE {
            orders.clear();
        }
        let order: Arc<[usize]> = (1..=wanted).map(|index| number(statement, index)).collect();
        orders.insert(sql.to_owned(), order.clone());
        order
    });
    for (index, number) in (1..=wanted).zip(order.iter()) {
        statement.raw_bind_parameter(index, nth(values, *number)?)?;
    }
    Ok(())
}

/// The number in the name of a parameter.
fn number(statement: &Statement<'_>, index: usize) -> usize {
    let name = statement.parameter_name(index);
    name.and_then(|name| name.strip_prefix('$')?.parse().ok()).unwrap_or(index)
}

/// The value of `$number`.
fn nth(values: &[Value], number: usize) -> Result<&Value, StoreError> {
    let value = number.checked_sub(1).and_then(|place| values.get(place));
    value.ok_or_else(|| rusqlite::Error::InvalidParameterCount(values.len(), number).into())
}

fn value(column: ValueRef<'_>, index: usize) -> Result<Value, StoreError> {
    let wrong = |wanted, found: String| StoreError::Decode { column: index, wanted, found };
    Ok(match column {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Text(text) => Value::Text(
            std::str::from_utf8(text).map_err(|error| wrong("UTF-8 text", error.to_string()))?.to_owned(),
        ),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Real(value) => return Err(wrong("integer, text or bytes", value.to_string())),
    })
}
