//! Requests about security groups.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, listed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Bodies, Body, Caller, Fault, now_seconds};
use isospin_store_kit::{Session, Tx};
use isospin_types::SecurityGroupId;

use super::model::{SecurityGroup, SecurityGroupDetails};
use super::policy::target;
use super::rules::{cannot_remove_default, cannot_update_default, check_name, not_found};
use super::{TYPE, store, view};
use crate::resources::security_group_default_statefulness as statefulness;
use crate::{App, owner};

/// `GET /v2.0/security-groups`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let (unit_app, unit_caller, unit_query) = (app.clone(), context.caller.clone(), query.clone());
    let groups = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let (app, caller) = (&unit_app, &unit_caller);
                let sees_all = app.policy.allows("get_security_group", caller, &Target::owned_by(""));
                store::list(session, &unit_query, caller, sees_all).await
            })
        })
        .await?;
    let ids: Vec<String> = groups.iter().map(|details| details.group.id.to_string()).collect();
    let is_visible = |details: &&SecurityGroupDetails| {
        let target = target(&details.group, details.shared);
        app.policy.allows("get_security_group", &context.caller, &target)
    };
    let shown: Vec<view::Shown<'_>> = groups
        .iter()
        .filter(is_visible)
        .map(|details| view::show(&app.policy, &context.caller, details, &query.fields))
        .collect();
    Ok(listed(TYPE.collection, &shown, query.links(&context.url(), &ids)))
}

/// `GET /v2.0/security-groups/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let (caller, wanted) = (context.caller.clone(), id.clone());
    // It may have thousands of rules.
    let details = app
        .store
        .read_apart(move |session| Box::pin(async move { find(session, &caller, &wanted).await }))
        .await?;
    let facts = target(&details.group, details.shared);
    if !app.policy.allows("get_security_group", &context.caller, &facts) {
        return Err(not_found(id));
    }
    let shown = view::show(&app.policy, &context.caller, &details, &query.fields);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `POST /v2.0/security-groups`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = match Body::create(&TYPE, &body)? {
        Bodies::One(body) => (vec![body], false),
        Bodies::Many(bodies) => (bodies, true),
    };
    let groups =
        bodies.iter().map(|body| wanted(&app, &context.caller, body)).collect::<Result<Vec<_>, _>>()?;
    let unit_app = app.clone();
    let made = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let mut made = Vec::with_capacity(groups.len());
                for (mut group, stateful) in groups {
                    group.stateful = match stateful {
                        Some(given) => given,
                        None => statefulness::store::default_for(tx, &group.project_id).await?,
                    };
                    // A project that uses groups has its default one, as with Neutron.
                    store::default_group(tx, &unit_app, &group.project_id).await?;
                    let rules = store::create(tx, &unit_app, &group).await?;
                    made.push(SecurityGroupDetails { group, rules, tags: Vec::new(), shared: false });
                }
                Ok::<_, Fault>(made)
            })
        })
        .await?;
    let mut shown: Vec<view::Shown<'_>> =
        made.iter().map(|details| view::show(&app.policy, &context.caller, details, &[])).collect();
    Ok(match shown.pop() {
        Some(only) if !bulk => keyed(StatusCode::CREATED, TYPE.name, only),
        last => {
            shown.extend(last);
            keyed(StatusCode::CREATED, TYPE.collection, shown)
        }
    })
}

/// The group a POST describes, and whether it is to be stateful, if that was said.
fn wanted(app: &App, caller: &Caller, body: &Body) -> Result<(SecurityGroup, Option<bool>), Fault> {
    let project_id = owner::project(body, caller)?;
    app.policy.check_create(&TYPE, caller, &Target::owned_by(&project_id), body)?;
    let name = body.text("name").unwrap_or_default();
    check_name(name)?;
    let now = now_seconds();
    let stateful = body.flag("stateful").filter(|_| body.has("stateful"));
    let group = SecurityGroup {
        id: SecurityGroupId::random(),
        name: name.to_owned(),
        description: body.text("description").unwrap_or_default().to_owned(),
        stateful: body.flag("stateful").unwrap_or(true),
        is_default: false,
        project_id,
        created_at: now.clone(),
        updated_at: now,
        revision_number: 1,
    };
    Ok((group, stateful))
}

/// `PUT /v2.0/security-groups/{id}`
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
                let (app, caller) = (&unit_app, &unit_context.caller);
                let mut details = visible(tx, app, caller, "update_security_group", &id).await?;
                let facts = target(&details.group, details.shared);
                app.policy.check_update(&TYPE, caller, &facts, &body)?;
                unit_context.check_revision(details.group.revision_number)?;
                let before = details.group.clone();
                apply(tx, &body, &mut details.group).await?;
                store::save(tx, &before, &mut details.group).await?;
                Ok::<_, Fault>(details)
            })
        })
        .await?;
    let shown = view::show(&app.policy, &context.caller, &changed, &[]);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

async fn apply(tx: &mut Tx, body: &Body, group: &mut SecurityGroup) -> Result<(), Fault> {
    if let Some(name) = body.text("name")
        && name != group.name
    {
        if group.is_default {
            return Err(cannot_update_default());
        }
        check_name(name)?;
        name.clone_into(&mut group.name);
    }
    if let Some(description) = body.text("description") {
        description.clone_into(&mut group.description);
    }
    if let Some(stateful) = body.flag("stateful")
        && stateful != group.stateful
    {
        store::check_unused(tx, group.id).await?;
        group.stateful = stateful;
    }
    Ok(())
}

/// `DELETE /v2.0/security-groups/{id}`
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    if !body.is_empty() {
        return Err(Fault::bad_request("Request body is not supported in DELETE"));
    }
    let (store, request_id) = (app.store.clone(), context.request_id.clone());
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let caller = &context.caller;
                let SecurityGroupDetails { group, .. } =
                    visible(tx, &app, caller, "delete_security_group", &id).await?;
                context.check_revision(group.revision_number)?;
                if group.is_default && !caller.is_admin() {
                    return Err(cannot_remove_default());
                }
                store::check_unused(tx, group.id).await?;
                store::delete(tx, &group).await?;
                Ok::<_, Fault>(())
            })
        })
        .await?;
    Ok(no_content())
}

/// The group, if the caller may do `action` to it: 403 when it may only be seen, 404
/// when not even that.
async fn visible(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    action: &str,
    id: &str,
) -> Result<SecurityGroupDetails, Fault> {
    let details = find(session, caller, id).await?;
    let facts = target(&details.group, details.shared);
    app.policy.check_or_hide(action, &TYPE, caller, &facts, || not_found(id))?;
    Ok(details)
}

async fn find(session: &mut Session, caller: &Caller, id: &str) -> Result<SecurityGroupDetails, Fault> {
    let details = match id.parse::<SecurityGroupId>() {
        Ok(group_id) => store::get_details(session, group_id, &caller.project_id).await?,
        Err(_) => None,
    };
    details.ok_or_else(|| not_found(id))
}
