//! An Open vSwitch on the host of a test.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use isospin_testkit::lab::lengthen_queues;

use crate::host::run;
use crate::until;

/// Where the agent looks for it unless it is told otherwise.
const RUN_DIR: &str = "/run/openvswitch";
const DATABASE: &str = "/run/openvswitch/conf.db";
/// Time a daemon may take to be there.
const START: Duration = Duration::from_secs(10);

/// Database server and switch; they end with the value, and with the test's thread.
#[derive(Debug)]
pub struct Switch {
    switch: Child,
    database: Child,
}

impl Switch {
    /// Starts both.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn start() -> Result<Self> {
        std::fs::create_dir_all(RUN_DIR)?;
        run("ovsdb-tool", &["create", DATABASE, "/usr/share/openvswitch/vswitch.ovsschema"])?;
        let database = daemon(&["ovsdb-server", DATABASE, "--remote=punix:/run/openvswitch/db.sock"])?;
        let listens = || Path::new("/run/openvswitch/db.sock").exists().then_some(());
        until("the database", START, listens)?;
        run("ovs-vsctl", &["--no-wait", "init"])?;
        Ok(Self { switch: start_switch()?, database })
    }

    /// See [`isospin_testkit::lab::lengthen_queues`].
    ///
    /// # Errors
    /// The switch has ended.
    pub fn lengthen_queues(&self) -> Result<()> {
        lengthen_queues(self.switch.id())
    }

    /// Kills the switch outright and starts another.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.switch.kill()?;
        self.switch.wait()?;
        self.switch = start_switch()?;
        Ok(())
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

fn start_switch() -> Result<Child> {
    daemon(&["ovs-vswitchd", "unix:/run/openvswitch/db.sock", "--pidfile=/run/openvswitch/ovs-vswitchd.pid"])
}

fn daemon(command: &[&str]) -> Result<Child> {
    let log = File::create(format!("{RUN_DIR}/{}.log", command.first().context("a command")?))?;
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .args(command)
        .args(["-vconsole:warn", "-vsyslog:off", "-vfile:off"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("the daemon starts")
}
