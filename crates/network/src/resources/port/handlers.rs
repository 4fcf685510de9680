//! Requests about ports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Bodies, Body, Caller, Fault};
use isospin_store_kit::{Session, Tx};
use isospin_types::{NetworkId, PortId, SecurityGroupId};
use serde_json::Value;

use super::model::{DHCP, NewPort};
use super::policy::{target, target_on, target_owned};
use super::rules::references::{not_found, service_port};
use super::store::{self, Found};
use super::{TYPE, changes, filters, input, qos, remove, view};
use crate::background::scheduling;
use crate::long_list::{self, PIECE};
use crate::resources::network::model::Network;
use crate::resources::qos_policy::bindings;
use crate::resources::rbac_policy::Access;
use crate::resources::trunk::wiring;
use crate::resources::{network, security_group};
use crate::{App, owner, page};

/// `GET /v2.0/ports`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let (unit_app, unit_context, unit_query) = (app.clone(), context.clone(), query.clone());
    let whole = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let (app, context) = (unit_app, unit_context);
                let most = unit_query.at_most(PIECE as u64 + 1);
                let ports = filters::page(session, &app, &context.caller, &most).await?;
                if ports.len() > PIECE {
                    return Ok(None);
                }
                let ids: Vec<String> = ports.iter().map(|found| found.port.id.to_string()).collect();
                let items: Vec<Value> = shown(&app, &context, &unit_query, &ports).collect();
                Ok::<_, Fault>(Some((ids, items)))
            })
        })
        .await?;
    match whole {
        Some((ids, items)) => Ok(page::answer(&TYPE, &query, &context.url(), &ids, items)),
        None => list_in_pieces(app, context, query).await,
    }
}

/// A list too long to be held: the ids are, the ports only a piece at a time.
async fn list_in_pieces(app: App, context: Context, query: ListQuery) -> Result<Response, Fault> {
    long_list::answer(app.store.clone(), TYPE.collection, move |session, pieces| {
        Box::pin(async move {
            let ids = filters::ids(session, &app, &context.caller, &query).await?;
            for piece in ids.chunks(PIECE) {
                let ports = filters::found(session, &context.caller, piece).await?;
                for item in shown(&app, &context, &query, &ports) {
                    pieces.add(&item)?;
                }
                pieces.send().await?;
            }
            let ids: Vec<String> = match query.limit {
                0 => Vec::new(),
                _ => ids.iter().map(ToString::to_string).collect(),
            };
            Ok(query.links(&context.url(), &ids))
        })
    })
    .await
}

/// What the caller gets to see of these ports.
fn shown<'p>(
    app: &'p App,
    context: &'p Context,
    query: &'p ListQuery,
    ports: &'p [Found],
) -> impl Iterator<Item = Value> + 'p {
    ports
        .iter()
        .filter(|found| app.policy.allows("get_port", &context.caller, &target(found)))
        .map(|found| view::show(app, &context.caller, found, &query.fields))
}

/// `GET /v2.0/ports/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let found = find(&mut session, &id).await?;
    drop(session);
    if !app.policy.allows("get_port", &context.caller, &target(&found)) {
        return Err(not_found(id));
    }
    Ok(keyed(StatusCode::OK, TYPE.name, view::show(&app, &context.caller, &found, &query.fields)))
}

/// `POST /v2.0/ports`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    app.under_way.begin(&context.request_id);
    let (bodies, bulk) = match Body::create(&TYPE, &body)? {
        Bodies::One(body) => (vec![body], false),
        Bodies::Many(bodies) => (bodies, true),
    };
    let (unit_app, caller) = (app.clone(), context.caller.clone());
    let made = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move { create_all(tx, &unit_app, &caller, &bodies).await })
        })
        .await?;
    let mut shown: Vec<Value> =
        made.iter().map(|found| view::show(&app, &context.caller, found, &[])).collect();
    Ok(match shown.pop() {
        Some(only) if !bulk => keyed(StatusCode::CREATED, TYPE.name, only),
        last => {
            shown.extend(last);
            keyed(StatusCode::CREATED, TYPE.collection, Value::Array(shown))
        }
    })
}

