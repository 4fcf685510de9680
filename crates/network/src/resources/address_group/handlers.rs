//! Requests about address groups.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use ipnet::IpNet;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault, now_seconds};
use isospin_store_kit::Session;
use isospin_types::AddressGroupId;

use super::model::AddressGroup;
use super::policy::target;
use super::{TYPE, rules, store, view};
use crate::{App, owner, page};

/// `GET /v2.0/address-groups`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let caller = context.caller.clone();
    let sees_all = app.policy.allows("get_address_group", &caller, &Target::owned_by(""));
    let (found, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let found = store::list(session, &query, &caller, sees_all).await?;
                Ok::<_, Fault>((found, query))
            })
        })
        .await?;
    let ids: Vec<String> = found.iter().map(|(group, _)| group.id.to_string()).collect();
    let items = found
        .iter()
        .filter(|(group, shared)| {
            app.policy.allows("get_address_group", &context.caller, &target(group, *shared))
        })
        .map(|(group, shared)| view::show(&app.policy, &context.caller, group, *shared, &query.fields))
        .collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/address-groups/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let (group, shared) = find(&mut session, &context.caller, &id).await?;
    drop(session);
    if !app.policy.allows("get_address_group", &context.caller, &target(&group, shared)) {
        return Err(rules::not_found(id));
    }
    let shown = view::show(&app.policy, &context.caller, &group, shared, &query.fields);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `POST /v2.0/address-groups`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let mut groups = Vec::with_capacity(bodies.len());
    for body in bodies {
        let project_id = owner::project(&body, &context.caller)?;
        app.policy.check_create(&TYPE, &context.caller, &Target::owned_by(&project_id), &body)?;
        groups.push(rules::create(&body, project_id, now_seconds()));
    }
    let created = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                for group in &groups {
                    store::create(tx, group).await?;
                }
                Ok::<_, Fault>(groups)
            })
        })
        .await?;
    let shown =
        created.iter().map(|group| view::show(&app.policy, &context.caller, group, false, &[])).collect();
    Ok(page::created(&TYPE, bulk, shown))
}

/// `PUT /v2.0/address-groups/{id}`
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    let policy = app.policy.clone();
    let caller = context.caller.clone();
    change(app, id, context, "update_address_group", move |group, shared| {
        policy.check_update(&TYPE, &caller, &target(group, shared), &body)?;
        for (name, text) in [("name", &mut group.name), ("description", &mut group.description)] {
            if let Some(value) = body.text(name) {
                value.clone_into(text);
            }
        }
        Ok(())
    })
    .await
}

/// `PUT /v2.0/address-groups/{id}/add_addresses`
pub async fn add_addresses(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let named = rules::named(&body)?;
    change(app, id, context, "add_addresses", move |group, _| {
        let present: BTreeSet<IpNet> = named.intersection(&group.addresses).copied().collect();
        if !present.is_empty() {
            return Err(rules::already_there(group.id, &present));
        }
        group.addresses.extend(named);
        Ok(())
    })
    .await
}

/// `PUT /v2.0/address-groups/{id}/remove_addresses`
pub async fn remove_addresses(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let named = rules::named(&body)?;
    change(app, id, context, "remove_addresses", move |group, _| {
        let absent: BTreeSet<IpNet> = named.difference(&group.addresses).copied().collect();
        if !absent.is_empty() {
            return Err(rules::not_there(group.id, &absent));
        }
        group.addresses.retain(|net| !named.contains(net));
        Ok(())
    })
    .await
}

/// Changes a group the caller may do `action` to, in one unit; `decide` gets the group
/// and whether it is shared with the caller.
async fn change<F>(
    app: App,
    id: String,
    context: Context,
    action: &'static str,
    decide: F,
) -> Result<Response, Fault>
where
    F: FnOnce(&mut AddressGroup, bool) -> Result<(), Fault> + Send + 'static,
{
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let (group, shared) = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let (mut group, shared) = find_for(tx, &unit_app, &unit_context, action, &id).await?;
                let before = group.clone();
                decide(&mut group, shared)?;
                store::save(tx, &before, &mut group).await?;
                Ok::<_, Fault>((group, shared))
            })
        })
        .await?;
    let shown = view::show(&app.policy, &context.caller, &group, shared, &[]);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `DELETE /v2.0/address-groups/{id}`
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
                let (group, _) = find_for(tx, &app, &context, "delete_address_group", &id).await?;
                let users = store::rules_naming(tx, group.id).await?;
                if !users.is_empty() {
                    return Err(rules::in_use(group.id, &users));
                }
                store::delete(tx, group.id).await
            })
        })
        .await?;
    Ok(no_content())
}

async fn find(session: &mut Session, caller: &Caller, id: &str) -> Result<(AddressGroup, bool), Fault> {
    let found = match id.parse::<AddressGroupId>() {
        Ok(id) => store::get_for(session, id, &caller.project_id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| rules::not_found(id))
}

/// The group, if the caller may do `action` to it and means its present revision.
async fn find_for(
    session: &mut Session,
    app: &App,
    context: &Context,
    action: &str,
    id: &str,
) -> Result<(AddressGroup, bool), Fault> {
    let (group, shared) = find(session, &context.caller, id).await?;
    let facts = target(&group, shared);
    app.policy.check_or_hide(action, &TYPE, &context.caller, &facts, || rules::not_found(id))?;
    context.check_revision(group.revision_number)?;
    Ok((group, shared))
}
