//! The loads, one after the other on one server.

use anyhow::{Context, Result};
use bytes::Bytes;
use isospin_client::Session;
use serde_json::{Value, json};

use crate::driver::{Call, Measured, drive};
use crate::objects;
use crate::report::Results;
use crate::server::{Engine, Server};

/// Objects in one bulk request.
const BULK: usize = 100;
/// Networks the ports are spread over.
const NETWORKS: usize = 10;

/// Where a load goes, as whom, and how much of it at a time.
#[derive(Clone)]
pub struct Load<'s> {
    pub address: String,
    pub session: &'s Session,
    pub concurrency: usize,
    pub engine: Engine,
}

impl Load<'_> {
    /// Makes the calls; `keep` keeps the answers' bodies.
    pub async fn drive(&self, calls: &[Call], keep: bool) -> Result<Measured> {
        drive(&self.address, self.session.token(), calls, self.concurrency, keep).await
    }
}

/// Runs all loads; `ports` exist while shows and lists are measured.
pub async fn run(
    server: &Server,
    engine: Engine,
    ports: usize,
    concurrency: usize,
    results: &mut Results,
) -> Result<()> {
    let admin = server.session("admin").await?;
    let session = server.session("demo").await?;
    objects::lift_quotas(&admin, session.project_id()).await?;
    let mut networks = Vec::with_capacity(NETWORKS);
    for index in 0..NETWORKS {
        networks.push(objects::network(&session, &format!("10.{index}.0.0/16")).await?);
    }
    let load = Load { address: server.network_address()?, session: &session, concurrency, engine };
    let ids = port_create(&load, &networks, ports, results).await?;
    results.memory(engine, &format!("server memory with {} ports", ids.len()), server.memory()?);
    reads(&load, &networks, &ids, results).await?;
    port_update_and_delete(&load, &ids, results).await?;
    bulk(&load, &networks, results).await?;
    routers(&load, results).await?;
    floating_ips(&load, &admin, results).await?;
    rules(&load, results).await?;
    Ok(())
}

async fn port_create(
    load: &Load<'_>,
    networks: &[String],
    count: usize,
    results: &mut Results,
) -> Result<Vec<String>> {
    let calls: Vec<Call> = (0..count)
        .map(|index| {
            let network = &networks[index % networks.len()];
            Call::post("/v2.0/ports", json!({"port": {"network_id": network, "name": format!("p{index}")}}))
        })
        .collect();
    let measured = load.drive(&calls, true).await?;
    results.rate(load.engine, "port create", &measured, 1);
    measured.answers.iter().map(|answer| id_of(answer, "port")).collect()
}

async fn reads(load: &Load<'_>, networks: &[String], ids: &[String], results: &mut Results) -> Result<()> {
    let calls: Vec<Call> = (0..ids.len() * 4)
        .map(|index| Call::get(format!("/v2.0/ports/{}", ids[index % ids.len()])))
        .collect();
    results.rate(load.engine, "port show", &load.drive(&calls, false).await?, 1);
    let alone =
        Load { address: load.address.clone(), session: load.session, concurrency: 1, engine: load.engine };
    let calls: Vec<Call> = (0..40).map(|_| Call::get("/v2.0/ports?limit=1000")).collect();
    results.latency(load.engine, "list of 1,000 ports", &alone.drive(&calls, false).await?);
    let calls: Vec<Call> = (0..40)
        .map(|index| Call::get(format!("/v2.0/ports?network_id={}", networks[index % networks.len()])))
        .collect();
    results.latency(load.engine, "list of the ports of one network", &alone.drive(&calls, false).await?);
    Ok(())
}

async fn port_update_and_delete(load: &Load<'_>, ids: &[String], results: &mut Results) -> Result<()> {
    let calls: Vec<Call> = ids
        .iter()
        .map(|id| Call::put(format!("/v2.0/ports/{id}"), json!({"port": {"name": "renamed"}})))
        .collect();
    results.rate(load.engine, "port update", &load.drive(&calls, false).await?, 1);
    let calls: Vec<Call> = ids.iter().map(|id| Call::delete(format!("/v2.0/ports/{id}"))).collect();
    results.rate(load.engine, "port delete", &load.drive(&calls, false).await?, 1);
    Ok(())
}

