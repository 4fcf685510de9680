//! Requests about bindings of a port.
//!
//! A port the caller cannot see is not there; of one it sees, the rule for the
//! binding decides.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Body, Caller, Fault};
use isospin_store_kit::{Session, Tx, Work};
use isospin_types::PortId;
use serde_json::{Map, Value};

use super::super::changes;
use super::super::model::{Binding, Port};
use super::super::policy::target;
use super::super::rules::references::not_found;
use super::super::store::{self, Found};
use super::view::{ACTIVE, INACTIVE};
use super::{TYPE, rules, view};
use crate::resources::trunk::wiring;
use crate::{App, page};

type IdAndHost = Path<(String, String)>;
type Object = Map<String, Value>;

/// `GET /v2.0/ports/{port_id}/bindings`
pub async fn list(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let port = allowed(&mut session, &app, &context.caller, "get_port_binding", &id).await?;
    let shown = all(&mut session, &port)
        .await?
        .into_iter()
        .filter(|binding| query.own.iter().all(|(name, wanted)| matches(binding, name, wanted)))
        .map(|binding| selected(binding, &query.fields))
        .collect();
    Ok(keyed(StatusCode::OK, TYPE.collection, Value::Array(shown)))
}

/// The active binding, then those that wait.
async fn all(session: &mut Session, port: &Port) -> Result<Vec<Object>, Fault> {
    let mut all = vec![view::binding(&port.card, &port.binding, ACTIVE)];
    let waiting = store::inactive(session, port.id).await?;
    all.extend(waiting.iter().map(|binding| view::binding(&port.card, binding, INACTIVE)));
    Ok(all)
}

fn matches(binding: &Object, name: &str, wanted: &[String]) -> bool {
    binding.get(name).and_then(Value::as_str).is_some_and(|value| wanted.iter().any(|one| one == value))
}

fn selected(mut binding: Object, fields: &[String]) -> Value {
    if !fields.is_empty() {
        binding.retain(|name, _| fields.iter().any(|field| field == name));
    }
    Value::Object(binding)
}

/// `GET /v2.0/ports/{port_id}/bindings/{host}`
pub async fn show(
    State(app): State<App>,
    Path((id, host)): IdAndHost,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let port = allowed(&mut session, &app, &context.caller, "get_port_binding", &id).await?;
    let found = all(&mut session, &port)
        .await?
        .into_iter()
        .find(|binding| binding.get("host").and_then(Value::as_str) == Some(host.as_str()))
        .ok_or_else(|| rules::not_found(port.id, &host))?;
    Ok(keyed(StatusCode::OK, TYPE.name, selected(found, &query.fields)))
}

/// `POST /v2.0/ports/{port_id}/bindings`
pub async fn create(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let (mut bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let (Some(body), false) = (bodies.pop(), bulk) else {
        return Err(Fault::bad_request("Bulk operation not supported"));
    };
    let shown = changed(app, context, "create_port_binding", id, move |tx, app, port| {
        Box::pin(async move {
            let host = body.text("host").unwrap_or_default();
            rules::check_movable(&port)?;
            let waiting = store::inactive(tx, port.id).await?;
            if port.binding.host == host || waiting.iter().any(|binding| binding.host == host) {
                return Err(rules::exists(port.id, host));
            }
            let mut binding = Binding::unbound(String::new(), Map::new());
            rules::describe(&mut binding, &body);
            store::bind_to(tx, app, port.network_id, &mut binding, host).await?;
            rules::check_bound(port.id, &binding)?;
            store::add_inactive(tx, port.id, &binding).await?;
            Ok(view::binding(&port.card, &binding, INACTIVE))
        })
    })
    .await?;
    Ok(keyed(StatusCode::CREATED, TYPE.name, Value::Object(shown)))
}

/// `PUT /v2.0/ports/{port_id}/bindings/{host}`
pub async fn update(
    State(app): State<App>,
    Path((id, host)): IdAndHost,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    let shown = changed(app, context, "update_port_binding", id, move |tx, app, mut port| {
        Box::pin(async move {
            rules::check_movable(&port)?;
            if port.binding.host == host {
                let before = port.clone();
                rules::describe(&mut port.binding, &body);
                if port.binding.vnic_type != before.binding.vnic_type {
                    store::bind_to(tx, app, port.network_id, &mut port.binding, &host).await?;
                    rules::check_bound(port.id, &port.binding)?;
                    port.status =
                        store::status_before_reports(&port.device_owner, port.admin_state_up, &port.binding);
                }
                store::save(tx, &before, &mut port).await?;
                return Ok(view::binding(&port.card, &port.binding, ACTIVE));
            }
            let mut binding = waiting(tx, port.id, &host).await?;
            rules::describe(&mut binding, &body);
            store::bind_to(tx, app, port.network_id, &mut binding, &host).await?;
            rules::check_bound(port.id, &binding)?;
            store::replace_inactive(tx, port.id, &binding).await?;
            Ok(view::binding(&port.card, &binding, INACTIVE))
        })
    })
    .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, Value::Object(shown)))
}

