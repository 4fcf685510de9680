//! Requests about conntrack helpers.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault};
use isospin_store_kit::{Session, Tx};
use isospin_types::{ConntrackHelperId, RouterId};
use serde_json::Value;

use super::model::ConntrackHelper;
use super::{TYPE, rules, store};
use crate::resources::router;
use crate::resources::router::model::Router;
use crate::{App, page};

/// `GET /v2.0/routers/{router_id}/conntrack_helpers`
pub async fn list(
    State(app): State<App>,
    Path(parent): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let mut session = app.store.reader().await?;
    let router = seen_parent(&mut session, &app, &context.caller, &parent).await?;
    let found = store::list(&mut session, &query, router.id).await?;
    let ids: Vec<String> = found.iter().map(|each| each.id.to_string()).collect();
    let items: Vec<Value> = found.iter().map(|each| each.shown(&query.fields)).collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/routers/{router_id}/conntrack_helpers/{id}`
pub async fn show(
    State(app): State<App>,
    Path((parent, id)): Path<(String, String)>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let router = seen_parent(&mut session, &app, &context.caller, &parent).await?;
    let all = store::of(&mut session, router.id).await?;
    Ok(keyed(StatusCode::OK, TYPE.name, child(&all, &id)?.shown(&query.fields)))
}

/// `POST /v2.0/routers/{router_id}/conntrack_helpers`
pub async fn create(
    State(app): State<App>,
    Path(parent): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let made = change(app, parent, context, "create_router_conntrack_helper", move |tx, router, all| {
        Box::pin(async move {
            let mut made = Vec::with_capacity(bodies.len());
            for body in &bodies {
                let new = wanted(router, body)?;
                rules::check_allowed(&new)?;
                rules::check_unique(&new, all)?;
                store::insert(tx, &new).await?;
                made.push(new.shown(&[]));
                all.push(new);
            }
            Ok(made)
        })
    })
    .await?;
    Ok(page::created(&TYPE, bulk, made))
}

fn wanted(router_id: RouterId, body: &Body) -> Result<ConntrackHelper, Fault> {
    let port = body.int("port").and_then(|port| u16::try_from(port).ok());
    Ok(ConntrackHelper {
        id: ConntrackHelperId::random(),
        router_id,
        protocol: body.parsed("protocol").ok_or_else(Fault::not_found)?,
        port: port.ok_or_else(Fault::not_found)?,
        helper: body.text("helper").unwrap_or_default().to_owned(),
    })
}

/// `PUT /v2.0/routers/{router_id}/conntrack_helpers/{id}`
pub async fn update(
    State(app): State<App>,
    Path((parent, id)): Path<(String, String)>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    let changed = change(app, parent, context, "update_router_conntrack_helper", move |tx, _, all| {
        Box::pin(async move {
            let before = child(all, &id)?.clone();
            let after = altered(&before, &body);
            if after != before {
                rules::check_allowed(&after)?;
                rules::check_unique(&after, all)?;
                store::save(tx, &after).await?;
                all.retain(|other| other.id != after.id);
                all.push(after.clone());
            }
            Ok(after.shown(&[]))
        })
    })
    .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, changed))
}

fn altered(before: &ConntrackHelper, body: &Body) -> ConntrackHelper {
    let mut after = before.clone();
    if let Some(protocol) = body.parsed("protocol") {
        after.protocol = protocol;
    }
    if let Some(port) = body.int("port").and_then(|port| u16::try_from(port).ok()) {
        after.port = port;
    }
    if let Some(helper) = body.text("helper") {
        helper.clone_into(&mut after.helper);
    }
    after
}

/// `DELETE /v2.0/routers/{router_id}/conntrack_helpers/{id}`
pub async fn delete(
    State(app): State<App>,
    Path((parent, id)): Path<(String, String)>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    page::no_body(&body)?;
    change(app, parent, context, "delete_router_conntrack_helper", move |tx, _, all| {
        Box::pin(async move {
            let id = child(all, &id)?.id;
            store::delete(tx, id).await?;
            all.retain(|other| other.id != id);
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}

/// Finds the router, lets `edit` change its helpers, and stores it when they changed.
async fn change<T, F>(
    app: App,
    parent: String,
    context: Context,
    action: &'static str,
    edit: F,
) -> Result<T, Fault>
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx, RouterId, &'t mut Vec<ConntrackHelper>) -> BoxFuture<'t, Result<T, Fault>>
        + Send
        + 'static,
{
    let store = app.store.clone();
    let request_id = context.request_id.clone();
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let mut router = seen_parent(tx, &app, &context.caller, &parent).await?;
                app.policy.check(action, &context.caller, &owned_by(&router))?;
                let before = store::of(tx, router.id).await?;
                let mut after = before.clone();
                let answer = edit(tx, router.id, &mut after).await?;
                if after != before {
                    router::store::save(tx, &mut router).await?;
                }
                Ok::<_, Fault>(answer)
            })
        })
        .await
}

/// The router, if the caller may see it and its helpers.
async fn seen_parent(session: &mut Session, app: &App, caller: &Caller, id: &str) -> Result<Router, Fault> {
    let router = router::found(session, app, caller, id).await?;
    if !app.policy.allows("get_router_conntrack_helper", caller, &owned_by(&router)) {
        return Err(Fault::not_found());
    }
    Ok(router)
}

/// The helper of this id, among those of this router only (N26).
fn child<'a>(all: &'a [ConntrackHelper], id: &str) -> Result<&'a ConntrackHelper, Fault> {
    let wanted: Option<ConntrackHelperId> = id.parse().ok();
    all.iter().find(|each| Some(each.id) == wanted).ok_or_else(|| rules::not_found(id))
}

fn owned_by(router: &Router) -> Target<'_> {
    Target::new().with("ext_parent:project_id", &router.project_id)
}
