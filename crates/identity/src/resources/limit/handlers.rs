//! `/v3/limits`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{answer, keyed};
use isospin_api_kit::policy::Target;
use isospin_store_kit::query::Select;
use serde_json::{Value, json};

use super::{LIMIT, rules};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{self, Field, Schema};
use crate::listing::{page, restrict};
use crate::request::{Context, RawBody};
use crate::resources::project;
use crate::resources::record::{Record, text};

type App = State<IdentityApp>;

/// What can change.
const CHANGE: Schema = Schema {
    key: "limit",
    fields: &[
        Field::new("resource_limit", input::Kind::Number(super::UNLIMITED)),
        Field::nullable("description", input::Kind::Text),
    ],
    fixed: &[],
};

pub async fn model(State(app): App, context: Context) -> Result<Response, Fault> {
    context.enforce(&app, "identity:get_limit_model", &Target::new())?;
    Ok(keyed(StatusCode::OK, "model", app.config.limit_model.view()))
}

/// Administrators and services see all, others those of their project or domain.
fn only_own(select: &mut Select, app: &IdentityApp, context: &Context) {
    let caller = context.caller();
    if caller.system_scope || app.policy.allows("service_or_admin", caller, &Target::new()) {
        return;
    }
    if caller.domain_id.is_empty() {
        select.one_of("project_id", vec![(&caller.project_id).into()]);
        return;
    }
    let domain = select.bind(&caller.domain_id);
    select.condition(format!(
        "(domain_id = {domain} OR project_id IN (SELECT id FROM projects WHERE domain_id = {domain}))"
    ));
}

pub async fn list(State(app): App, context: Context) -> Result<Response, Fault> {
    context.enforce(&app, "identity:list_limits", &Target::new())?;
    let mut select = LIMIT.select();
    restrict(&mut select, "id", LIMIT.filters, &context)?;
    only_own(&mut select, &app, &context);
    let found = LIMIT.all(&mut *app.store.reader().await?, select).await?;
    page(&context, LIMIT.plural, found.iter().map(|limit| LIMIT.view(limit, &context)).collect())
}

pub async fn show(State(app): App, context: Context, Path(id): Path<String>) -> Result<Response, Fault> {
    let mut reader = app.store.reader().await?;
    let found = LIMIT.find(&mut reader, &id).await?;
    let limit = super::super::found_or_hidden(&app, &context, found, "limit", &id)?;
    let project = match text(&limit, "project_id") {
        Some(id) => project::find_any(&mut reader, id).await?,
        None => None,
    };
    let mut target = Target::new();
    if let Some(project) = &project {
        target = target
            .with("target.limit.project_id", &project.id)
            .with("target.limit.project.domain_id", &project.domain_id);
    }
    if let Some(domain) = text(&limit, "domain_id") {
        target = target.with("target.limit.domain.id", domain);
    }
    context.enforce(&app, "identity:get_limit", &target)?;
    Ok(keyed(StatusCode::OK, "limit", LIMIT.view(&limit, &context)))
}

pub async fn create(State(app): App, context: Context, RawBody(body): RawBody) -> Result<Response, Fault> {
    context.enforce(&app, "identity:create_limits", &Target::new())?;
    let inputs = LIMIT.schema.create_several(&body, LIMIT.plural)?;
    let mut limits: Vec<Record> = inputs.iter().map(|input| LIMIT.fresh(input)).collect();
    let model = app.config.limit_model;
    let work = app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            for limit in &mut limits {
                rules::check(tx, limit).await?;
                LIMIT.insert(tx, limit).await?;
            }
            // All are there: those of a domain and of its projects may come together.
            for limit in &limits {
                rules::check_model(tx, model, limit).await?;
            }
            Ok(limits)
        })
    });
    let limits = work.await?;
    let views: Vec<Value> = limits.iter().map(|limit| LIMIT.view(limit, &context)).collect();
    Ok(answer(StatusCode::CREATED, &json!({ LIMIT.plural: views })))
}

pub async fn patch(
    State(app): App,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:update_limit", &Target::new())?;
    let input = CHANGE.update(&body, &id, |_| Value::Null)?;
    let model = app.config.limit_model;
    let work = app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let mut limit = LIMIT.require(tx, &id).await?;
            LIMIT.change(&mut limit, &input);
            LIMIT.store(tx, &limit).await?;
            rules::check_model(tx, model, &limit).await?;
            Ok(limit)
        })
    });
    let limit = work.await?;
    Ok(keyed(StatusCode::OK, "limit", LIMIT.view(&limit, &context)))
}

pub async fn delete(State(app): App, context: Context, Path(id): Path<String>) -> Result<Response, Fault> {
    LIMIT.delete(app, context, id).await
}
