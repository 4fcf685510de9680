//! Requests about address scopes.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault};
use isospin_store_kit::{Session, Tx};
use isospin_types::AddressScopeId;
use serde_json::Value;

use super::model::AddressScope;
use super::{TYPE, rules, store, target, view};
use crate::resources::subnet_pool;
use crate::{App, owner, page};

/// `GET /v2.0/address-scopes`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let (policy, caller) = (app.policy.clone(), context.caller.clone());
    let (ids, items, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let sees_all = policy.allows("get_address_scope", &caller, &Target::owned_by(""));
                let found = store::list(session, &query, &caller, sees_all).await?;
                let ids: Vec<String> = found.iter().map(|scope| scope.id.to_string()).collect();
                let items: Vec<Value> = found
                    .iter()
                    .filter(|scope| policy.allows("get_address_scope", &caller, &target(scope)))
                    .map(|scope| view::address_scope(&policy, &caller, scope, &query.fields))
                    .collect();
                Ok::<_, Fault>((ids, items, query))
            })
        })
        .await?;
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/address-scopes/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let scope = visible(&mut session, &app, &context.caller, "get_address_scope", &id).await?;
    let shown = view::address_scope(&app.policy, &context.caller, &scope, &query.fields);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `POST /v2.0/address-scopes`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let scopes =
        bodies.iter().map(|body| wanted(&app, &context.caller, body)).collect::<Result<Vec<_>, _>>()?;
    let made = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                for scope in &scopes {
                    store::insert(tx, scope).await?;
                }
                Ok::<_, Fault>(scopes)
            })
        })
        .await?;
    let shown =
        made.iter().map(|scope| view::address_scope(&app.policy, &context.caller, scope, &[])).collect();
    Ok(page::created(&TYPE, bulk, shown))
}

fn wanted(app: &App, caller: &Caller, body: &Body) -> Result<AddressScope, Fault> {
    let project_id = owner::project(body, caller)?;
    app.policy.check_create(&TYPE, caller, &Target::owned_by(&project_id), body)?;
    Ok(AddressScope {
        id: AddressScopeId::random(),
        project_id,
        name: body.text("name").unwrap_or_default().to_owned(),
        ip_version: if body.int("ip_version") == Some(6) { 6 } else { 4 },
        shared: body.flag("shared").unwrap_or(false),
    })
}

/// `PUT /v2.0/address-scopes/{id}`
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let changed = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let caller = &unit_context.caller;
                let mut scope = visible(tx, &unit_app, caller, "update_address_scope", &id).await?;
                unit_app.policy.check_update(&TYPE, caller, &target(&scope), &body)?;
                change(tx, &mut scope, &body).await?;
                Ok::<_, Fault>(scope)
            })
        })
        .await?;
    let shown = view::address_scope(&app.policy, &context.caller, &changed, &[]);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

async fn change(tx: &mut Tx, scope: &mut AddressScope, body: &Body) -> Result<(), Fault> {
    let before = scope.clone();
    if let Some(name) = body.text("name") {
        name.clone_into(&mut scope.name);
    }
    if let Some(shared) = body.flag("shared") {
        scope.shared = shared;
    }
    if before.shared && !scope.shared {
        return Err(rules::cannot_unshare(scope.id));
    }
    if *scope != before {
        store::update(tx, &before, scope).await?;
    }
    Ok(())
}

/// `DELETE /v2.0/address-scopes/{id}`
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
                let scope = visible(tx, &app, &context.caller, "delete_address_scope", &id).await?;
                let pools = subnet_pool::in_scope(tx, scope.id).await?;
                if !pools.is_empty() {
                    return Err(rules::in_use(scope.id, &pools));
                }
                store::delete(tx, &scope).await?;
                Ok::<_, Fault>(())
            })
        })
        .await?;
    Ok(no_content())
}

/// The scope, if the caller may do `action` to it: 403 when it may only be seen,
/// 404 when not even that.
///
/// # Errors
/// As above.
pub async fn visible(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    action: &str,
    id: &str,
) -> Result<AddressScope, Fault> {
    let found = match id.parse::<AddressScopeId>() {
        Ok(id) => store::get(session, id, caller).await?,
        Err(_) => None,
    };
    let scope = found.ok_or_else(|| rules::not_found(id))?;
    app.policy.check_or_hide(action, &TYPE, caller, &target(&scope), || rules::not_found(id))?;
    Ok(scope)
}
