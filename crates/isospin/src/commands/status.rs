//! `isospin status`.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::cli;
use crate::state_dir::StateDir;
use crate::supervise::{Status, wait_ready};

#[expect(clippy::print_stdout, reason = "this is the command's answer")]
pub async fn run(arguments: cli::Status) -> Result<()> {
    let state = StateDir::new(arguments.place.state_dir)?;
    let status = if arguments.wait {
        match tokio::time::timeout(Duration::from_secs(arguments.timeout), wait_ready(&state)).await {
            Ok(status) => status?,
            Err(_) => Status::read(&state)?,
        }
    } else {
        Status::read(&state)?
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print_table(&status);
    }
    if !status.ready {
        bail!("not ready: waiting for {}", status.waiting_for);
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is the command's answer")]
fn print_table(status: &Status) {
    let pid = |pid: Option<u32>| pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(["Part", "PID", "Where"]);
    table.add_row(["supervisor", &pid(status.pids.supervisor), &status.state_dir.display().to_string()]);
    table.add_row([
        "server",
        &pid(status.pids.server),
        &format!("identity {}  network {}", status.endpoints.identity, status.endpoints.network),
    ]);
    let agent = &status.agent;
    table.add_row([
        "agent",
        &pid(status.pids.agent),
        &format!(
            "version {}  changes {}  failed {}",
            agent["applied_version"],
            agent["changes"],
            agent["failed"].as_array().map_or(0, Vec::len)
        ),
    ]);
    println!("{table}");
}
