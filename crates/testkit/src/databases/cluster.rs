//! A PostgreSQL server of our own on a private socket, ended with its owner.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User, chown};
use tempfile::TempDir;

/// Longest time a server may need to start.
const START: Duration = Duration::from_secs(30);

/// A running server; stopped on drop, and by the kernel when this process dies.
pub struct Cluster {
    folder: TempDir,
    server: Child,
    settings: &'static [&'static str],
}

/// For tests: commits that do not wait for a disk.
const FAST: &[&str] = &["fsync=off"];
/// For measurements: as docs/operator-guide.md advises.
const DURABLE: &[&str] = &["fsync=on", "shared_buffers=1GB", "max_wal_size=4GB", "checkpoint_timeout=15min"];

impl Cluster {
    /// Makes a data folder and starts a server that listens on a socket in it only.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(FAST)
    }

    /// The same with commits that reach the disk, for measurements.
    pub fn start_durable() -> anyhow::Result<Self> {
        Self::start_with(DURABLE)
    }

    fn start_with(settings: &'static [&'static str]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("isospin-pg-").tempdir()?;
        let user = unprivileged_user()?;
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid), Some(user.gid))?;
        }
        let data = folder.path().join("data");
        let made = command("initdb", user.as_ref())?
            .args(["-A", "trust", "-U", "isospin", "--no-sync", "-E", "UTF8", "--locale=C", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()?;
        if !made.success() {
            bail!("initdb failed: {made}");
        }
        let server = serve(folder.path(), settings)?;
        let mut cluster = Self { folder, server, settings };
        cluster.wait_ready()?;
        Ok(cluster)
    }

    /// Kills the server as a crash of its host would, and starts it again.
    ///
    /// # Errors
    /// It does not come up again.
    pub fn crash(&mut self) -> anyhow::Result<()> {
        self.server.kill()?;
        self.server.wait()?;
        let deadline = Instant::now() + START;
        loop {
            // The orphaned processes of the killed one end by themselves; until then a
            // new one refuses to start.
            self.server = serve(self.folder.path(), self.settings)?;
            if self.wait_ready().is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("PostgreSQL did not come up again in {}", self.folder.path().display());
            }
        }
    }

    /// How to reach it, without a database name.
    pub fn address(&self) -> String {
        format!("host={} user=isospin", self.folder.path().display())
    }

    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let socket = self.folder.path().join(".s.PGSQL.5432");
        let deadline = Instant::now() + START;
        while Instant::now() < deadline && self.server.try_wait()?.is_none() {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok() && self.answers() {
                return Ok(());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        bail!("PostgreSQL did not come up in {}", self.folder.path().display())
    }

    fn answers(&self) -> bool {
        let Ok(mut ready) = command("pg_isready", None) else { return false };
        ready.arg("-q").arg("-h").arg(self.folder.path()).status().is_ok_and(|status| status.success())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Immediate shutdown: nothing in it is worth keeping.
        let pid = i32::try_from(self.server.id()).unwrap_or(0);
        let _ = kill(Pid::from_raw(pid), Signal::SIGQUIT);
        let _ = self.server.wait();
    }
}

/// Starts a server on the folder's data.
fn serve(folder: &Path, settings: &[&str]) -> anyhow::Result<Child> {
    Ok(command("postgres", unprivileged_user()?.as_ref())?
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-k")
        .arg(folder)
        .args(["-c", "listen_addresses=", "-c", "max_connections=300"])
        .args(settings.iter().flat_map(|setting| ["-c", *setting]))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?)
}

/// PostgreSQL refuses to run as root; the Debian package makes a user for it.
fn unprivileged_user() -> anyhow::Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    User::from_name("postgres")?.map(Some).context("no user 'postgres': install the package postgresql")
}

fn command(tool: &str, user: Option<&User>) -> anyhow::Result<Command> {
    let mut command = Command::new(find(tool)?);
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command.current_dir("/");
    // SAFETY: prctl with these arguments touches no memory of ours and is
    // async-signal-safe, as required between fork and exec.
    unsafe {
        command.pre_exec(|| {
            nix::sys::prctl::set_pdeathsig(Signal::SIGQUIT)?;
            Ok(())
        });
    }
    Ok(command)
}

fn find(tool: &str) -> anyhow::Result<PathBuf> {
    let packaged = (13..=18).rev().map(|version| format!("/usr/lib/postgresql/{version}/bin"));
    let path = std::env::var("PATH").unwrap_or_default();
    packaged
        .chain(path.split(':').map(str::to_owned))
        .map(|folder| Path::new(&folder).join(tool))
        .find(|candidate| candidate.is_file())
        .with_context(|| format!("'{tool}' not found: install the package postgresql"))
}
