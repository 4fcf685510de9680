//! Requests about service profiles.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault, FaultType, view};
use isospin_store_kit::Session;
use isospin_types::ServiceProfileId;
use serde_json::Value;

use super::model::ServiceProfile;
use super::{TYPE, not_found, store};
use crate::resources::service_provider;
use crate::{App, page};

/// `GET /v2.0/service_profiles`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let mut session = app.store.reader().await?;
    let found = store::list(&mut session, &query).await?;
    let ids: Vec<String> = found.iter().map(|each| each.id.to_string()).collect();
    let seen = found.iter().filter(|_| sees(&app, &context.caller));
    let items = seen.map(|each| shown(&app, &context.caller, &query.fields, each)).collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/service_profiles/{id}`
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

/// `POST /v2.0/service_profiles`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let mut new = Vec::with_capacity(bodies.len());
    for body in &bodies {
        app.policy.check_create(&TYPE, &context.caller, &Target::new(), body)?;
        let profile = ServiceProfile {
            id: ServiceProfileId::random(),
            description: body.text("description").unwrap_or_default().to_owned(),
            driver: body.text("driver").unwrap_or_default().to_owned(),
            metainfo: body.text("metainfo").unwrap_or_default().to_owned(),
            enabled: body.flag("enabled").unwrap_or(true),
        };
        check(&profile)?;
        new.push(profile);
    }
    let items = new.iter().map(|each| shown(&app, &context.caller, &[], each)).collect();
    app.store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                for profile in &new {
                    store::insert(tx, profile).await?;
                }
                Ok::<_, Fault>(())
            })
        })
        .await?;
    Ok(page::created(&TYPE, bulk, items))
}

/// Refuses a profile that says nothing, or names a driver nobody has.
fn check(profile: &ServiceProfile) -> Result<(), Fault> {
    if profile.driver.is_empty() && profile.metainfo.is_empty() {
        let message = "Service Profile needs either a driver or metainfo.";
        return Err(Fault::new(FaultType::ServiceProfileEmpty, message));
    }
    check_driver(&profile.driver)
}

fn check_driver(driver: &str) -> Result<(), Fault> {
    if driver.is_empty() || service_provider::of_driver(driver).is_some() {
        return Ok(());
    }
    Err(driver_not_found(driver))
}

/// 404: no provider has this driver.
pub fn driver_not_found(driver: &str) -> Fault {
    Fault::new(
        FaultType::ServiceProfileDriverNotFound,
        format!("Service Profile driver {driver} could not be found."),
    )
}

/// `PUT /v2.0/service_profiles/{id}`
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
                    check(&after)?;
                    refuse_in_use(tx, after.id).await?;
                    store::save(tx, &after).await?;
                }
                Ok::<_, Fault>(after)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, shown(&app, &context.caller, &[], &changed)))
}

fn altered(before: &ServiceProfile, body: &Body) -> ServiceProfile {
    let text = |name: &str, before: &String| match body.has(name) {
        true => body.text(name).unwrap_or_default().to_owned(),
        false => before.clone(),
    };
    ServiceProfile {
        id: before.id,
        description: text("description", &before.description),
        driver: text("driver", &before.driver),
        metainfo: text("metainfo", &before.metainfo),
        enabled: if body.has("enabled") { body.flag("enabled").unwrap_or(true) } else { before.enabled },
    }
}

async fn refuse_in_use(session: &mut Session, id: ServiceProfileId) -> Result<(), Fault> {
    let flavors = store::flavors(session, id).await?;
    if flavors.is_empty() {
        return Ok(());
    }
    Err(Fault::new(
        FaultType::ServiceProfileInUse,
        format!("Service Profile {id} is used by some service instance."),
    )
    .blocked_by("flavor", flavors))
}

/// `DELETE /v2.0/service_profiles/{id}`
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
                app.policy.check("delete_service_profile", &context.caller, &Target::new())?;
                refuse_in_use(tx, found.id).await?;
                store::delete(tx, found.id).await?;
                Ok::<_, Fault>(())
            })
        })
        .await?;
    Ok(no_content())
}

async fn visible(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<ServiceProfile, Fault> {
    let found = match id.parse() {
        Ok(id) => store::get(session, id).await?,
        Err(_) => None,
    };
    found.filter(|_| sees(app, caller)).ok_or_else(|| not_found(id))
}

fn sees(app: &App, caller: &Caller) -> bool {
    app.policy.allows("get_service_profile", caller, &Target::new())
}

fn shown(app: &App, caller: &Caller, fields: &[String], profile: &ServiceProfile) -> Value {
    view::project(&TYPE, &app.policy, caller, &Target::new(), fields, profile.object())
}
