//! `isospin up` in a state directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

/// The checkout.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// Lines of each log shown when a test failed.
const LINES: usize = 60;

/// A running installation; stopped and removed when dropped.
pub struct Installation {
    state: TempDir,
}

impl Installation {
    /// Starts it on free ports and waits until it is ready.
    ///
    /// # Errors
    /// With what the command said.
    pub fn start(agent: &str) -> Result<Self> {
        let installation = Self { state: folder()? };
        installation.up_with(agent, &[])?;
        Ok(installation)
    }

    /// The same with this configuration file.
    ///
    /// # Errors
    /// With what the command said.
    pub fn configured(agent: &str, toml: &str) -> Result<Self> {
        let installation = Self { state: folder()? };
        let file = installation.state_dir().join("isospin.toml");
        std::fs::write(&file, toml)?;
        installation.up_with(agent, &["--config", &file.to_string_lossy()])?;
        Ok(installation)
    }

    /// Starts it again after `down`.
    ///
    /// # Errors
    /// With what the command said.
    pub fn up(&self, agent: &str) -> Result<()> {
        self.up_with(agent, &[])
    }

    fn up_with(&self, agent: &str, more: &[&str]) -> Result<()> {
        let listens = ["--identity-listen", "--network-listen", "--feed-listen"];
        let mut arguments = vec!["up", "--detach", "--agent", agent];
        for listen in listens {
            arguments.extend([listen, "127.0.0.1:0"]);
        }
        arguments.extend(more);
        self.run(&arguments)?;
        Ok(())
    }

    /// The binary under test: `ISOSPIN_BINARY`, or the one built beside this test
    /// (`target/debug/isospin` for a test in `target/debug/deps`).
    #[must_use]
    pub fn binary() -> PathBuf {
        let beside = || Some(std::env::current_exe().ok()?.ancestors().nth(2)?.join("isospin"));
        std::env::var_os("ISOSPIN_BINARY")
            .map(PathBuf::from)
            .or_else(beside)
            .unwrap_or_else(|| root().join("target/debug/isospin"))
    }

    /// The state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        self.state.path()
    }

    /// The generated password of `admin` or `demo`.
    ///
    /// # Errors
    /// There is none.
    pub fn password(&self, user: &str) -> Result<String> {
        let known = std::fs::read(self.state_dir().join("credentials.json"))?;
        let known: Value = serde_json::from_slice(&known)?;
        Ok(known[user].as_str().context("no password")?.to_owned())
    }

    /// A command that knows this installation as a user's shell would.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("ISOSPIN_STATE_DIR", self.state.path())
            .env("OS_CLIENT_CONFIG_FILE", self.state.path().join("clouds.yaml"))
            // Tests log in more often than people: cheap hashes.
            .env("ISOSPIN_IDENTITY_PASSWORD_ROUNDS", "4");
        command
    }

    /// Runs a command of the binary on this installation.
    ///
    /// # Errors
    /// The command cannot be run at all.
    pub fn output(&self, arguments: &[&str]) -> Result<Output> {
        let binary = Self::binary();
        self.command(&binary)
            .args(arguments)
            .output()
            .with_context(|| format!("cannot run {}: `cargo build -p isospin` first", binary.display()))
    }

    /// The same, for commands that must succeed; what it printed.
    ///
    /// # Errors
    /// It failed: with what it said.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(arguments)?;
        if !output.status.success() {
            bail!(
                "isospin {}: {}{}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// `isospin status --json`.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn status(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.output(&["status", "--json"])?.stdout)?)
    }
}

/// An empty state directory.
fn folder() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("isospin-conformance-").tempdir()?)
}

impl Drop for Installation {
    #[expect(clippy::print_stderr, reason = "what a failed test leaves for people to read")]
    fn drop(&mut self) {
        if let Err(error) = self.run(&["down"]) {
            eprintln!("{error:#}");
        }
        if std::thread::panicking() {
            for name in ["up", "server", "agent"] {
                let log = std::fs::read_to_string(self.state_dir().join(format!("logs/{name}.log")));
                let log = log.unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let last = &lines[lines.len().saturating_sub(LINES)..];
                eprintln!("--- {name}.log\n{}", last.join("\n"));
            }
        }
    }
}
