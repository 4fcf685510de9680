//! Waiting on descriptors that tokio has no type for. The one unsafe call of
//! registering them is here, behind types that make it sound.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use tokio::io::unix::AsyncFd;

/// A value that owns one descriptor and cannot be exchanged for another.
#[derive(Debug)]
pub(crate) struct Owned<T>(T);

impl<T> Owned<T> {
    pub(crate) const fn get(&self) -> &T {
        &self.0
    }
}

impl<T: AsFd> AsRawFd for Owned<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Registers a non-blocking descriptor with the runtime. What can become an
/// [`OwnedFd`] owns its descriptor.
pub(crate) fn register<T: AsFd + Into<OwnedFd>>(inner: T) -> io::Result<AsyncFd<Owned<T>>> {
    // SAFETY: `inner` owns its descriptor and lives in the AsyncFd; `Owned`
    // lends it out by shared reference only, so it stays the same one.
    Ok(unsafe { AsyncFd::register(Owned(inner)) }?)
}
