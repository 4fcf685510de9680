//! The store: a queue of units of work before one writer, and readers beside it.

mod batch;

use std::collections::BTreeSet;
use std::path::PathBuf;

use deadpool_postgres::Pool;
use tokio::sync::{mpsc, oneshot, watch};

use crate::migrate::MigrationSet;
use crate::postgres::SharedConnections;
use crate::session::{Connection, Session};
use crate::sqlite::{FileLock, ReadPool, SqliteConnection};
use crate::{Engine, Reader, StoreError, Tx, Work, changes, postgres};
use batch::{TypedUnit, Unit};

/// Units that may wait for the writer before callers are held back.
const QUEUE: usize = 1024;
/// Units the writer takes into one commit at most.
const BATCH: usize = 128;

/// Connections without which it does not work: the writer's, one for short reads, one for a long one.
const FEWEST: usize = 3;

/// Which database a store opens.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// A file, made when absent. `durable` false is for tests only.
    Sqlite { path: PathBuf, durable: bool },
    /// A `postgresql://` address; `connections` at most, and no fewer than 3.
    Postgres { address: String, connections: usize },
}

/// An open database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    queue: mpsc::Sender<Box<dyn Unit>>,
    readers: Readers,
    newest: watch::Receiver<u64>,
}

#[derive(Clone)]
enum Readers {
    Sqlite(ReadPool),
    Postgres { pool: Pool, shared: SharedConnections },
}

impl Store {
    /// Opens the database, brings its schema up to date and starts the writer.
    ///
    /// # Errors
    /// The file is not a database, is used by another process, or was written by
    /// a newer release; PostgreSQL cannot be reached.
    pub async fn open(config: StoreConfig, migrations: &[MigrationSet]) -> Result<Self, StoreError> {
        match config {
            StoreConfig::Sqlite { path, durable } => Self::open_sqlite(path, durable, migrations).await,
            StoreConfig::Postgres { address, connections } => {
                Self::open_postgres(address, connections, migrations).await
            }
        }
    }