/// All of a request in one unit; networks and groups are looked up once.
async fn create_all(tx: &mut Tx, app: &App, caller: &Caller, bodies: &[Body]) -> Result<Vec<Found>, Fault> {
    let mut networks: BTreeMap<NetworkId, Usable> = BTreeMap::new();
    let mut groups: BTreeMap<String, BTreeSet<SecurityGroupId>> = BTreeMap::new();
    let mut news = Vec::with_capacity(bodies.len());
    for body in bodies {
        let usable = usable_network(tx, app, caller, body, &mut networks).await?;
        let new = authorised(app, caller, body, usable)?;
        if let Some(named) = &new.security_groups {
            groups.entry(new.project_id.clone()).or_default().extend(named);
        }
        changes::check_router(tx, caller, &new.project_id, &new.device_owner, &new.device_id).await?;
        news.push(new);
    }
    let policies = news.iter().filter_map(|new| new.qos_policy_id).collect();
    bindings::check_usable(tx, app, caller, &policies).await?;
    for (project_id, named) in &groups {
        security_group::store::check_usable(tx, caller, project_id, named).await?;
    }
    let groups = news.iter().filter_map(|new| new.security_groups.as_deref());
    security_group::store::check_alike(tx, groups).await?;
    let facts: Vec<(Arc<Network>, Vec<String>)> =
        news.iter().map(|new| (new.network.clone(), new.tags.clone())).collect();
    let ports = store::create_many(tx, app, news).await?;
    let found = |(port, (network, tags)): (_, (Arc<Network>, Vec<String>))| Found {
        port,
        network_project_id: network.project_id.clone(),
        network_shared: networks.get(&network.id).is_some_and(|(_, access)| access.shared),
        tags,
        qos_network_policy_id: network.qos_policy_id,
        guarantees: Vec::new(),
        trunk: None,
    };
    let mut found: Vec<Found> = ports.into_iter().zip(facts).map(found).collect();
    qos::check_new(tx, &mut found).await?;
    Ok(found)
}

/// A network with what the caller may do on it.
type Usable = (Arc<Network>, Access);

/// The network a new port names, if the caller may know of it.
async fn usable_network(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    body: &Body,
    known: &mut BTreeMap<NetworkId, Usable>,
) -> Result<Usable, Fault> {
    let unknown = || network::rules::not_found(body.text("network_id").unwrap_or_default());
    let id: NetworkId = body.parsed("network_id").ok_or_else(unknown)?;
    if let Some(usable) = known.get(&id) {
        return Ok(usable.clone());
    }
    let (network, access) = network::visible(tx, app, caller, id).await?.ok_or_else(unknown)?;
    let usable = (Arc::new(network), access);
    known.insert(id, usable.clone());
    Ok(usable)
}

fn authorised(app: &App, caller: &Caller, body: &Body, usable: Usable) -> Result<NewPort, Fault> {
    let (network, access) = usable;
    let project_id = owner::project(body, caller)?;
    let device_owner = body.text("device_owner").unwrap_or_default();
    app.policy.check_create(&TYPE, caller, &target_on(&network, access, &project_id, device_owner), body)?;
    input::new_port(&app.settings, body, network, project_id)
}

/// `PUT /v2.0/ports/{id}`
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    app.under_way.begin(&context.request_id);
    let body = Body::update(&TYPE, &body)?;
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let changed = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let (app, caller) = (&unit_app, &unit_context.caller);
                let mut found = visible(tx, app, caller, "update_port", &id).await?;
                let device_owner = body.text("device_owner").unwrap_or(&found.port.device_owner);
                app.policy.check_update(&TYPE, caller, &target_owned(&found, device_owner), &body)?;
                unit_context.check_revision(found.port.revision_number)?;
                let before = found.port.clone();
                changes::apply(tx, app, caller, &body, &mut found.port).await?;
                qos::change(tx, app, caller, &body, &mut found).await?;
                store::save(tx, &before, &mut found.port).await?;
                wiring::follow(tx, app, &before, &found.port).await?;
                if before.qos_policy_id != found.port.qos_policy_id {
                    let changed = store::find(tx, found.port.id).await?;
                    found.guarantees = changed.map(|changed| changed.guarantees).unwrap_or_default();
                }
                Ok::<_, Fault>(found)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, view::show(&app, &context.caller, &changed, &[])))
}

/// `DELETE /v2.0/ports/{id}`
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    if !body.is_empty() {
        return Err(Fault::bad_request("Request body is not supported in DELETE"));
    }
    let request_id = context.request_id.clone();
    let store = app.store.clone();
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let caller = &context.caller;
                let found = visible(tx, &app, caller, "delete_port", &id).await?;
                context.check_revision(found.port.revision_number)?;
                if changes::is_referred_to(tx, &found.port).await? {
                    return Err(service_port(&found.port));
                }
                let project = (!caller.is_admin()).then_some(caller.project_id.as_str());
                remove(tx, project, &found.port).await?;
                if found.port.device_owner == DHCP {
                    scheduling::ensure_dhcp(tx, &app, found.port.network_id).await?;
                }
                Ok(())
            })
        })
        .await?;
    Ok(no_content())
}

/// The port, if the caller may do `action` to it: 403 when it may only be seen, 404
/// when not even that.
async fn visible(tx: &mut Tx, app: &App, caller: &Caller, action: &str, id: &str) -> Result<Found, Fault> {
    let known = id.parse::<PortId>().map_err(|_| not_found(id))?;
    let found = store::find_for(tx, known, &caller.project_id).await?.ok_or_else(|| not_found(id))?;
    app.policy.check_or_hide(action, &TYPE, caller, &target(&found), || not_found(id))?;
    Ok(found)
}

async fn find(session: &mut Session, id: &str) -> Result<Found, Fault> {
    let found = match id.parse::<PortId>() {
        Ok(port_id) => store::find(session, port_id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| not_found(id))
}
