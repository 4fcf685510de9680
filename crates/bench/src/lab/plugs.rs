//! Instances that are plugged in, one by one and many at once.

use std::time::Instant;

use anyhow::Result;

use super::cloud::{Cloud, RULES};
use super::echo::{Asker, Echo};
use super::rules::measured;
use crate::driver::Measured;
use crate::report::Results;

/// One by one.
const SINGLES: usize = 40;
/// At once.
const BURST: usize = 50;
/// Ports at which memory is looked at.
const MEMORY_AT: usize = 200;
/// At once, to see how many a second.
const FLOOD: usize = 300;
/// A UDP port the group opens.
const PORT: u16 = 7000;

/// On the first host; whom they ask is on the second.
pub async fn run(cloud: &mut Cloud, results: &mut Results) -> Result<()> {
    let bench = cloud.group.clone();
    let target = cloud.one(1, &[&bench]).await?;
    let _echo = Echo::serve(&target.instance, PORT)?;
    let (mut active, mut answered) = (Vec::new(), Vec::new());
    for index in 0..=SINGLES {
        let guest = cloud.prepare(0, 1, &[&bench]).await?;
        cloud.lab.hosts.iter().try_for_each(|host| host.settled().map(drop))?;
        let started = Instant::now();
        cloud.plug(&guest)?;
        cloud.one_active(&guest[0]).await?;
        let is_active = started.elapsed();
        let asker = Asker::new(&guest[0].instance, target.nic.address, PORT)?;
        let first = asker.first_answer()?.saturating_duration_since(started);
        // With the first of a host come network and tunnel.
        if index > 0 {
            active.push(is_active);
            answered.push(first);
        }
    }
    let name = cloud.name();
    results.latency(name, "plug to ACTIVE", &measured(active));
    results.latency(name, "plug to first reply across two hosts", &measured(answered));

    burst(cloud, BURST, &bench, results).await?;
    cloud.run(0, MEMORY_AT - SINGLES - 1 - BURST, &[&bench]).await?;
    results.memory(name, &format!("agent memory with {MEMORY_AT} ports"), cloud.agent_memory(0)?);
    burst(cloud, FLOOD, &bench, results).await
}

/// So many at once, from the first plug until all are ACTIVE.
async fn burst(cloud: &mut Cloud, count: usize, group: &str, results: &mut Results) -> Result<()> {
    let guests = cloud.prepare(0, count, &[group]).await?;
    cloud.lab.hosts.iter().try_for_each(|host| host.settled().map(drop))?;
    let started = Instant::now();
    cloud.plug(&guests)?;
    let plugged = started.elapsed();
    cloud.active().await?;
    let elapsed = started.elapsed();
    let name = cloud.name();
    let all = |elapsed| Measured { elapsed, latencies: vec![elapsed; count], answers: Vec::new() };
    results.rate(name, &format!("{count} ports plugged at once, {RULES} rules each"), &all(elapsed), 1);
    results.rate(name, &format!("{count} ports plugged at once, naming the devices"), &all(plugged), 1);
    Ok(())
}
