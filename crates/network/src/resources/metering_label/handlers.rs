//! Requests about metering labels.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault, view};
use isospin_store_kit::Session;
use isospin_types::MeteringLabelId;
use serde_json::Value;

use super::model::MeteringLabel;
use super::{TYPE, not_found, store};
use crate::{App, owner, page};

/// `GET /v2.0/metering/metering-labels`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let caller = &context.caller;
    let mut session = app.store.reader().await?;
    let found = store::list(&mut session, &query, caller).await?;
    let ids: Vec<String> = found.iter().map(|each| each.id.to_string()).collect();
    let seen = found.iter().filter(|each| sees(&app, caller, each));
    let items = seen.map(|each| shown(&app, caller, &query.fields, each)).collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/metering/metering-labels/{id}`
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

/// `POST /v2.0/metering/metering-labels`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let mut new = Vec::with_capacity(bodies.len());
    for body in &bodies {
        let project_id = owner::project(body, &context.caller)?;
        app.policy.check_create(&TYPE, &context.caller, &Target::owned_by(&project_id), body)?;
        new.push(MeteringLabel {
            id: MeteringLabelId::random(),
            project_id,
            name: body.text("name").unwrap_or_default().to_owned(),
            description: body.text("description").unwrap_or_default().to_owned(),
            shared: body.flag("shared").unwrap_or_default(),
        });
    }
    let items = new.iter().map(|each| shown(&app, &context.caller, &[], each)).collect();
    app.store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                for label in &new {
                    store::insert(tx, label).await?;
                }
                Ok::<_, Fault>(())
            })
        })
        .await?;
    Ok(page::created(&TYPE, bulk, items))
}

/// `DELETE /v2.0/metering/metering-labels/{id}`
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
                let target = Target::owned_by(&found.project_id);
                app.policy.check("delete_metering_label", &context.caller, &target)?;
                store::delete(tx, &found).await?;
                Ok::<_, Fault>(())
            })
        })
        .await?;
    Ok(no_content())
}

/// The label of this id, if the caller may see it.
///
/// # Errors
/// 404.
pub async fn visible(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<MeteringLabel, Fault> {
    let found = match id.parse() {
        Ok(id) => store::get(session, id).await?,
        Err(_) => None,
    };
    found.filter(|each| sees(app, caller, each)).ok_or_else(|| not_found(id))
}

fn sees(app: &App, caller: &Caller, label: &MeteringLabel) -> bool {
    app.policy.allows("get_metering_label", caller, &Target::owned_by(&label.project_id))
}

fn shown(app: &App, caller: &Caller, fields: &[String], label: &MeteringLabel) -> Value {
    view::project(&TYPE, &app.policy, caller, &Target::owned_by(&label.project_id), fields, label.object())
}
