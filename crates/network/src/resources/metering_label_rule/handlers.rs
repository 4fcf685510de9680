//! Requests about metering label rules.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault, view};
use isospin_store_kit::{Session, Tx};
use isospin_types::MeteringLabelRuleId;
use serde_json::Value;

use super::model::MeteringLabelRule;
use super::{TYPE, rules, store};
use crate::resources::metering_label;
use crate::{App, page};

/// `GET /v2.0/metering/metering-label-rules`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let caller = &context.caller;
    let mut session = app.store.reader().await?;
    let found = store::list(&mut session, &query, caller).await?;
    let ids: Vec<String> = found.iter().map(|(each, _)| each.id.to_string()).collect();
    let seen = found.iter().filter(|(_, project)| sees(&app, caller, project));
    let items = seen.map(|(each, project)| shown(&app, caller, &query.fields, each, project)).collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/metering/metering-label-rules/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let (found, project) = visible(&mut session, &app, &context.caller, &id).await?;
    let shown = shown(&app, &context.caller, &query.fields, &found, &project);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `POST /v2.0/metering/metering-label-rules`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let store = app.store.clone();
    let request_id = context.request_id.clone();
    let made = store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let mut made = Vec::with_capacity(bodies.len());
                for body in &bodies {
                    made.push(create_one(tx, &app, &context.caller, body).await?);
                }
                Ok::<_, Fault>(made)
            })
        })
        .await?;
    Ok(page::created(&TYPE, bulk, made))
}

async fn create_one(tx: &mut Tx, app: &App, caller: &Caller, body: &Body) -> Result<Value, Fault> {
    let label_id = body.text("metering_label_id").unwrap_or_default();
    let label = metering_label::visible(tx, app, caller, label_id).await?;
    app.policy.check_create(&TYPE, caller, &Target::owned_by(&label.project_id), body)?;
    let new = MeteringLabelRule {
        id: MeteringLabelRuleId::random(),
        label_id: label.id,
        direction: body.text("direction").unwrap_or_default().to_owned(),
        excluded: body.flag("excluded").unwrap_or_default(),
        remote: body.parsed("remote_ip_prefix"),
        source: body.parsed("source_ip_prefix"),
        destination: body.parsed("destination_ip_prefix"),
    };
    rules::check_prefixes(&new)?;
    rules::check_overlap(&new, &store::of_label(tx, label.id).await?)?;
    store::insert(tx, &new).await?;
    metering_label::store::tell_routers(tx, &label).await?;
    Ok(shown(app, caller, &[], &new, &label.project_id))
}

/// `DELETE /v2.0/metering/metering-label-rules/{id}`
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
                let (found, project) = visible(tx, &app, &context.caller, &id).await?;
                let target = Target::owned_by(&project);
                app.policy.check("delete_metering_label_rule", &context.caller, &target)?;
                store::delete(tx, found.id).await?;
                if let Some(label) = metering_label::store::get(tx, found.label_id).await? {
                    metering_label::store::tell_routers(tx, &label).await?;
                }
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
) -> Result<(MeteringLabelRule, String), Fault> {
    let found = match id.parse() {
        Ok(id) => store::get(session, id).await?,
        Err(_) => None,
    };
    found.filter(|(_, project)| sees(app, caller, project)).ok_or_else(|| rules::not_found(id))
}

fn sees(app: &App, caller: &Caller, project: &str) -> bool {
    app.policy.allows("get_metering_label_rule", caller, &Target::owned_by(project))
}

fn shown(app: &App, caller: &Caller, fields: &[String], rule: &MeteringLabelRule, project: &str) -> Value {
    view::project(&TYPE, &app.policy, caller, &Target::owned_by(project), fields, rule.object())
}
