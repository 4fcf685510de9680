//! Adding prefixes to a pool, and removing those no subnet has.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use ipnet::IpNet;
use isospin_api_kit::Fault;
use isospin_api_kit::http::{Context, answer};
use isospin_store_kit::Tx;
use serde_json::json;

use super::changes::{Change, apply};
use super::handlers::find_for;
use super::model::SubnetPoolDetails;
use super::{input, prefixes, rules, store};
use crate::App;
use crate::ranges;

/// `PUT /v2.0/subnetpools/{id}/add_prefixes`
pub async fn add(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    change(app, id, context, body, true).await
}

/// `PUT /v2.0/subnetpools/{id}/remove_prefixes`
pub async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    change(app, id, context, body, false).await
}

async fn change(
    app: App,
    id: String,
    context: Context,
    body: Bytes,
    adding: bool,
) -> Result<Response, Fault> {
    let given = input::prefixes_of(&body)?;
    let (store, request_id) = (app.store.clone(), context.request_id.clone());
    let left = store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let action = if adding { "add_prefixes" } else { "remove_prefixes" };
                let mut details = find_for(tx, &app, &context, action, &id).await?;
                let prefixes = if adding {
                    rules::with_more(&details, &given)?
                } else {
                    without(tx, &details, &given).await?
                };
                let change = Change { pool: details.pool.clone(), prefixes, joining: Vec::new() };
                apply(tx, &app, &context.caller, &mut details, change).await?;
                Ok::<_, Fault>(details.prefixes)
            })
        })
        .await?;
    Ok(answer(StatusCode::OK, &json!({"prefixes": input::prefix_list(&left)})))
}

/// The pool's prefixes but for these, of which subnets have none.
async fn without(tx: &mut Tx, details: &SubnetPoolDetails, going: &[IpNet]) -> Result<Vec<IpNet>, Fault> {
    let all = prefixes::ranges_of(&details.prefixes);
    let left = ranges::difference(all.clone(), prefixes::ranges_of(going));
    let going = prefixes::compact(ranges::difference(all, left.clone()));
    let in_use = prefixes::in_use(tx, details.pool.id, &going).await?;
    if !in_use.is_empty() {
        let subnets = store::subnets_within(tx, details.pool.id, &in_use).await?;
        return Err(rules::prefixes_in_use(&subnets));
    }
    Ok(prefixes::compact(left))
}
