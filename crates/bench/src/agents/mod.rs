//! Many hosts on one server: simulated agents in this process over the real feed.
//!
//! Session, mutual TLS, replica, loop and reports are those of a real agent; only the
//! kernel is missing. Their folders are in memory, because real agents have a disk each.
//! All agents are on the one thread of the driver, which costs more than the server
//! spends on them: times are from the change to the last agent, CPU is the server's alone.

mod crowd;
mod region;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::report::Results;
use crate::server::{Engine, Server};
use crowd::Crowd;
use region::Region;

/// Hosts whose ports share one security group.
const SHARING: usize = 500;
/// Ports in that group when the change is measured.
const MEMBERS: [usize; 2] = [1_000, 10_000];
/// Hosts that are idle, and come back all at once.
const MANY: usize = 1_000;
const PORTS_EACH: usize = 2;
/// How long idle agents are watched.
const IDLE: Duration = Duration::from_secs(30);
/// What the server still does after the last agent was told counts as well.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// One rule of one large group: how soon all hosts have it, and what telling them costs.
pub async fn one_group(server: &Server, engine: Engine, results: &mut Results) -> Result<()> {
    let crowd = Crowd::join(server, SHARING).await?;
    let region = Region::open(server, &crowd, engine).await?;
    let group = region.group().await?;
    let mut made = 0;
    for (round, members) in MEMBERS.into_iter().enumerate() {
        region.ports(std::slice::from_ref(&group), made, members - made).await?;
        made = members;
        crowd.settled(true).await?;
        let (bytes, cpu) = (server.feed_bytes()?, server.cpu()?);
        let change = Change { crowd: &crowd, engine, results: &mut *results };
        let what = format!("rule of a group of {members} ports to {SHARING} agents");
        change.measure(&what, region.open_port(&group, 1000 + round)).await?;
        tokio::time::sleep(AFTERWARDS).await;
        let spent = (server.cpu()? - cpu).as_secs_f64();
        results.amount(engine, &format!("{what}: server CPU"), spent, "core seconds");
        let each = (server.feed_bytes()? - bytes) as f64 / SHARING as f64;
        results.amount(engine, &format!("{what}: sent to each"), each, "bytes");
    }
    let what = format!("server memory with {made} ports and {SHARING} agents");
    results.memory(engine, &what, server.memory()?);
    crowd.leave().await
}

/// Hosts that want nothing, and then all want everything.
pub async fn many(server: &Server, engine: Engine, results: &mut Results) -> Result<()> {
    let crowd = Crowd::join(server, MANY).await?;
    let region = Region::open(server, &crowd, engine).await?;
    let groups = region.groups().await?;
    region.ports(&groups, 0, MANY * PORTS_EACH).await?;
    crowd.settled(false).await?;
    let (cpu, began) = (server.cpu()?, Instant::now());
    tokio::time::sleep(IDLE).await;
    let part = (server.cpu()? - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    results.amount(engine, &format!("{MANY} idle agents: server"), part * 100.0, "% of a core");

    let back = crowd.back();
    let began = Instant::now();
    server.kill_server().context("cannot kill the server")?;
    let latencies = back.wait(began).await?;
    results.latency(engine, &format!("server killed: {MANY} agents in sync again"), &latencies);
    crowd.leave().await
}

/// A change that every agent of the crowd is told.
struct Change<'a> {
    crowd: &'a Crowd,
    engine: Engine,
    results: &'a mut Results,
}

impl Change<'_> {
    /// From before the request until each agent has applied it.
    async fn measure(self, what: &str, request: impl Future<Output = Result<()>>) -> Result<()> {
        let applied = self.crowd.next_change();
        let began = Instant::now();
        let (done, latencies) = futures::join!(request, applied.wait(began));
        done?;
        self.results.latency(self.engine, what, &latencies?);
        Ok(())
    }
}
