//! Requests about ranges.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Fault, now_seconds};
use isospin_store_kit::{Session, Tx};
use isospin_types::{NetworkId, SegmentRangeId};

use super::model::{RangeDetails, SegmentIdRange};
use super::{TYPE, rules, store, view};
use crate::drivers::segments;
use crate::{App, owner, page};

/// `GET /v2.0/network_segment_ranges`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    if !app.policy.allows("get_network_segment_range", &context.caller, &Target::new()) {
        return Ok(page::answer(&TYPE, &query, &context.url(), &[], Vec::new()));
    }
    let (found, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let found = store::list(session, &query).await?;
                Ok::<_, Fault>((store::with_details(session, found, &query.fields).await?, query))
            })
        })
        .await?;
    let ids: Vec<String> = found.iter().map(|details| details.range.id.to_string()).collect();
    let items = found
        .iter()
        .map(|details| view::range(&app.policy, &context.caller, details, &query.fields))
        .collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/network_segment_ranges/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    if !app.policy.allows("get_network_segment_range", &context.caller, &Target::new()) {
        return Err(rules::not_found(id));
    }
    let mut session = app.store.reader().await?;
    let range = find(&mut session, &id).await?;
    let details = details(&mut session, range, &query.fields).await?;
    let shown = view::range(&app.policy, &context.caller, &details, &query.fields);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `POST /v2.0/network_segment_ranges`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let mut wanted = Vec::with_capacity(bodies.len());
    for body in bodies {
        app.policy.check_create(&TYPE, &context.caller, &Target::new(), &body)?;
        wanted.push(rules::create(&body, owner::project(&body, &context.caller)?, now_seconds())?);
    }
    let created = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let mut created = Vec::with_capacity(wanted.len());
                for range in wanted {
                    check_overlap(tx, &range).await?;
                    store::create(tx, &range).await?;
                    segments::refresh(tx, range.network_type, &range.physical_network).await?;
                    created.push(range);
                }
                Ok::<_, Fault>(store::with_details(tx, created, &[]).await?)
            })
        })
        .await?;
    let shown =
        created.iter().map(|details| view::range(&app.policy, &context.caller, details, &[])).collect();
    Ok(page::created(&TYPE, bulk, shown))
}

/// `PUT /v2.0/network_segment_ranges/{id}`
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
                let current = find_for(tx, &unit_app, &unit_context, "update", &id).await?;
                unit_app.policy.check_update(&TYPE, &unit_context.caller, &Target::new(), &body)?;
                let mut range = rules::update(&current, &body)?;
                if range != current {
                    change(tx, &current, &mut range).await?;
                }
                details(tx, range, &[]).await
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, view::range(&app.policy, &context.caller, &changed, &[])))
}

/// Stores a changed range that still holds all ids networks have of it.
async fn change(tx: &mut Tx, current: &SegmentIdRange, range: &mut SegmentIdRange) -> Result<(), Fault> {
    if (range.minimum, range.maximum) != (current.minimum, current.maximum) {
        let left_out: Vec<NetworkId> = store::users(tx, current)
            .await?
            .into_iter()
            .filter(|(_, id)| !(range.minimum..=range.maximum).contains(id))
            .map(|(network_id, _)| network_id)
            .collect();
        if !left_out.is_empty() {
            return Err(rules::referenced(range.id, &left_out));
        }
        check_overlap(tx, range).await?;
    }
    range.updated_at = now_seconds();
    range.revision_number += 1;
    store::update(tx, range).await?;
    Ok(segments::refresh(tx, range.network_type, &range.physical_network).await?)
}

async fn check_overlap(session: &mut Session, range: &SegmentIdRange) -> Result<(), Fault> {
    match store::overlapping(session, range).await?.as_slice() {
        [] => Ok(()),
        others => Err(rules::overlaps(others)),
    }
}

/// `DELETE /v2.0/network_segment_ranges/{id}`
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
                let range = find_for(tx, &app, &context, "delete", &id).await?;
                delete_one(tx, &range).await
            })
        })
        .await?;
    Ok(no_content())
}

async fn delete_one(tx: &mut Tx, range: &SegmentIdRange) -> Result<(), Fault> {
    rules::check_own(range)?;
    let users: Vec<NetworkId> = store::users(tx, range).await?.into_iter().map(|(id, _)| id).collect();
    if !users.is_empty() {
        return Err(rules::referenced(range.id, &users));
    }
    store::delete(tx, range.id).await?;
    Ok(segments::refresh(tx, range.network_type, &range.physical_network).await?)
}

async fn details(
    session: &mut Session,
    range: SegmentIdRange,
    fields: &[String],
) -> Result<RangeDetails, Fault> {
    let id = range.id;
    let found = store::with_details(session, vec![range], fields).await?;
    found.into_iter().next().ok_or_else(|| rules::not_found(id))
}

async fn find(session: &mut Session, id: &str) -> Result<SegmentIdRange, Fault> {
    let Ok(known) = id.parse::<SegmentRangeId>() else { return Err(rules::not_found(id)) };
    store::get(session, known).await?.ok_or_else(|| rules::not_found(id))
}

/// The range, if the caller may update or delete it and means its present revision.
async fn find_for(
    session: &mut Session,
    app: &App,
    context: &Context,
    verb: &str,
    id: &str,
) -> Result<SegmentIdRange, Fault> {
    let range = find(session, id).await?;
    let action = format!("{verb}_network_segment_range");
    let hidden = || rules::not_found(id);
    app.policy.check_or_hide(&action, &TYPE, &context.caller, &Target::new(), hidden)?;
    context.check_revision(range.revision_number)?;
    Ok(range)
}
