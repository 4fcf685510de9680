//! Starts that are meant to fail.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::Installation;

/// A state directory nothing runs from, in which `isospin up` is tried.
pub struct Attempt {
    state: TempDir,
    arguments: Vec<String>,
}

impl Attempt {
    /// With a kind of agent, on free ports.
    ///
    /// # Errors
    /// No folder can be made.
    pub fn new(agent: &str) -> Result<Self> {
        let state = tempfile::Builder::new().prefix("isospin-attempt-").tempdir()?;
        let arguments = ["up", "--detach", "--agent", agent].map(str::to_owned).to_vec();
        Ok(Self { state, arguments })
    }

    /// Its state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        self.state.path()
    }

    /// Puts a file into it.
    ///
    /// # Errors
    /// The disk's.
    pub fn file(&self, name: &str, contents: &[u8]) -> Result<()> {
        let path = self.state_dir().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(path, contents)?)
    }

    /// More arguments for `up`.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Tries; whether it started, and what it said.
    ///
    /// # Errors
    /// The binary cannot be run.
    pub fn run(&self, change: impl FnOnce(&mut Command)) -> Result<(bool, String)> {
        let mut command = Command::new(Installation::binary());
        command.args(&self.arguments).env("ISOSPIN_STATE_DIR", self.state_dir());
        for variable in ["ISOSPIN_IDENTITY_LISTEN", "ISOSPIN_NETWORK_LISTEN", "ISOSPIN_FEED_LISTEN"] {
            command.env(variable, "127.0.0.1:0");
        }
        change(&mut command);
        let output = command.output()?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// Tries what must be refused: what it said. Nothing may run afterwards.
    ///
    /// # Errors
    /// It started, or left a process or a run file.
    pub fn refused(&self) -> Result<String> {
        self.refused_when(|_| {})
    }

    /// The same with something else changed.
    ///
    /// # Errors
    /// It started, or left a process or a run file.
    pub fn refused_when(&self, change: impl FnOnce(&mut Command)) -> Result<String> {
        let (started, said) = self.run(change)?;
        ensure!(!started, "isospin {} started", self.arguments.join(" "));
        ensure!(said.starts_with("error: "), "no error is told: {said}");
        let left = processes(self.state_dir())?;
        ensure!(left.is_empty(), "still running: {left:?}");
        for name in ["run.json", "server.json"] {
            ensure!(!self.state_dir().join(name).exists(), "{name} is left");
        }
        Ok(said)
    }

    /// Tries what must work, and stops it again.
    ///
    /// # Errors
    /// It did not start.
    pub fn works(&self) -> Result<()> {
        let (started, said) = self.run(|_| {})?;
        ensure!(started, "it does not start: {said}");
        self.stop();
        Ok(())
    }

    fn stop(&self) {
        let _ =
            Command::new(Installation::binary()).args(["down", "--state-dir"]).arg(self.state_dir()).output();
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Command lines of running processes that name the folder.
fn processes(folder: &Path) -> Result<Vec<String>> {
    let folder = folder.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        // A process may end while we look; a zombie has no command line.
        let Ok(line) = std::fs::read(entry?.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&folder) {
            found.push(line);
        }
    }
    Ok(found)
}
