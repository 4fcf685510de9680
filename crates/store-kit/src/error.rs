//! What can go wrong between a statement and its rows.

use std::path::{Path, PathBuf};

/// An error of the store. The variant names what was being done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot open the database file {path}")]
    OpenSqlite {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the database {path} is in use by another process")]
    Locked { path: PathBuf },
    #[error("cannot create {path}")]
    CreateFile {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("invalid PostgreSQL address: {reason}")]
    PostgresAddress { reason: String },
    #[error("no connection to PostgreSQL: {reason}")]
    PostgresConnect { reason: String },
    #[error("statement failed on SQLite")]
    Sqlite(#[source] rusqlite::Error),
    #[error("statement failed on PostgreSQL")]
    Postgres(#[source] tokio_postgres::Error),
    #[error("column {column}: expected {wanted}, found {found}")]
    Decode { column: usize, wanted: &'static str, found: String },
    #[error("migration {component}/{id}: {reason}")]
    Migration { component: String, id: u32, reason: String },
    #[error("nothing was committed: {reason}")]
    Commit { reason: String },
    #[error("the unit of work panicked")]
    Panicked,
    #[error("the unit of work went on after a statement had failed; nothing of it was kept")]
    WentOn,
    #[error("the database file {path} is damaged: {reason}")]
    Damaged { path: PathBuf, reason: String },
    #[error("the store is shutting down")]
    Closed,
}

impl StoreError {
    /// Names the file when the error says that it is not a whole database.
    pub(crate) fn of_file(self, path: &Path) -> Self {
        let source = match &self {
            Self::Sqlite(source) | Self::OpenSqlite { source, .. } => source,
            _ => return self,
        };
        match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Self::Damaged { path: path.to_owned(), reason: source.to_string() }
            }
            _ => self,
        }
    }

    /// Whether a unique or primary key refused the statement.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        match self {
            Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => {
                matches!(
                    failure.extended_code,
                    rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                )
            }
            Self::Postgres(error) => error.code() == Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION),
            _ => false,
        }
    }

    /// Whether a foreign key refused the statement.
    #[must_use]
    pub fn is_foreign_key_violation(&self) -> bool {
        match self {
            Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => {
                failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY
            }
            Self::Postgres(error) => {
                error.code() == Some(&tokio_postgres::error::SqlState::FOREIGN_KEY_VIOLATION)
            }
            _ => false,
        }
    }

    /// Whether the database could not be reached; the same call may work later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::PostgresConnect { .. } | Self::Commit { .. } | Self::Closed => true,
            Self::Postgres(error) => error.is_closed() || error.code().is_none(),
            _ => false,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}
