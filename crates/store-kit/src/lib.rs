//! SQLite and PostgreSQL behind one query path.
//!
//! * [`Store::write`] runs a unit of work in a transaction. One writer at a time
//!   on both engines (docs/adr/0001-one-writer.md): units queue, and the writer
//!   takes all that wait into one commit, each behind its own savepoint.
//! * [`Store::reader`] gives a connection for reads; [`Store::snapshot`] one whose
//!   statements all see the same version.
//! * Every unit that calls [`Tx::record`] gets a version; versions become visible
//!   in order, because the writer's lock is held to the commit.
//!
//! SQL is written once; `$1, $2 …` stand for the values by their position. What
//! differs between the engines is named in [`dialect`].

pub mod changes;
pub mod dialect;
mod error;
mod migrate;
mod postgres;
pub mod query;
mod session;
mod sqlite;
mod store;
mod tx;
mod value;

pub use changes::{Change, ChangeKind};
pub use dialect::Engine;
pub use error::StoreError;
pub use migrate::{Migration, MigrationSet};
pub use session::{Reader, Session};
pub use store::{Store, StoreConfig};
pub use tx::Tx;
pub use value::{Columns, Row, Value};

/// The future a unit of work returns; see [`Store::write`].
pub type Work<'t, T, E> = futures::future::BoxFuture<'t, Result<T, E>>;
