//! `/v3/registered_limits`.

use axum::extract::{Path, State};
use axum::response::Response;
use futures::future::BoxFuture;
use http::StatusCode;
use isospin_api_kit::http::answer;
use isospin_api_kit::policy::Target;
use isospin_store_kit::Tx;
use serde_json::{Value, json};

use super::{LIMIT, REGISTERED, alike, check_ends};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::request::{Context, RawBody};
use crate::resources::record::{Record, text};

type App = State<IdentityApp>;

pub async fn list(State(app): App, context: Context) -> Result<Response, Fault> {
    REGISTERED.list(app, context).await
}

pub async fn show(State(app): App, context: Context, Path(id): Path<String>) -> Result<Response, Fault> {
    REGISTERED.show(app, context, id).await
}

pub async fn create(State(app): App, context: Context, RawBody(body): RawBody) -> Result<Response, Fault> {
    context.enforce(&app, "identity:create_registered_limits", &Target::new())?;
    let inputs = REGISTERED.schema.create_several(&body, REGISTERED.plural)?;
    let mut records: Vec<Record> = inputs.iter().map(|input| REGISTERED.fresh(input)).collect();
    let work = app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            for record in &mut records {
                check(tx, record).await?;
                REGISTERED.insert(tx, record).await?;
            }
            Ok(records)
        })
    });
    let records = work.await?;
    let views: Vec<Value> = records.iter().map(|record| REGISTERED.view(record, &context)).collect();
    Ok(answer(StatusCode::CREATED, &json!({ REGISTERED.plural: views })))
}

/// Service and region are there, and nothing is registered twice.
pub fn check<'t>(tx: &'t mut Tx, record: &'t mut Record) -> BoxFuture<'t, Result<(), Fault>> {
    Box::pin(async move {
        check_ends(tx, record).await?;
        let others = alike(&REGISTERED, tx, record).await?;
        if others.iter().any(|other| other.get("id") != record.get("id")) {
            return Err(Fault::conflict("registered_limit", "Duplicate entry"));
        }
        Ok(())
    })
}

pub async fn patch(
    State(app): App,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    refuse_used(&app, &context, &id, "update").await?;
    REGISTERED.update(app, context, id, body).await
}

pub async fn delete(State(app): App, context: Context, Path(id): Path<String>) -> Result<Response, Fault> {
    refuse_used(&app, &context, &id, "delete").await?;
    REGISTERED.delete(app, context, id).await
}

/// What limits override stays as it is.
async fn refuse_used(app: &IdentityApp, context: &Context, id: &str, verb: &str) -> Result<(), Fault> {
    context.enforce(app, &format!("identity:{verb}_registered_limit"), &Target::new())?;
    let mut reader = app.store.reader().await?;
    let record = REGISTERED.require(&mut reader, id).await?;
    if alike(&LIMIT, &mut reader, &record).await?.is_empty() {
        return Ok(());
    }
    let id = text(&record, "id").unwrap_or_default();
    Err(Fault::refused(format!(
        "Unable to {verb} registered limit {id} because there are project limits associated with it."
    )))
}
