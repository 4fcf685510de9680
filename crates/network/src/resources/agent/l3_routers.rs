//! Routers on L3 agents. A router is on one agent at most: to move it, remove it
//! from one and add it to the other.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, answer, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Fault, FaultType};
use isospin_store_kit::{Session, Tx};
use serde_json::Value;

use super::dhcp_networks::by_ids;
use super::{handlers, store};
use crate::App;
use crate::background::scheduling::{agents::L3, placement};
use crate::resources::router;
use crate::resources::router::model::Router;

/// `GET /v2.0/agents/{id}/l3-routers`
pub async fn list(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    app.policy.check("get_l3-routers", &context.caller, &Target::new())?;
    let mut session = app.store.reader().await?;
    let agent = handlers::find(&mut session, &id).await?;
    let ids = match agent.agent_type.as_str() {
        L3 => store::routers_of(&mut session, &agent.host).await?,
        _ => Vec::new(),
    };
    let mut shown = Vec::new();
    if let Some(query) = by_ids(&ids) {
        let query = ListQuery::parse(&router::TYPE, &query, 0)?;
        let found = router::store::list(&mut session, &query, None).await?;
        shown.extend(found.iter().map(|(router, details)| {
            router::view::router(&app.policy, &context.caller, &[], router, details)
        }));
    }
    Ok(keyed(StatusCode::OK, router::TYPE.collection, Value::Array(shown)))
}

/// `GET /v2.0/routers/{id}/l3-agents`: none for a router that is not there.
pub async fn agents(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    app.policy.check("get_l3-agents", &context.caller, &Target::new())?;
    let mut session = app.store.reader().await?;
    let agents = match id.parse() {
        Ok(id) => store::carrying_router(&mut session, id).await?,
        Err(_) => Vec::new(),
    };
    // No router is highly available, so none has a state as such.
    handlers::serving(&mut session, &app, agents, &[("ha_state", Value::Null)]).await
}

/// `POST /v2.0/agents/{id}/l3-routers`
pub async fn add(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    app.policy.check("create_l3-router", &context.caller, &Target::new())?;
    let router_id = handlers::member(&body, "router_id")?;
    let unit_app = app.clone();
    app.store
        .write(&context.request_id, move |tx| {
            Box::pin(async move { add_one(tx, &unit_app, &id, &router_id).await })
        })
        .await?;
    Ok(answer(StatusCode::CREATED, &Value::Null))
}

async fn add_one(tx: &mut Tx, app: &App, agent_id: &str, router_id: &str) -> Result<(), Fault> {
    let mut router = find_router(tx, router_id).await?;
    let agent = handlers::find(tx, agent_id).await?;
    if agent.agent_type != L3 || !agent.admin_state_up {
        return Err(Fault::new(
            FaultType::InvalidL3Agent,
            format!("Agent {} is not a L3 Agent or has been disabled", agent.id),
        ));
    }
    if router.host == agent.host {
        return Ok(());
    }
    if let Some(other) = store::l3_of_host(tx, &router.host).await? {
        return Err(Fault::new(
            FaultType::RouterHostedByL3Agent,
            format!("The router {} has been already hosted by the L3 Agent {other}.", router.id),
        ));
    }
    placement::move_router(tx, app, &mut router, &agent.host).await
}

/// `DELETE /v2.0/agents/{id}/l3-routers/{router}`; clients send a body, which says
/// nothing new.
pub async fn remove(
    State(app): State<App>,
    Path((id, router_id)): Path<(String, String)>,
    context: Context,
) -> Result<Response, Fault> {
    app.policy.check("delete_l3-router", &context.caller, &Target::new())?;
    let unit_app = app.clone();
    app.store
        .write(&context.request_id, move |tx| {
            Box::pin(async move { remove_one(tx, &unit_app, &id, &router_id).await })
        })
        .await?;
    Ok(no_content())
}

async fn remove_one(tx: &mut Tx, app: &App, agent_id: &str, router_id: &str) -> Result<(), Fault> {
    let agent = handlers::find(tx, agent_id).await?;
    let mut router = find_router(tx, router_id).await?;
    if agent.agent_type == L3 && router.host == agent.host {
        return placement::move_router(tx, app, &mut router, "").await;
    }
    Err(Fault::new(
        FaultType::RouterNotHostedByL3Agent,
        format!("The router {} is not hosted by L3 agent {}.", router.id, agent.id),
    ))
}

async fn find_router(session: &mut Session, id: &str) -> Result<Router, Fault> {
    let Ok(known) = id.parse() else { return Err(router::rules::not_found(id)) };
    router::store::get(session, known).await?.ok_or_else(|| router::rules::not_found(id))
}
