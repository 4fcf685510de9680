//! An Open vSwitch: database server and switch.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::machine::Machine;
use super::{sh, until};

/// Where its sockets are on a machine, as on any host.
const RUN_DIR: &str = "/run/openvswitch";
/// The switch keeps the memory of frames it has passed on for those to come
/// (docs/operator/openvswitch.md).
const MEMORY: (&str, &str) =
    ("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=67108864:glibc.malloc.top_pad=8388608");

/// The daemons, as long as this is kept.
#[derive(Debug)]
pub struct Switch {
    home: Home,
    database: Child,
    switch: Child,
}

/// What it runs on.
#[derive(Debug)]
enum Home {
    Machine(Machine),
    /// A named network namespace, and a run directory of its own.
    Namespace(String, TempDir),
}

impl Switch {
    /// Starts both on a machine.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn on(machine: &Machine) -> Result<Self> {
        Self::start(Home::Machine(machine.clone()))
    }

    /// Starts both in a named namespace.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn in_namespace(namespace: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("isospin-ovs-").tempdir()?;
        Self::start(Home::Namespace(namespace.to_owned(), folder))
    }

    fn start(home: Home) -> Result<Self> {
        let path = |name: &str| home.run_dir().join(name).display().to_string();
        home.run(&["ovsdb-tool", "create", &path("conf.db"), "/usr/share/openvswitch/vswitch.ovsschema"])?;
        let database = home.daemon(
            &[
                "ovsdb-server",
                &path("conf.db"),
                &format!("--remote=punix:{}", path("db.sock")),
                &format!("--unixctl={}", path("ovsdb.ctl")),
            ],
            &[],
        )?;
        let database_is = format!("--db=unix:{}", path("db.sock"));
        until("the database of Open vSwitch", || {
            home.run(&["ovs-vsctl", &database_is, "--no-wait", "--timeout=5", "init"]).ok()
        })?;
        let switch = home.start_switch()?;
        Ok(Self { home, database, switch })
    }

    /// Folder with the sockets.
    #[must_use]
    pub fn run_dir(&self) -> &Path {
        self.home.run_dir()
    }

    /// `ovs-vsctl`; what it printed.
    ///
    /// # Errors
    /// It failed.
    pub fn vsctl(&self, arguments: &str) -> Result<String> {
        let database = format!("--db=unix:{}", self.run_dir().join("db.sock").display());
        let words = ["ovs-vsctl", &database, "--timeout=10"].into_iter().chain(arguments.split_whitespace());
        self.home.run(&words.collect::<Vec<_>>())
    }

    /// The flows of a bridge as operators see them.
    ///
    /// # Errors
    /// There is no such bridge.
    pub fn flows(&self, bridge: &str) -> Result<String> {
        self.ofctl("dump-flows", bridge, &[])
    }

    /// A command of `ovs-ofctl` on a bridge; what it printed.
    ///
    /// # Errors
    /// It failed.
    pub fn ofctl(&self, command: &str, bridge: &str, arguments: &[&str]) -> Result<String> {
        let socket = format!("unix:{}", self.run_dir().join(format!("{bridge}.mgmt")).display());
        let words = ["ovs-ofctl", "-O", "OpenFlow14", "--no-stats", "--names", command, &socket];
        self.home.run(&words.iter().chain(arguments).copied().collect::<Vec<_>>())
    }

    /// Waits until the datapath does what the flows say: what it remembers of earlier frames
    /// follows a change of flows some milliseconds later.
    ///
    /// # Errors
    /// The switch is not there.
    pub fn caught_up(&self) -> Result<()> {
        let control = self.run_dir().join("vswitchd.ctl").display().to_string();
        self.home.run(&["ovs-appctl", "--timeout=10", "-t", &control, "revalidator/wait"]).map(drop)
    }

    /// The process of the switch.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.switch.id()
    }

    /// Kills the switch outright and starts another.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.switch.kill()?;
        self.switch.wait()?;
        self.switch = self.home.start_switch()?;
        Ok(())
    }

    /// Leaves both running when this value goes, for as long as the machine runs.
    pub fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        for daemon in [&mut self.switch, &mut self.database] {
            // It may have ended by itself.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

impl Home {
    fn run_dir(&self) -> &Path {
        match self {
            Self::Machine(_) => Path::new(RUN_DIR),
            Self::Namespace(_, folder) => folder.path(),
        }
    }

    fn run(&self, command: &[&str]) -> Result<String> {
        match self {
            Self::Machine(machine) => machine.run(command),
            Self::Namespace(..) => sh(command),
        }
    }

    fn start_switch(&self) -> Result<Child> {
        let path = |name: &str| self.run_dir().join(name).display().to_string();
        let database = format!("unix:{}", path("db.sock"));
        let control = format!("--unixctl={}", path("vswitchd.ctl"));
        self.daemon(&["ovs-vswitchd", &database, &control], &[MEMORY])
    }

    fn daemon(&self, command: &[&str], settings: &[(&str, &str)]) -> Result<Child> {
        let (program, arguments) = command.split_first().context("a daemon")?;
        let quiet = ["-vconsole:warn", "-vsyslog:off", "-vfile:off"];
        match self {
            Self::Machine(machine) => {
                let mut child = Command::new(program);
                child.args(arguments).args(quiet).envs(settings.iter().copied());
                machine.daemon(program, child)
            }
            Self::Namespace(name, folder) => {
                let log: PathBuf = folder.path().join(format!("{program}.log"));
                let mut child = Command::new("ip");
                // It dies with its parent.
                child.args(["netns", "exec", name, "setpriv", "--pdeathsig", "KILL", program]);
                child.args(arguments).args(quiet).envs(settings.iter().copied());
                child.env("OVS_RUNDIR", folder.path());
                child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(log)?);
                child.spawn().with_context(|| format!("cannot start {program}"))
            }
        }
    }
}
