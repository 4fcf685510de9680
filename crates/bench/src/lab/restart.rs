//! An agent that starts again on a host with many ports.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::cloud::Cloud;
use super::rules::measured;
use crate::report::Results;

/// Ports of the host.
const PORTS: usize = 500;
const ROUNDS: usize = 5;

/// From the start of the process until it is connected and has compared everything.
pub async fn run(cloud: &mut Cloud, results: &mut Results) -> Result<()> {
    let bench = cloud.group.clone();
    let status = cloud.lab.hosts[0].settled()?;
    let missing = PORTS.saturating_sub(cloud.ports_on(0).await?);
    cloud.run(0, missing, &[&bench]).await?;
    ensure!(status["failed"] == serde_json::json!([]), "{status}");
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let host = &mut cloud.lab.hosts[0];
        host.kill_agent()?;
        let started = Instant::now();
        host.start_agent()?;
        let status = host.settled()?;
        took.push(started.elapsed());
        ensure!(status["changes"] == 0, "a new agent changed a healthy host: {status}");
    }
    results.latency(cloud.name(), &format!("agent's restart, {PORTS} ports"), &measured(took));
    results.memory(
        cloud.name(),
        &format!("agent memory with {PORTS} ports, restarted"),
        cloud.agent_memory(0)?,
    );
    Ok(())
}
