//! How it behaves when the tables grow: the same loads at 1,000, 10,000 and 100,000
//! ports, with 10,000 networks and 10,000 security groups beside them.

use std::ops::Range;

use anyhow::Result;
use isospin_client::Session;
use serde_json::{Value, json};

use crate::driver::{Call, Measured};
use crate::objects;
use crate::report::Results;
use crate::scenarios::{Load, ids, many};
use crate::server::{Engine, Server};

/// Networks, and security groups.
const MANY: usize = 10_000;
/// Ports at which everything is measured.
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
/// Objects in one bulk request.
const BULK: usize = 500;
/// Rules of the one large security group.
const RULES: usize = 1_000;
/// Connections at which requests seldom wait for each other: how long one takes.
const FEW: usize = 4;
/// Ports made one by one to measure the rate: some seconds, or what the disk does meanwhile decides.
const SINGLES: usize = 10_000;

/// Grows the tables and measures at each size.
pub async fn run(server: &Server, engine: Engine, concurrency: usize, results: &mut Results) -> Result<()> {
    let admin = server.session("admin").await?;
    let session = server.session("demo").await?;
    objects::lift_quotas(&admin, session.project_id()).await?;
    let load = Load { address: server.network_address()?, session: &session, concurrency, engine };
    let networks = networks(&load).await?;
    let group = groups(&load, &session).await?;
    let mut ports: Vec<String> = Vec::new();
    for size in SIZES {
        let label = |what: &str| format!("{what}, {size} ports");
        let singles = SINGLES.min(size / 2);
        let missing = (size - ports.len()).saturating_sub(singles);
        let (bulk, made) = grow(&load, &networks, ports.len(), missing).await?;
        ports.extend(made);
        results.rate(engine, &label("bulk create, ports"), &bulk, BULK);
        let (created, made) = create(&load, &networks, ports.len()..size).await?;
        results.rate(engine, &label("port create"), &created, 1);
        ports.extend(made);
        reads(&load, &networks, &ports, &group, &label, results).await?;
        results.memory(engine, &label("server memory"), server.memory()?);
    }
    Ok(())
}

/// Makes these ports one by one, again and again until [`SINGLES`] were made; the last ones stay.
async fn create(
    load: &Load<'_>,
    networks: &[String],
    range: Range<usize>,
) -> Result<(Measured, Vec<String>)> {
    let calls: Vec<Call> = range.map(|index| one_port(&networks[index % networks.len()], index)).collect();
    let mut all = load.drive(&calls, true).await?;
    let mut made = ids(&all, "port")?;
    while all.latencies.len() < SINGLES {
        let removals: Vec<Call> = made.iter().map(|id| Call::delete(format!("/v2.0/ports/{id}"))).collect();
        load.drive(&removals, false).await?;
        let more = load.drive(&calls, true).await?;
        made = ids(&more, "port")?;
        all.elapsed += more.elapsed;
        all.latencies.extend(more.latencies);
    }
    all.latencies.sort_unstable();
    Ok((all, made))
}

async fn networks(load: &Load<'_>) -> Result<Vec<String>> {
    let mut networks = Vec::with_capacity(MANY);
    for first in (0..MANY).step_by(BULK) {
        let bodies: Vec<Value> =
            (first..first + BULK).map(|index| json!({"name": format!("n{index}")})).collect();
        networks.extend(bulk_ids(load, "networks", &bodies).await?);
    }
    for part in networks.chunks(BULK) {
        let bodies: Vec<Value> = part
            .iter()
            .map(|network| json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}))
            .collect();
        bulk_ids(load, "subnets", &bodies).await?;
    }
    Ok(networks)
}

/// Many groups, and the id of one with many rules.
async fn groups(load: &Load<'_>, session: &Session) -> Result<String> {
    let group = |index: usize| {
        Call::post("/v2.0/security-groups", json!({"security_group": {"name": format!("g{index}")}}))
    };
    let groups = many(load, MANY, group, "security_group").await?;
    let large = groups.into_iter().next().unwrap_or_default();
    let rules: Vec<Value> = (1..=RULES)
        .map(|port| {
            json!({"security_group_id": large, "direction": "ingress", "protocol": "tcp",
                "port_range_min": port, "port_range_max": port})
        })
        .collect();
    session.post("/security-group-rules", json!({"security_group_rules": rules})).await?;
    Ok(large)
}

fn one_port(network: &str, index: usize) -> Call {
    Call::post("/v2.0/ports", json!({"port": {"network_id": network, "name": format!("p{index}")}}))
}

/// So many more ports, in bulk; what it took and their ids.
async fn grow(
    load: &Load<'_>,
    networks: &[String],
    from: usize,
    count: usize,
) -> Result<(Measured, Vec<String>)> {
    let calls: Vec<Call> = (0..count)
        .step_by(BULK)
        .map(|first| {
            let ports: Vec<Value> = (first..(first + BULK).min(count))
                .map(|index| {
                    let index = from + index;
                    json!({"network_id": networks[index % networks.len()], "name": format!("p{index}")})
                })
                .collect();
            Call::post("/v2.0/ports", json!({"ports": ports}))
        })
        .collect();
    let measured = load.drive(&calls, true).await?;
    let mut ids = Vec::with_capacity(count);
    for answer in &measured.answers {
        ids.extend(listed_ids(&serde_json::from_slice(answer)?, "ports"));
    }
    Ok((measured, ids))
}

async fn bulk_ids(load: &Load<'_>, collection: &str, bodies: &[Value]) -> Result<Vec<String>> {
    let answer = load.session.post(&format!("/{collection}"), json!({collection: bodies})).await?;
    Ok(listed_ids(&answer, collection))
}

fn listed_ids(answer: &Value, collection: &str) -> Vec<String> {
    let items = answer[collection].as_array().into_iter().flatten();
    items.filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
}

async fn reads(
    load: &Load<'_>,
    networks: &[String],
    ports: &[String],
    group: &str,
    label: &impl Fn(&str) -> String,
    results: &mut Results,
) -> Result<()> {
    const SHOWS: usize = 20_000;
    // A stride that visits all, so that no page of the database is warmer than another.
    let spread = |items: &[String], index: usize| items[index * 7919 % items.len()].clone();
    let alone = Load { concurrency: 1, ..load.clone() };
    let few = Load { concurrency: FEW, ..load.clone() };
    let calls: Vec<Call> =
        (0..SHOWS).map(|index| Call::get(format!("/v2.0/ports/{}", spread(ports, index)))).collect();
    results.rate(load.engine, &label("port show"), &load.drive(&calls, false).await?, 1);
    let what = label(&format!("port show, {FEW} connections"));
    results.latency(load.engine, &what, &few.drive(&calls, false).await?);
    let calls: Vec<Call> = (0..500)
        .map(|index| Call::get(format!("/v2.0/ports?network_id={}", spread(networks, index))))
        .collect();
    results.latency(load.engine, &label("ports of one network"), &alone.drive(&calls, false).await?);
    let calls: Vec<Call> = (0..30)
        .map(|index| Call::get(format!("/v2.0/ports?limit=1000&marker={}", spread(ports, index))))
        .collect();
    results.latency(load.engine, &label("page of 1,000"), &alone.drive(&calls, false).await?);
    let calls: Vec<Call> = (0..100).map(|_| Call::get(format!("/v2.0/security-groups/{group}"))).collect();
    results.latency(load.engine, &label("group of 1,000 rules"), &alone.drive(&calls, false).await?);
    Ok(())
}
