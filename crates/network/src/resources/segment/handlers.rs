//! Requests about segments.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Fault, now_seconds};
use isospin_store_kit::{Session, Tx};
use isospin_types::{NetworkId, SegmentId};

use super::model::NetworkSegment;
use super::{TYPE, rules, store, view};
use crate::resources::network;
use crate::{App, drivers, page};

/// `GET /v2.0/segments`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    if !app.policy.allows("get_segment", &context.caller, &Target::new()) {
        return Ok(page::answer(&TYPE, &query, &context.url(), &[], Vec::new()));
    }
    let (found, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let found = store::list(session, &query).await?;
                Ok::<_, Fault>((found, query))
            })
        })
        .await?;
    let ids: Vec<String> = found.iter().map(|segment| segment.id.to_string()).collect();
    let items = found
        .iter()
        .map(|segment| view::segment(&app.policy, &context.caller, segment, &query.fields))
        .collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/segments/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    if !app.policy.allows("get_segment", &context.caller, &Target::new()) {
        return Err(rules::not_found(id));
    }
    let mut session = app.store.reader().await?;
    let segment = find(&mut session, &id).await?;
    let shown = view::segment(&app.policy, &context.caller, &segment, &query.fields);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `POST /v2.0/segments`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    for body in &bodies {
        app.policy.check_create(&TYPE, &context.caller, &Target::new(), body)?;
    }
    let unit_app = app.clone();
    let created = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let mut created = Vec::with_capacity(bodies.len());
                for body in bodies {
                    created.push(create_one(tx, &unit_app, &body).await?);
                }
                Ok::<_, Fault>(created)
            })
        })
        .await?;
    let shown =
        created.iter().map(|segment| view::segment(&app.policy, &context.caller, segment, &[])).collect();
    Ok(page::created(&TYPE, bulk, shown))
}

async fn create_one(tx: &mut Tx, app: &App, body: &Body) -> Result<NetworkSegment, Fault> {
    let unknown = || network::rules::not_found(body.text("network_id").unwrap_or_default());
    let network_id: NetworkId = body.parsed("network_id").ok_or_else(unknown)?;
    let network = network::store::get(tx, network_id).await?.ok_or_else(unknown)?;
    let last = store::of_network(tx, network_id).await?.last().map_or(-1, |segment| segment.position);
    let place = drivers::reserve(tx, &app.settings, &network.project_id, &rules::wanted(body)).await?;
    let mut segment = NetworkSegment::new(network_id, last + 1, place, &now_seconds());
    rules::describe(&mut segment, body);
    store::create(tx, &segment).await?;
    network::store::follow_segments(tx, &app.settings, Some(network_id)).await?;
    Ok(segment)
}

/// `PUT /v2.0/segments/{id}`
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let segment = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let current = find_for(tx, &unit_app, &unit_context, "update_segment", &id).await?;
                unit_app.policy.check_update(&TYPE, &unit_context.caller, &Target::new(), &body)?;
                let mut segment = current.clone();
                rules::describe(&mut segment, &body);
                if segment != current {
                    segment.updated_at = now_seconds();
                    segment.revision_number += 1;
                    store::update(tx, &segment).await?;
                }
                Ok::<_, Fault>(segment)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, view::segment(&app.policy, &context.caller, &segment, &[])))
}

/// `DELETE /v2.0/segments/{id}`
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    page::no_body(&body)?;
    let request_id = context.request_id.clone();
    let store = app.store.clone();
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let segment = find_for(tx, &app, &context, "delete_segment", &id).await?;
                delete_one(tx, &app, &segment).await
            })
        })
        .await?;
    Ok(no_content())
}

async fn delete_one(tx: &mut Tx, app: &App, segment: &NetworkSegment) -> Result<(), Fault> {
    let subnets = store::subnets_on(tx, segment.id).await?;
    if !subnets.is_empty() {
        return Err(rules::in_use(segment.id, "associated with subnet(s)", &subnets));
    }
    let ports = store::ports_on(tx, segment).await?;
    if !ports.is_empty() {
        return Err(rules::in_use(segment.id, "bound with port(s)", &ports));
    }
    if store::of_network(tx, segment.network_id).await?.len() == 1 {
        return Err(rules::is_last(segment.id, segment.network_id));
    }
    store::delete(tx, segment).await?;
    drivers::release(tx, &segment.place).await?;
    network::store::follow_segments(tx, &app.settings, Some(segment.network_id)).await?;
    Ok(())
}

async fn find(session: &mut Session, id: &str) -> Result<NetworkSegment, Fault> {
    let Ok(known) = id.parse::<SegmentId>() else { return Err(rules::not_found(id)) };
    store::get(session, known).await?.ok_or_else(|| rules::not_found(id))
}

/// The segment, if the caller may do `action` to it and means its present revision.
async fn find_for(
    session: &mut Session,
    app: &App,
    context: &Context,
    action: &str,
    id: &str,
) -> Result<NetworkSegment, Fault> {
    let segment = find(session, id).await?;
    let hidden = || rules::not_found(id);
    app.policy.check_or_hide(action, &TYPE, &context.caller, &Target::new(), hidden)?;
    context.check_revision(segment.revision_number)?;
    Ok(segment)
}
