//! Networks on DHCP agents.

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

use super::model::Agent;
use super::{handlers, store};
use crate::App;
use crate::background::scheduling::{agents::DHCP, placement};
use crate::resources::network;
use crate::resources::network::model::Network;

/// `GET /v2.0/agents/{id}/dhcp-networks`
pub async fn list(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    app.policy.check("get_dhcp-networks", &context.caller, &Target::new())?;
    let mut session = app.store.reader().await?;
    let agent = handlers::find(&mut session, &id).await?;
    let ids = match agent.agent_type.as_str() {
        DHCP => store::networks_of(&mut session, &agent.host).await?,
        _ => Vec::new(),
    };
    let mut shown = Vec::new();
    if let Some(query) = by_ids(&ids) {
        let query = ListQuery::parse(&network::TYPE, &query, 0)?;
        let found = network::store::list(&mut session, &query, &context.caller, true).await?;
        shown.extend(
            found.iter().map(|details| network::view::network(&app.policy, &context.caller, details, &[])),
        );
    }
    Ok(keyed(StatusCode::OK, network::TYPE.collection, Value::Array(shown)))
}

/// The query that lists exactly these; none for none.
pub(super) fn by_ids(ids: &[String]) -> Option<String> {
    (!ids.is_empty()).then(|| ids.iter().map(|id| format!("id={id}")).collect::<Vec<_>>().join("&"))
}

/// `GET /v2.0/networks/{id}/dhcp-agents`: none for a network that is not there.
pub async fn agents(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    app.policy.check("get_dhcp-agents", &context.caller, &Target::new())?;
    let mut session = app.store.reader().await?;
    let agents = match id.parse() {
        Ok(id) => store::serving_network(&mut session, id).await?,
        Err(_) => Vec::new(),
    };
    handlers::serving(&mut session, &app, agents, &[]).await
}

/// `POST /v2.0/agents/{id}/dhcp-networks`
pub async fn add(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    app.policy.check("create_dhcp-network", &context.caller, &Target::new())?;
    let network_id = handlers::member(&body, "network_id")?;
    let unit_app = app.clone();
    app.store
        .write(&context.request_id, move |tx| {
            Box::pin(async move { add_one(tx, &unit_app, &id, &network_id).await })
        })
        .await?;
    Ok(answer(StatusCode::CREATED, &Value::Null))
}

async fn add_one(tx: &mut Tx, app: &App, agent_id: &str, network_id: &str) -> Result<(), Fault> {
    let network = find_network(tx, network_id).await?;
    let agent = handlers::find(tx, agent_id).await?;
    if agent.agent_type != DHCP || !agent.admin_state_up {
        return Err(Fault::new(
            FaultType::InvalidDHCPAgent,
            format!("Agent {} is not a valid DHCP Agent or has been disabled", agent.id),
        ));
    }
    if is_served_by(tx, &network, &agent).await? {
        return Err(Fault::new(
            FaultType::NetworkHostedByDHCPAgent,
            format!("The network {} has been already hosted by the DHCP Agent {}.", network.id, agent.id),
        ));
    }
    placement::serve_network(tx, app, network, &agent.host).await
}

async fn is_served_by(session: &mut Session, network: &Network, agent: &Agent) -> Result<bool, Fault> {
    let serving = store::serving_network(session, network.id).await?;
    Ok(serving.iter().any(|other| other.id == agent.id))
}

/// `DELETE /v2.0/agents/{id}/dhcp-networks/{network}`; clients send a body, which
/// says nothing new.
pub async fn remove(
    State(app): State<App>,
    Path((id, network_id)): Path<(String, String)>,
    context: Context,
) -> Result<Response, Fault> {
    app.policy.check("delete_dhcp-network", &context.caller, &Target::new())?;
    app.store
        .write(&context.request_id, move |tx| Box::pin(async move { remove_one(tx, &id, &network_id).await }))
        .await?;
    Ok(no_content())
}

async fn remove_one(tx: &mut Tx, agent_id: &str, network_id: &str) -> Result<(), Fault> {
    let agent = handlers::find(tx, agent_id).await?;
    let network = find_network(tx, network_id).await?;
    let served = agent.agent_type == DHCP && placement::abandon_network(tx, network.id, &agent.host).await?;
    if served {
        return Ok(());
    }
    Err(Fault::new(
        FaultType::NetworkNotHostedByDhcpAgent,
        format!("The network {} is not hosted by the DHCP agent {}.", network.id, agent.id),
    ))
}

async fn find_network(session: &mut Session, id: &str) -> Result<Network, Fault> {
    let Ok(known) = id.parse() else { return Err(network::rules::not_found(id)) };
    network::store::get(session, known).await?.ok_or_else(|| network::rules::not_found(id))
}
