//! Several hosts on this machine, with one real server and real agents.
//!
//! ```text
//! fabric      bridges mgmt 10.98.0.0/24, tunnel 10.99.0.0/24, provider (no addresses)
//! controller  10.98.0.1: isospin server
//! host1 …     10.98.0.11 …: isospin agent, its Open vSwitch; instances are its named namespaces
//! ```
//!
//! Each is a [`Machine`]: namespaces for network, mounts, processes and host name. Who
//! starts the lab is 10.98.0.254 on the management network. Everything ends with the
//! value that stands for it, also when a test is killed.

mod capture;
mod controller;
mod fabric;
mod host;
mod instance;
mod machine;
mod switch;
mod tuning;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

pub use capture::{Capture, ends};
pub use controller::{Controller, PHYSICAL};
pub use fabric::{Fabric, Network, OUTSIDE_NIC};
pub use host::{Driver, Host, addresses};
pub use instance::{Instance, Plug};
pub use machine::{Life, Machine};
pub use switch::Switch;
pub use tuning::{lengthen_queues, stay_on};

/// Time anything may take to be there.
const LIMIT: Duration = Duration::from_secs(20);
/// Lines of a log that are shown when something failed.
const LINES: usize = 20;

/// All of it.
#[derive(Debug)]
pub struct Lab {
    pub hosts: Vec<Host>,
    pub controller: Controller,
    pub fabric: Fabric,
    // Removed last.
    _folder: Option<TempDir>,
}

impl Lab {
    /// A lab with these hosts that ends with the value. The calling thread's network
    /// should be its own.
    ///
    /// # Errors
    /// Something does not start.
    pub fn start(binary: &Path, drivers: &[Driver]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("isospin-lab-").tempdir()?;
        let lab = Self::start_in(folder.path(), binary, drivers, Life::Mine)?;
        Ok(Self { _folder: Some(folder), ..lab })
    }

    /// The same, with what its machines keep in this folder.
    ///
    /// # Errors
    /// Something does not start.
    pub fn start_in(folder: &Path, binary: &Path, drivers: &[Driver], life: Life) -> Result<Self> {
        if !binary.exists() {
            bail!("there is no {}: `cargo build -p isospin` makes it", binary.display());
        }
        let fabric = Fabric::start(folder, life)?;
        fabric.let_in()?;
        let controller = Controller::start(&fabric, binary, folder, life)?;
        let start = |numbered| Host::start(&fabric, &controller, binary, folder, numbered, life);
        let hosts: Vec<Host> = (1..).zip(drivers.iter().copied()).map(start).collect::<Result<_>>()?;
        for host in &hosts {
            host.settled()?;
        }
        Ok(Self { hosts, controller, fabric, _folder: None })
    }

    /// Its machines.
    #[must_use]
    pub fn machines(&self) -> Vec<&Machine> {
        let hosts = self.hosts.iter().map(|host| &host.machine);
        [&self.fabric.machine, &self.controller.machine].into_iter().chain(hosts).collect()
    }

    /// Leaves it running when this value goes.
    pub fn leave(self) {
        self.hosts.into_iter().for_each(Host::leave);
        self.controller.leave();
    }
}

/// What hosts with Open vSwitch need and this machine lacks.
fn missing() -> Option<&'static str> {
    if !nix::unistd::geteuid().is_root() {
        return Some("root");
    }
    (!PathBuf::from("/usr/sbin/ovs-vswitchd").exists()).then_some("openvswitch-switch")
}

/// Whether hosts can be made; says aloud why not.
#[must_use]
pub fn can_run() -> bool {
    let Some(missing) = missing() else { return true };
    assert!(std::env::var_os("CI").is_none(), "tests with hosts need {missing}");
    eprintln!("SKIPPED: needs {missing}");
    false
}

/// Runs a tool that must succeed; what it printed.
fn sh(command: &[&str]) -> Result<String> {
    let (program, arguments) = command.split_first().context("no command")?;
    let output = Command::new(program).args(arguments).output().with_context(|| format!("no {program}"))?;
    if !output.status.success() {
        bail!("{}: {}", command.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The end of a log of a machine.
fn last_lines(machine: &Machine, name: &str) -> String {
    let log = std::fs::read_to_string(machine.folder().join(format!("logs/{name}.log"))).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    format!("{name} of {}: {}", machine.name(), lines[lines.len().saturating_sub(LINES)..].join("\n"))
}

/// Looks until there is something, for twenty seconds at most.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() > end {
            bail!("{what}: not within {} s", LIMIT.as_secs());
        }
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "the pace of looking; what is waited for is a state")]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}
