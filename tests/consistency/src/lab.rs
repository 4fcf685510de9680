//! A PostgreSQL and servers on it, each a process that can be killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use isospin_client::{Credentials, Session};
use isospin_conformance::{Api, Installation};
use isospin_testkit::databases::Cluster;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// Longest time a server may need to start.
const START: Duration = Duration::from_secs(60);

const CONFIG: &str = "[network]\nvxlan_ranges = [\"1:120\"]\n[identity]\npassword_rounds = 4\n";

/// The database and its servers; all ended and removed when dropped.
pub struct Lab {
    pub cluster: Cluster,
    pub servers: Vec<Server>,
}

impl Lab {
    /// Starts a database and so many servers, which share their token keys.
    ///
    /// # Errors
    /// Something does not start.
    pub fn start(count: usize) -> Result<Self> {
        Self::configured(count, CONFIG)
    }

    /// The same with this configuration.
    ///
    /// # Errors
    /// Something does not start.
    pub fn configured(count: usize, toml: &str) -> Result<Self> {
        let cluster = Cluster::start()?;
        let mut servers: Vec<Server> = Vec::with_capacity(count);
        for _ in 0..count {
            let state = tempfile::Builder::new().prefix("isospin-consistency-").tempdir()?;
            if let Some(first) = servers.first() {
                for shared in ["fernet-keys", "pki", "credentials.json"] {
                    copy(&first.state.path().join(shared), &state.path().join(shared))?;
                }
            }
            std::fs::write(state.path().join("isospin.toml"), toml)?;
            servers.push(Server::start(state, format!("{} dbname=postgres", cluster.address()))?);
        }
        Ok(Self { cluster, servers })
    }
}

/// One `isospin server`.
pub struct Server {
    state: TempDir,
    database: String,
    process: Child,
}

impl Server {
    fn start(state: TempDir, database: String) -> Result<Self> {
        let process = spawn(state.path(), &database)?;
        let server = Self { state, database, process };
        server.wait_ready()?;
        Ok(server)
    }

    /// Ends it as a crash would.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts it again on the ports it had.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.process = spawn(self.state.path(), &self.database)?;
        self.wait_ready()
    }

    /// A session of the admin through this server.
    ///
    /// # Errors
    /// It refuses.
    pub async fn session(&self) -> Result<Session> {
        let file = self.endpoints().context("the server does not run")?;
        let known = std::fs::read(self.state.path().join("credentials.json"))?;
        let known: Value = serde_json::from_slice(&known)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let credentials = Credentials {
            identity_url: text(&file["identity"]),
            user: "admin".to_owned(),
            password: text(&known["admin"]),
            project: "admin".to_owned(),
        };
        Ok(Session::log_in(&credentials).await?.with_network_url(&text(&file["network"])))
    }

    /// The admin through this server, as raw HTTP.
    ///
    /// # Errors
    /// It refuses.
    pub fn api(&self) -> Result<Api> {
        let file = self.endpoints().context("the server does not run")?;
        let known = std::fs::read(self.state.path().join("credentials.json"))?;
        let known: Value = serde_json::from_slice(&known)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let api = Api::at(&text(&file["identity"]), "admin", &text(&known["admin"]), "admin")?;
        Ok(Api { network: text(&file["network"]), ..api })
    }

    /// Runs a command of the binary with this server's configuration; what it printed.
    ///
    /// # Errors
    /// It failed: with what it said.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(Installation::binary())
            .args(arguments)
            .env("ISOSPIN_STATE_DIR", self.state.path())
            .env("ISOSPIN_CONFIG", self.state.path().join("isospin.toml"))
            .env("ISOSPIN_STORE_URL", &self.database)
            .output()?;
        if !output.status.success() {
            bail!("isospin {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What it wrote of itself, if it is this process that did.
    fn endpoints(&self) -> Option<Value> {
        let text = std::fs::read(self.state.path().join("server.json")).ok()?;
        let file: Value = serde_json::from_slice(&text).ok()?;
        (file["pid"] == self.process.id()).then(|| file["endpoints"].clone())
    }

    fn wait_ready(&self) -> Result<()> {
        let deadline = Instant::now() + START;
        while self.endpoints().is_none() {
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(self.state.path().join("test.log")).unwrap_or_default();
                bail!("the server did not start: {log}");
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.process.id()).unwrap_or(0);
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        let _ = self.process.wait();
    }
}

fn spawn(state: &Path, database: &str) -> Result<Child> {
    let log = std::fs::File::options().create(true).append(true).open(state.join("test.log"))?;
    let binary: PathBuf = Installation::binary();
    let mut command = Command::new(&binary);
    command.arg("server").arg("--state-dir").arg(state).arg("--config").arg(state.join("isospin.toml"));
    for listen in ["--identity-listen", "--network-listen", "--feed-listen"] {
        command.args([listen, "127.0.0.1:0"]);
    }
    command
        .env("ISOSPIN_STORE_URL", database)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot run {}: `cargo build -p isospin` first", binary.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else {
        std::fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}
