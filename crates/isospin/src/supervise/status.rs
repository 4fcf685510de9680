//! What runs, read from the files its parts write of themselves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RunFile;
use crate::state_dir::{StateDir, read_json};

/// Between two looks at the files while waiting.
const LOOK: Duration = Duration::from_millis(10);

/// Where the services answer; "" = not served here.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Endpoints {
    pub identity: String,
    pub network: String,
    pub feed: String,
}

/// What a server writes once it listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerFile {
    pub pid: u32,
    pub endpoints: Endpoints,
}

/// Process ids; `None` = does not run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Pids {
    pub supervisor: Option<u32>,
    pub server: Option<u32>,
    pub agent: Option<u32>,
}

/// The whole of `isospin status --json`.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    pub ready: bool,
    pub endpoints: Endpoints,
    pub pids: Pids,
    pub clouds_yaml: PathBuf,
    pub state_dir: PathBuf,
    /// The agent's own words: applied version, changes made to the host since it
    /// started, items that failed.
    pub agent: Value,
    /// Why it is not ready; "" when it is.
    pub waiting_for: String,
}

impl Status {
    /// Reads it now.
    pub fn read(state: &StateDir) -> Result<Self> {
        let run: Option<RunFile> = read_json::<RunFile>(&state.run_file())?.filter(|run| alive(run.pid));
        let server: Option<ServerFile> =
            read_json::<ServerFile>(&state.server_file())?.filter(|server| alive(server.pid));
        let agent: Value = read_json(&state.agent_status())?.unwrap_or(Value::Null);
        let agent_pid =
            agent["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| alive(*pid));
        let waiting_for = match &run {
            None => "isospin up".to_owned(),
            Some(run) => waiting_for(run, server.as_ref(), agent_pid, &agent),
        };
        Ok(Self {
            ready: waiting_for.is_empty(),
            pids: Pids {
                supervisor: run.as_ref().map(|run| run.pid),
                server: server.as_ref().map(|server| server.pid),
                agent: agent_pid,
            },
            endpoints: server.map(|server| server.endpoints).unwrap_or_default(),
            clouds_yaml: state.clouds_yaml(),
            state_dir: state.root().to_owned(),
            agent: if agent_pid.is_some() { agent } else { Value::Null },
            waiting_for,
        })
    }
}

fn waiting_for(run: &RunFile, server: Option<&ServerFile>, agent_pid: Option<u32>, agent: &Value) -> String {
    if server.map(|server| server.pid) != run.server || run.server.is_none() {
        return "the server".to_owned();
    }
    if run.with_agent {
        if agent_pid.is_none() || agent_pid != run.agent {
            return "the agent".to_owned();
        }
        if agent["connected"] != Value::Bool(true) || agent["ready"] != Value::Bool(true) {
            return "the agent's first pass".to_owned();
        }
    }
    String::new()
}

/// Waits until everything is ready.
pub async fn wait_ready(state: &StateDir) -> Result<Status> {
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        // A file may be half there while its writer starts; only the last look counts.
        if let Ok(status) = Status::read(state)
            && status.ready
        {
            return Ok(status);
        }
    }
}

/// Whether a process of this id runs and is one of ours.
pub fn alive(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The state letter follows the command name in parentheses; Z has ended.
    let ended = stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'));
    !ended
        && std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
            line.split(|byte| *byte == 0)
                .next()
                .and_then(|program| std::str::from_utf8(program).ok())
                .and_then(|program| Path::new(program).file_name()?.to_str())
                // Also `isospin-1.2`, as people name a binary they keep beside another.
                .is_some_and(|name| name.starts_with("isospin"))
        })
}
