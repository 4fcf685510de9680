//! A server of our own to measure: `isospin up` with its own state directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use isospin_client::{Credentials, Session};
use isospin_testkit::databases::Cluster;
use serde_json::Value;
use tempfile::TempDir;

/// Ticks of a second in which the kernel counts processor time.
const TICKS: u64 = 100;

/// The database behind the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

impl From<Engine> for &'static str {
    fn from(engine: Engine) -> Self {
        engine.name()
    }
}

/// Resident memory of a process, bytes.
pub fn resident(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib * 1024)
}

/// A running installation; gone when dropped.
pub struct Server {
    binary: PathBuf,
    state: TempDir,
    status: Value,
    _cluster: Option<Cluster>,
}

impl Server {
    /// Starts it and waits until it is ready. `agent` is real, simulated or none.
    pub async fn start(binary: &Path, engine: Engine, agent: &str) -> Result<Self> {
        let state = tempfile::Builder::new().prefix("isospin-bench-").tempdir()?;
        let cluster = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Cluster::start_durable()?),
        };
        let mut command = Command::new(binary);
        command.args(["up", "--detach", "--agent", agent, "--state-dir"]).arg(state.path());
        for listen in ["--identity-listen", "--network-listen", "--feed-listen"] {
            command.args([listen, "127.0.0.1:0"]);
        }
        command.env("ISOSPIN_LOG_LEVEL", "warn").stdout(Stdio::null());
        if let Some(cluster) = &cluster {
            command.env("ISOSPIN_STORE_URL", format!("{} dbname=postgres", cluster.address()));
        }
        let started = command.status().with_context(|| format!("cannot run {}", binary.display()))?;
        if !started.success() {
            bail!("`isospin up` failed; build it with `cargo build --release`");
        }
        let mut server = Self { binary: binary.to_owned(), state, status: Value::Null, _cluster: cluster };
        let output = Command::new(binary)
            .args(["status", "--json", "--state-dir"])
            .arg(server.state.path())
            .output()?;
        server.status = serde_json::from_slice(&output.stdout).context("no status")?;
        Ok(server)
    }

    /// `host:port` of the Network API.
    pub fn network_address(&self) -> Result<String> {
        let url = self.status["endpoints"]["network"].as_str().context("no network endpoint")?;
        Ok(url.trim_start_matches("http://").to_owned())
    }

    /// `host:port` of the Identity API.
    pub fn identity_address(&self) -> Result<String> {
        let url = self.status["endpoints"]["identity"].as_str().context("no identity endpoint")?;
        Ok(url.trim_start_matches("http://").to_owned())
    }

    /// The generated password of a user.
    pub fn password(&self, user: &str) -> Result<String> {
        let text = std::fs::read_to_string(self.state.path().join("credentials.json"))?;
        let passwords: Value = serde_json::from_str(&text)?;
        Ok(passwords[user].as_str().context("no password")?.to_owned())
    }

    /// Name of the host its agent runs on.
    pub fn host(&self) -> Result<String> {
        Ok(self.status["agent"]["host"].as_str().context("no agent")?.to_owned())
    }

    /// Resident memory of the server process, bytes.
    pub fn memory(&self) -> Result<u64> {
        resident(u32::try_from(self.pid()?)?)
    }

    /// URL agents connect to.
    pub fn feed_url(&self) -> Result<String> {
        Ok(self.status["endpoints"]["feed"].as_str().context("no feed")?.to_owned())
    }

    /// Where the authority is that signs certificates of agents.
    pub fn authority_folder(&self) -> PathBuf {
        self.state.path().join("pki")
    }

    /// Processor time the server process has used.
    pub fn cpu(&self) -> Result<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()?))?;
        // The name before may have spaces in it.
        let (_, after) = text.rsplit_once(") ").context("no process state")?;
        let fields: Vec<&str> = after.split_whitespace().collect();
        let ticks = |field: usize| -> Result<u64> { Ok(fields.get(field).context("no time")?.parse()?) };
        Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1000 / TICKS))
    }

    /// Bytes sent on all sessions with agents that stand now, as the kernel counts them.
    pub fn feed_bytes(&self) -> Result<u64> {
        let url = self.feed_url()?;
        let port = url.rsplit(':').next().context("no port")?;
        let output = Command::new("ss")
            .args(["-tinH", "state", "established", &format!("( sport = :{port} )")])
            .output()
            .context("cannot run ss")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let sent = text.split("bytes_sent:").skip(1).filter_map(|rest| {
            rest.split(|character: char| !character.is_ascii_digit()).next()?.parse::<u64>().ok()
        });
        Ok(sent.sum())
    }

    /// Ends the server process without a word; its supervisor starts another.
    pub fn kill_server(&self) -> Result<()> {
        let killed = Command::new("kill").args(["-9", &self.pid()?.to_string()]).status()?;
        ensure!(killed.success(), "kill: {killed}");
        Ok(())
    }

    fn pid(&self) -> Result<u64> {
        self.status["pids"]["server"].as_u64().context("no server")
    }

    /// Logs in as one of the users bootstrap made.
    pub async fn session(&self, user: &str) -> Result<Session> {
        let identity_url = self.status["endpoints"]["identity"].as_str().context("no identity endpoint")?;
        Ok(Session::log_in(&Credentials {
            identity_url: identity_url.to_owned(),
            user: user.to_owned(),
            password: self.password(user)?,
            project: user.to_owned(),
        })
        .await?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing can be done here about a server that does not stop.
        let _ = Command::new(&self.binary)
            .args(["down", "--state-dir"])
            .arg(self.state.path())
            .stdout(Stdio::null())
            .status();
    }
}
