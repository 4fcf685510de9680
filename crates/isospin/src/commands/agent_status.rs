//! `isospin agent status`: the ports of this host, as its agent sees them. Asks no server.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use isospin_agent::status::AgentStatus;
use isospin_feed::replica;
use serde::Serialize;

use crate::cli;
use crate::state_dir::StateDir;

/// A port of this host.
#[derive(Debug, Serialize)]
struct Line {
    port: String,
    network: String,
    mac: String,
    addresses: Vec<String>,
    device: String,
    /// "ACTIVE", "DOWN" or "ERROR".
    state: &'static str,
    /// Why it is not ACTIVE.
    reason: String,
}

#[expect(clippy::print_stdout, reason = "this is the command's answer")]
pub fn run(arguments: cli::AgentStatus) -> Result<()> {
    let state = StateDir::new(arguments.place.state_dir)?;
    let folder = state.agent();
    let status = AgentStatus::read(&folder)
        .with_context(|| format!("cannot read the status in {}", folder.display()))?
        .with_context(|| format!("no agent has run from {}", state.root().display()))?;
    let lines = lines(&status, &folder);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&lines)?);
        return Ok(());
    }
    let server = status.server.as_deref().unwrap_or("none: the host works on");
    println!("{}: server {server}, {} ports, {} changes", status.host, lines.len(), status.changes);
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(["Port", "Device", "Addresses", "State", "Reason"]);
    for line in &lines {
        let addresses = line.addresses.join(" ");
        table.add_row([&line.port, &line.device, &addresses, line.state, &line.reason]);
    }
    println!("{table}");
    Ok(())
}

/// The ports in the agent's replica, with what it last said of each.
fn lines(status: &AgentStatus, folder: &std::path::Path) -> Vec<Line> {
    let loaded = replica::load(&folder.join("replica"), &status.host);
    let failed: BTreeMap<&str, &str> =
        status.failed.iter().map(|item| (item.id.as_str(), item.reason.as_str())).collect();
    let facts = loaded.replica.facts();
    let here = facts.ports.values().filter(|port| port.host == status.host);
    here.map(|port| {
        let id = port.id.to_string();
        let (state, reason) = match failed.get(id.as_str()) {
            Some(reason) => ("ERROR", *reason),
            None if !status.down.contains(&id) => ("ACTIVE", ""),
            None if !port.admin_state_up => ("DOWN", "it is administratively down"),
            None => ("DOWN", "nobody has plugged it in here yet"),
        };
        Line {
            network: port.network_id.to_string(),
            mac: port.mac.to_string(),
            addresses: port.fixed_ips.iter().map(|fixed| fixed.ip_address.to_string()).collect(),
            device: port.tap_name(),
            state,
            reason: reason.to_owned(),
            port: id,
        }
    })
    .collect()
}
