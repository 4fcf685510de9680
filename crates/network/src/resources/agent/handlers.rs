//! Requests about agents.
//!
//! Who may not see agents learns nothing of them, not even whether one is there:
//! the rule comes before the look-up.

use std::fmt;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::attribute::check;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Fault, FaultType};
use isospin_store_kit::{ChangeKind, Session, Tx};
use serde_json::{Map, Value};

use super::model::Agent;
use super::{TYPE, store, view};
use crate::background::scheduling::agents::{DHCP, L3, alive_since};
use crate::background::scheduling::placement;
use crate::{App, page};

/// `GET /v2.0/agents`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let alive = wanted_alive(&query)?;
    if !app.policy.allows("get_agent", &context.caller, &Target::new()) {
        return Ok(page::answer(&TYPE, &query, &context.url(), &[], Vec::new()));
    }
    let since = alive_since(&app.settings);
    let counts = query.fields.is_empty() || query.fields.iter().any(|field| field == "configurations");
    let unit_since = since.clone();
    let (agents, loads, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let agents = match alive {
                    Alive::Never => Vec::new(),
                    Alive::Either => store::list(session, &query, None, &unit_since).await?,
                    Alive::Only(alive) => store::list(session, &query, Some(alive), &unit_since).await?,
                };
                let counted = if counts { agents.as_slice() } else { &[] };
                let loads = store::loads(session, counted).await?;
                Ok::<_, Fault>((agents, loads, query))
            })
        })
        .await?;
    let ids: Vec<String> = agents.iter().map(|agent| agent.id.to_string()).collect();
    let shown = |agent: &Agent| {
        let load = loads.get(&agent.host).cloned().unwrap_or_default();
        view::agent(&app.policy, &context.caller, &query.fields, &since, agent, &load)
    };
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, agents.iter().map(shown).collect()))
}

/// What a filter on `alive` asks for.
enum Alive {
    Either,
    Only(bool),
    /// Contradicting values of different filters.
    Never,
}

fn wanted_alive(query: &ListQuery) -> Result<Alive, Fault> {
    let Some((_, wanted)) = query.own.iter().find(|(name, _)| *name == "alive") else {
        return Ok(Alive::Either);
    };
    let mut values = wanted
        .iter()
        .map(|text| check::boolean(&Value::String(text.clone())).map_err(Fault::invalid_input))
        .collect::<Result<Vec<bool>, Fault>>()?;
    values.sort_unstable();
    values.dedup();
    Ok(match values.as_slice() {
        [] => Alive::Never,
        [one] => Alive::Only(*one),
        _ => Alive::Either,
    })
}

/// `GET /v2.0/agents/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    check_visible(&app, &context)?;
    let mut session = app.store.reader().await?;
    let agent = find(&mut session, &id).await?;
    let shown = shown(&mut session, &app, &context, &query.fields, &agent).await?;
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `PUT /v2.0/agents/{id}`: an agent that is switched off gets no new work.
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    check_visible(&app, &context)?;
    let body = Body::update(&TYPE, &body)?;
    app.policy.check_update(&TYPE, &context.caller, &Target::new(), &body)?;
    let agent = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let mut agent = find(tx, &id).await?;
                if let Some(up) = body.flag("admin_state_up") {
                    agent.admin_state_up = up;
                }
                if body.has("description") {
                    agent.description = body.text("description").map(str::to_owned);
                }
                store::update(tx, &agent).await?;
                Ok::<_, Fault>(agent)
            })
        })
        .await?;
    let mut session = app.store.reader().await?;
    let shown = shown(&mut session, &app, &context, &[], &agent).await?;
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `DELETE /v2.0/agents/{id}`: for hosts that will not come back. What it served is
/// free for others; one that is alive registers itself again.
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    check_visible(&app, &context)?;
    page::no_body(&body)?;
    app.policy.check("delete_agent", &context.caller, &Target::new())?;
    let unit_app = app.clone();
    app.store
        .write(&context.request_id, move |tx| Box::pin(async move { delete_one(tx, &unit_app, &id).await }))
        .await?;
    Ok(no_content())
}

async fn delete_one(tx: &mut Tx, app: &App, id: &str) -> Result<(), Fault> {
    let agent = find(tx, id).await?;
    store::delete(tx, agent.id).await?;
    match agent.agent_type.as_str() {
        DHCP => placement::abandon_all_networks(tx, &agent.host).await?,
        L3 => placement::abandon_all_routers(tx, app, &agent.host).await?,
        // Other hosts had tunnels to this one.
        _ if !agent.mechanism.is_empty() => tx.record("agent", ChangeKind::Deleted, &agent.host),
        _ => {}
    }
    Ok(())
}

/// 404 for whoever may not see agents.
fn check_visible(app: &App, context: &Context) -> Result<(), Fault> {
    if app.policy.allows("get_agent", &context.caller, &Target::new()) {
        return Ok(());
    }
    Err(Fault::not_found())
}

/// The agent with what it serves, as the caller sees it.
async fn shown(
    session: &mut Session,
    app: &App,
    context: &Context,
    fields: &[String],
    agent: &Agent,
) -> Result<Value, Fault> {
    let load = store::loads(session, std::slice::from_ref(agent)).await?.remove(&agent.host);
    let since = alive_since(&app.settings);
    Ok(view::agent(&app.policy, &context.caller, fields, &since, agent, &load.unwrap_or_default()))
}

/// The agent of this id.
///
/// # Errors
/// 404.
pub async fn find(session: &mut Session, id: &str) -> Result<Agent, Fault> {
    let Ok(known) = id.parse() else { return Err(not_found(id)) };
    store::get(session, known).await?.ok_or_else(|| not_found(id))
}

/// 404: there is no such agent.
pub fn not_found(id: impl fmt::Display) -> Fault {
    Fault::new(FaultType::AgentNotFound, format!("Agent {id} could not be found."))
}

/// The agents that serve something, as [`list`] shows them, each with `more`.
pub async fn serving(
    session: &mut Session,
    app: &App,
    agents: Vec<Agent>,
    more: &[(&str, Value)],
) -> Result<Response, Fault> {
    let since = alive_since(&app.settings);
    let loads = store::loads(session, &agents).await?;
    let mut shown = Vec::with_capacity(agents.len());
    for agent in &agents {
        let load = loads.get(&agent.host).cloned().unwrap_or_default();
        let mut object = view::object(&since, agent, &load);
        for (name, value) in more {
            object.insert((*name).to_owned(), value.clone());
        }
        shown.push(Value::Object(object));
    }
    Ok(keyed(StatusCode::OK, TYPE.collection, Value::Array(shown)))
}

/// The id under `key` in the body of a request that puts something on an agent.
///
/// # Errors
/// 400.
pub fn member(body: &[u8], key: &str) -> Result<String, Fault> {
    if body.is_empty() {
        return Err(Fault::bad_request("Resource body required"));
    }
    let document: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| Fault::bad_request("Body contains invalid data"))?;
    match document.get(key) {
        Some(Value::String(id)) => Ok(id.clone()),
        Some(other) => Err(Fault::invalid_attribute(key, format!("'{other}' is not a valid UUID"))),
        None => Err(Fault::bad_request(format!(
            "Failed to parse request. Required attribute '{key}' not specified"
        ))),
    }
}
