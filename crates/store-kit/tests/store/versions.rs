//! Change rows and their versions.

use std::time::Duration;

use isospin_store_kit::{Change, ChangeKind, Engine, Store, StoreError, changes, values};
use isospin_testkit::databases::{TestStore, on_each_engine};

use crate::{ITEMS, add, ids, stored};

async fn latest(store: &Store) -> u64 {
    changes::latest_version(&mut store.reader().await.expect("a reader")).await.expect("a version")
}

async fn since(store: &Store, version: u64, limit: u32) -> Vec<Change> {
    changes::since(&mut store.reader().await.expect("a reader"), version, limit).await.expect("changes")
}

async fn purge(store: &Store, version: u64) -> u64 {
    let purged: Result<u64, StoreError> =
        store.write("", move |tx| Box::pin(async move { changes::purge(tx, version).await })).await;
    purged.expect("a purge")
}

/// A second store on the same database.
async fn beside(database: &TestStore) -> Store {
    Store::open(database.config(), &[ITEMS]).await.expect("a second store")
}

#[tokio::test]
async fn a_unit_has_one_version_and_its_notes_keep_their_order() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let store = &database.store;
        assert_eq!(latest(store).await, 0);
        add(store, "a").await.expect("a commit");
        let many: Result<(), StoreError> = store
            .write("req-many", |tx| {
                Box::pin(async move {
                    tx.record("item", ChangeKind::Set, "x");
                    tx.record_in("part", ChangeKind::Deleted, "y", "x");
                    tx.record("item", ChangeKind::Set, "x");
                    Ok(())
                })
            })
            .await;
        many.expect("a commit");
        let quiet: Result<(), StoreError> = store.write("", |_| Box::pin(async { Ok(()) })).await;
        quiet.expect("a commit");
        assert_eq!(latest(store).await, 2);
        assert_eq!(*store.versions().borrow(), 2);
        let change = |topic: &str, kind, id: &str, scope: &str| Change {
            version: 2,
            topic: topic.to_owned(),
            kind,
            id: id.to_owned(),
            scope: scope.to_owned(),
            request_id: "req-many".to_owned(),
        };
        let expected =
            [change("item", ChangeKind::Set, "x", ""), change("part", ChangeKind::Deleted, "y", "x")];
        assert_eq!(since(store, 1, 10).await, expected);
        assert_eq!(since(store, 2, 10).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_version_is_never_cut_in_two() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let store = &database.store;
        for _ in 0..3 {
            let written: Result<(), StoreError> = store
                .write("", |tx| {
                    Box::pin(async move {
                        (0..4).for_each(|number| tx.record("item", ChangeKind::Set, number));
                        Ok(())
                    })
                })
                .await;
            written.expect("a commit");
        }
        for limit in [0, 1, 3, 4, 5, 100] {
            let mut version = 0;
            let mut seen = Vec::new();
            while version < 3 {
                let part = since(store, version, limit).await;
                version = part.last().expect("more").version;
                seen.extend(part.into_iter().map(|change| change.version));
            }
            assert_eq!(seen, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3], "limit {limit}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_purge_keeps_the_newest_version() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let store = &database.store;
        for id in ["a", "b", "c", "d"] {
            add(store, id).await.expect("a commit");
        }
        assert_eq!(purge(store, 2).await, 2);
        assert_eq!(since(store, 0, 10).await.iter().map(|change| change.version).collect::<Vec<_>>(), [3, 4]);
        let mut reader = store.reader().await.expect("a reader");
        assert_eq!(changes::floor(&mut reader).await.expect("a floor"), 2);
        drop(reader);
        assert_eq!(latest(store).await, 4);
        // Further than there is: to the newest, and no version is left out afterwards.
        assert_eq!(purge(store, 1_000_000).await, 2);
        assert_eq!(latest(store).await, 4);
        assert_eq!(purge(store, 1).await, 0, "going back changes nothing");
        add(store, "e").await.expect("a commit");
        assert_eq!(latest(store).await, 5);
        if database.engine == Engine::Postgres {
            purge(store, 5).await;
            let other = beside(database).await;
            assert_eq!(*other.versions().borrow(), 5, "a server that starts after the purge");
            add(&other, "f").await.expect("a commit");
            assert_eq!(latest(store).await, 6);
        }
    })
    .await;
}

