//! Keeps the replica on disk, off the hot path.
//!
//! The task that owns the replica hands snapshots and changes over and never waits;
//! one task here writes them in order, many changes to one `fdatasync`. When the
//! disk fails or falls behind, the journal is given up and the next step is a new
//! snapshot: the disk is at worst old, never wrong, and never in the way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::Replica;
use super::journal::Journal;
use crate::facts::Facts;
use crate::proto::Change;

/// Steps that may wait for the disk.
const QUEUE: usize = 256;

enum Work {
    StartOver { facts: Box<Facts>, version: u64 },
    Append(Change),
    Flush(oneshot::Sender<()>),
}

/// The replica's way to disk. Dropping it ends the writing task when all is written.
#[derive(Debug)]
pub struct ReplicaWriter {
    queue: mpsc::Sender<Work>,
    needs_snapshot: Arc<AtomicBool>,
}

impl ReplicaWriter {
    /// Starts writing into `folder` for `host`. Files of an earlier life stay as they
    /// are until the first step.
    #[must_use]
    pub fn start(folder: &Path, host: &str) -> Self {
        let (queue, work) = mpsc::channel(QUEUE);
        let needs_snapshot = Arc::new(AtomicBool::new(true));
        tokio::spawn(write(Journal::new(folder, host), work, needs_snapshot.clone()));
        Self { queue, needs_snapshot }
    }

    /// After [`Replica::adopt`].
    pub fn adopted(&self, replica: &Replica) {
        self.needs_snapshot.store(false, Ordering::Release);
        let facts = Box::new(replica.facts().clone());
        self.offer(Work::StartOver { facts, version: replica.version() });
    }

    /// After [`Replica::apply`] of `change`.
    pub fn applied(&self, replica: &Replica, change: Change) {
        if self.needs_snapshot.load(Ordering::Acquire) {
            self.adopted(replica);
        } else {
            self.offer(Work::Append(change));
        }
    }

    /// Returns when all handed over so far is on disk (or was given up).
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Work::Flush(done)).await.is_ok() {
            // An error means that the task is gone, so nothing is left to wait for.
            let _ = wait.await;
        }
    }

    fn offer(&self, work: Work) {
        if self.queue.try_send(work).is_err() {
            self.needs_snapshot.store(true, Ordering::Release);
        }
    }
}

async fn write(mut journal: Journal, mut queue: mpsc::Receiver<Work>, needs_snapshot: Arc<AtomicBool>) {
    let mut work = Vec::with_capacity(QUEUE);
    let mut failing = false;
    while queue.recv_many(&mut work, QUEUE).await > 0 {
        let (batch, waiting) = Batch::of(work.drain(..));
        let written = tokio::task::spawn_blocking(move || {
            let outcome = batch.write(&mut journal);
            (journal, outcome)
        });
        let outcome;
        (journal, outcome) = match written.await {
            Ok(done) => done,
            // Only when the runtime ends.
            Err(_) => return,
        };
        if !matches!(outcome, Ok(true)) {
            needs_snapshot.store(true, Ordering::Release);
        }
        match &outcome {
            Err(error) if !failing => warn!(%error, "cannot keep the replica on disk; going on without"),
            Ok(_) if failing => info!("the replica is kept on disk again"),
            Ok(_) | Err(_) => {}
        }
        failing = outcome.is_err();
        for done in waiting {
            // Who asked may have gone.
            let _ = done.send(());
        }
    }
}

/// What is written at once.
#[derive(Default)]
struct Batch {
    snapshot: Option<(Box<Facts>, u64)>,
    /// Since the snapshot.
    changes: Vec<Change>,
}

impl Batch {
    /// Only the last snapshot matters, with the changes after it.
    fn of(work: impl Iterator<Item = Work>) -> (Self, Vec<oneshot::Sender<()>>) {
        let mut batch = Self::default();
        let mut waiting = Vec::new();
        for work in work {
            match work {
                Work::StartOver { facts, version } => {
                    batch = Self { snapshot: Some((facts, version)), changes: Vec::new() };
                }
                Work::Append(change) => batch.changes.push(change),
                Work::Flush(done) => waiting.push(done),
            }
        }
        (batch, waiting)
    }

    /// Whether appending may go on after this.
    fn write(self, journal: &mut Journal) -> std::io::Result<bool> {
        if let Some((facts, version)) = self.snapshot {
            journal.start_over(&facts, version)?;
        }
        let appended = self.changes.is_empty() || journal.append(&self.changes)?;
        Ok(appended && !journal.is_long())
    }
}
