//! Group commit: several units of work, each behind its own savepoint, one commit.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use crate::postgres::{CHANNEL, WRITER_LOCK};
use crate::{Engine, StoreError, Tx, Work, changes};

/// A unit of work with its types hidden, so that one queue holds them all.
pub(super) trait Unit: Send {
    /// Runs the unit; whether it wants to be committed.
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool>;
    /// Tells the caller: what the unit returned, or why nothing was committed.
    fn finish(self: Box<Self>, refused: Option<StoreError>);
}

/// The one real unit: the caller's closure and the way back to the caller.
pub(super) struct TypedUnit<T, E, F> {
    request_id: String,
    work: Option<F>,
    outcome: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> TypedUnit<T, E, F> {
    pub(super) fn new(request_id: String, work: F, answer: oneshot::Sender<Result<T, E>>) -> Self {
        Self { request_id, work: Some(work), outcome: None, answer }
    }
}

impl<T, E, F> Unit for TypedUnit<T, E, F>
where
    T: Send,
    E: From<StoreError> + Send,
    F: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T, E> + Send,
{
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return false };
            tx.request_id.clone_from(&self.request_id);
            let outcome = AssertUnwindSafe(async { work(tx).await })
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Err(StoreError::Panicked.into()));
            let wanted = outcome.is_ok();
            self.outcome = Some(outcome);
            wanted
        })
    }

    fn finish(self: Box<Self>, refused: Option<StoreError>) {
        let result = match (self.outcome, refused) {
            // The unit's own refusal says more than the loss of the batch.
            (Some(Err(error)), _) => Err(error),
            (_, Some(error)) => Err(error.into()),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(StoreError::Closed.into()),
        };
        // The caller may have gone away (its client hung up); the work stands all the same.
        let _ = self.answer.send(result);
    }
}

/// The first unit and all that already wait, up to `most`.
pub(super) fn gather(
    first: Box<dyn Unit>,
    queue: &mut mpsc::Receiver<Box<dyn Unit>>,
    most: usize,
) -> Vec<Box<dyn Unit>> {
    let mut units = vec![first];
    while units.len() < most {
        match queue.try_recv() {
            Ok(unit) => units.push(unit),
            Err(_) => break,
        }
    }
    units
}

/// Tells every caller that nothing was committed.
pub(super) fn refuse(units: Vec<Box<dyn Unit>>, error: &StoreError) {
    for unit in units {
        unit.finish(Some(StoreError::Commit { reason: error.to_string() }));
    }
}

/// Runs the units and commits them together. `known` is the newest version when
/// nobody else can have written; the new newest version is returned and told.
pub(super) async fn run(
    tx: &mut Tx,
    mut units: Vec<Box<dyn Unit>>,
    known: Option<u64>,
    newest: &watch::Sender<u64>,
) -> u64 {
    let before = known.unwrap_or(0);
    match run_all(tx, &mut units, known).await {
        Ok((version, refused)) => {
            newest.send_if_modified(|current| {
                let newer = version > *current;
                *current = version.max(*current);
                newer
            });
            for (unit, error) in units.into_iter().zip(refused) {
                unit.finish(error);
            }
            version
        }
        Err(error) => {
            tracing::error!(error = %describe(&error), units = units.len(), "a batch of writes was not committed");
            tx.session.forget_waiting();
            // On a broken connection there is nothing left to roll back.
            let _ = tx.session.script("ROLLBACK").await;
            tx.pending.clear();
            refuse(units, &error);
            before
        }
    }
}

/// Begins, runs each unit, commits. Per unit: why it could not be kept, if so.
///
/// A unit that is alone needs no savepoint, and its last statements leave with the commit.
async fn run_all(
    tx: &mut Tx,
    units: &mut [Box<dyn Unit>],
    known: Option<u64>,
) -> Result<(u64, Vec<Option<StoreError>>), StoreError> {
    let engine = tx.session.engine();
    let alone = units.len() == 1;
    begin(tx, engine)?;
    if !alone {
        tx.session.script_later("SAVEPOINT unit")?;
    }
    let first = match known {
        Some(version) => version,
        None => changes::latest_version(&mut tx.session).await?,
    };
    let mut version = first;
    let mut refused = Vec::with_capacity(units.len());
    for unit in units.iter_mut() {
        tx.session.failed = false;
        let wanted = unit.run(tx).await;
        match keep(tx, wanted, version + 1, alone).await {
            Kept::Yes { changed } => {
                version += u64::from(changed);
                refused.push(None);
            }
            Kept::No(problem) => {
                tx.pending.clear();
                tx.session.forget_waiting();
                tx.session.script(if alone { "ROLLBACK" } else { "ROLLBACK TO unit" }).await?;
                refused.push(problem);
                if alone {
                    return Ok((version, refused));
                }
            }
        }
    }
    if engine == Engine::Postgres && version > first {
        tx.session.script_later(&format!("NOTIFY {CHANNEL}, '{version}'"))?;
    }
    tx.session.script("COMMIT").await?;
    Ok((version, refused))
}

/// What became of a unit.
enum Kept {
    /// `changed`: it took a version.
    Yes { changed: bool },
    /// Why, where the unit itself does not say.
    No(Option<StoreError>),
}

/// Ends a unit that has run: its change rows and whatever was left for later.
async fn keep(tx: &mut Tx, wanted: bool, version: u64, alone: bool) -> Kept {
    if !wanted {
        return Kept::No(None);
    }
    if tx.session.failed {
        return Kept::No(Some(StoreError::WentOn));
    }
    let changed = !tx.pending.is_empty();
    let settled = async {
        if changed {
            tx.flush_changes(version).await?;
        }
        if !alone {
            tx.session.script("RELEASE unit; SAVEPOINT unit").await?;
        }
        Ok(())
    };
    match settled.await {
        Ok(()) => Kept::Yes { changed },
        Err(error) => Kept::No(Some(error)),
    }
}

fn begin(tx: &mut Tx, engine: Engine) -> Result<(), StoreError> {
    match engine {
        Engine::Sqlite => tx.session.script_later("BEGIN IMMEDIATE"),
        Engine::Postgres => {
            tx.session.script_later(&format!("BEGIN; SELECT pg_advisory_xact_lock({WRITER_LOCK})"))
        }
    }
}

fn describe(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
