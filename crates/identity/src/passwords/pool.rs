//! Threads that hash, and the queue before them.
//!
//! Hashing takes a good part of a second each time, so it happens on threads of its
//! own, fewer than there are logins, which give way to all others: a server that is
//! flooded with logins checks tokens as quickly as before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::fault::Fault;

type Job = Box<dyn FnOnce() + Send>;

/// How far below others the threads are (`nice`): with both cores wanted by others they
/// get about a tenth.
const NICE: libc::c_int = 10;

/// A fixed number of threads and a queue of fixed length.
pub struct Pool {
    jobs: SyncSender<Job>,
}

impl Pool {
    /// Starts the threads; they end when the pool is dropped.
    pub fn start(threads: usize, queue: usize) -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel::<Job>(queue);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads.max(1) {
            let waiting = Arc::clone(&waiting);
            thread::Builder::new().name(format!("password-{number}")).spawn(move || work(&waiting))?;
        }
        Ok(Self { jobs })
    }

    /// Does the work when its turn comes; 503 when too many wait. Work whose client has
    /// gone away before its turn is not begun.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            if !answer.is_closed() {
                let _ = answer.send(work());
            }
        });
        match self.jobs.try_send(job) {
            Ok(()) => answered.await.map_err(Fault::internal),
            Err(TrySendError::Full(_)) => Err(Fault::busy()),
            Err(TrySendError::Disconnected(_)) => Err(Fault::internal("the threads that hash have ended")),
        }
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    // SAFETY: takes numbers only; 0 is this thread, priorities of threads are their own on Linux.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    loop {
        // Held while waiting: the others wait for the lock instead of the queue.
        let next = waiting.lock().recv();
        let Ok(job) = next else { return };
        // Whoever waits for work that panicked is told; the thread is for the next one.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("hashing a password panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn more_than_the_queue_holds_are_told_to_come_back() {
        let pool = Arc::new(Pool::start(1, 2).expect("threads"));
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (begun, running) = oneshot::channel();
        let first = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move {
                pool.run(move || {
                    let _ = begun.send(());
                    held.recv()
                })
                .await
            }
        });
        running.await.expect("the first runs");
        let mut waiting = Vec::new();
        for number in 0..2 {
            let mut run = Box::pin({
                let pool = Arc::clone(&pool);
                async move { pool.run(move || number).await }
            });
            assert!(futures::poll!(run.as_mut()).is_pending(), "{number} waits");
            waiting.push(run);
        }
        let refused = pool.run(|| ()).await.expect_err("the queue is full");
        assert_eq!(refused.status.as_u16(), 503);
        release.send(()).expect("the first still waits");
        assert!(first.await.expect("no panic").is_ok());
        for (number, run) in waiting.into_iter().enumerate() {
            assert_eq!(run.await.expect("its turn"), number);
        }
    }

    #[tokio::test]
    async fn work_that_panics_costs_no_thread() {
        let pool = Pool::start(1, 2).expect("threads");
        let fault = pool.run::<()>(|| panic!("broken")).await.expect_err("no answer");
        assert_eq!(fault.status.as_u16(), 500);
        assert_eq!(pool.run(|| 7).await.expect("the thread lives"), 7);
    }

    #[tokio::test]
    async fn work_nobody_waits_for_is_not_begun() {
        let pool = Pool::start(1, 2).expect("threads");
        let (release, held) = std::sync::mpsc::channel::<()>();
        let mut first = Box::pin(pool.run(move || held.recv()));
        assert!(futures::poll!(first.as_mut()).is_pending());
        let mut second = Box::pin(pool.run(|| panic!("begun")));
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(second);
        release.send(()).expect("the first waits");
        assert!(first.await.is_ok());
        assert_eq!(pool.run(|| 7).await.expect("the thread lives"), 7);
    }
}
