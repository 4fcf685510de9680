//! An Open vSwitch of a host: database server and switch, with a run directory of their own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{sh, until};

/// The daemons, as long as this is kept.
#[derive(Debug)]
pub struct Switch {
    folder: TempDir,
    database: Child,
    switch: Child,
}

impl Switch {
    /// Starts both in a namespace.
    #[must_use]
    pub fn start(namespace: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("isospin-ovs-").tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        sh("ovsdb-tool", &["create", &path("conf.db"), "/usr/share/openvswitch/vswitch.ovsschema"]);
        let database = daemon(
            namespace,
            folder.path(),
            &[
                "ovsdb-server",
                &path("conf.db"),
                &format!("--remote=punix:{}", path("db.sock")),
                &format!("--unixctl={}", path("ovsdb.ctl")),
            ],
        );
        until("the database", || folder.path().join("db.sock").exists().then_some(()));
        let switch = start_switch(namespace, folder.path());
        let this = Self { folder, database, switch };
        this.vsctl("--no-wait init");
        this
    }

    /// Folder with the sockets.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// `ovs-vsctl`; what it printed.
    pub fn vsctl(&self, arguments: &str) -> String {
        let database = format!("--db=unix:{}", self.folder.path().join("db.sock").display());
        let words: Vec<&str> =
            [database.as_str(), "--timeout=10"].into_iter().chain(arguments.split_whitespace()).collect();
        sh("ovs-vsctl", &words)
    }

    /// The flows of a bridge as operators see them.
    #[must_use]
    pub fn flows(&self, bridge: &str) -> String {
        let socket = format!("unix:{}", self.folder.path().join(format!("{bridge}.mgmt")).display());
        sh("ovs-ofctl", &["-O", "OpenFlow14", "--no-stats", "dump-flows", &socket])
    }

    /// `ovs-appctl` to the switch; what it printed.
    #[must_use]
    pub fn appctl(&self, arguments: &[&str]) -> String {
        let target = self.folder.path().join("vswitchd.ctl").display().to_string();
        sh("ovs-appctl", &[&["-t", target.as_str()][..], arguments].concat())
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        end(&mut self.switch);
        end(&mut self.database);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn start_switch(namespace: &str, folder: &Path) -> Child {
    let path = |name: &str| folder.join(name).display().to_string();
    let database = format!("unix:{}", path("db.sock"));
    let control = format!("--unixctl={}", path("vswitchd.ctl"));
    daemon(namespace, folder, &["ovs-vswitchd", &database, &control])
}

/// A child inside the namespace that dies with its parent.
fn daemon(namespace: &str, folder: &Path, command: &[&str]) -> Child {
    let log = |name: &str| Stdio::from(std::fs::File::create(folder.join(name)).expect("a log"));
    let name = command.first().copied().unwrap_or_default();
    let mut child = Command::new("ip");
    child
        .args(["netns", "exec", namespace, "setpriv", "--pdeathsig", "KILL"])
        .args(command)
        .args(["-vconsole:warn", "-vsyslog:off", "-vfile:off"])
        .env("OVS_RUNDIR", folder)
        .stdin(Stdio::null())
        .stdout(log(&format!("{name}.out")))
        .stderr(log(&format!("{name}.log")));
    child.spawn().expect("the daemon starts")
}
