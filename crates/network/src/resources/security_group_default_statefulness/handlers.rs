//! Requests about settings.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault};
use isospin_store_kit::Session;

use super::model::Setting;
use super::policy::target;
use super::{TYPE, rules, store, view};
use crate::{App, page};

const GET: &str = "get_security_groups_default_statefulness";

/// `GET /v2.0/security-groups-default-statefulness`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let caller = context.caller.clone();
    let sees_all = app.policy.allows(GET, &caller, &Target::owned_by(""));
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
    let ids: Vec<String> = found.iter().map(|setting| setting.id.to_string()).collect();
    let items = found
        .iter()
        .filter(|setting| app.policy.allows(GET, &context.caller, &target(setting)))
        .map(|setting| view::show(&app.policy, &context.caller, setting, &query.fields))
        .collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/security-groups-default-statefulness/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let setting = find(&mut session, &id).await?;
    drop(session);
    if !app.policy.allows(GET, &context.caller, &target(&setting)) {
        return Err(rules::not_found(id));
    }
    Ok(keyed(StatusCode::OK, TYPE.name, view::show(&app.policy, &context.caller, &setting, &query.fields)))
}

/// `POST /v2.0/security-groups-default-statefulness`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let mut wanted = Vec::with_capacity(bodies.len());
    for body in &bodies {
        let setting = rules::create(body, &context.caller)?;
        app.policy.check_create(&TYPE, &context.caller, &target(&setting), body)?;
        wanted.push(setting);
    }
    let created = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                for setting in &wanted {
                    if !store::insert(tx, setting).await? {
                        return Err(rules::exists(&setting.project_id));
                    }
                }
                Ok::<_, Fault>(wanted)
            })
        })
        .await?;
    let shown =
        created.iter().map(|setting| view::show(&app.policy, &context.caller, setting, &[])).collect();
    Ok(page::created(&TYPE, bulk, shown))
}

/// `PUT /v2.0/security-groups-default-statefulness/{id}`
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    let (unit_app, caller) = (app.clone(), context.caller.clone());
    let setting = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let action = "update_security_groups_default_statefulness";
                let mut setting = find_for(tx, &unit_app, &caller, action, &id).await?;
                unit_app.policy.check_update(&TYPE, &caller, &target(&setting), &body)?;
                if let Some(stateful) = body.flag("stateful").filter(|flag| *flag != setting.stateful) {
                    setting.stateful = stateful;
                    store::update(tx, &setting).await?;
                }
                Ok::<_, Fault>(setting)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, view::show(&app.policy, &context.caller, &setting, &[])))
}

/// `DELETE /v2.0/security-groups-default-statefulness/{id}`
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
                let action = "delete_security_groups_default_statefulness";
                let setting = find_for(tx, &app, &context.caller, action, &id).await?;
                store::delete(tx, setting.id).await?;
                Ok::<_, Fault>(())
            })
        })
        .await?;
    Ok(no_content())
}

async fn find(session: &mut Session, id: &str) -> Result<Setting, Fault> {
    let found = match id.parse() {
        Ok(id) => store::get(session, id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| rules::not_found(id))
}

/// The setting, if the caller may do `action` to it.
async fn find_for(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    action: &str,
    id: &str,
) -> Result<Setting, Fault> {
    let setting = find(session, id).await?;
    app.policy.check_or_hide(action, &TYPE, caller, &target(&setting), || rules::not_found(id))?;
    Ok(setting)
}
