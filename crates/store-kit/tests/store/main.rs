//! The store on both engines.

#![expect(clippy::expect_used, reason = "a test that cannot go on ends; clippy knows test functions only")]

mod files;
mod migrations;
mod statements;
mod units;
mod versions;

use isospin_store_kit::{ChangeKind, Migration, MigrationSet, Session, Store, StoreError, values};

/// One table for all tests.
pub const ITEMS: MigrationSet = MigrationSet {
    component: "items",
    steps: &[Migration {
        id: 1,
        name: "initial",
        sql: "CREATE TABLE items (id TEXT PRIMARY KEY, number BIGINT, flag BOOLEAN, content {bytes});",
    }],
};

/// Adds an item and notes it.
pub async fn add(store: &Store, id: impl Into<String>) -> Result<(), StoreError> {
    let id = id.into();
    store
        .write("req-test", move |tx| {
            Box::pin(async move {
                tx.execute("INSERT INTO items (id) VALUES ($1)", values![&id]).await?;
                tx.record("item", ChangeKind::Set, &id);
                Ok(())
            })
        })
        .await
}

/// Ids of all items, in order.
pub async fn ids(session: &mut Session) -> Vec<String> {
    let rows = session.rows("SELECT id FROM items ORDER BY id", values![]).await.expect("rows");
    rows.into_iter().map(|row| row.columns().text().expect("text")).collect()
}

/// Ids of all items, as a new reader sees them.
pub async fn stored(store: &Store) -> Vec<String> {
    ids(&mut store.reader().await.expect("a reader")).await
}
