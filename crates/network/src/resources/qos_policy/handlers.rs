//! Requests about policies.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault};
use isospin_store_kit::{Session, Tx};
use isospin_types::QosPolicyId;

use super::model::{QosPolicy, QosPolicyDetails};
use super::policy::target;
use super::rules::{self, not_found};
use super::{SHAREABLE, TYPE, store, view};
use crate::resources::rbac_policy::{self, Action};
use crate::{App, owner, page};

/// `GET /v2.0/qos/policies`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let caller = context.caller.clone();
    let sees_all = app.policy.allows("get_policy", &caller, &Target::owned_by(""));
    let (found, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let found = store::list(session, &query, &caller, sees_all).await?;
                Ok::<_, Fault>((found, query))
            })
        })
        .await?;
    let ids: Vec<String> = found.iter().map(|details| details.policy.id.to_string()).collect();
    let items = found
        .iter()
        .filter(|details| app.policy.allows("get_policy", &context.caller, &target(&details.policy)))
        .map(|details| view::show(&app.policy, &context.caller, details, &query.fields))
        .collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/qos/policies/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let details = find(&mut session, &context.caller, &id).await?;
    drop(session);
    if !app.policy.allows("get_policy", &context.caller, &target(&details.policy)) {
        return Err(not_found(id));
    }
    let shown = view::show(&app.policy, &context.caller, &details, &query.fields);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `POST /v2.0/qos/policies`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let mut wanted = Vec::with_capacity(bodies.len());
    for body in bodies {
        let project_id = owner::project(&body, &context.caller)?;
        app.policy.check_create(&TYPE, &context.caller, &Target::owned_by(&project_id), &body)?;
        wanted.push(rules::create(&body, project_id));
    }
    let made = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                for policy in &wanted {
                    create_one(tx, policy).await?;
                }
                Ok::<_, Fault>(wanted)
            })
        })
        .await?;
    let shown = made
        .into_iter()
        .map(|policy| QosPolicyDetails { policy, rules: Vec::new(), tags: Vec::new() })
        .map(|details| view::show(&app.policy, &context.caller, &details, &[]))
        .collect();
    Ok(page::created(&TYPE, bulk, shown))
}

async fn create_one(tx: &mut Tx, policy: &QosPolicy) -> Result<(), Fault> {
    if !store::insert(tx, policy).await? {
        return Err(rules::default_exists(&policy.project_id));
    }
    if policy.shared {
        let id = policy.id.uuid();
        rbac_policy::open_to_all(tx, &SHAREABLE, Action::Shared, id, &policy.project_id).await?;
    }
    Ok(())
}

/// `PUT /v2.0/qos/policies/{id}`
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
                let mut details = find_for(tx, app, &unit_context, "update_policy", &id).await?;
                app.policy.check_update(&TYPE, caller, &target(&details.policy), &body)?;
                apply(tx, &body, &mut details.policy).await?;
                Ok::<_, Fault>(details)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, view::show(&app.policy, &context.caller, &changed, &[])))
}

async fn apply(tx: &mut Tx, body: &Body, policy: &mut QosPolicy) -> Result<(), Fault> {
    let before = policy.clone();
    *policy = rules::update(&before, body);
    if policy.is_default && !before.is_default {
        let defaults = store::defaults_of(tx, [policy.project_id.as_str()].into()).await?;
        if !defaults.is_empty() {
            return Err(rules::default_exists(&policy.project_id));
        }
    }
    if let Some(shared) = body.flag("shared").filter(|shared| *shared != before.shared) {
        let (id, owner) = (policy.id.uuid(), &policy.project_id);
        if shared {
            rbac_policy::open_to_all(tx, &SHAREABLE, Action::Shared, id, owner).await?;
        } else {
            rbac_policy::close_to_all(tx, &SHAREABLE, Action::Shared, id, owner).await?;
        }
        policy.shared = shared;
    }
    if *policy != before {
        store::save(tx, policy).await?;
    }
    Ok(())
}

/// `DELETE /v2.0/qos/policies/{id}`
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
                let details = find_for(tx, &app, &context, "delete_policy", &id).await?;
                store::delete(tx, &details.policy).await
            })
        })
        .await?;
    Ok(no_content())
}

/// The policy of this id, if the caller may see it.
///
/// # Errors
/// 404.
pub async fn seen(session: &mut Session, app: &App, caller: &Caller, id: &str) -> Result<QosPolicy, Fault> {
    let found = match id.parse::<QosPolicyId>() {
        Ok(id) => store::get(session, id, caller).await?,
        Err(_) => None,
    };
    found
        .filter(|policy| app.policy.allows("get_policy", caller, &target(policy)))
        .ok_or_else(|| not_found(id))
}

async fn find(session: &mut Session, caller: &Caller, id: &str) -> Result<QosPolicyDetails, Fault> {
    let found = match id.parse::<QosPolicyId>() {
        Ok(id) => store::get_details(session, id, caller).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| not_found(id))
}

/// The policy, if the caller may do `action` to it and means its present revision:
/// 403 when it may only be seen, 404 when not even that.
async fn find_for(
    session: &mut Session,
    app: &App,
    context: &Context,
    action: &str,
    id: &str,
) -> Result<QosPolicyDetails, Fault> {
    let details = find(session, &context.caller, id).await?;
    let facts = target(&details.policy);
    app.policy.check_or_hide(action, &TYPE, &context.caller, &facts, || not_found(id))?;
    context.check_revision(details.policy.revision_number)?;
    Ok(details)
}
