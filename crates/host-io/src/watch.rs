//! Entries of /run/netns made and removed by anybody.

use std::io;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;

use crate::HostError;
use crate::netns::DIRECTORY;
use crate::readiness::{self, Owned};

/// An entry changed; whether it is there now is for the reader to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceChange {
    pub name: String,
}

/// Changes of /run/netns, in order.
#[derive(Debug)]
pub struct NamespaceWatch {
    inotify: AsyncFd<Owned<Inotify>>,
    waiting: std::collections::VecDeque<NamespaceChange>,
}

impl NamespaceWatch {
    /// Watches from now on: open before the first look at the entries.
    ///
    /// # Errors
    /// When the directory cannot be made or watched.
    pub fn open() -> Result<Self, HostError> {
        let wrong = |source: io::Error| HostError::kernel("watch", DIRECTORY, source);
        std::fs::create_dir_all(DIRECTORY).map_err(wrong)?;
        let open = || -> Result<Inotify, Errno> {
            let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
            let events = AddWatchFlags::IN_CREATE
                | AddWatchFlags::IN_DELETE
                | AddWatchFlags::IN_MOVED_FROM
                | AddWatchFlags::IN_MOVED_TO
                | AddWatchFlags::IN_DELETE_SELF;
            inotify.add_watch(DIRECTORY, events)?;
            Ok(inotify)
        };
        let inotify = open().map_err(|errno| wrong(errno.into()))?;
        let inotify = readiness::register(inotify).map_err(wrong)?;
        Ok(Self { inotify, waiting: std::collections::VecDeque::new() })
    }

    /// Waits for the next change. Safe to cancel. `None` when changes may have
    /// been missed: open another and look at everything.
    pub async fn next(&mut self) -> Option<NamespaceChange> {
        loop {
            if let Some(change) = self.waiting.pop_front() {
                return Some(change);
            }
            let mut ready = self.inotify.readable().await.ok()?;
            let read = ready.try_io(|inotify| inotify.get_ref().get().read_events().map_err(io::Error::from));
            let events = match read {
                Ok(events) => events.ok()?,
                Err(_would_block) => continue,
            };
            for event in events {
                let lost = AddWatchFlags::IN_Q_OVERFLOW | AddWatchFlags::IN_IGNORED;
                if event.mask.intersects(lost) {
                    return None;
                }
                if let Some(name) = event.name.and_then(|name| name.into_string().ok()) {
                    self.waiting.push_back(NamespaceChange { name });
                }
            }
        }
    }
}