/// `PUT /v2.0/ports/{port_id}/bindings/{host}/activate`: the port is on this host now; the
/// one it was on waits, unwired.
pub async fn activate(
    State(app): State<App>,
    Path((id, host)): IdAndHost,
    context: Context,
) -> Result<Response, Fault> {
    let shown = changed(app, context, "activate_port_binding", id, move |tx, app, mut port| {
        Box::pin(async move {
            rules::check_movable(&port)?;
            if port.binding.host == host {
                return Err(rules::already_active(port.id, &host));
            }
            let mut binding = waiting(tx, port.id, &host).await?;
            // The agent may have come or gone since the binding was made.
            store::bind_to(tx, app, port.network_id, &mut binding, &host).await?;
            rules::check_bound(port.id, &binding)?;
            let before = port.clone();
            port.binding = binding;
            changes::reachable(tx, app, &before, &mut port).await?;
            port.status =
                store::status_before_reports(&port.device_owner, port.admin_state_up, &port.binding);
            store::save(tx, &before, &mut port).await?;
            wiring::follow(tx, app, &before, &port).await?;
            if !before.binding.host.is_empty() {
                let Binding { host, vnic_type, profile, .. } = before.binding;
                let parted = Binding { host, ..Binding::unbound(vnic_type, profile) };
                store::add_inactive(tx, port.id, &parted).await?;
            }
            Ok(view::binding(&port.card, &port.binding, ACTIVE))
        })
    })
    .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, Value::Object(shown)))
}

/// `DELETE /v2.0/ports/{port_id}/bindings/{host}`
pub async fn delete(
    State(app): State<App>,
    Path((id, host)): IdAndHost,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    page::no_body(&body)?;
    changed(app, context, "delete_port_binding", id, move |tx, app, mut port| {
        Box::pin(async move {
            rules::check_movable(&port)?;
            if port.binding.host == host {
                let before = port.clone();
                store::bind(tx, app, &mut port, "").await?;
                wiring::follow(tx, app, &before, &port).await?;
            } else {
                waiting(tx, port.id, &host).await?;
                store::remove_inactive(tx, port.id, &host).await?;
            }
            Ok(Map::new())
        })
    })
    .await?;
    Ok(no_content())
}

async fn waiting(tx: &mut Tx, port_id: PortId, host: &str) -> Result<Binding, Fault> {
    let waiting = store::inactive(tx, port_id).await?;
    waiting.into_iter().find(|binding| binding.host == host).ok_or_else(|| rules::not_found(port_id, host))
}

/// Does `work` to the port in one unit, if the caller may do `action` to it.
async fn changed<F>(
    app: App,
    context: Context,
    action: &'static str,
    id: String,
    work: F,
) -> Result<Object, Fault>
where
    F: for<'t> FnOnce(&'t mut Tx, &'t App, Port) -> Work<'t, Object, Fault> + Send + 'static,
{
    app.under_way.begin(&context.request_id);
    let store = app.store.clone();
    let (request_id, caller): (String, Arc<Caller>) = (context.request_id, context.caller);
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let port = allowed(tx, &app, &caller, action, &id).await?;
                work(tx, &app, port).await
            })
        })
        .await
}

/// The port, if the caller may do `action` to its bindings.
async fn allowed(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    action: &str,
    id: &str,
) -> Result<Port, Fault> {
    let found: Option<Found> = match id.parse::<PortId>() {
        Ok(port_id) => store::find(session, port_id).await?,
        Err(_) => None,
    };
    let seen = |found: &Found| app.policy.allows("get_port", caller, &target(found));
    let found = found.filter(seen).ok_or_else(|| not_found(id))?;
    app.policy.check(action, caller, &target(&found))?;
    Ok(found.port)
}
