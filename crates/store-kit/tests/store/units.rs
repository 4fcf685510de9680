//! Units of work: together in one commit, each by itself in success and failure.

use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};

use futures::future::join_all;
use futures::poll;
use isospin_store_kit::{Store, StoreError, values};
use isospin_testkit::databases::on_each_engine;

use crate::{ITEMS, add, stored};

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>>>>;

/// Puts a unit into the writer's queue: one poll sends it, the answer comes later.
async fn queue<T>(unit: impl Future<Output = Result<T, StoreError>> + 'static) -> Answer<T> {
    let mut unit: Answer<T> = Box::pin(unit);
    // A fresh turn, so that the runtime does not cut the poll short.
    tokio::task::yield_now().await;
    assert!(poll!(&mut unit).is_pending(), "answered before the writer was let go");
    unit
}

/// A unit that holds the writer until it is let go, so that others queue behind it.
struct Hold {
    go: Sender<()>,
    unit: Answer<()>,
}

impl Hold {
    async fn the_writer(store: &Store, id: &'static str) -> Self {
        let (go, gate) = channel();
        let (told, started) = tokio::sync::oneshot::channel();
        let store = store.clone();
        let unit = queue(async move {
            store
                .write("", move |tx| {
                    Box::pin(async move {
                        let _ = told.send(());
                        wait(&gate);
                        tx.execute("INSERT INTO items (id) VALUES ($1)", values![id]).await?;
                        Ok(())
                    })
                })
                .await
        });
        let unit = unit.await;
        started.await.expect("the unit to run");
        Self { go, unit }
    }

    async fn release(self) {
        self.go.send(()).expect("the unit waits");
        self.unit.await.expect("a commit");
    }
}

/// Blocks the writer. On PostgreSQL it is a task of the runtime, whose other tasks
/// must not be stranded on the blocked thread.
pub fn wait(gate: &Receiver<()>) {
    let _ = tokio::task::block_in_place(|| gate.recv());
}

fn add_to(store: &Store, id: &'static str) -> impl Future<Output = Result<(), StoreError>> + use<> {
    let store = store.clone();
    async move { add(&store, id).await }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn units_that_wait_are_committed_together() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let store = &database.store;
        let hold = Hold::the_writer(store, "0").await;
        let mut first = queue(add_to(store, "1")).await;
        let (go, gate) = channel();
        let (told, running) = tokio::sync::oneshot::channel();
        let second = queue({
            let store = store.clone();
            async move {
                store
                    .write("", move |tx| {
                        Box::pin(async move {
                            let _ = told.send(());
                            wait(&gate);
                            tx.execute("INSERT INTO items (id) VALUES ('2')", values![]).await?;
                            Ok::<(), StoreError>(())
                        })
                    })
                    .await
            }
        })
        .await;
        hold.release().await;
        running.await.expect("the second unit to run");
        assert!(poll!(&mut first).is_pending(), "the first unit is done, but not committed");
        assert_eq!(stored(store).await, ["0"], "nothing is visible before the commit");
        go.send(()).expect("the unit waits");
        first.await.expect("a commit");
        second.await.expect("a commit");
        assert_eq!(stored(store).await, ["0", "1", "2"]);
    })
    .await;
}

/// What a unit of the mixed batch does with its item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Succeed,
    Refuse,
    Panic,
    Conflict,
    GoOn,
    /// Leaves a statement for later that fails.
    LaterConflict,
    /// Leaves a statement for later, and refuses.
    LaterRefuse,
}

/// All of them.
const DEEDS: [Deed; 7] = [
    Deed::Succeed,
    Deed::Refuse,
    Deed::Panic,
    Deed::Conflict,
    Deed::GoOn,
    Deed::LaterConflict,
    Deed::LaterRefuse,
];

