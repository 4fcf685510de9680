//! Routers: one agent for each router that has a port.
//!
//! A router without ports needs no agent. The first port brings it to the host with
//! the fewest routers in its zones; while no agent is alive it stays without, and
//! the next agent to register takes it ([`schedule_unhosted`]).

use isospin_api_kit::Fault;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Session, Tx, Value, values};
use isospin_types::{PortId, RouterId};

use super::agents::{self, Candidate};
use crate::App;
use crate::resources::port;
use crate::resources::router::model::Router;
use crate::resources::router::store;

/// Gives the router an agent, if it has none, and brings the ports it has there.
/// Only `router` changes; its row is stored by the caller.
///
/// # Errors
/// The store's.
pub async fn choose(tx: &mut Tx, app: &App, router: &mut Router) -> Result<(), Fault> {
    if !router.host.is_empty() {
        return Ok(());
    }
    let candidates = candidates(tx, app).await?;
    match agents::choose(candidates, &router.availability_zone_hints) {
        Some(agent) => host(tx, app, router, agent).await,
        None => Ok(()),
    }
}

/// As [`choose`], for a router as stored.
///
/// # Errors
/// The store's.
pub async fn schedule_router(tx: &mut Tx, app: &App, router_id: RouterId) -> Result<(), Fault> {
    let Some(mut router) = store::get(tx, router_id).await?.filter(|router| router.host.is_empty()) else {
        return Ok(());
    };
    choose(tx, app, &mut router).await?;
    if !router.host.is_empty() {
        store::save(tx, &mut router).await?;
    }
    Ok(())
}

/// Gives the routers nobody carries to the agent on this host, as far as their zone
/// hints allow. How many it got.
///
/// # Errors
/// The store's.
pub async fn schedule_unhosted(tx: &mut Tx, app: &App, host_name: &str) -> Result<usize, Fault> {
    let candidates = candidates(tx, app).await?;
    let Some(agent) = candidates.into_iter().find(|agent| agent.host == host_name) else { return Ok(0) };
    let mut taken = 0;
    for mut router in unhosted(tx).await? {
        let hints = &router.availability_zone_hints;
        if !hints.is_empty() && !hints.contains(&agent.availability_zone) {
            continue;
        }
        host(tx, app, &mut router, agent.clone()).await?;
        store::save(tx, &mut router).await?;
        taken += 1;
    }
    Ok(taken)
}

/// L3 agents that can take a router, the least loaded first. Routers are counted
/// only where there is a choice.
async fn candidates(session: &mut Session, app: &App) -> Result<Vec<Candidate>, Fault> {
    let sql = "SELECT host, availability_zone FROM agents WHERE agent_type = 'L3 agent' \
               AND admin_state_up = TRUE AND heartbeat_timestamp >= $1 ORDER BY host";
    let since = agents::alive_since(&app.settings);
    let mut all = Vec::new();
    for row in session.rows(sql, values![since]).await? {
        let mut columns = row.columns();
        all.push(Candidate { host: columns.text()?, availability_zone: columns.text()? });
    }
    if all.len() < 2 {
        return Ok(all);
    }
    let mut select = Select::new("host", "routers");
    select.one_of("host", all.iter().map(|agent| Value::from(&agent.host)).collect());
    let (sql, values) = select.build();
    let counted = format!("SELECT host, COUNT(*) FROM ({sql}) AS hosted GROUP BY host");
    let mut load = std::collections::BTreeMap::new();
    for row in session.rows(&counted, values).await? {
        let mut columns = row.columns();
        load.insert(columns.text()?, columns.int()?);
    }
    all.sort_by_key(|agent| load.get(&agent.host).copied().unwrap_or(0));
    Ok(all)
}

async fn host(tx: &mut Tx, app: &App, router: &mut Router, agent: Candidate) -> Result<(), Fault> {
    let sql = "SELECT port_id FROM router_interfaces WHERE router_id = $1";
    let mut ports: Vec<PortId> = router.gateway.iter().map(|gateway| gateway.port_id).collect();
    for row in tx.rows(sql, values![router.id]).await? {
        ports.push(row.columns().parse()?);
    }
    ports.sort_unstable();
    ports.dedup();
    for id in ports {
        if let Some(mut port) = port::store::get(tx, id).await? {
            port::store::bind(tx, app, &mut port, &agent.host).await?;
        }
    }
    router.host = agent.host;
    router.availability_zone = Some(agent.availability_zone);
    Ok(())
}

async fn unhosted(session: &mut Session) -> Result<Vec<Router>, Fault> {
    let mut select = Select::new(store::SELECTED, store::SELECTED_FROM);
    select.condition("routers.host = ''");
    select.condition(
        "(routers.gateway_port_id IS NOT NULL OR EXISTS \
         (SELECT 1 FROM router_interfaces i WHERE i.router_id = routers.id))",
    );
    select.order_by("routers.id", false);
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?;
    Ok(rows.into_iter().map(store::read).collect::<Result<_, _>>()?)
}
