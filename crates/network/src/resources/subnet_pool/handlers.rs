//! Requests about subnet pools: found, made, deleted.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault, now_seconds};
use isospin_store_kit::{Session, Tx};
use isospin_types::SubnetPoolId;
use serde_json::Value;

use super::model::SubnetPoolDetails;
use super::{TYPE, changes, rules, store, target, view};
use crate::{App, owner, page, quota};

/// `GET /v2.0/subnetpools`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let (policy, caller) = (app.policy.clone(), context.caller.clone());
    let (ids, items, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let sees_all = policy.allows("get_subnetpool", &caller, &Target::owned_by(""));
                let found = store::list(session, &query, &caller, sees_all).await?;
                let ids: Vec<String> = found.iter().map(|details| details.pool.id.to_string()).collect();
                let items: Vec<Value> = found
                    .iter()
                    .filter(|details| {
                        policy.allows("get_subnetpool", &caller, &target(&details.pool, details.shared))
                    })
                    .map(|details| view::subnet_pool(&policy, &caller, details, &query.fields))
                    .collect();
                Ok::<_, Fault>((ids, items, query))
            })
        })
        .await?;
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/subnetpools/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let details = visible(&mut session, &app, &context.caller, "get_subnetpool", &id).await?;
    let shown = view::subnet_pool(&app.policy, &context.caller, &details, &query.fields);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `POST /v2.0/subnetpools`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let wanted =
        bodies.iter().map(|body| wanted(&app, &context.caller, body)).collect::<Result<Vec<_>, _>>()?;
    let (unit_app, caller) = (app.clone(), context.caller.clone());
    let made = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                for details in &wanted {
                    create_one(tx, &unit_app, &caller, details).await?;
                }
                Ok::<_, Fault>(wanted)
            })
        })
        .await?;
    let shown =
        made.iter().map(|details| view::subnet_pool(&app.policy, &context.caller, details, &[])).collect();
    Ok(page::created(&TYPE, bulk, shown))
}

fn wanted(app: &App, caller: &Caller, body: &Body) -> Result<SubnetPoolDetails, Fault> {
    let project_id = owner::project(body, caller)?;
    app.policy.check_create(&TYPE, caller, &Target::owned_by(&project_id), body)?;
    let (pool, prefixes) = rules::create(body, project_id, now_seconds())?;
    let shared = body.flag("shared").unwrap_or(false);
    Ok(SubnetPoolDetails { pool, prefixes, tags: Vec::new(), shared })
}

async fn create_one(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    details: &SubnetPoolDetails,
) -> Result<(), Fault> {
    let pool = &details.pool;
    quota::take(tx, &app.settings, &pool.project_id, TYPE.name, 1).await?;
    if let Some(scope_id) = pool.address_scope_id {
        changes::check_scope(tx, app, caller, pool, scope_id).await?;
        let others = store::prefixes_in_scope(tx, scope_id, pool.id).await?;
        rules::check_scope_prefixes(&details.prefixes, &others)?;
    }
    changes::check_default(tx, pool).await?;
    store::insert(tx, details).await
}

/// `DELETE /v2.0/subnetpools/{id}`
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    page::no_body(&body)?;
    let (store, request_id) = (app.store.clone(), context.request_id.clone());
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let details = find_for(tx, &app, &context, "delete_subnetpool", &id).await?;
                let pool = details.pool;
                let subnets = store::subnets_of(tx, pool.id).await?;
                if !subnets.is_empty() {
                    return Err(rules::has_allocations(&subnets));
                }
                store::delete(tx, pool.id).await?;
                quota::give_back(tx, &pool.project_id, TYPE.name, 1).await?;
                Ok::<_, Fault>(())
            })
        })
        .await?;
    Ok(no_content())
}

/// The pool, if the caller may do `action` to it: 403 when it may only be seen, 404
/// when not even that.
pub(super) async fn visible(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    action: &str,
    id: &str,
) -> Result<SubnetPoolDetails, Fault> {
    let found = match id.parse::<SubnetPoolId>() {
        Ok(id) => store::get_details(session, id, caller).await?,
        Err(_) => None,
    };
    let details = found.ok_or_else(|| rules::not_found(id))?;
    app.policy.check_or_hide(action, &TYPE, caller, &target(&details.pool, details.shared), || {
        rules::not_found(id)
    })?;
    Ok(details)
}

/// The pool, if the caller may do `action` to it and means its present revision.
///
/// # Errors
/// 403, 404, 412.
pub async fn find_for(
    session: &mut Session,
    app: &App,
    context: &Context,
    action: &str,
    id: &str,
) -> Result<SubnetPoolDetails, Fault> {
    let details = visible(session, app, &context.caller, action, id).await?;
    context.check_revision(details.pool.revision_number)?;
    Ok(details)
}
