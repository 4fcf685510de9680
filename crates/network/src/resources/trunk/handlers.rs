//! Requests about trunks; those about their ports are in [`super::subports`].

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault, now_seconds};
use isospin_store_kit::{Session, Tx};
use isospin_types::{PortId, TrunkId};

use super::model::{Trunk, TrunkStatus, WantedSubPort};
use super::rules::{self, not_found};
use super::{TYPE, store, subports, view};
use crate::{App, owner, page, quota};

/// `GET /v2.0/trunks`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let caller = context.caller.clone();
    let sees_all = app.policy.allows("get_trunk", &caller, &Target::owned_by(""));
    let (found, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let found = store::list(session, &query, &caller, sees_all).await?;
                Ok::<_, Fault>((found, query))
            })
        })
        .await?;
    let ids: Vec<String> = found.iter().map(|(trunk, _)| trunk.id.to_string()).collect();
    let items = found
        .iter()
        .filter(|(trunk, _)| sees(&app, &context.caller, trunk))
        .map(|(trunk, tags)| view::show(&app.policy, &context.caller, trunk, tags, &query.fields))
        .collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/trunks/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let (trunk, tags) = visible(&mut session, &app, &context.caller, &id).await?;
    let shown = view::show(&app.policy, &context.caller, &trunk, &tags, &query.fields);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// A trunk to be made.
struct NewTrunk {
    trunk: Trunk,
    sub_ports: Vec<WantedSubPort>,
}

/// `POST /v2.0/trunks`
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
    let shown = made.iter().map(|trunk| view::show(&app.policy, &context.caller, trunk, &[], &[])).collect();
    Ok(page::created(&TYPE, bulk, shown))
}

fn wanted(app: &App, caller: &Caller, body: &Body) -> Result<NewTrunk, Fault> {
    let project_id = owner::project(body, caller)?;
    app.policy.check_create(&TYPE, caller, &Target::owned_by(&project_id), body)?;
    let port_id: PortId = body.parsed("port_id").ok_or_else(Fault::not_found)?;
    let now = now_seconds();
    let trunk = Trunk {
        id: TrunkId::random(),
        project_id,
        name: body.text("name").unwrap_or_default().to_owned(),
        description: body.text("description").unwrap_or_default().to_owned(),
        admin_state_up: body.flag("admin_state_up").unwrap_or(true),
        status: TrunkStatus::Down,
        port_id,
        created_at: now.clone(),
        updated_at: now,
        revision_number: 0,
        sub_ports: Vec::new(),
    };
    Ok(NewTrunk { trunk, sub_ports: rules::wanted(body.list("sub_ports").unwrap_or_default()) })
}

async fn create_one(tx: &mut Tx, app: &App, caller: &Caller, new: NewTrunk) -> Result<Trunk, Fault> {
    let NewTrunk { mut trunk, sub_ports } = new;
    quota::take(tx, &app.settings, &trunk.project_id, TYPE.name, 1).await?;
    let parent = subports::parent(tx, app, caller, trunk.port_id).await?;
    store::insert(tx, &trunk).await?;
    subports::join(tx, app, caller, &mut trunk, &parent, &sub_ports).await?;
    Ok(trunk)
}

/// `PUT /v2.0/trunks/{id}`
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let (changed, tags) = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let caller = &unit_context.caller;
                let (mut trunk, tags) = visible(tx, &unit_app, caller, &id).await?;
                let target = Target::owned_by(&trunk.project_id);
                unit_app.policy.check_update(&TYPE, caller, &target, &body)?;
                unit_context.check_revision(trunk.revision_number)?;
                let before = trunk.clone();
                if let Some(up) = body.flag("admin_state_up") {
                    trunk.admin_state_up = up;
                }
                for (name, text) in [("name", &mut trunk.name), ("description", &mut trunk.description)] {
                    if let Some(given) = body.text(name) {
                        given.clone_into(text);
                    }
                }
                if trunk != before {
                    store::save(tx, &mut trunk).await?;
                }
                Ok::<_, Fault>((trunk, tags))
            })
        })
        .await?;
    let shown = view::show(&app.policy, &context.caller, &changed, &tags, &[]);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `DELETE /v2.0/trunks/{id}`
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    page::no_body(&body)?;
    let (store, request_id) = (app.store.clone(), context.request_id.clone());
    store
        .write(&request_id, move |tx| Box::pin(async move { delete_one(tx, &app, &context, &id).await }))
        .await?;
    Ok(no_content())
}

async fn delete_one(tx: &mut Tx, app: &App, context: &Context, id: &str) -> Result<(), Fault> {
    let (trunk, _) = visible(tx, app, &context.caller, id).await?;
    app.policy.check("delete_trunk", &context.caller, &Target::owned_by(&trunk.project_id))?;
    context.check_revision(trunk.revision_number)?;
    rules::check_enabled(&trunk)?;
    if subports::is_bound(tx, trunk.port_id).await? {
        return Err(rules::in_use(trunk.id, trunk.port_id));
    }
    let ports: Vec<PortId> = trunk.sub_ports.iter().map(|own| own.port_id).collect();
    subports::part(tx, app, &ports).await?;
    store::delete(tx, trunk.id).await?;
    quota::give_back(tx, &trunk.project_id, TYPE.name, 1).await?;
    Ok(())
}

/// The trunk of this id with its tags, if the caller may see it.
///
/// # Errors
/// 404.
pub async fn visible(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<(Trunk, Vec<String>), Fault> {
    let found = match id.parse::<TrunkId>() {
        Ok(id) => store::find(session, id).await?,
        Err(_) => None,
    };
    found.filter(|(trunk, _)| sees(app, caller, trunk)).ok_or_else(|| not_found(id))
}

fn sees(app: &App, caller: &Caller, trunk: &Trunk) -> bool {
    app.policy.allows("get_trunk", caller, &Target::owned_by(&trunk.project_id))
}