    async fn open_sqlite(
        path: PathBuf,
        durable: bool,
        migrations: &[MigrationSet],
    ) -> Result<Self, StoreError> {
        let lock = FileLock::take(&path)?;
        let connection = SqliteConnection::open_writer(&path, durable)?;
        let mut session = Session::new(Connection::Sqlite(connection));
        let prepare = async {
            crate::migrate::apply(&mut session, migrations).await?;
            changes::latest_version(&mut session).await
        };
        let version = prepare.await.map_err(|error| error.of_file(&path))?;
        let (newest_sender, newest) = watch::channel(version);
        let (queue, mut units) = mpsc::channel::<Box<dyn Unit>>(QUEUE);
        let tx = Tx { session, pending: BTreeSet::new(), request_id: String::new() };
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                // Dropped in reverse: the connection closes, writing its log back to the
                // file, before another process may have it.
                let _lock = lock;
                let mut tx = tx;
                let mut version = version;
                while let Some(first) = units.blocking_recv() {
                    let taken = batch::gather(first, &mut units, BATCH);
                    version = futures::executor::block_on(batch::run(
                        &mut tx,
                        taken,
                        Some(version),
                        &newest_sender,
                    ));
                }
            })
            .map_err(|source| StoreError::CreateFile { path: path.clone(), source })?;
        Ok(Self { engine: Engine::Sqlite, queue, readers: Readers::Sqlite(ReadPool::new(path)), newest })
    }

    async fn open_postgres(
        address: String,
        connections: usize,
        migrations: &[MigrationSet],
    ) -> Result<Self, StoreError> {
        let pool = postgres::pool(&address, connections.max(FEWEST))?;
        let connection = postgres::connect(&pool).await?;
        let mut session = Session::new(Connection::Postgres(connection));
        crate::migrate::apply(&mut session, migrations).await?;
        let version = changes::latest_version(&mut session).await?;
        let (newest_sender, newest) = watch::channel(version);
        let (queue, mut units) = mpsc::channel::<Box<dyn Unit>>(QUEUE);
        tokio::spawn(postgres::listen(address, newest_sender.clone()));
        let writer_pool = pool.clone();
        tokio::spawn(async move {
            let mut tx = Tx { session, pending: BTreeSet::new(), request_id: String::new() };
            while let Some(first) = units.recv().await {
                let taken = batch::gather(first, &mut units, BATCH);
                if let Err(error) = reconnect(&mut tx, &writer_pool).await {
                    batch::refuse(taken, &error);
                    continue;
                }
                batch::run(&mut tx, taken, None, &newest_sender).await;
            }
        });
        let shared = SharedConnections::new(pool.clone(), shared_by_reads(connections));
        Ok(Self { engine: Engine::Postgres, queue, readers: Readers::Postgres { pool, shared }, newest })
    }

    /// The engine behind this store.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The newest version known here; changes when anything was committed, by any server.
    #[must_use]
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.newest.clone()
    }

    /// Runs a unit of work in a transaction; the answer comes after the commit.
    /// An error from the unit rolls it back and leaves no trace.
    ///
    /// ```ignore
    /// store.write(request_id, |tx| Box::pin(async move {
    ///     tx.execute("UPDATE …", values![…]).await?;
    ///     tx.record("port", ChangeKind::Set, id);
    ///     Ok(())
    /// })).await
    /// ```
    pub async fn write<T, E, F>(&self, request_id: &str, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T, E> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let unit = TypedUnit::new(request_id.to_owned(), work, answer);
        self.queue.send(Box::new(unit)).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// A connection for reads of a few rows; on PostgreSQL others may use it too.
    pub async fn reader(&self) -> Result<Reader, StoreError> {
        match &self.readers {
            Readers::Sqlite(pool) => Self::sqlite_reader(pool),
            Readers::Postgres { shared, .. } => {
                Ok(Reader::new(Session::new(Connection::Postgres(shared.take().await?)), None))
            }
        }
    }

    /// A connection that nobody else uses.
    async fn own_reader(&self) -> Result<Reader, StoreError> {
        match &self.readers {
            Readers::Sqlite(pool) => Self::sqlite_reader(pool),
            Readers::Postgres { pool, .. } => {
                let connection = postgres::connect(pool).await?;
                Ok(Reader::new(Session::new(Connection::Postgres(connection)), None))
            }
        }
    }

    fn sqlite_reader(pool: &ReadPool) -> Result<Reader, StoreError> {
        let session = Session::new(Connection::Sqlite(pool.take()?));
        Ok(Reader::new(session, Some(pool.clone())))
    }

    /// Runs a long read (a list of many rows) where it does not hold up others, and
    /// to its end also when the caller goes away.
    pub async fn read_apart<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Session) -> Work<'t, T, E> + Send + 'static,
    {
        let mut reader = self.own_reader().await?;
        let task = match self.engine {
            Engine::Postgres => tokio::spawn(async move { work(&mut reader).await }),
            Engine::Sqlite => {
                tokio::task::spawn_blocking(move || futures::executor::block_on(work(&mut reader)))
            }
        };
        task.await.map_err(|_| StoreError::Panicked)?
    }

    /// As [`Store::read_apart`], with all statements seeing one version.
    pub async fn snapshot<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Session) -> Work<'t, T, E> + Send + 'static,
    {
        self.read_apart(move |session| {
            Box::pin(async move {
                let begin = match session.engine() {
                    Engine::Sqlite => "BEGIN",
                    Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                };
                session.in_snapshot = true;
                session.script(begin).await?;
                let result = work(session).await;
                session.script("ROLLBACK").await?;
                session.in_snapshot = false;
                result
            })
        })
        .await
    }
}

/// How many of the `connections` short reads share: each keeps a core of PostgreSQL's busy, and
/// the writer and long reads need connections of their own.
fn shared_by_reads(connections: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (connections / 4).clamp(1, cores.max(2))
}

/// Replaces the writer's connection when it has broken.
async fn reconnect(tx: &mut Tx, pool: &Pool) -> Result<(), StoreError> {
    let closed = match &tx.session.connection {
        Connection::Postgres(connection) => connection.is_closed(),
        Connection::Sqlite(_) => false,
    };
    if closed {
        tx.session.connection = Connection::Postgres(postgres::connect(pool).await?);
    }
    Ok(())
}