async fn bulk(load: &Load<'_>, networks: &[String], results: &mut Results) -> Result<()> {
    let calls: Vec<Call> = (0..200)
        .map(|index| {
            let network = &networks[index % networks.len()];
            let ports: Vec<Value> =
                (0..BULK).map(|_| json!({"network_id": network, "name": "bulk"})).collect();
            Call::post("/v2.0/ports", json!({"ports": ports}))
        })
        .collect();
    results.rate(load.engine, "bulk create, ports", &load.drive(&calls, false).await?, BULK);
    Ok(())
}

async fn routers(load: &Load<'_>, results: &mut Results) -> Result<()> {
    const COUNT: usize = 2000;
    let subnets = many(
        load,
        COUNT,
        |index| Call::post("/v2.0/networks", json!({"network": {"name": format!("r{index}")}})),
        "network",
    )
    .await?;
    let calls: Vec<Call> = subnets
        .iter()
        .map(|network| {
            let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "192.168.0.0/24"});
            Call::post("/v2.0/subnets", json!({"subnet": subnet}))
        })
        .collect();
    let subnets = ids(&load.drive(&calls, true).await?, "subnet")?;
    let routers = many(
        load,
        COUNT,
        |index| Call::post("/v2.0/routers", json!({"router": {"name": format!("r{index}")}})),
        "router",
    )
    .await?;
    let calls: Vec<Call> = routers
        .iter()
        .zip(&subnets)
        .map(|(router, subnet)| {
            Call::put(format!("/v2.0/routers/{router}/add_router_interface"), json!({"subnet_id": subnet}))
        })
        .collect();
    results.rate(load.engine, "router add interface", &load.drive(&calls, false).await?, 1);
    Ok(())
}

async fn floating_ips(load: &Load<'_>, admin: &Session, results: &mut Results) -> Result<()> {
    let external = objects::external(admin).await?;
    let body = json!({"floatingip": {"floating_network_id": external}});
    let calls: Vec<Call> = (0..3000).map(|_| Call::post("/v2.0/floatingips", body.clone())).collect();
    results.rate(load.engine, "floating IP create", &load.drive(&calls, false).await?, 1);
    Ok(())
}

async fn rules(load: &Load<'_>, results: &mut Results) -> Result<()> {
    let groups = many(
        load,
        30,
        |index| Call::post("/v2.0/security-groups", json!({"security_group": {"name": format!("g{index}")}})),
        "security_group",
    )
    .await?;
    let calls: Vec<Call> = (0..3000)
        .map(|index| {
            let port = 1 + index / groups.len();
            let rule = json!({"security_group_id": groups[index % groups.len()], "direction": "ingress",
                "protocol": "tcp", "port_range_min": port, "port_range_max": port});
            Call::post("/v2.0/security-group-rules", json!({"security_group_rule": rule}))
        })
        .collect();
    results.rate(load.engine, "security group rule create", &load.drive(&calls, false).await?, 1);
    Ok(())
}

/// Makes objects one by one; their ids.
pub async fn many(
    load: &Load<'_>,
    count: usize,
    call: impl Fn(usize) -> Call,
    key: &str,
) -> Result<Vec<String>> {
    let calls: Vec<Call> = (0..count).map(call).collect();
    ids(&load.drive(&calls, true).await?, key)
}

/// Ids in the answers.
pub fn ids(measured: &Measured, key: &str) -> Result<Vec<String>> {
    measured.answers.iter().map(|answer| id_of(answer, key)).collect()
}

fn id_of(answer: &Bytes, key: &str) -> Result<String> {
    let value: Value = serde_json::from_slice(answer).context("an answer is not JSON")?;
    objects::id(&value, key)
}
