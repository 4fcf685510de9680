//! Requests about flavors.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault, FaultType, view};
use isospin_store_kit::Session;
use isospin_types::{FlavorId, ServiceProfileId};
use serde_json::Value;

use super::model::Flavor;
use super::{TYPE, not_found, store};
use crate::resources::service_profile;
use crate::{App, page};

/// `GET /v2.0/flavors`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let mut session = app.store.reader().await?;
    let found = store::list(&mut session, &query).await?;
    let ids: Vec<String> = found.iter().map(|each| each.id.to_string()).collect();
    let seen = found.iter().filter(|_| sees(&app, &context.caller));
    let items = seen.map(|each| shown(&app, &context.caller, &query.fields, each)).collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/flavors/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let found = visible(&mut session, &app, &context.caller, &id).await?;
    Ok(keyed(StatusCode::OK, TYPE.name, shown(&app, &context.caller, &query.fields, &found)))
}

/// `POST /v2.0/flavors`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let mut new = Vec::with_capacity(bodies.len());
    for body in &bodies {
        app.policy.check_create(&TYPE, &context.caller, &Target::new(), body)?;
        new.push(Flavor {
            id: FlavorId::random(),
            name: body.text("name").unwrap_or_default().to_owned(),
            description: body.text("description").unwrap_or_default().to_owned(),
            service_type: body.text("service_type").unwrap_or_default().to_owned(),
            enabled: body.flag("enabled").unwrap_or(true),
            profiles: profiles(body).unwrap_or_default(),
        });
    }
    let items = new.iter().map(|each| shown(&app, &context.caller, &[], each)).collect();
    app.store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                for flavor in &new {
                    check_profiles(tx, flavor).await?;
                    store::insert(tx, flavor).await?;
                }
                Ok::<_, Fault>(())
            })
        })
        .await?;
    Ok(page::created(&TYPE, bulk, items))
}

fn profiles(body: &Body) -> Option<Vec<ServiceProfileId>> {
    let texts = body.texts("service_profiles")?;
    Some(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

async fn check_profiles(session: &mut Session, flavor: &Flavor) -> Result<(), Fault> {
    match store::missing_profile(session, &flavor.profiles).await? {
        Some(id) => Err(service_profile::not_found(id)),
        None => Ok(()),
    }
}

/// `PUT /v2.0/flavors/{id}`
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    let (unit_app, caller) = (app.clone(), context.caller.clone());
    let changed = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let before = visible(tx, &unit_app, &caller, &id).await?;
                unit_app.policy.check_update(&TYPE, &caller, &Target::new(), &body)?;
                let after = altered(&before, &body);
                if after != before {
                    check_profiles(tx, &after).await?;
                    store::save(tx, &after).await?;
                }
                Ok::<_, Fault>(after)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, shown(&app, &context.caller, &[], &changed)))
}

fn altered(before: &Flavor, body: &Body) -> Flavor {
    let mut after = before.clone();
    if let Some(name) = body.text("name") {
        name.clone_into(&mut after.name);
    }
    if body.has("description") {
        body.text("description").unwrap_or_default().clone_into(&mut after.description);
    }
    if body.has("enabled") {
        after.enabled = body.flag("enabled").unwrap_or(true);
    }
    if let Some(profiles) = profiles(body) {
        after.profiles = profiles;
    }
    after
}

/// `DELETE /v2.0/flavors/{id}`
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    page::no_body(&body)?;
    let store = app.store.clone();
    let request_id = context.request_id.clone();
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let found = visible(tx, &app, &context.caller, &id).await?;
                app.policy.check("delete_flavor", &context.caller, &Target::new())?;
                let routers = store::routers(tx, found.id).await?;
                if !routers.is_empty() {
                    return Err(Fault::new(
                        FaultType::FlavorInUse,
                        format!("Flavor {} is used by some service instance.", found.id),
                    )
                    .blocked_by("router", routers));
                }
                store::delete(tx, found.id).await?;
                Ok::<_, Fault>(())
            })
        })
        .await?;
    Ok(no_content())
}

/// The flavor of this id, if the caller may see it.
///
/// # Errors
/// 404.
pub async fn visible(session: &mut Session, app: &App, caller: &Caller, id: &str) -> Result<Flavor, Fault> {
    let found = match id.parse() {
        Ok(id) => store::get(session, id).await?,
        Err(_) => None,
    };
    found.filter(|_| sees(app, caller)).ok_or_else(|| not_found(id))
}

fn sees(app: &App, caller: &Caller) -> bool {
    app.policy.allows("get_flavor", caller, &Target::new())
}

fn shown(app: &App, caller: &Caller, fields: &[String], flavor: &Flavor) -> Value {
    view::project(&TYPE, &app.policy, caller, &Target::new(), fields, flavor.object())
}
