//! Onboarding: the subnets a network has already become those of a pool, which gets
//! their prefixes.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use ipnet::IpNet;
use isospin_api_kit::Fault;
use isospin_api_kit::http::{Context, answer};
use isospin_store_kit::{Session, Tx};
use isospin_types::NetworkId;
use serde_json::{Value, json};

use super::changes::{Change, apply};
use super::handlers::find_for;
use super::input::Onboarding;
use super::model::SubnetPoolDetails;
use super::{prefixes, rules, store};
use crate::App;
use crate::resources::network;
use crate::resources::subnet::{self, model::Subnet};

/// `PUT /v2.0/subnetpools/{id}/onboard_network_subnets`
pub async fn onboard(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let request = Onboarding::parse(&body)?;
    let (store, request_id) = (app.store.clone(), context.request_id.clone());
    let joined = store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let details = find_for(tx, &app, &context, "onboard_network_subnets", &id).await?;
                rules::check_family(&details.pool, request.ip_version)?;
                check_network(tx, &app, &context, request.network_id).await?;
                join(tx, &app, &context, details, request.network_id).await
            })
        })
        .await?;
    let shown: Vec<Value> = joined
        .iter()
        .map(|subnet| json!({"id": subnet.id.to_string(), "cidr": subnet.cidr.to_string()}))
        .collect();
    Ok(answer(StatusCode::OK, &shown))
}

/// Only the owner of the network may: others' subnets on it change with it.
async fn check_network(
    session: &mut Session,
    app: &App,
    context: &Context,
    id: NetworkId,
) -> Result<(), Fault> {
    let caller = &context.caller;
    let (network, _) =
        network::visible(session, app, caller, id).await?.ok_or_else(|| network::rules::not_found(id))?;
    if caller.is_admin() || network.project_id == caller.project_id {
        return Ok(());
    }
    Err(rules::foreign_network(id))
}

async fn join(
    tx: &mut Tx,
    app: &App,
    context: &Context,
    mut details: SubnetPoolDetails,
    network_id: NetworkId,
) -> Result<Vec<Subnet>, Fault> {
    let pool = details.pool.clone();
    let subnets: Vec<Subnet> = subnet::store::of_network(tx, network_id)
        .await?
        .into_iter()
        .filter(|subnet| subnet.ip_version() == pool.ip_version)
        .collect();
    if subnets.is_empty() {
        return Ok(subnets);
    }
    let in_use = prefixes::in_use(tx, pool.id, &details.prefixes).await?;
    for subnet in &subnets {
        rules::check_free(&details.pool, &in_use, subnet)?;
    }
    let joining: Vec<IpNet> = subnets.iter().map(|subnet| subnet.cidr).collect();
    let prefixes = rules::with_more(&details, &joining)?;
    apply(tx, app, &context.caller, &mut details, Change { pool, prefixes, joining }).await?;
    for subnet in &subnets {
        if let Some(left) = subnet.subnetpool_id {
            prefixes::give_back(tx, left, subnet.cidr).await?;
        }
    }
    store::adopt(tx, &details.pool, network_id).await?;
    Ok(subnets)
}
