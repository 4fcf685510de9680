//! Rules that open and close a way, and a host that has very many.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::cloud::{Cloud, add_rules, group};
use super::echo::{Asker, Echo, joined};
use crate::driver::Measured;
use crate::objects;
use crate::report::Results;

/// Times a rule comes and goes.
const ROUNDS: usize = 20;
/// A port no other rule here opens.
const PORT: u16 = 9000;
/// Rules of the crowded host: so many groups with so many each.
const GROUPS: usize = 85;
const EACH: usize = 1000;
/// Ports added to it.
const ADDED: usize = 10;
/// Before a port is bound, and between two looks at what an agent says of itself.
const PAUSE: Duration = Duration::from_millis(20);

/// From the request for a rule to the first answer, and from its deletion to the last.
pub async fn run(cloud: &mut Cloud, results: &mut Results) -> Result<()> {
    let bench = cloud.group.clone();
    let door = group(&cloud.admin, "door").await?;
    let from = cloud.one(0, &[&bench]).await?;
    let to = cloud.one(1, &[&bench, &door]).await?;
    let _echo = [Echo::serve(&to.instance, PORT)?, Echo::serve(&to.instance, 7000)?];
    // Addresses are resolved before.
    Asker::new(&from.instance, to.nic.address, 7000)?.first_answer()?;
    let (mut opened, mut cut) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let asker = Asker::new(&from.instance, to.nic.address, PORT)?;
        let waiting = std::thread::spawn(move || {
            let answered = asker.first_answer()?;
            Ok((asker, answered))
        });
        let started = Instant::now();
        let rule = json!({"security_group_rule": {"security_group_id": door, "direction": "ingress",
            "protocol": "udp", "port_range_min": PORT, "port_range_max": PORT}});
        let rule =
            objects::id(&cloud.admin.post("/security-group-rules", rule).await?, "security_group_rule")?;
        let (asker, answered) = joined(waiting)?;
        opened.push(answered.saturating_duration_since(started));
        let asking = asker.last_answer();
        let started = Instant::now();
        cloud.admin.delete(&format!("/security-group-rules/{rule}")).await?;
        let (_, last) = joined(asking)?;
        cut.push(last.saturating_duration_since(started));
    }
    let name = cloud.name();
    results.latency(name, "rule created to first packet", &measured(opened));
    results.latency(name, "rule deleted to last packet", &measured(cut));
    cloud.remove(vec![from, to]).await
}

/// The agent's time to wire one port more on a host with 85,000 rules, from the fact that it is
/// bound there; its device is there already.
pub async fn many(cloud: &mut Cloud, results: &mut Results) -> Result<()> {
    for index in 0..GROUPS {
        let id = group(&cloud.admin, &format!("large{index}")).await?;
        let rule = |number: usize| {
            json!({"security_group_id": id, "direction": "ingress", "protocol": "tcp",
                "port_range_min": 1000 + number, "port_range_max": 1000 + number,
                "remote_ip_prefix": format!("10.{}.{}.0/24", 100 + index, number % 250)})
        };
        add_rules(&cloud.admin, &(0..EACH).map(rule).collect::<Vec<Value>>()).await?;
        let guests = cloud.prepare(0, 1, &[&id]).await?;
        cloud.plug(&guests)?;
    }
    cloud.active().await?;
    cloud.lab.hosts.iter().try_for_each(|host| host.settled().map(drop))?;
    let bench = cloud.group.clone();
    let mut took = Vec::new();
    for _ in 0..ADDED {
        let guest = cloud.unbound(&[&bench]).await?;
        cloud.plug(std::slice::from_ref(&guest))?;
        // What a switch makes of a device that comes is not the agent's time.
        tokio::time::sleep(PAUSE).await;
        let host = &cloud.lab.hosts[guest.host];
        let before = host.settled()?["version"].as_u64();
        let bind = json!({"port": {"binding:host_id": host.name()}});
        cloud.admin.put(&format!("/ports/{}", guest.id), bind).await?;
        // Who asks the server meanwhile takes the agent's core.
        let status = loop {
            tokio::time::sleep(PAUSE).await;
            let status = host.settled()?;
            if status["version"].as_u64() != before {
                break status;
            }
        };
        cloud.one_active(&guest).await?;
        let took_us = status["feed_to_applied_us"].as_u64().context("the agent does not say how long")?;
        took.push(Duration::from_micros(took_us));
    }
    results.latency(
        cloud.name(),
        &format!("agent's time for one port more, {} rules", GROUPS * EACH),
        &measured(took),
    );
    Ok(())
}

/// Latencies that were measured one by one.
pub fn measured(mut latencies: Vec<Duration>) -> Measured {
    latencies.sort_unstable();
    Measured { elapsed: latencies.iter().sum(), latencies, answers: Vec::new() }
}
