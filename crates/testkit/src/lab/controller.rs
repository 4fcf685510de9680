//! The machine with the server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::fabric::{Fabric, Network};
use super::machine::{Life, Machine};
use super::until;

/// Its number on the networks.
const NUMBER: u8 = 1;
/// The physical network every host is on.
pub const PHYSICAL: &str = "physnet1";
const CONFIG: &str = r#"[network]
tenant_network_types = ["vxlan"]
vxlan_ranges = ["1:9999"]
gre_ranges = ["1:9999"]
geneve_ranges = ["1:9999"]
[network.vlan_ranges]
physnet1 = ["100:199"]
"#;

/// The server and its machine.
#[derive(Debug)]
pub struct Controller {
    pub machine: Machine,
    binary: PathBuf,
    server: Option<Child>,
}

impl Controller {
    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    /// It does not start: with the end of its log.
    pub fn start(fabric: &Fabric, binary: &Path, folder: &Path, life: Life) -> Result<Self> {
        let machine = Machine::start("controller", &folder.join("controller"), life)?;
        fabric.connect(&machine, Network::Management, NUMBER)?;
        let address = Network::Management.address(NUMBER);
        machine.run(&["ip", "address", "add", &format!("{address}/24"), "dev", Network::Management.nic()])?;
        std::fs::write(machine.folder().join("isospin.toml"), CONFIG)?;
        let mut controller = Self { machine, binary: binary.to_owned(), server: None };
        controller.start_server()?;
        Ok(controller)
    }

    /// Starts the server, and waits until it listens.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_server(&mut self) -> Result<()> {
        let ip = Network::Management.address(NUMBER);
        let mut command = self.isospin("server");
        command.args(["--config", "/var/lib/isospin/isospin.toml"]);
        for (flag, port) in [("identity", 5000), ("network", 9696), ("feed", 9697)] {
            command.args([format!("--{flag}-listen"), SocketAddr::from((ip, port)).to_string()]);
        }
        self.server = Some(self.machine.daemon("server", command)?);
        let feed = SocketAddr::from((ip, 9697));
        let listens = || {
            let connect = || Ok(std::net::TcpStream::connect_timeout(&feed, Duration::from_millis(200))?);
            self.machine.within(connect).ok()
        };
        until("the server listens", listens).with_context(|| super::last_lines(&self.machine, "server"))?;
        Ok(())
    }

    /// Kills the server outright.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill_server(&mut self) -> Result<()> {
        let mut server = self.server.take().context("the server does not run")?;
        server.kill()?;
        server.wait()?;
        Ok(())
    }

    /// A one-time token for a host.
    ///
    /// # Errors
    /// The command's.
    pub fn token(&self, host: &str) -> Result<String> {
        let binary = self.binary.to_string_lossy();
        Ok(self.machine.run(&[&binary, "token", host])?.trim().to_owned())
    }

    /// URL of the feed.
    #[must_use]
    pub fn feed(&self) -> String {
        format!("https://{}:9697", Network::Management.address(NUMBER))
    }

    /// URL of the Identity API.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("http://{}:5000", Network::Management.address(NUMBER))
    }

    /// URL of the Network API.
    #[must_use]
    pub fn network(&self) -> String {
        format!("http://{}:9696", Network::Management.address(NUMBER))
    }

    /// The generated password of `admin` or `demo`.
    ///
    /// # Errors
    /// There is none.
    pub fn password(&self, user: &str) -> Result<String> {
        let known = std::fs::read(self.machine.folder().join("credentials.json"))?;
        let known: Value = serde_json::from_slice(&known)?;
        Ok(known[user].as_str().context("no password")?.to_owned())
    }

    /// Leaves the server running when this value goes.
    pub fn leave(mut self) {
        self.server = None;
    }

    fn isospin(&self, command: &str) -> Command {
        let mut isospin = Command::new(&self.binary);
        // People log in less often than labs are made: cheap hashes.
        isospin.arg(command).env("ISOSPIN_IDENTITY_PASSWORD_ROUNDS", "4");
        isospin
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // It may not run.
        let _ = self.kill_server();
    }
}
