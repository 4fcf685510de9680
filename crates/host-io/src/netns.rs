//! Named network namespaces: the same files under /run/netns that `ip netns`
//! uses, so that operators see and enter ours with the tools they know.
//!
//! Work inside a namespace runs on a fresh thread that enters it and ends
//! there; no thread of the runtime ever changes its namespace. A [`Namespace`]
//! keeps its namespace alive: who notices that the entry was removed must drop
//! it, and every door opened in it.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use tokio::sync::oneshot;

use crate::HostError;

/// Where named namespaces live.
pub const DIRECTORY: &str = "/run/netns";

/// File system type of namespace files (`NSFS_MAGIC` in linux/magic.h).
const NSFS_MAGIC: i64 = 0x6e73_6673;

/// A network namespace by name under /run/netns.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
    file: Arc<OwnedFd>,
    inode: u64,
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.inode == other.inode
    }
}

impl Eq for Namespace {}

impl Namespace {
    /// Makes the namespace, or opens it if it exists already. A file left there
    /// without a namespace behind it (a crash, a reboot) is replaced.
    ///
    /// # Errors
    /// When the kernel refuses, for want of privilege for example.
    pub fn create(name: &str) -> Result<Self, HostError> {
        if let Some(existing) = Self::open(name)? {
            return Ok(existing);
        }
        let wrong = |source| HostError::kernel("create namespace", name, source);
        prepare_directory().map_err(wrong)?;
        let path = path_of(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(wrong(error)),
            _ => {}
        }
        File::options().write(true).create_new(true).open(&path).map_err(wrong)?;
        if let Err(source) = mount_fresh(path.clone()) {
            // The bare file would be mistaken for an entry by `ip netns`.
            let _ = fs::remove_file(&path);
            return Err(wrong(source));
        }
        Self::open(name)?.ok_or_else(|| wrong(io::Error::from_raw_os_error(libc::ENOENT)))
    }

    /// Opens the namespace; `None` when there is no such entry, or only a file
    /// without a namespace behind it.
    ///
    /// # Errors
    /// When the entry is there and cannot be opened.
    pub fn open(name: &str) -> Result<Option<Self>, HostError> {
        let wrong = |source| HostError::kernel("open namespace", name, source);
        let file = match File::open(path_of(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(error)),
        };
        let system = nix::sys::statfs::fstatfs(&file).map_err(|errno| wrong(errno.into()))?;
        if system.filesystem_type().0 as i64 != NSFS_MAGIC {
            return Ok(None);
        }
        let inode = file.metadata().map_err(wrong)?.ino();
        Ok(Some(Self { name: name.to_owned(), file: Arc::new(file.into()), inode }))
    }

    /// Inode of the namespace behind the entry now, without keeping it alive;
    /// `None` when there is none.
    #[must_use]
    pub fn current_inode(name: &str) -> Option<u64> {
        Self::open(name).ok().flatten().map(|namespace| namespace.inode)
    }

    /// Removes the entry; absent is fine. The namespace itself ends with its
    /// last process, socket and [`Namespace`].
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn delete(name: &str) -> Result<(), HostError> {
        let path = path_of(name);
        match umount2(&path, MntFlags::MNT_DETACH) {
            // EINVAL: a file, but nothing mounted on it.
            Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {}
            Err(errno) => return Err(HostError::kernel("unmount namespace", name, errno.into())),
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(HostError::kernel("delete namespace", name, error))
            }
            _ => Ok(()),
        }
    }

    /// Names of all entries, sorted.
    ///
    /// # Errors
    /// When the directory exists and cannot be read.
    pub fn list() -> Result<Vec<String>, HostError> {
        let wrong = |source| HostError::kernel("list namespaces in", DIRECTORY, source);
        let entries = match fs::read_dir(DIRECTORY) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(wrong(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            if let Ok(name) = entry.map_err(wrong)?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The name under /run/netns.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Identity of the namespace: one deleted and made again has another. (The
    /// kernel reuses the number only after the last holder is gone, and this
    /// value is a holder.)
    #[must_use]
    pub const fn inode(&self) -> u64 {
        self.inode
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Runs `work` on a helper thread inside the namespace. Sockets opened there
    /// stay there; asynchronous ones may be opened, the runtime is entered.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or `work` panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HostError> {
        let (answer, wait) = oneshot::channel();
        let namespace = self.clone();
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name("netns".to_owned())
            .spawn(move || {
                let result = setns(namespace.fd(), CloneFlags::CLONE_NEWNET).map(|()| {
                    let _entered = runtime.enter();
                    work()
                });
                // The caller may have gone; then nobody wants the answer.
                let _ = answer.send(result);
            })
            .map_err(|source| HostError::kernel("start a thread for namespace", &self.name, source))?;
        match wait.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(errno)) => Err(HostError::kernel("enter namespace", &self.name, errno.into())),
            Err(_) => Err(HostError::Lost { namespace: self.name.clone() }),
        }
    }
}

/// Where a door opens: the host's own namespace (of this process) or a named one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Host,
    Namespace(Namespace),
}

impl Place {
    /// Runs `work` at this place: directly on the host, on a helper thread in a namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HostError> {
        match self {
            Self::Host => Ok(work()),
            Self::Namespace(namespace) => namespace.run(work).await,
        }
    }

    /// As [`Place::run`], for work that waits: off the runtime's threads in either case.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or `work` panics.
    pub async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HostError> {
        match self {
            Self::Host => tokio::task::spawn_blocking(work)
                .await
                .map_err(|_| HostError::Lost { namespace: "host".to_owned() }),
            Self::Namespace(namespace) => namespace.run(work).await,
        }
    }

    /// The namespace's name, or "host", for logs.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Host => "host",
            Self::Namespace(namespace) => namespace.name(),
        }
    }
}

impl From<Namespace> for Place {
    fn from(namespace: Namespace) -> Self {
        Self::Namespace(namespace)
    }
}

fn path_of(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// Makes /run/netns a shared mount, as `ip netns add` does: then a namespace
/// removed in one mount namespace is removed in all.
fn prepare_directory() -> io::Result<()> {
    fs::create_dir_all(DIRECTORY)?;
    let share =
        || mount(None::<&str>, DIRECTORY, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    match share() {
        Err(nix::errno::Errno::EINVAL) => {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(DIRECTORY), DIRECTORY, None::<&str>, flags, None::<&str>)?;
            Ok(share()?)
        }
        other => Ok(other?),
    }
}

/// A fresh namespace mounted at `path`, made on a thread that ends at once.
fn mount_fresh(path: PathBuf) -> io::Result<()> {
    let maker = std::thread::Builder::new().name("netns".to_owned()).spawn(move || -> io::Result<()> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let own = Some("/proc/thread-self/ns/net");
        mount(own, &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        Ok(())
    })?;
    maker.join().map_err(|_| io::Error::other("the thread that makes the namespace panicked"))?
}
