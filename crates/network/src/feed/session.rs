//! One connected agent.

use std::sync::Arc;
use std::time::Instant;

use isospin_feed::proto::{
    Change, FromServer, Key as WireKey, Record, SnapshotBegin, SnapshotEnd, from_server::Message,
};
use isospin_store_kit::{Store, StoreError};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tonic::Status;

use super::account;
use super::hub::{Batch, Hub};
use super::snapshot::{self, Snapshot};
use super::view::{Difference, Step, View};

/// The way to the agent.
pub(super) type Outgoing = mpsc::Sender<Result<FromServer, Status>>;

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("the agent has gone")]
    Gone,
    #[error("the host's facts cannot be read")]
    Store(#[from] StoreError),
    #[error("the server is stopping")]
    Stopping,
}

/// Tells the host everything, then every change, until either side ends. A session
/// that fell too far behind is told what has changed meanwhile, all at once.
pub(super) async fn run(
    store: Store,
    hub: Arc<Hub>,
    host: String,
    outgoing: Outgoing,
) -> Result<(), SessionError> {
    // Subscribed before the first full read, so that nothing falls between.
    let mut batches = hub.subscribe();
    let mut view = View::new(&host);
    let began = Instant::now();
    let snapshot = compute(&store, &host).await?;
    account::snapshot(began.elapsed(), snapshot.records.len());
    let mut version = snapshot.version;
    view.adopt(&snapshot);
    send_snapshot(&outgoing, snapshot).await?;
    loop {
        let received = tokio::select! {
            received = batches.recv() => received,
            () = outgoing.closed() => return Err(SessionError::Gone),
        };
        let (difference, cause) = match received {
            Ok(batch) if batch.version <= version => continue,
            Ok(batch) => {
                let step = view.step(&batch);
                version = batch.version;
                match step {
                    Step::Tell(difference) => (difference, Some(batch)),
                    Step::Recompute => {
                        (recompute(&store, &host, &mut view, &mut version).await?, Some(batch))
                    }
                }
            }
            Err(RecvError::Lagged(_)) => (recompute(&store, &host, &mut view, &mut version).await?, None),
            Err(RecvError::Closed) => return Err(SessionError::Stopping),
        };
        if !difference.is_empty() {
            send_change(&outgoing, version, difference, cause.as_deref()).await?;
        }
    }
}

/// The snapshot of a host as things are now.
pub(super) async fn compute(store: &Store, host: &str) -> Result<Snapshot, StoreError> {
    let host = host.to_owned();
    store.snapshot(move |session| Box::pin(async move { snapshot::of_host(session, &host).await })).await
}

async fn recompute(
    store: &Store,
    host: &str,
    view: &mut View,
    version: &mut u64,
) -> Result<Difference, StoreError> {
    let snapshot = compute(store, host).await?;
    *version = snapshot.version.max(*version);
    Ok(view.adopt(&snapshot))
}

async fn send_snapshot(outgoing: &Outgoing, snapshot: Snapshot) -> Result<(), SessionError> {
    let version = snapshot.version;
    let items = snapshot.records.len() as u64;
    send(outgoing, Message::Begin(SnapshotBegin { version })).await?;
    for record in snapshot.records {
        send(outgoing, Message::Item(record)).await?;
    }
    send(outgoing, Message::End(SnapshotEnd { version, items })).await
}

async fn send_change(
    outgoing: &Outgoing,
    version: u64,
    difference: Difference,
    cause: Option<&Batch>,
) -> Result<(), SessionError> {
    let set: Vec<Record> = difference.set;
    let removed: Vec<WireKey> =
        difference.removed.into_iter().map(|(kind, id)| WireKey { kind, id }).collect();
    account::change(set.len() + removed.len());
    let request_ids = cause.map(|batch| batch.request_ids.clone()).unwrap_or_default();
    let timing = cause.and_then(|batch| batch.timing);
    send(outgoing, Message::Change(Change { version, set, removed, request_ids, timing })).await
}

async fn send(outgoing: &Outgoing, message: Message) -> Result<(), SessionError> {
    outgoing.send(Ok(FromServer { message: Some(message) })).await.map_err(|_| SessionError::Gone)
}
