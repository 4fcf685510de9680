//! Two servers on one PostgreSQL, 32 clients, one network, one subnet pool, one quota;
//! each server and the database are killed in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isospin_client::Session;
use isospin_consistency::Lab;
use isospin_consistency::client::{self, Run};
use isospin_consistency::history::{Final, Kind, Told, check};
use serde_json::{Value, json};

const CLIENTS: u64 = 32;
/// Requests of a run, unless `ISOSPIN_HISTORY_REQUESTS` says otherwise.
const REQUESTS: u64 = 6_000;

/// Limits of the project; addresses (10.9.0.0/24), segments (120) and prefixes (64) are used up too.
const LIMITS: [(Kind, &str, u64); 3] =
    [(Kind::Network, "network", 90), (Kind::Subnet, "subnet", 70), (Kind::Port, "port", 150)];

async fn id(session: &Session, path: &str, key: &str, body: Value) -> Result<String> {
    let answer = session.post(path, json!({key: body})).await?;
    Ok(answer[key]["id"].as_str().context("no id")?.to_owned())
}

/// The network, the pool and the quota all clients share.
async fn prepare(session: &Session, requests: u64) -> Result<Run> {
    let quota: serde_json::Map<String, Value> =
        LIMITS.iter().map(|(_, name, limit)| ((*name).to_owned(), json!(limit))).collect();
    session.put(&format!("/quotas/{}", session.project_id()), json!({"quota": quota})).await?;
    let network_id = id(session, "/networks", "network", json!({"name": "ports"})).await?;
    let subnet = json!({"name": "ports", "network_id": network_id, "ip_version": 4, "cidr": "10.9.0.0/24",
        "enable_dhcp": false});
    session.post("/subnets", json!({"subnet": subnet})).await?;
    let pooled_network_id = id(session, "/networks", "network", json!({"name": "subnets"})).await?;
    let pool = json!({"name": "pool", "prefixes": ["10.64.0.0/20"], "default_prefixlen": 26,
        "min_prefixlen": 26});
    let subnetpool_id = id(session, "/subnetpools", "subnetpool", pool).await?;
    let left = AtomicU64::new(requests);
    Ok(Run { began: Instant::now(), left, network_id, pooled_network_id, subnetpool_id })
}

/// What is there now, but for what [`prepare`] made.
async fn ending(session: &Session) -> Result<Final> {
    let mut last = Final::default();
    let details = session.get(&format!("/quotas/{}/details.json", session.project_id())).await?;
    for (kind, name, _) in LIMITS {
        let ours: &[&str] = match kind {
            Kind::Network => &["ports", "subnets"],
            Kind::Subnet => &["ports"],
            Kind::Port => &[],
        };
        let listed = session.get(&format!("/{name}s?project_id={}", session.project_id())).await?;
        let names = listed[format!("{name}s")].as_array().context("no list")?.iter();
        let names = names.filter_map(|object| object["name"].as_str().map(str::to_owned));
        last.names.insert(kind, names.filter(|name| !ours.contains(&name.as_str())).collect());
        let used = details["quota"][name]["used"].as_u64().context("no usage")?;
        last.used.insert(kind, used - ours.len() as u64);
    }
    Ok(last)
}

/// Waits until so many requests are left.
async fn when_left(run: &Run, left: u64) {
    let mut look = tokio::time::interval(Duration::from_millis(5));
    while run.left.load(Ordering::Relaxed) > left {
        look.tick().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_stays_and_nothing_is_given_twice() -> Result<()> {
    let requests = match std::env::var("ISOSPIN_HISTORY_REQUESTS") {
        Ok(text) => text.parse()?,
        Err(_) => REQUESTS,
    };
    // On this thread: PostgreSQL ends with the thread that started it.
    let mut lab = tokio::task::block_in_place(|| Lab::start(2))?;
    let admin = lab.servers[0].session().await?;
    let run = Arc::new(prepare(&admin, requests).await?);
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let session = lab.servers[usize::from(number % 2 == 1)].session().await?;
        clients.spawn(client::work(run.clone(), session, number));
    }
    when_left(&run, requests / 4 * 3).await;
    lab.servers[1].kill()?;
    lab.servers[1].restart()?;
    when_left(&run, requests / 2).await;
    lab.cluster.crash()?;
    when_left(&run, requests / 4).await;
    lab.servers[0].kill()?;
    lab.servers[0].restart()?;
    let events: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
    let took = run.began.elapsed();
    let last = ending(&lab.servers[1].session().await?).await?;
    let limits: BTreeMap<Kind, u64> = LIMITS
        .iter()
        // What `prepare` made counts too.
        .map(|(kind, _, limit)| (*kind, limit - [2, 1, 0][*kind as usize]))
        .collect();
    let wrong = check(&events, &limits, &last);
    let count = |wanted: fn(&Told) -> bool| events.iter().filter(|event| wanted(&event.told)).count();
    let (done, refused) =
        (count(|told| matches!(told, Told::Done(_))), count(|told| matches!(told, Told::Refused(_))));
    println!(
        "{} requests in {took:.1?}: {done} done, {refused} refused, {} without an answer",
        events.len(),
        events.len() - done - refused
    );
    ensure!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    // What is shared is used up most of the time, and servers are down some of it.
    ensure!(done * 5 > events.len(), "hardly anything was done");
    Ok(())
}
