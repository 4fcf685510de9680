//! Work inside a named network namespace.

use std::fs::File;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

/// Runs the work in a thread inside the namespace, or on the host for "". Sockets it
/// opens belong to that place wherever they are used later.
///
/// # Errors
/// There is no such namespace, or the work's own.
pub fn inside<T: Send>(netns: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    if netns.is_empty() {
        return work();
    }
    let file = File::open(format!("/run/netns/{netns}")).with_context(|| format!("no namespace {netns}"))?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET).context("cannot enter the namespace")?;
            work()
        });
        thread.join().map_err(|_| anyhow!("the work inside {netns} panicked"))?
    })
}
