//! The state directory: where everything of one installation lies.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use isospin_feed::pki::Authority;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Paths below one folder. Folders are 0700, files with secrets 0600.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// The folder named by the user, or the usual one: `/var/lib/isospin` for
    /// root, `~/.local/state/isospin` for others.
    pub fn new(given: Option<PathBuf>) -> Result<Self> {
        let root = match given {
            Some(path) => {
                std::path::absolute(&path).with_context(|| format!("bad path {}", path.display()))?
            }
            None if nix::unistd::geteuid().is_root() => PathBuf::from("/var/lib/isospin"),
            None => {
                let home =
                    std::env::var_os("HOME").context("HOME is not set: name a folder with --state-dir")?;
                Path::new(&home).join(".local/state/isospin")
            }
        };
        Ok(Self { root })
    }

    /// Makes the folders that are missing.
    pub fn create(&self) -> Result<()> {
        for folder in
            [&self.root, &self.logs(), &self.keys(), &self.pki(), &self.agent(), &self.attachments()]
        {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .with_context(|| format!("cannot create the state directory {}", folder.display()))?;
        }
        Ok(())
    }

    pub fn root(&self) -> &Path {
        &self.root
    }
    /// The embedded database.
    pub fn database(&self) -> PathBuf {
        self.root.join("isospin.sqlite")
    }
    /// Fernet keys of the identity service.
    pub fn keys(&self) -> PathBuf {
        self.root.join("fernet-keys")
    }
    /// Keys that credentials of users are sealed with.
    pub fn credential_keys(&self) -> PathBuf {
        self.root.join("credential-keys")
    }
    /// The authority that signs agents' certificates.
    pub fn pki(&self) -> PathBuf {
        self.root.join("pki")
    }
    /// One-time tokens that may still be used to join.
    pub fn join_tokens(&self) -> PathBuf {
        self.pki().join("join-tokens")
    }
    /// Replica, status and certificate of this host's agent.
    pub fn agent(&self) -> PathBuf {
        self.root.join("agent")
    }
    /// What the agent says of itself after each pass.
    pub fn agent_status(&self) -> PathBuf {
        self.agent().join("status.json")
    }
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
    /// One file for each port given to a namespace by `attach`.
    pub fn attachments(&self) -> PathBuf {
        self.root.join("attachments")
    }
    /// What the running supervisor says of itself.
    pub fn run_file(&self) -> PathBuf {
        self.root.join("run.json")
    }
    /// What the running server says of itself.
    pub fn server_file(&self) -> PathBuf {
        self.root.join("server.json")
    }
    /// Held by the supervisor while it lives.
    pub fn lock_file(&self) -> PathBuf {
        self.root.join("up.lock")
    }
    /// Rules of the operator, when there are any.
    pub fn policy(&self) -> PathBuf {
        self.root.join("policy.yaml")
    }
    /// Generated passwords.
    pub fn credentials(&self) -> PathBuf {
        self.root.join("credentials.json")
    }
    pub fn clouds_yaml(&self) -> PathBuf {
        self.root.join("clouds.yaml")
    }
    pub fn openrc(&self) -> PathBuf {
        self.root.join("admin-openrc")
    }
}

/// The authority that signs agents' certificates; made when there is none yet.
pub fn authority(state: &StateDir) -> Result<Authority> {
    let folder = state.pki();
    Authority::open_or_create(&folder)
        .with_context(|| format!("cannot open the authority of agents in {}", folder.display()))
}

/// Writes a file whole or not at all, readable by its owner only.
pub fn write_private(path: &Path, contents: &[u8]) -> Result<()> {
    let temporary = path.with_extension("new");
    let written = || -> std::io::Result<()> {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

/// As [`write_private`], as JSON.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    write_private(path, &text)
}

/// A JSON file; `None` when it is not there.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .with_context(|| format!("{} is damaged: it is not the JSON written there", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
