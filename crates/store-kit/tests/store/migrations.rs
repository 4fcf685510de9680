//! Schemas: applied once, whole, and never behind a database's back.

use isospin_store_kit::{Engine, Migration, MigrationSet, Store, StoreConfig, StoreError, values};
use isospin_testkit::databases::on_each_engine;

use crate::{ITEMS, add, stored};

const GROWN: MigrationSet = MigrationSet {
    component: "items",
    steps: &[
        ITEMS.steps[0],
        Migration { id: 2, name: "colour", sql: "ALTER TABLE items ADD COLUMN colour TEXT;" },
    ],
};

const EDITED: MigrationSet = MigrationSet {
    component: "items",
    steps: &[Migration {
        id: 1,
        name: "initial",
        sql: "CREATE TABLE items (id TEXT PRIMARY KEY, number BIGINT, flag BOOLEAN, content {bytes}, more TEXT);",
    }],
};

const BROKEN: MigrationSet = MigrationSet {
    component: "broken",
    steps: &[
        Migration { id: 1, name: "good", sql: "CREATE TABLE good (id TEXT PRIMARY KEY);" },
        Migration { id: 2, name: "bad", sql: "CREATE TABLE half (id TEXT); CREATE NONSENSE;" },
    ],
};

/// Opens the database of a test again, after its own store was closed.
async fn reopen(config: &StoreConfig, migrations: &[MigrationSet]) -> Result<Store, StoreError> {
    loop {
        // The writer of the store before lets go of the file when it has ended.
        match Store::open(config.clone(), migrations).await {
            Err(StoreError::Locked { .. }) => tokio::task::yield_now().await,
            other => return other,
        }
    }
}

async fn has_table(store: &Store, name: &str) -> bool {
    let mut reader = store.reader().await.expect("a reader");
    reader.rows(&format!("SELECT * FROM {name}"), values![]).await.is_ok()
}

#[tokio::test]
async fn opening_again_changes_nothing_and_growing_adds() {
    on_each_engine(&[ITEMS], |database| async move {
        add(&database.store, "a").await.expect("a commit");
        let config = database.config();
        drop(database.store);
        let again = reopen(&config, &[ITEMS]).await.expect("the same schema");
        assert_eq!(stored(&again).await, ["a"]);
        drop(again);
        let grown = reopen(&config, &[GROWN]).await.expect("a newer release");
        let written: Result<u64, StoreError> = grown
            .write("", |tx| {
                Box::pin(async move { tx.execute("UPDATE items SET colour = $1", values!["red"]).await })
            })
            .await;
        assert_eq!(written.expect("a commit"), 1);
        drop(grown);
        for _ in 0..2 {
            drop(reopen(&config, &[GROWN]).await.expect("each step once"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_refused() {
    on_each_engine(&[GROWN], |database| async move {
        let config = database.config();
        drop(database.store);
        let Err(error) = reopen(&config, &[ITEMS]).await else { panic!("was opened") };
        assert_eq!(error.to_string(), "migration items/2: the database was changed by a newer release");
        drop(reopen(&config, &[GROWN]).await.expect("the newer release still opens it"));
    })
    .await;
}

#[tokio::test]
async fn a_step_that_reads_differently_now_is_refused() {
    on_each_engine(&[ITEMS], |database| async move {
        let config = database.config();
        drop(database.store);
        let Err(error) = reopen(&config, &[EDITED]).await else { panic!("was opened") };
        assert_eq!(error.to_string(), "migration items/1: this step was applied with other content");
    })
    .await;
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_database_as_it_was() {
    on_each_engine(&[ITEMS], |database| async move {
        let config = database.config();
        drop(database.store);
        let Err(error) = reopen(&config, &[GROWN, BROKEN]).await else { panic!("was opened") };
        assert!(error.to_string().starts_with("migration broken/2: bad: "), "{error}");
        let store = reopen(&config, &[ITEMS]).await.expect("nothing was applied");
        for table in ["good", "half"] {
            assert!(!has_table(&store, table).await, "{table}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_start_together_apply_each_step_once() {
    on_each_engine(&[], |database| async move {
        if database.engine == Engine::Sqlite {
            // Only one process may have the file.
            return;
        }
        let opening = (0..4).map(|_| Store::open(database.config(), &[ITEMS]));
        for store in futures::future::join_all(opening).await {
            let store = store.expect("a store");
            assert!(has_table(&store, "items").await);
        }
    })
    .await;
}