async fn act(store: &Store, number: usize, deed: Deed) -> Result<(), StoreError> {
    store
        .write("", move |tx| {
            Box::pin(async move {
                let id = format!("{number:03}");
                tx.execute("INSERT INTO items (id) VALUES ($1)", values![&id]).await?;
                tx.record("item", isospin_store_kit::ChangeKind::Set, &id);
                match deed {
                    Deed::Succeed => Ok(()),
                    Deed::Refuse => Err(StoreError::Closed),
                    Deed::Panic => panic!("a unit that panics, as the test wants"),
                    Deed::Conflict => {
                        tx.execute("INSERT INTO items (id) VALUES ($1)", values![&id]).await?;
                        Ok(())
                    }
                    Deed::GoOn => {
                        let _ = tx.execute("INSERT INTO nothing (id) VALUES ($1)", values![&id]).await;
                        Ok(())
                    }
                    Deed::LaterConflict => {
                        tx.execute_later("INSERT INTO items (id) VALUES ($1)", values![&id]).await?;
                        Ok(())
                    }
                    Deed::LaterRefuse => {
                        let other = format!("{id}-more");
                        tx.execute_later("INSERT INTO items (id) VALUES ($1)", values![other]).await?;
                        Err(StoreError::Closed)
                    }
                }
            })
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_unit_that_fails_leaves_no_trace_and_does_no_harm_to_its_neighbours() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let store = &database.store;
        let deeds = DEEDS;
        let hold = Hold::the_writer(store, "held").await;
        let mut units = Vec::new();
        for number in 0..50 {
            let store = store.clone();
            let deed = deeds[number % deeds.len()];
            units.push(queue(async move { act(&store, number, deed).await }).await);
        }
        let before = *store.versions().borrow();
        hold.release().await;
        let results: Vec<Result<(), StoreError>> = join_all(units).await;
        for (number, result) in results.iter().enumerate() {
            let right = match deeds[number % deeds.len()] {
                Deed::Succeed => result.is_ok(),
                Deed::Refuse | Deed::LaterRefuse => matches!(result, Err(StoreError::Closed)),
                Deed::Panic => matches!(result, Err(StoreError::Panicked)),
                Deed::Conflict | Deed::LaterConflict => {
                    result.as_ref().is_err_and(StoreError::is_unique_violation)
                }
                Deed::GoOn => matches!(result, Err(StoreError::WentOn)),
            };
            assert!(right, "unit {number}: {result:?}");
        }
        let mut kept: Vec<String> =
            (0..50).step_by(deeds.len()).map(|number| format!("{number:03}")).collect();
        kept.push("held".to_owned());
        assert_eq!(stored(store).await, kept);
        assert_eq!(*store.versions().borrow() - before, 8, "a version for each that was kept");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_holds_for_units_that_run_alone() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let store = &database.store;
        let deeds = DEEDS.into_iter().chain([Deed::Succeed]);
        for (number, deed) in deeds.enumerate() {
            let result = act(store, number, deed).await;
            assert_eq!(result.is_ok(), deed == Deed::Succeed, "{deed:?}: {result:?}");
        }
        assert_eq!(stored(store).await, ["000", "007"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_for_later_is_there_for_the_next_statement() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let write = database.store.write("", |tx| {
            Box::pin(async move {
                tx.execute_later("INSERT INTO items (id, number) VALUES ('a', 1)", values![]).await?;
                tx.execute_later("UPDATE items SET number = number + $1", values![1]).await?;
                let row = tx.row("SELECT number FROM items", values![]).await?;
                let seen = row.map(|row| row.columns().int()).transpose()?;
                tx.execute_later("UPDATE items SET number = 7", values![]).await?;
                Ok::<_, StoreError>(seen)
            })
        });
        assert_eq!(write.await.expect("a commit"), Some(2));
        let mut reader = database.store.reader().await.expect("a reader");
        let row = reader.row("SELECT number FROM items", values![]).await.expect("an answer");
        assert_eq!(row.expect("a row").columns().int().expect("a number"), 7);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_stands_when_its_caller_goes_away() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let store = &database.store;
        let hold = Hold::the_writer(store, "held").await;
        drop(queue(add_to(store, "left-behind")).await);
        hold.release().await;
        add(store, "next").await.expect("a commit");
        assert_eq!(stored(store).await, ["held", "left-behind", "next"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_answered_is_visible_to_every_reader() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let writers = (0..8).map(|writer| {
            let store = database.store.clone();
            tokio::spawn(async move {
                for number in 0..25 {
                    let id = format!("{writer}-{number:02}");
                    add(&store, id.clone()).await.expect("a commit");
                    assert!(stored(&store).await.contains(&id), "{id}");
                }
            })
        });
        for writer in join_all(writers).await {
            writer.expect("no panic");
        }
        assert_eq!(stored(&database.store).await.len(), 200);
    })
    .await;
}
