//! A machine: namespaces of its own for network, mounts, processes and host name.
//!
//! Its first process ends with the value that stands for it, also when a test is killed
//! (it reads from a pipe that closes then), and the kernel ends everything on the machine
//! with it: processes, devices, named namespaces, mounts.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The kinds of namespaces a machine has for itself.
const KINDS: [(&str, CloneFlags); 4] = [
    ("pid", CloneFlags::CLONE_NEWPID),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("net", CloneFlags::CLONE_NEWNET),
    ("mnt", CloneFlags::CLONE_NEWNS),
];

/// What the first process does: an empty /run and /var/lib, with the machine's folder as
/// /var/lib/isospin.
const BOOT: &str = "mount --make-rprivate / && mount -t proc proc /proc && mount -t sysfs sysfs /sys \
    && mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/netns /run/openvswitch \
    && mount -t tmpfs -o mode=755 tmpfs /var/lib && mkdir /var/lib/isospin \
    && mount --bind \"$1\" /var/lib/isospin && hostname \"$0\" && ip link set lo up && echo up";

/// File with the number of the first process.
const PID: &str = "pid";
/// What the first process of a lasting machine is.
const LASTING: &str = "sleep\0infinity\0";

/// How long a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// As long as the value that stands for it.
    Mine,
    /// Until somebody ends its first process.
    Lasting,
}

/// A machine.
#[derive(Debug, Clone)]
pub struct Machine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    folder: PathBuf,
    pid: Pid,
    /// Only of one that ends with this value.
    init: Option<Child>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(mut init) = self.init.take() {
            // It may have ended by itself. It is gone once everything on the machine is: children
            // of this process there that nobody waits for keep it, so this waits a while only.
            let _ = init.kill();
            for _ in 0..100 {
                if !matches!(init.try_wait(), Ok(None)) {
                    break;
                }
                super::pause();
            }
        }
    }
}

impl Machine {
    /// Starts one with this host name; what it keeps is in `folder`.
    ///
    /// # Errors
    /// The kernel's, for want of privilege for example.
    pub fn start(name: &str, folder: &Path, life: Life) -> Result<Self> {
        std::fs::create_dir_all(folder.join("logs"))?;
        let last = if life == Life::Mine { "exec cat >/dev/null" } else { "exec sleep infinity >/dev/null" };
        let mut boot = Command::new("sh");
        boot.args(["-c", &format!("{BOOT} && {last}"), name]).arg(folder);
        boot.process_group(0)
            .stdin(if life == Life::Mine { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("logs/boot.log"))?);
        // Namespaces belong to threads: this one ends when the first process has started.
        let init = std::thread::scope(|scope| {
            let maker = scope.spawn(|| {
                let all = KINDS.into_iter().fold(CloneFlags::empty(), |all, (_, kind)| all | kind);
                unshare(all).context("cannot make namespaces")?;
                boot.spawn().context("cannot start a shell")
            });
            maker.join().map_err(|_| anyhow!("the thread that makes machine {name} panicked"))?
        });
        let mut init = init.with_context(|| format!("machine {name}"))?;
        let mut said = String::new();
        if let Some(output) = init.stdout.take() {
            BufReader::new(output).read_line(&mut said)?;
        }
        let pid = Pid::from_raw(i32::try_from(init.id())?);
        std::fs::write(folder.join(PID), pid.to_string())?;
        let init = (life == Life::Mine).then_some(init);
        let machine = Self(Arc::new(Inner { name: name.to_owned(), folder: folder.to_owned(), pid, init }));
        if said != "up\n" {
            let why = std::fs::read_to_string(folder.join("logs/boot.log")).unwrap_or_default();
            machine.end();
            bail!("machine {name} does not start: {why}");
        }
        Ok(machine)
    }

    /// Machines another process started with folders in this one.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn all(folder: &Path) -> Result<Vec<Self>> {
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut machines = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Ok(pid) = std::fs::read_to_string(entry.path().join(PID)) else { continue };
            let pid = Pid::from_raw(pid.trim().parse().context("a number of a process")?);
            // The number may be somebody else's by now.
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if command == LASTING.as_bytes() {
                let name = entry.file_name().to_string_lossy().into_owned();
                machines.push(Self(Arc::new(Inner { name, folder: entry.path(), pid, init: None })));
            }
        }
        Ok(machines)
    }

    /// Its host name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its folder, which is its /var/lib/isospin.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Its first process, as others see it.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.0.pid
    }

    /// Ends it with all it runs.
    pub fn end(&self) {
        // An error means that it has ended.
        let _ = kill(self.0.pid, Signal::SIGKILL);
    }

    /// Does the work on a thread of the machine. Processes and sockets it makes stay there.
    ///
    /// # Errors
    /// The machine has gone, or the work's own.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.enter(&KINDS, work)
    }

    /// Does the work in the machine's network only, with the files and processes of others.
    ///
    /// # Errors
    /// The machine has gone, or the work's own.
    pub fn in_network<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.enter(&[("net", CloneFlags::CLONE_NEWNET)], work)
    }

    /// Does the work in the machine's network with its files, as one of the caller's processes:
    /// such a thread may start others.
    ///
    /// # Errors
    /// The machine has gone, or the work's own.
    pub fn in_network_and_files<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.enter(&[("net", CloneFlags::CLONE_NEWNET), ("mnt", CloneFlags::CLONE_NEWNS)], work)
    }

    fn enter<T: Send>(
        &self,
        kinds: &[(&str, CloneFlags)],
        work: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T> {
        let open = |(name, kind): &(&str, CloneFlags)| {
            let file = File::open(format!("/proc/{}/ns/{name}", self.0.pid))?;
            Ok((file, *kind))
        };
        let doors: Vec<_> = kinds
            .iter()
            .map(open)
            .collect::<Result<_>>()
            .with_context(|| format!("machine {} has gone", self.0.name))?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                // Other threads keep their own root folder.
                unshare(CloneFlags::CLONE_FS)?;
                for (door, kind) in doors {
                    setns(door, kind).context("cannot enter a machine")?;
                }
                work()
            });
            thread.join().map_err(|_| anyhow!("work on machine {} panicked", self.0.name))?
        })
    }

    /// Starts a process there.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&self, mut command: Command) -> Result<Child> {
        self.within(move || command.spawn().with_context(|| format!("cannot run {command:?}")))
    }

    /// Starts a daemon whose output goes to `logs/NAME.log` of the machine's folder.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn daemon(&self, name: &str, mut command: Command) -> Result<Child> {
        let path = self.0.folder.join(format!("logs/{name}.log"));
        let log = File::options().create(true).append(true).open(&path)?;
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.spawn(command)
    }

    /// Runs a command there to its end.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn output(&self, command: &[&str]) -> Result<Output> {
        let (program, arguments) = command.split_first().context("no command")?;
        self.within(|| {
            let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
            output.with_context(|| format!("cannot run {program}"))
        })
    }

    /// Runs a command there that must succeed; what it printed.
    ///
    /// # Errors
    /// It failed: with what it said.
    pub fn run(&self, command: &[&str]) -> Result<String> {
        let output = self.output(command)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{}: {}: {said}", self.0.name, command.join(" "));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs lines of a shell there, each of which must succeed.
    ///
    /// # Errors
    /// One failed: with what it said.
    pub fn script(&self, lines: &str) -> Result<String> {
        self.run(&["sh", "-ec", lines])
    }
}
