//! Requests for routers: found, made, deleted.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::{Policy, Target};
use isospin_api_kit::{Body, Caller, Fault, FaultType, now_seconds};
use isospin_store_kit::{Session, Tx};
use isospin_types::{FlavorId, RouterId};
use serde_json::Value;

use super::input::GatewayChange;
use super::model::{Details, Router, RouterStatus};
use super::{TYPE, gateway, rules, store, view};
use crate::background::scheduling::agents;
use crate::resources::flavor;
use crate::resources::service_provider::ROUTERS;
use crate::{App, owner, page, quota};

/// `GET /v2.0/routers`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let (policy, caller) = (app.policy.clone(), context.caller.clone());
    let (ids, items, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let sees_all = policy.allows("get_router", &caller, &Target::new());
                let project = (!sees_all).then_some(caller.project_id.as_str());
                let found = store::list(session, &query, project).await?;
                let ids: Vec<String> = found.iter().map(|(router, _)| router.id.to_string()).collect();
                let items: Vec<Value> = found
                    .iter()
                    .filter(|(router, _)| sees(&policy, &caller, router))
                    .map(|(router, details)| view::router(&policy, &caller, &query.fields, router, details))
                    .collect();
                Ok::<_, Fault>((ids, items, query))
            })
        })
        .await?;
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/routers/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let (router, details) = visible(&mut session, &app, &context.caller, &id).await?;
    let shown = view::router(&app.policy, &context.caller, &query.fields, &router, &details);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// A router to be made.
struct NewRouter {
    router: Router,
    gateway: GatewayChange,
}

/// `POST /v2.0/routers`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let wanted =
        bodies.iter().map(|body| wanted(&app, &context.caller, body)).collect::<Result<Vec<_>, _>>()?;
    let (unit_app, caller) = (app.clone(), context.caller.clone());
    let made = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let mut made = Vec::with_capacity(wanted.len());
                for new in wanted {
                    made.push(create_one(tx, &unit_app, &caller, new).await?);
                }
                Ok::<_, Fault>(made)
            })
        })
        .await?;
    let shown = made
        .iter()
        .map(|(router, details)| view::router(&app.policy, &context.caller, &[], router, details))
        .collect();
    Ok(page::created(&TYPE, bulk, shown))
}

fn wanted(app: &App, caller: &Caller, body: &Body) -> Result<NewRouter, Fault> {
    let project_id = owner::project(body, caller)?;
    app.policy.check_create(&TYPE, caller, &Target::owned_by(&project_id), body)?;
    let now = now_seconds();
    let router = Router {
        id: RouterId::random(),
        project_id,
        name: body.text("name").unwrap_or_default().to_owned(),
        description: body.text("description").unwrap_or_default().to_owned(),
        admin_state_up: body.flag("admin_state_up").unwrap_or(true),
        status: RouterStatus::Active,
        enable_snat: app.settings.enable_snat_by_default,
        gateway: None,
        availability_zone_hints: body.texts("availability_zone_hints").unwrap_or_default(),
        flavor_id: body.parsed("flavor_id"),
        host: String::new(),
        availability_zone: None,
        created_at: now.clone(),
        updated_at: now,
        revision_number: 1,
    };
    Ok(NewRouter { router, gateway: GatewayChange::of(body) })
}

/// Makes the router a body describes: what the cloud makes by itself.
///
/// # Errors
/// As for a POST.
pub(in crate::resources) async fn make(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    body: &Body,
) -> Result<Router, Fault> {
    let new = wanted(app, caller, body)?;
    Ok(create_one(tx, app, caller, new).await?.0)
}

async fn create_one(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    new: NewRouter,
) -> Result<(Router, Details), Fault> {
    let NewRouter { mut router, gateway } = new;
    quota::take(tx, &app.settings, &router.project_id, "router", 1).await?;
    if let Some(id) = router.flavor_id {
        check_flavor(tx, app, caller, id).await?;
    }
    agents::check_zones(tx, agents::L3, &router.availability_zone_hints).await?;
    let mut details = Details::default();
    if let GatewayChange::Set(request) = gateway {
        details.gateway_addresses =
            gateway::set(tx, app, caller, &mut router, request).await?.unwrap_or_default();
    }
    store::insert(tx, &router).await?;
    Ok((router, details))
}

/// Refuses a flavor that is none of routers, or that nobody provides.
async fn check_flavor(tx: &mut Tx, app: &App, caller: &Caller, id: FlavorId) -> Result<(), Fault> {
    let (flavor, provider) = flavor::provider_of(tx, app, caller, &id.to_string()).await?;
    if flavor.service_type != ROUTERS || provider.service_type != ROUTERS {
        let (id, service_type) = (flavor.id, flavor.service_type);
        return Err(rules::bad(format!("flavor_id {id} is a flavor of {service_type}, not of {ROUTERS}")));
    }
    Ok(())
}

/// `DELETE /v2.0/routers/{id}`
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
        .write(&request_id, move |tx| Box::pin(async move { delete_one(tx, &app, &context, &id).await }))
        .await?;
    Ok(no_content())
}

/// Removes the router of this id, unless interfaces stand against it.
///
/// # Errors
/// 404, 403, 409 naming the ports.
pub(in crate::resources) async fn delete_one(
    tx: &mut Tx,
    app: &App,
    context: &Context,
    id: &str,
) -> Result<(), Fault> {
    let mut router = found(tx, app, &context.caller, id).await?;
    let target = Target::owned_by(&router.project_id);
    app.policy.check("delete_router", &context.caller, &target)?;
    context.check_revision(router.revision_number)?;
    let mut ports: Vec<String> = store::interfaces(tx, router.id)
        .await?
        .iter()
        .map(|interface| interface.port_id.to_string())
        .collect();
    ports.dedup();
    if !ports.is_empty() {
        return Err(Fault::new(
            FaultType::RouterInUse,
            format!("Router {} has ports still attached: {}", router.id, ports.join(", ")),
        ));
    }
    gateway::clear(tx, &mut router).await?;
    store::delete(tx, router.id).await?;
    quota::give_back(tx, &router.project_id, "router", 1).await?;
    Ok(())
}

/// The router of this id with details, if the caller may see it.
///
/// # Errors
/// 404.
pub async fn visible(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<(Router, Details), Fault> {
    let found = match id.parse() {
        Ok(id) => store::find(session, id).await?,
        Err(_) => None,
    };
    found.filter(|(router, _)| sees(&app.policy, caller, router)).ok_or_else(|| rules::not_found(id))
}

/// The router of this id, if the caller may see it.
///
/// # Errors
/// 404.
pub async fn found(session: &mut Session, app: &App, caller: &Caller, id: &str) -> Result<Router, Fault> {
    let found = match id.parse() {
        Ok(id) => store::get(session, id).await?,
        Err(_) => None,
    };
    found.filter(|router| sees(&app.policy, caller, router)).ok_or_else(|| rules::not_found(id))
}

fn sees(policy: &Policy, caller: &Caller, router: &Router) -> bool {
    policy.allows("get_router", caller, &Target::owned_by(&router.project_id))
}
