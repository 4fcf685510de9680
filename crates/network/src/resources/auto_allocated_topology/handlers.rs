//! Requests about topologies.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::Fault;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use serde_json::json;

use super::{TYPE, build, rules, store};
use crate::{App, page};

/// What `fields` holds when a client only asks whether it would work.
const DRY_RUN: &str = "dry-run";

/// `GET /v2.0/auto-allocated-topology/{project_id}`: the network of the project's
/// topology, which is made when it is not there.
pub async fn show(
    State(app): State<App>,
    Path(project_id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let project_id = authorised(&app, &context, project_id, "get_auto_allocated_topology")?;
    let fields = ListQuery::parse(&TYPE, &context.query, 0)?.fields;
    let mut session = app.store.reader().await?;
    if fields.iter().any(|field| field == DRY_RUN) {
        build::check(&mut session, &app, &context.caller).await?;
        let passed = json!({"id": "dry-run=pass", "project_id": project_id});
        return Ok(keyed(StatusCode::OK, TYPE.name, passed));
    }
    if !fields.is_empty() {
        return Err(rules::unknown_field());
    }
    let found = store::get(&mut session, &project_id).await?;
    drop(session);
    let network_id = match found {
        Some(topology) => topology.network_id,
        None => {
            let (store, request_id) = (app.store.clone(), context.request_id.clone());
            let project_id = project_id.clone();
            store
                .write(&request_id, move |tx| {
                    Box::pin(async move { build::get_or_make(tx, &app, &context, &project_id).await })
                })
                .await?
        }
    };
    let shown = json!({
        "id": network_id.to_string(), "project_id": project_id, "tenant_id": project_id,
    });
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `DELETE /v2.0/auto-allocated-topology/{project_id}`
pub async fn delete(
    State(app): State<App>,
    Path(project_id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    page::no_body(&body)?;
    let project_id = authorised(&app, &context, project_id, "delete_auto_allocated_topology")?;
    let (store, request_id) = (app.store.clone(), context.request_id.clone());
    store
        .write(&request_id, move |tx| {
            Box::pin(async move { build::remove(tx, &app, &context, &project_id).await })
        })
        .await?;
    Ok(no_content())
}

/// The project meant, if the caller may do `action` for it; clients without a
/// project's id send "None" for their own.
fn authorised(app: &App, context: &Context, project_id: String, action: &str) -> Result<String, Fault> {
    let caller = &context.caller;
    let project_id = if project_id == "None" { caller.project_id.clone() } else { project_id };
    if project_id != caller.project_id && !caller.is_admin() {
        return Err(rules::not_authorized());
    }
    app.policy.check(action, caller, &Target::owned_by(&project_id))?;
    Ok(project_id)
}
