//! A fresh database for each test, on SQLite and on PostgreSQL.
//!
//! PostgreSQL is the one named by `ISOSPIN_TEST_POSTGRES` (the test command starts
//! one for the whole run), or one this process starts on a private socket.
//! Everything is gone when the last value is dropped, also after a panic.

mod cluster;

use std::sync::{Arc, OnceLock};

use isospin_store_kit::{Engine, MigrationSet, Store, StoreConfig, StoreError};
use tempfile::TempDir;
use tokio_postgres::NoTls;
use uuid::Uuid;

pub use cluster::Cluster;

/// An open store and the database it alone uses.
pub struct TestStore {
    pub store: Store,
    pub engine: Engine,
    config: StoreConfig,
    _home: Home,
}

enum Home {
    Folder { _folder: TempDir },
    Database { _database: Database },
}

impl TestStore {
    /// How to open the same database again (a second server, a restart).
    #[must_use]
    pub fn config(&self) -> StoreConfig {
        self.config.clone()
    }

    /// A store on a new SQLite file.
    pub async fn sqlite(migrations: &[MigrationSet]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = StoreConfig::Sqlite { path: folder.path().join("isospin.sqlite"), durable: false };
        let store = Store::open(config.clone(), migrations).await?;
        Ok(Self { store, engine: Engine::Sqlite, config, _home: Home::Folder { _folder: folder } })
    }

    /// A store on a new PostgreSQL database.
    pub async fn postgres(migrations: &[MigrationSet]) -> anyhow::Result<Self> {
        let database = Database::create().await?;
        let config = StoreConfig::Postgres { address: database.address(), connections: 4 };
        let store = Store::open(config.clone(), migrations).await?;
        Ok(Self { store, engine: Engine::Postgres, config, _home: Home::Database { _database: database } })
    }

    /// The same database as a server that starts later finds it, perhaps of a newer
    /// release.
    pub async fn reopened(self, migrations: &[MigrationSet]) -> anyhow::Result<Self> {
        let Self { store, engine, config, _home } = self;
        drop(store);
        loop {
            // The writer of the store before lets go of the file when it has ended.
            match Store::open(config.clone(), migrations).await {
                Ok(store) => return Ok(Self { store, engine, config, _home }),
                Err(StoreError::Locked { .. }) => tokio::task::yield_now().await,
                Err(other) => return Err(other.into()),
            }
        }
    }
}

/// Runs the test body on each engine in turn.
pub async fn on_each_engine<F, Fut>(migrations: &[MigrationSet], mut body: F)
where
    F: FnMut(TestStore) -> Fut,
    Fut: Future<Output = ()>,
{
    body(TestStore::sqlite(migrations).await.expect("a SQLite database")).await;
    body(TestStore::postgres(migrations).await.expect("a PostgreSQL database")).await;
}

struct Database {
    name: String,
    server: Arc<Server>,
}

enum Server {
    Given(String),
    Ours(Cluster),
}

impl Server {
    fn address(&self, database: &str) -> String {
        match self {
            Self::Given(address) => format!("{address} dbname={database}"),
            Self::Ours(cluster) => format!("{} dbname={database}", cluster.address()),
        }
    }
}

fn server() -> anyhow::Result<Arc<Server>> {
    static SERVER: OnceLock<std::sync::Mutex<std::sync::Weak<Server>>> = OnceLock::new();
    let mut slot = SERVER
        .get_or_init(Default::default)
        .lock()
        .map_err(|_| anyhow::anyhow!("another test failed while starting PostgreSQL"))?;
    if let Some(server) = slot.upgrade() {
        return Ok(server);
    }
    let server = Arc::new(match std::env::var("ISOSPIN_TEST_POSTGRES") {
        Ok(address) => Server::Given(address),
        Err(_) => Server::Ours(Cluster::start()?),
    });
    *slot = Arc::downgrade(&server);
    Ok(server)
}

impl Database {
    async fn create() -> anyhow::Result<Self> {
        let server = server()?;
        let name = format!("t{}", Uuid::new_v4().simple());
        run(&server.address("postgres"), &format!("CREATE DATABASE {name}")).await?;
        Ok(Self { name, server })
    }

    fn address(&self) -> String {
        self.server.address(&self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let address = self.server.address("postgres");
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A runtime of its own: drop may run inside the test's or after it.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(run(&address, &sql))
        })
        .join();
        if !matches!(dropped, Ok(Ok(()))) {
            eprintln!("could not drop test database {}", self.name);
        }
    }
}

async fn run(address: &str, sql: &str) -> anyhow::Result<()> {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
    let pump = tokio::spawn(connection);
    client.batch_execute(sql).await?;
    drop(client);
    pump.await??;
    Ok(())
}
