//! `isospin up`: the server and the agent as two processes, watched and restarted.

mod child;
mod status;

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::AgentKind;
use crate::state_dir::{StateDir, write_json};
use child::{Child, Exit};

pub use status::{Endpoints, ServerFile, Status, alive, wait_ready};

/// What the supervisor writes of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunFile {
    pub pid: u32,
    pub server: Option<u32>,
    pub agent: Option<u32>,
    /// Whether an agent belongs to it at all.
    pub with_agent: bool,
}

/// How to run the two processes.
#[derive(Debug, Clone)]
pub struct Plan {
    pub state: StateDir,
    /// Arguments of `isospin server`.
    pub server: Vec<String>,
    /// Arguments of `isospin agent`, if one is wanted.
    pub agent: Option<Vec<String>>,
}

impl Plan {
    /// The plan for the flags of `up`.
    pub fn new(state: StateDir, up: &crate::cli::Up) -> Self {
        let folder = state.root().display().to_string();
        let path = |path: &PathBuf| path.display().to_string();
        let mut server = vec!["server".to_owned(), "--state-dir".to_owned(), folder.clone()];
        let mut agent = vec!["agent".to_owned(), "--state-dir".to_owned(), folder];
        if let Some(config) = &up.settings.config {
            for arguments in [&mut server, &mut agent] {
                arguments.extend(["--config".to_owned(), path(config)]);
            }
        }
        for (flag, listen) in [
            ("--identity-listen", &up.settings.identity_listen),
            ("--network-listen", &up.settings.network_listen),
            ("--feed-listen", &up.settings.feed_listen),
        ] {
            if let Some(listen) = listen {
                server.extend([flag.to_owned(), listen.0.to_string()]);
            }
        }
        if up.agent == AgentKind::Simulated {
            agent.push("--simulated".to_owned());
        }
        Self { state, server, agent: (up.agent != AgentKind::None).then_some(agent) }
    }
}

/// Keeps one supervisor for each state directory.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub fn take(state: &StateDir) -> Result<Self> {
        let path = state.lock_file();
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        if file.try_lock().is_err() {
            bail!("Isospin already runs from {}: see `isospin status`", state.root().display());
        }
        Ok(Self { _file: file })
    }
}

/// Runs until a signal ends it. An error before the first readiness ends it too,
/// with what the process that failed said.
pub async fn run(plan: Plan) -> Result<()> {
    let _lock = Lock::take(&plan.state)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut server = Child::start("server", &plan.server, &plan.state)?;
    let mut agent = match &plan.agent {
        Some(arguments) => Some(Child::start("agent", arguments, &plan.state)?),
        None => None,
    };
    let mut ready = false;
    write_run_file(&plan.state, &server, agent.as_ref())?;
    let result = loop {
        tokio::select! {
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            exit = server.exited() => {
                if let Err(error) = again(&mut server, &exit, ready).await { break Err(error) }
                write_run_file(&plan.state, &server, agent.as_ref())?;
            }
            exit = exited(agent.as_mut()) => {
                if let Some(agent) = agent.as_mut()
                    && let Err(error) = again(agent, &exit, ready).await { break Err(error) }
                write_run_file(&plan.state, &server, agent.as_ref())?;
            }
            waited = wait_ready(&plan.state), if !ready => {
                let status = waited?;
                ready = true;
                tracing::info!(identity = status.endpoints.identity, network = status.endpoints.network, "ready");
            }
        }
    };
    if let Some(agent) = agent.as_mut() {
        agent.stop().await;
    }
    server.stop().await;
    let _ = std::fs::remove_file(plan.state.run_file());
    let _ = std::fs::remove_file(plan.state.server_file());
    result
}

async fn exited(child: Option<&mut Child>) -> Exit {
    match child {
        Some(child) => child.exited().await,
        None => std::future::pending().await,
    }
}

/// Restarts a process that ended; one that never became ready is not restarted.
async fn again(child: &mut Child, exit: &Exit, was_ready: bool) -> Result<()> {
    if !was_ready {
        bail!("{}", child.last_words(exit));
    }
    tracing::warn!(process = child.name, exit = %exit, "a process ended and is started again");
    child.restart().await
}

fn write_run_file(state: &StateDir, server: &Child, agent: Option<&Child>) -> Result<()> {
    write_json(
        &state.run_file(),
        &RunFile {
            pid: std::process::id(),
            server: server.pid(),
            agent: agent.and_then(Child::pid),
            with_agent: agent.is_some(),
        },
    )
}
