//! From `POST /ports` to ACTIVE and the first ping reply, with a real agent.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use isospin_client::Session;
use isospin_host_io::{LinkChange, Links, Namespace, Place, VethSpec};
use isospin_types::{MacAddr, PortId};
use serde_json::json;

use crate::driver::Measured;
use crate::objects;
use crate::report::Results;
use crate::server::{Engine, Server};

const PORTS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// A namespace that goes with the value.
struct Machine(Namespace);

impl Drop for Machine {
    fn drop(&mut self) {
        // What is left is named in the error of the next run.
        let _ = Namespace::delete(self.0.name());
    }
}

/// Plugs ports one after the other and measures each.
pub async fn run(server: &Server, results: &mut Results) -> Result<()> {
    let admin = server.session("admin").await?;
    objects::lift_quotas(&admin, admin.project_id()).await?;
    let network = objects::network(&admin, "10.99.0.0/16").await?;
    // Everybody pings the first machine.
    let (first, target, _, _) = plug(server, &admin, &network, 0, None).await?;
    let (mut active, mut reply) = (Vec::new(), Vec::new());
    let mut ports = vec![first];
    for index in 1..=PORTS {
        let (port, _, to_active, to_reply) = plug(server, &admin, &network, index, Some(&target)).await?;
        active.push(to_active);
        reply.push(to_reply);
        ports.push(port);
    }
    results.latency(Engine::Sqlite, "port create to ACTIVE, real agent", &measured(active));
    results.latency(Engine::Sqlite, "port create to first ping reply, real agent", &measured(reply));
    for (id, machine) in ports {
        drop(machine);
        admin.delete(&format!("/ports/{id}")).await?;
    }
    admin.delete(&format!("/networks/{}", network)).await?;
    Ok(())
}

fn measured(mut latencies: Vec<Duration>) -> Measured {
    latencies.sort_unstable();
    Measured { elapsed: latencies.iter().sum(), latencies, answers: Vec::new() }
}

type Plugged = ((PortId, Machine), String, Duration, Duration);

async fn plug(
    server: &Server,
    session: &Session,
    network: &str,
    index: usize,
    target: Option<&str>,
) -> Result<Plugged> {
    let name = format!("isospin-bench-{}-{index}", std::process::id());
    let machine = Machine(Namespace::create(&name)?);
    let started = Instant::now();
    let body = json!({"port": {"network_id": network, "binding:host_id": server.host()?,
        "device_owner": "compute:bench", "device_id": name}});
    let port = session.post("/ports", body).await?["port"].take();
    let id: PortId = port["id"].as_str().context("no port id")?.parse()?;
    let mac: MacAddr = port["mac_address"].as_str().context("no MAC")?.parse()?;
    let address = port["fixed_ips"][0]["ip_address"].as_str().context("no address")?.to_owned();
    let host = Links::open(&Place::Host).await?;
    let tap = format!("tap{}", id.device_suffix());
    host.create_veth(&VethSpec {
        name: tap.clone(),
        mac: None,
        mtu: Some(1450),
        alias: None,
        peer_name: "eth0".to_owned(),
        peer_mac: Some(mac),
        peer_namespace: Some(machine.0.clone()),
    })
    .await?;
    let inside = Links::open(&Place::Namespace(machine.0.clone())).await?;
    inside.set("eth0", &LinkChange { up: Some(true), ..LinkChange::default() }).await?;
    host.set(&tap, &LinkChange { up: Some(true), ..LinkChange::default() }).await?;
    inside.add_address("eth0", format!("{address}/16").parse()?).await?;
    wait_active(session, id).await?;
    let to_active = started.elapsed();
    if let Some(target) = target {
        ping(&name, target).await?;
    }
    Ok(((id, machine), address, to_active, started.elapsed()))
}

async fn wait_active(session: &Session, id: PortId) -> Result<()> {
    let mut look = tokio::time::interval(Duration::from_millis(2));
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        look.tick().await;
        let answer = session.get(&format!("/ports/{id}?fields=status")).await?;
        if answer["port"]["status"] == "ACTIVE" {
            return Ok(());
        }
    }
    bail!("port {id} did not become ACTIVE")
}

async fn ping(netns: &str, target: &str) -> Result<()> {
    let status = tokio::process::Command::new("ip")
        .args(["netns", "exec", netns, "ping", "-q", "-c", "1", "-W", "5", target])
        .stdout(Stdio::null())
        .status()
        .await?;
    if !status.success() {
        bail!("no reply from {target}");
    }
    Ok(())
}
