//! One supervised process: started from this same binary, its output in a log file.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::time::Instant;

use crate::state_dir::StateDir;

/// A process that lived shorter than this is restarted with a pause.
const SHORT_LIFE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Time a process has to stop by itself.
const GRACE: Duration = Duration::from_secs(10);

/// How a process ended.
pub struct Exit(std::io::Result<ExitStatus>);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(status) => status.fmt(f),
            Err(error) => error.fmt(f),
        }
    }
}

pub struct Child {
    pub name: &'static str,
    arguments: Vec<String>,
    state: StateDir,
    process: tokio::process::Child,
    started: Instant,
    log_start: u64,
    pause: Duration,
}

impl Child {
    pub fn start(name: &'static str, arguments: &[String], state: &StateDir) -> Result<Self> {
        let (process, log_start) = spawn(name, arguments, state)?;
        Ok(Self {
            name,
            arguments: arguments.to_vec(),
            state: state.clone(),
            process,
            started: Instant::now(),
            log_start,
            pause: FIRST_PAUSE,
        })
    }

    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits for the end of the process. Safe to call again after it was dropped.
    pub async fn exited(&mut self) -> Exit {
        Exit(self.process.wait().await)
    }

    /// Starts the process again, after a pause when it lived a short time only.
    pub async fn restart(&mut self) -> Result<()> {
        if self.started.elapsed() < SHORT_LIFE {
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        } else {
            self.pause = FIRST_PAUSE;
        }
        (self.process, self.log_start) = spawn(self.name, &self.arguments, &self.state)?;
        self.started = Instant::now();
        Ok(())
    }

    /// Asks the process to end, and ends it when it does not.
    pub async fn stop(&mut self) {
        let Some(pid) = self.pid().and_then(|pid| i32::try_from(pid).ok()) else { return };
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        if tokio::time::timeout(GRACE, self.process.wait()).await.is_err() {
            let _ = self.process.kill().await;
        }
    }

    /// What the process wrote in its last life, for people.
    pub fn last_words(&self, exit: &Exit) -> String {
        let mut text = String::new();
        if let Ok(mut log) = File::open(log_path(&self.state, self.name))
            && log.seek(SeekFrom::Start(self.log_start)).is_ok()
        {
            let mut bytes = Vec::new();
            let _ = log.read_to_end(&mut bytes);
            text = String::from_utf8_lossy(&bytes).into_owned();
        }
        let error = text.rfind("error: ").map(|start| text[start..].trim().to_owned());
        match error {
            Some(error) => {
                format!("the {} did not start: {}", self.name, error.trim_start_matches("error: "))
            }
            None => format!(
                "the {} did not start ({exit}); see {}",
                self.name,
                log_path(&self.state, self.name).display()
            ),
        }
    }
}

fn log_path(state: &StateDir, name: &str) -> std::path::PathBuf {
    state.logs().join(format!("{name}.log"))
}

fn spawn(name: &str, arguments: &[String], state: &StateDir) -> Result<(tokio::process::Child, u64)> {
    let path = log_path(state, name);
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    let log_start = log.metadata().map_or(0, |metadata| metadata.len());
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share the log file")?)
        .stderr(log)
        .kill_on_drop(true);
    // SAFETY: prctl with these arguments touches no memory of ours and is
    // async-signal-safe, as required between fork and exec.
    unsafe {
        command.pre_exec(|| {
            nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?;
            Ok(())
        });
    }
    let process = command.spawn().with_context(|| format!("cannot start the {name}"))?;
    Ok((process, log_start))
}
