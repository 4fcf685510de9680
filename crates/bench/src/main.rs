//! The load driver behind `make bench`.
//!
//! Starts a server of its own for each engine (durable commits, SQLite and
//! PostgreSQL), drives it over loopback in a closed loop, and writes results as JSON
//! and as the table in docs/performance.md. Every request goes the whole way: token
//! check, policy, quota, IPAM, default security group.

mod agents;
mod driver;
mod identity;
mod lab;
mod objects;
mod report;
mod scale;
mod scenarios;
mod server;
mod wiring;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use report::Results;
use server::{Engine, Server};

/// Measures Isospin on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// The binary to measure
    #[arg(long, default_value = "target/release/isospin")]
    binary: PathBuf,
    /// Engines to measure
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    engines: Vec<EngineName>,
    /// Ports that exist while shows and lists are measured
    #[arg(long, default_value_t = 10_000)]
    ports: usize,
    /// Requests under way at a time
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// Measure only one part
    #[arg(long)]
    only: Option<Part>,
    /// Measure the wiring of ports by real agents and the way of packets too (needs root)
    #[arg(long)]
    wiring: bool,
    /// Parts measured with real agents
    #[arg(long, value_delimiter = ',', default_value = "paths,rules,plugs,restart,many-rules")]
    lab: Vec<lab::Part>,
    /// How hosts wire their ports there
    #[arg(long, value_delimiter = ',', default_value = "linuxbridge,openvswitch")]
    drivers: Vec<lab::Wiring>,
    /// Measure with growing tables too: up to 100,000 ports
    #[arg(long, conflicts_with = "only")]
    scale: bool,
    /// Measure with many simulated agents too: 500 and 1,000
    #[arg(long, conflicts_with = "only")]
    agents: bool,
    /// Where the results go as JSON
    #[arg(long, default_value = "bench-results/results.json")]
    json: PathBuf,
    /// Page whose table is replaced
    #[arg(long)]
    page: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EngineName {
    Sqlite,
    Postgres,
}

/// A part of the measurement, with a server of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The Identity API.
    Identity,
    /// Each call of the Network API.
    Network,
    /// The same with growing tables.
    Scale,
    /// Many simulated agents.
    Agents,
    /// Two hosts with real agents, and packets between them (needs root).
    Lab,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // One thread: the driver shares two cores with what it measures.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&arguments))
}

async fn run(arguments: &Arguments) -> Result<()> {
    let mut results = Results::new();
    let engines = if arguments.only == Some(Part::Lab) { &[][..] } else { &arguments.engines[..] };
    for engine in engines {
        let engine = match engine {
            EngineName::Sqlite => Engine::Sqlite,
            EngineName::Postgres => Engine::Postgres,
        };
        measure(arguments, engine, &mut results).await?;
    }
    if arguments.wiring {
        let server = Server::start(&arguments.binary, Engine::Sqlite, "real").await?;
        wiring::run(&server, &mut results).await.context("wiring")?;
    }
    if arguments.wiring || arguments.only == Some(Part::Lab) {
        lab::run(&arguments.binary, &arguments.drivers, &arguments.lab, &mut results).await?;
    }
    results.write_json(&arguments.json)?;
    if let Some(page) = &arguments.page {
        results.write_page(page)?;
    }
    results.print();
    Ok(())
}

/// All scenarios on one engine, each on a server of its own: none pays for what another
/// has left in memory.
async fn measure(arguments: &Arguments, engine: Engine, results: &mut Results) -> Result<()> {
    let start = || Server::start(&arguments.binary, engine, "none");
    let wanted = |part: Part| match arguments.only {
        Some(only) => only == part,
        None => match part {
            Part::Scale => arguments.scale,
            Part::Agents => arguments.agents,
            Part::Identity | Part::Network | Part::Lab => true,
        },
    };
    let (name, concurrency) = (engine.name(), arguments.concurrency);
    if wanted(Part::Identity) {
        let done = identity::run(&start().await?, engine, concurrency, results).await;
        done.with_context(|| format!("identity on {name}"))?;
    }
    if wanted(Part::Network) {
        let done = scenarios::run(&start().await?, engine, arguments.ports, concurrency, results).await;
        done.with_context(|| format!("on {name}"))?;
    }
    if wanted(Part::Scale) {
        let done = scale::run(&start().await?, engine, concurrency, results).await;
        done.with_context(|| format!("on {name}, with growing tables"))?;
    }
    if wanted(Part::Agents) {
        let done = agents::one_group(&start().await?, engine, results).await;
        done.with_context(|| format!("on {name}, agents that share a group"))?;
        let done = agents::many(&start().await?, engine, results).await;
        done.with_context(|| format!("on {name}, many agents"))?;
    }
    Ok(())
}
