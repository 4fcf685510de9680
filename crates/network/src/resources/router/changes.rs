//! Requests that change a router: its attributes, its gateway, its routes.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed};
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault};
use isospin_store_kit::Tx;

use super::handlers::visible;
use super::input::{self, GatewayChange};
use super::model::{Details, Route, Router};
use super::{TYPE, gateway, rules, store, view};
use crate::App;

/// `PUT /v2.0/routers/{id}`
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    change(app, id, context, move |tx, app, context, router, details| {
        Box::pin(async move {
            let target = Target::owned_by(&router.project_id);
            app.policy.check_update(&TYPE, &context.caller, &target, &body)?;
            context.check_revision(router.revision_number)?;
            apply(tx, app, &context.caller, router, details, &body).await
        })
    })
    .await
}

/// `PUT /v2.0/routers/{id}/add_extraroutes`
pub async fn add_routes(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    edit_routes(app, id, context, &body, "add_extraroutes", rules::with_routes).await
}

/// `PUT /v2.0/routers/{id}/remove_extraroutes`
pub async fn remove_routes(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    edit_routes(app, id, context, &body, "remove_extraroutes", rules::without_routes).await
}

async fn edit_routes(
    app: App,
    id: String,
    context: Context,
    body: &[u8],
    action: &'static str,
    edit: fn(&[Route], &[Route]) -> Vec<Route>,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, body)?;
    if let Some(other) = body.given().find(|name| *name != "routes") {
        return Err(Fault::bad_request(format!("Unrecognized attribute(s) '{other}'")));
    }
    let Some(named) = input::given_routes(&body) else {
        return Err(Fault::bad_request("Failed to parse request. Required attribute 'routes' not specified"));
    };
    change(app, id, context, move |tx, app, context, router, details| {
        Box::pin(async move {
            app.policy.check(action, &context.caller, &Target::owned_by(&router.project_id))?;
            context.check_revision(router.revision_number)?;
            let routes = edit(&details.routes, &named);
            set_routes(tx, app, router, details, routes).await
        })
    })
    .await
}

/// Whether a router changed; what [`change`] runs between finding and storing it.
type Edit<'t> = BoxFuture<'t, Result<bool, Fault>>;

/// Finds a router the caller may see, lets `edit` change it, and answers with it.
async fn change<F>(app: App, id: String, context: Context, edit: F) -> Result<Response, Fault>
where
    F: for<'t> FnOnce(&'t mut Tx, &'t App, &'t Context, &'t mut Router, &'t mut Details) -> Edit<'t>
        + Send
        + 'static,
{
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let (router, details) = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let (app, context) = (unit_app, unit_context);
                let (mut router, mut details) = visible(tx, &app, &context.caller, &id).await?;
                if edit(&mut *tx, &app, &context, &mut router, &mut details).await? {
                    store::save(tx, &mut router).await?;
                }
                Ok::<_, Fault>((router, details))
            })
        })
        .await?;
    let shown = view::router(&app.policy, &context.caller, &[], &router, &details);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

async fn apply(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    router: &mut Router,
    details: &mut Details,
    body: &Body,
) -> Result<bool, Fault> {
    let before = router.clone();
    if let Some(name) = body.text("name") {
        name.clone_into(&mut router.name);
    }
    if let Some(description) = body.text("description") {
        description.clone_into(&mut router.description);
    }
    if let Some(flag) = body.flag("admin_state_up") {
        router.admin_state_up = flag;
    }
    let mut changed = false;
    match GatewayChange::of(body) {
        GatewayChange::Keep => {}
        GatewayChange::Clear => {
            gateway::clear(tx, router).await?;
            details.gateway_addresses.clear();
        }
        GatewayChange::Set(request) => {
            if let Some(addresses) = gateway::set(tx, app, caller, router, request).await? {
                changed = details.gateway_addresses != addresses;
                details.gateway_addresses = addresses;
            }
        }
    }
    if router.qos_policy_id != before.qos_policy_id {
        store::set_policy(tx, router).await?;
    }
    if let Some(routes) = input::given_routes(body) {
        changed |= set_routes(tx, app, router, details, routes).await?;
    }
    Ok(changed || *router != before)
}

/// Whether they differ from what was.
async fn set_routes(
    tx: &mut Tx,
    app: &App,
    router: &Router,
    details: &mut Details,
    routes: Vec<Route>,
) -> Result<bool, Fault> {
    if details.routes == routes {
        return Ok(false);
    }
    let gateway_port = router.gateway.map(|gateway| gateway.port_id);
    let legs = store::legs(tx, router.id, gateway_port).await?;
    rules::check_routes(router.id, &routes, &legs, app.settings.max_routes)?;
    store::set_routes(tx, router.id, &routes).await?;
    details.routes = routes;
    Ok(true)
}
