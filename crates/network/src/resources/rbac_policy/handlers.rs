//! Requests about entries.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault};
use isospin_store_kit::{Session, Tx, values};

use super::kinds::Shareable;
use super::model::{Action, RbacPolicy};
use super::policy::target;
use super::{TYPE, rules, sharing, store, view};
use crate::{App, owner, page, quota};

/// `GET /v2.0/rbac-policies`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let caller = context.caller.clone();
    let sees_all = app.policy.allows("get_rbac_policy", &caller, &Target::owned_by(""));
    let (found, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let project = (!sees_all).then_some(caller.project_id.as_str());
                let found = store::list(session, &query, project).await?;
                Ok::<_, Fault>((found, query))
            })
        })
        .await?;
    let ids: Vec<String> = found.iter().map(|entry| entry.id.to_string()).collect();
    let items = found
        .iter()
        .filter(|entry| sees(&app, &context.caller, entry))
        .map(|entry| view::show(&app.policy, &context.caller, entry, &query.fields))
        .collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

fn sees(app: &App, caller: &Caller, entry: &RbacPolicy) -> bool {
    app.policy.allows("get_rbac_policy", caller, &target(entry, &entry.target_project))
}

/// `GET /v2.0/rbac-policies/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let entry = find(&mut session, &id).await?;
    drop(session);
    if !sees(&app, &context.caller, &entry) {
        return Err(rules::not_found(id));
    }
    Ok(keyed(StatusCode::OK, TYPE.name, view::show(&app.policy, &context.caller, &entry, &query.fields)))
}

/// `POST /v2.0/rbac-policies`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let mut wanted = Vec::with_capacity(bodies.len());
    for body in bodies {
        let (kind, entry) = rules::create(&body, owner::project(&body, &context.caller)?)?;
        let facts = target(&entry, &entry.target_project);
        app.policy.check_create(&TYPE, &context.caller, &facts, &body)?;
        wanted.push((kind, entry));
    }
    let (unit_app, caller) = (app.clone(), context.caller.clone());
    let created = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let mut created = Vec::with_capacity(wanted.len());
                for (kind, entry) in wanted {
                    create_one(tx, &unit_app, &caller, kind, &entry).await?;
                    created.push(entry);
                }
                Ok::<_, Fault>(created)
            })
        })
        .await?;
    let shown = created.iter().map(|entry| view::show(&app.policy, &context.caller, entry, &[])).collect();
    Ok(page::created(&TYPE, bulk, shown))
}

async fn create_one(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    kind: &Shareable,
    entry: &RbacPolicy,
) -> Result<(), Fault> {
    let owner = store::owner(tx, kind, entry.object_id).await?;
    // What is not there and what is somebody else's are refused alike.
    if !owner.is_some_and(|owner| caller.is_admin() || owner == caller.project_id) {
        return Err(rules::not_owned(kind, entry.object_id));
    }
    check_needs(tx, kind, entry, &entry.target_project).await?;
    quota::take(tx, &app.settings, &entry.project_id, store::QUOTA, 1).await?;
    if !store::insert(tx, entry).await? {
        return Err(rules::duplicate());
    }
    sharing::repeat(tx, kind, entry.object_id).await?;
    sharing::touch(tx, kind, entry.object_id).await
}

/// Refuses to open an object to a project that cannot use it for want of another.
async fn check_needs(
    tx: &mut Tx,
    kind: &Shareable,
    entry: &RbacPolicy,
    project_id: &str,
) -> Result<(), Fault> {
    let Some(needs) = kind.needs else { return Ok(()) };
    match tx.row(needs, values![entry.object_id, project_id]).await? {
        Some(row) => {
            let mut columns = row.columns();
            Err(rules::missing(kind, entry.object_id, project_id, &columns.text()?, &columns.text()?))
        }
        None => Ok(()),
    }
}

/// `PUT /v2.0/rbac-policies/{id}`
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let entry = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let mut entry =
                    find_for(tx, &unit_app, &unit_context.caller, "update_rbac_policy", &id).await?;
                let wanted = body.text("target_tenant").unwrap_or(&entry.target_project).to_owned();
                let facts = target(&entry, &wanted);
                unit_app.policy.check_update(&TYPE, &unit_context.caller, &facts, &body)?;
                if wanted != entry.target_project {
                    retarget(tx, &entry, &wanted).await?;
                    entry.target_project = wanted;
                }
                Ok::<_, Fault>(entry)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, view::show(&app.policy, &context.caller, &entry, &[])))
}

async fn retarget(tx: &mut Tx, entry: &RbacPolicy, wanted: &str) -> Result<(), Fault> {
    let kind = kind_of(entry)?;
    // An entry for all serves those the old one served.
    if wanted != super::model::EVERYBODY {
        check_unused(tx, kind, entry, wanted).await?;
    }
    check_needs(tx, kind, entry, wanted).await?;
    if !store::retarget(tx, entry, wanted).await? {
        return Err(rules::duplicate());
    }
    sharing::repeat(tx, kind, entry.object_id).await?;
    sharing::touch(tx, kind, entry.object_id).await
}

/// `DELETE /v2.0/rbac-policies/{id}`
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
                let entry = find_for(tx, &app, &context.caller, "delete_rbac_policy", &id).await?;
                let kind = kind_of(&entry)?;
                check_unused(tx, kind, &entry, "").await?;
                check_no_last_gateway(tx, kind, &entry).await?;
                store::remove(tx, "id = $1", values![entry.id]).await?;
                sharing::repeat(tx, kind, entry.object_id).await?;
                sharing::touch(tx, kind, entry.object_id).await
            })
        })
        .await?;
    Ok(no_content())
}

/// Refuses to take an object from projects that use it, unless they are `instead`.
async fn check_unused(tx: &mut Tx, kind: &Shareable, entry: &RbacPolicy, instead: &str) -> Result<(), Fault> {
    let action: Action = entry.action;
    let owner = store::owner(tx, kind, entry.object_id).await?.unwrap_or_default();
    let target = &entry.target_project;
    let users = store::losing(tx, kind, action, entry.object_id, &owner, target, instead).await?;
    if users.is_empty() { Ok(()) } else { Err(rules::in_use(entry.object_id, &users)) }
}

/// Refuses to make a network internal while its own project, too, leads through it.
async fn check_no_last_gateway(tx: &mut Tx, kind: &Shareable, entry: &RbacPolicy) -> Result<(), Fault> {
    if entry.action != Action::External || store::has_other(tx, entry).await? {
        return Ok(());
    }
    let users = store::users(tx, kind, entry.action, entry.object_id).await?;
    if users.is_empty() { Ok(()) } else { Err(rules::in_use(entry.object_id, &users)) }
}

/// The kind of an entry's object: entries are only made for kinds that are known.
fn kind_of(entry: &RbacPolicy) -> Result<&'static Shareable, Fault> {
    rules::kind(&entry.object_type).ok_or_else(|| rules::not_found(entry.id))
}

async fn find(session: &mut Session, id: &str) -> Result<RbacPolicy, Fault> {
    let found = match id.parse() {
        Ok(id) => store::get(session, id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| rules::not_found(id))
}

/// The entry, if the caller may do `action` to it.
async fn find_for(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    action: &str,
    id: &str,
) -> Result<RbacPolicy, Fault> {
    let entry = find(session, id).await?;
    let facts = target(&entry, &entry.target_project);
    app.policy.check_or_hide(action, &TYPE, caller, &facts, || rules::not_found(id))?;
    Ok(entry)
}