/// Follows a store as an agent's feed does; checks that nothing appears behind its back.
async fn follow(store: Store, last: u64) -> Vec<u64> {
    let mut seen: Vec<u64> = Vec::new();
    let mut versions = store.versions();
    loop {
        versions.borrow_and_update();
        let at = seen.last().copied().unwrap_or(0);
        let new = since(&store, at, 7).await;
        for change in &new {
            assert!(change.version > at, "version {} appeared after {at}", change.version);
        }
        seen.extend(new.iter().map(|change| change.version));
        if seen.last() == Some(&last) {
            return seen;
        }
        if new.is_empty() {
            versions.changed().await.expect("an open store");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn versions_become_visible_in_order_with_two_writing_servers() {
    const EACH: u64 = 100;
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let here = database.store.clone();
        // Only one process may write to a SQLite file: there both writers share the store.
        let there = match database.engine {
            Engine::Postgres => beside(database).await,
            Engine::Sqlite => here.clone(),
        };
        let followers =
            [tokio::spawn(follow(here.clone(), 4 * EACH)), tokio::spawn(follow(there.clone(), 4 * EACH))];
        let writers: Vec<_> = [(&here, "a"), (&here, "b"), (&there, "c"), (&there, "d")]
            .into_iter()
            .map(|(store, name)| {
                let store = store.clone();
                tokio::spawn(async move {
                    for number in 0..EACH {
                        add(&store, format!("{name}{number}")).await.expect("a commit");
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.expect("no panic");
        }
        for follower in followers {
            let seen = tokio::time::timeout(Duration::from_secs(60), follower).await.expect("to see all");
            assert_eq!(
                seen.expect("no panic"),
                (1..=4 * EACH).collect::<Vec<_>>(),
                "each once, none left out"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_snapshot_sees_one_version_while_others_write() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let store = database.store.clone();
        add(&store, "before").await.expect("a commit");
        let (at_first, told) = tokio::sync::oneshot::channel();
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let reading = tokio::spawn({
            let store = store.clone();
            async move {
                store
                    .snapshot(move |session| {
                        Box::pin(async move {
                            let first = ids(session).await;
                            let _ = at_first.send(());
                            crate::units::wait(&gate);
                            let version = changes::latest_version(session).await?;
                            Ok::<_, StoreError>((first, ids(session).await, version))
                        })
                    })
                    .await
            }
        });
        told.await.expect("the snapshot to have begun");
        add(&store, "meanwhile").await.expect("a commit");
        go.send(()).expect("the snapshot waits");
        let (first, second, version) = reading.await.expect("no panic").expect("a snapshot");
        assert_eq!((first, version), (second.clone(), 1));
        assert_eq!(second, ["before"]);
        assert_eq!(stored(&store).await, ["before", "meanwhile"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_panics_leaves_no_reader_in_the_past() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let store = &database.store;
        for round in 0..6 {
            let panicked: Result<(), StoreError> = store
                .snapshot(|session| {
                    Box::pin(async move {
                        ids(session).await;
                        panic!("a snapshot that panics, as the test wants")
                    })
                })
                .await;
            assert!(matches!(panicked, Err(StoreError::Panicked)), "{panicked:?}");
            add(store, round.to_string()).await.expect("a commit");
            assert_eq!(stored(store).await.len(), round + 1);
        }
        let failed: Result<(), StoreError> = store
            .snapshot(|session| {
                Box::pin(
                    async move { session.rows("SELECT nothing FROM items", values![]).await.map(|_| ()) },
                )
            })
            .await;
        assert!(failed.is_err());
        assert_eq!(stored(store).await.len(), 6);
    })
    .await;
}
