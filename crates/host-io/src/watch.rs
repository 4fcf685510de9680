//! Entries of /run/netns made and removed, and settings written, by anybody.

use std::io;
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};
use tokio::io::unix::AsyncFd;

use crate::HostError;
use crate::netns::DIRECTORY;
use crate::readiness::{self, Owned};
use crate::sysctl::path_of;

/// An entry changed; whether it is there now is for the reader to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceChange {
    pub name: String,
}

/// Changes of /run/netns, in order.
#[derive(Debug)]
pub struct NamespaceWatch {
    events: Events,
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
        let what = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_DELETE_SELF;
        let events = Events::open([Path::new(DIRECTORY)], what).map_err(wrong)?;
        Ok(Self { events, waiting: std::collections::VecDeque::new() })
    }

    /// Waits for the next change. Safe to cancel. `None` when changes may have
    /// been missed: open another and look at everything.
    pub async fn next(&mut self) -> Option<NamespaceChange> {
        loop {
            if let Some(change) = self.waiting.pop_front() {
                return Some(change);
            }
            let names = self.events.next().await?.into_iter();
            let names = names.filter_map(|event| event.name?.into_string().ok());
            self.waiting.extend(names.map(|name| NamespaceChange { name }));
        }
    }
}

/// Kernel settings of this process's namespace that somebody writes.
///
/// A setting that a module brings is watched from the next opening on.
#[derive(Debug)]
pub struct SettingWatch(Events);

impl SettingWatch {
    /// Watches those of these settings that are there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open(keys: &[&str]) -> Result<Self, HostError> {
        let paths: Vec<_> = keys.iter().map(|key| path_of(key)).filter(|path| path.exists()).collect();
        let events = Events::open(paths.iter().map(AsRef::as_ref), AddWatchFlags::IN_MODIFY);
        Ok(Self(events.map_err(|source| HostError::kernel("watch", "/proc/sys", source))?))
    }

    /// Waits until one is written, by this process too. Safe to cancel. `None` when that
    /// may have been missed: open another and look at everything.
    pub async fn next(&mut self) -> Option<()> {
        self.0.next().await.map(drop)
    }
}

/// What inotify tells of some paths.
#[derive(Debug)]
struct Events(AsyncFd<Owned<Inotify>>);

impl Events {
    fn open<'a>(paths: impl IntoIterator<Item = &'a Path>, what: AddWatchFlags) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        for path in paths {
            inotify.add_watch(path, what)?;
        }
        Ok(Self(readiness::register(inotify)?))
    }

    /// `None` when events were lost.
    async fn next(&self) -> Option<Vec<InotifyEvent>> {
        loop {
            let mut ready = self.0.readable().await.ok()?;
            let read = ready.try_io(|inotify| inotify.get_ref().get().read_events().map_err(io::Error::from));
            let events = match read {
                Ok(events) => events.ok()?,
                Err(_would_block) => continue,
            };
            let lost = AddWatchFlags::IN_Q_OVERFLOW | AddWatchFlags::IN_IGNORED;
            return (!events.iter().any(|event| event.mask.intersects(lost))).then_some(events);
        }
    }
}
