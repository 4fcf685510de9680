//! Requests about quotas.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, answer, keyed, no_content};
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Fault, FaultType};
use serde_json::{Map, Value, json};

use super::rules::{admin_required, check_usage, not_found, wanted};
use super::{TYPE, keys, store};
use crate::App;

/// `GET /v2.0/quotas`: projects with limits of their own.
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let caller = &context.caller;
    app.policy.check("get_quota", caller, &Target::owned_by(&caller.project_id))?;
    let everybodys = app.policy.allows("get_quota", caller, &Target::owned_by(""));
    let only = (!everybodys).then_some(caller.project_id.as_str());
    let mut session = app.store.reader().await?;
    let projects = store::all(&mut session, only).await?;
    let items: Vec<Value> = projects
        .iter()
        .map(|(project_id, own)| {
            let mut item = effective(&app, own);
            item.insert("project_id".to_owned(), json!(project_id));
            item.insert("tenant_id".to_owned(), json!(project_id));
            Value::Object(item)
        })
        .collect();
    Ok(keyed(StatusCode::OK, TYPE.collection, Value::Array(items)))
}

/// `GET /v2.0/quotas/{project}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    check_readable(&app, &context, &id)?;
    let mut session = app.store.reader().await?;
    let own = store::limits(&mut session, &id).await?;
    Ok(keyed(StatusCode::OK, TYPE.name, Value::Object(effective(&app, &own))))
}

/// `GET /v2.0/quotas/{project}/default`
pub async fn show_default(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    check_readable(&app, &context, &id)?;
    Ok(keyed(StatusCode::OK, TYPE.name, Value::Object(effective(&app, &BTreeMap::new()))))
}

/// `GET /v2.0/quotas/{project}/details`: limits with what is in use.
pub async fn details(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    check_readable(&app, &context, &id)?;
    let mut session = app.store.reader().await?;
    let (own, used) = store::limits_and_usage(&mut session, &id).await?;
    // Objects count in the unit that makes them: nothing is ever reserved.
    let quota: Map<String, Value> = effective(&app, &own)
        .into_iter()
        .map(|(key, limit)| {
            let used = used.get(&key).copied().unwrap_or(0);
            (key, json!({"limit": limit, "used": used, "reserved": 0}))
        })
        .collect();
    Ok(keyed(StatusCode::OK, TYPE.name, Value::Object(quota)))
}

/// `GET /v2.0/quotas/tenant`
pub async fn own_tenant(context: Context) -> Result<Response, Fault> {
    own(&context, "tenant")
}

/// `GET /v2.0/quotas/project`
pub async fn own_project(context: Context) -> Result<Response, Fault> {
    own(&context, "project")
}

fn own(context: &Context, what: &str) -> Result<Response, Fault> {
    let project_id = &context.caller.project_id;
    if project_id.is_empty() {
        return Err(Fault::new(FaultType::QuotaMissingTenant, "Tenant-id was missing from quota request."));
    }
    let name = format!("{what}_id");
    Ok(keyed(StatusCode::OK, what, json!({ name: project_id })))
}

/// `POST /v2.0/quotas`: limits are there from the start.
pub async fn not_implemented() -> Response {
    let fault = json!({"type": "HTTPNotImplemented", "message": "The request requires functionality the server \
        does not have.", "detail": "Change the limits of a project with PUT /v2.0/quotas/{project}."});
    answer(StatusCode::NOT_IMPLEMENTED, &json!({ "NotImplementedError": fault }))
}

/// `PUT /v2.0/quotas/{project}`
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    app.policy.check("update_quota", &context.caller, &Target::owned_by(&id))?;
    let body = Body::update(&TYPE, &body)?;
    let (limits, force) = (wanted(&body), body.flag("force").unwrap_or(false));
    let own = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let (mut own, used) = store::limits_and_usage(tx, &id).await?;
                check_usage(&limits, &used, force)?;
                store::set(tx, &id, &limits).await?;
                own.extend(limits.into_iter().map(|(key, limit)| (key.to_owned(), limit)));
                Ok::<_, Fault>(own)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, Value::Object(effective(&app, &own))))
}

/// `DELETE /v2.0/quotas/{project}`
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    app.policy.check("delete_quota", &context.caller, &Target::owned_by(&id))?;
    app.store
        .write(&context.request_id, move |tx| {
            Box::pin(async move { if store::delete(tx, &id).await? { Ok(()) } else { Err(not_found(&id)) } })
        })
        .await?;
    Ok(no_content())
}

fn check_readable(app: &App, context: &Context, project_id: &str) -> Result<(), Fault> {
    let caller = &context.caller;
    let own = !project_id.is_empty() && caller.project_id == project_id;
    if own || app.policy.allows("get_quota", caller, &Target::owned_by(project_id)) {
        return Ok(());
    }
    Err(admin_required())
}

/// The limits in force: the project's own over the defaults.
fn effective(app: &App, own: &BTreeMap<String, i64>) -> Map<String, Value> {
    let default = |key: &str| app.settings.quotas.by_resource.get(key).copied().unwrap_or(-1);
    keys().map(|key| (key.to_owned(), json!(own.get(key).copied().unwrap_or_else(|| default(key))))).collect()
}
