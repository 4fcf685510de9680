//! `isospin up`.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use isospin_host_io::Tools;

use crate::cli::{AgentKind, Up};
use crate::config::Config;
use crate::state_dir::StateDir;
use crate::supervise::{self, Plan, Status, wait_ready};

/// Longest time a start may take before `up --detach` gives up on it.
const START: Duration = Duration::from_secs(60);

/// Runs in the foreground until a signal, or in the background when detached.
pub async fn run(up: Up) -> Result<()> {
    // Read here too, so that a mistake is told at once and not from a log file.
    Config::load(up.settings.config.as_deref(), std::env::vars())?;
    if up.agent == AgentKind::Real {
        require_host()?;
    }
    let state = StateDir::new(up.place.state_dir.clone())?;
    state.create()?;
    if up.detach {
        return detach(&up, &state).await;
    }
    let started = Instant::now();
    let plan = Plan::new(state.clone(), &up);
    let announce = async {
        let status = wait_ready(&state).await?;
        say(&status, started.elapsed())?;
        std::future::pending::<Result<()>>().await
    };
    tokio::select! {
        result = supervise::run(plan) => result,
        result = announce => result,
    }
}

/// What a real agent cannot do without.
fn require_host() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!(
            "the agent needs root to build networks on this host: run as root, \
             or use `--agent simulated` to test API clients without touching the host"
        );
    }
    Tools::require(&["ip", "nft"])?;
    Ok(())
}

/// Starts the same command in the background and waits until it is ready.
async fn detach(up: &Up, state: &StateDir) -> Result<()> {
    let started = Instant::now();
    drop(supervise::Lock::take(state)?);
    let log_path = state.logs().join("up.log");
    let log =
        std::fs::File::create(&log_path).with_context(|| format!("cannot write {}", log_path.display()))?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command
        .args(arguments(up, state))
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share the log file")?)
        .stderr(log);
    // SAFETY: setsid touches no memory and is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            Ok(())
        });
    }
    let mut child = command.spawn().context("cannot start in the background")?;
    let ended = tokio::task::spawn_blocking(move || child.wait());
    tokio::select! {
        status = wait_ready(state) => say(&status?, started.elapsed()),
        _ = ended => {
            let text = std::fs::read_to_string(&log_path).unwrap_or_default();
            let error = text.rfind("error: ").map_or(text.trim(), |start| text[start + 7..].trim());
            bail!("{error}")
        }
        () = tokio::time::sleep(START) => {
            let waiting = Status::read(state).map(|status| status.waiting_for).unwrap_or_default();
            bail!("not ready after {} s, still waiting for {waiting}; see {}", START.as_secs(), state.logs().display())
        }
    }
}

/// The command line of the same `up` in the foreground, with absolute paths.
fn arguments(up: &Up, state: &StateDir) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["up".into(), "--state-dir".into(), state.root().into()];
    if let Some(config) = &up.settings.config {
        arguments.extend([
            "--config".into(),
            std::path::absolute(config).unwrap_or_else(|_| config.clone()).into(),
        ]);
    }
    for (flag, listen) in [
        ("--identity-listen", &up.settings.identity_listen),
        ("--network-listen", &up.settings.network_listen),
        ("--feed-listen", &up.settings.feed_listen),
    ] {
        if let Some(listen) = listen {
            arguments.extend([flag.into(), listen.0.to_string().into()]);
        }
    }
    let agent = match up.agent {
        AgentKind::Real => "real",
        AgentKind::Simulated => "simulated",
        AgentKind::None => "none",
    };
    arguments.extend(["--agent".into(), agent.into()]);
    arguments
}

/// Endpoints, where the client files are, and three commands to try.
fn say(status: &Status, took: Duration) -> Result<()> {
    let mut text = format!(
        "Isospin is up ({} ms).\n  identity  {}\n  network   {}\n  feed      {}\n",
        took.as_millis(),
        status.endpoints.identity,
        status.endpoints.network,
        status.endpoints.feed,
    );
    // Behind a Keystone users are its own.
    if status.clouds_yaml.exists() {
        let clouds = status.clouds_yaml.display();
        text.push_str(&format!(
            "  clients   {clouds}\n\nTry:\n  export OS_CLIENT_CONFIG_FILE={clouds}\n  \
             openstack --os-cloud isospin network agent list\n  isospin demo --state-dir {}\n",
            status.state_dir.display(),
        ));
    }
    // Whoever reads only the first line of it is no reason to fail.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
