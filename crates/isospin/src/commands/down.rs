//! `isospin down`: stops the processes; what is wired stays wired.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cli::Down;
use crate::state_dir::{StateDir, read_json};
use crate::supervise::{Lock, RunFile, alive};

/// The supervisor gives its processes 10 s; then it ends them.
const LONGEST: Duration = Duration::from_secs(25);
const LOOK: Duration = Duration::from_millis(20);

#[expect(clippy::print_stdout, reason = "this is the command's answer")]
pub async fn run(down: Down) -> Result<()> {
    let state = StateDir::new(down.place.state_dir)?;
    let running = read_json::<RunFile>(&state.run_file())?.filter(|run| alive(run.pid));
    let Some(run) = running else {
        println!("Isospin does not run from {}.", state.root().display());
        return Ok(());
    };
    let pid = i32::try_from(run.pid).context("the run file names no process id")?;
    kill(Pid::from_raw(pid), Signal::SIGTERM).with_context(|| format!("cannot stop process {pid}"))?;
    let stopped = async {
        let mut look = tokio::time::interval(LOOK);
        while Lock::take(&state).is_err() {
            look.tick().await;
        }
    };
    if tokio::time::timeout(LONGEST, stopped).await.is_err() {
        bail!("process {pid} did not stop within {} s", LONGEST.as_secs());
    }
    println!("Isospin is down. Networks on this host stay wired; `isospin up` takes them over again.");
    Ok(())
}
