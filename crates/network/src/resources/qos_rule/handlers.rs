//! Requests about rules, within their policy and under their alias.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::attribute::ResourceType;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Bodies, Body, Fault, FaultType};
use isospin_store_kit::{Session, Tx};
use isospin_types::QosRuleId;
use serde_json::Value;

use super::kind::Kind;
use super::model::QosRule;
use super::rules::{self, not_found};
use super::{store, view};
use crate::resources::qos_policy;
use crate::resources::qos_policy::model::QosPolicy;
use crate::{App, page};

type Ids = Path<(String, String)>;

/// `GET /v2.0/qos/policies/{policy_id}/<kind>_rules`
pub async fn list(
    kind: Kind,
    State(app): State<App>,
    Path(policy_id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let resource = kind.resource();
    let query = ListQuery::parse(resource, &context.query, app.settings.pagination_max_limit)?;
    let mut session = app.store.reader().await?;
    let parent = qos_policy::handlers::seen(&mut session, &app, &context.caller, &policy_id).await?;
    let action = format!("get_policy_{}", resource.name);
    // Who sees the policy because it is shared reads its rules in the policy.
    let found = if app.policy.allows(&action, &context.caller, &target(&parent)) {
        store::list(&mut session, &query, kind, parent.id).await?
    } else {
        Vec::new()
    };
    drop(session);
    let ids: Vec<String> = found.iter().map(|rule| rule.id.to_string()).collect();
    let items: Vec<Value> = found
        .iter()
        .map(|rule| view::show(resource, &app.policy, &context.caller, &query.fields, rule))
        .collect();
    Ok(page::answer(resource, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/qos/policies/{policy_id}/<kind>_rules/{id}`
pub async fn show(
    kind: Kind,
    State(app): State<App>,
    Path((policy_id, id)): Ids,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(kind.resource(), &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let place = Place { kind, policy_id: Some(policy_id), id };
    let (_, rule) = find(&mut session, &app, &context, &place, "get").await?;
    Ok(answer(&app, &context, kind.resource(), &query.fields, &rule))
}

/// `GET /v2.0/qos/alias-<kind>-rules/{id}`
pub async fn show_alias(
    kind: Kind,
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(kind.alias(), &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let place = Place { kind, policy_id: None, id };
    let (_, rule) = find(&mut session, &app, &context, &place, "get").await?;
    Ok(answer(&app, &context, kind.alias(), &query.fields, &rule))
}

/// `POST /v2.0/qos/policies/{policy_id}/<kind>_rules`
pub async fn create(
    kind: Kind,
    State(app): State<App>,
    Path(policy_id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let resource = kind.resource();
    let Bodies::One(body) = Body::create(resource, &body)? else {
        return Err(Fault::bad_request("Bulk operation not supported"));
    };
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let made = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let (app, caller) = (unit_app, &unit_context.caller);
                let parent = qos_policy::handlers::seen(tx, &app, caller, &policy_id).await?;
                let action = format!("create_policy_{}", resource.name);
                app.policy.check(&action, caller, &target(&parent))?;
                unit_context.check_revision(parent.revision_number)?;
                let rule = rules::create(kind, parent.id, &body);
                rules::check_conflicts(&store::of_policy(tx, parent.id).await?, &rule)?;
                store::insert(tx, &rule).await?;
                qos_policy::store::rules_changed(tx, parent.id, kind).await?;
                Ok::<_, Fault>(rule)
            })
        })
        .await?;
    let shown = view::show(resource, &app.policy, &context.caller, &[], &made);
    Ok(keyed(StatusCode::CREATED, resource.name, shown))
}

/// `PUT /v2.0/qos/policies/{policy_id}/<kind>_rules/{id}`
pub async fn update(
    kind: Kind,
    State(app): State<App>,
    Path((policy_id, id)): Ids,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    change(app, context, Place { kind, policy_id: Some(policy_id), id }, &body).await
}

/// `PUT /v2.0/qos/alias-<kind>-rules/{id}`
pub async fn update_alias(
    kind: Kind,
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    change(app, context, Place { kind, policy_id: None, id }, &body).await
}

/// `DELETE /v2.0/qos/policies/{policy_id}/<kind>_rules/{id}`
pub async fn delete(
    kind: Kind,
    State(app): State<App>,
    Path((policy_id, id)): Ids,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    remove(app, context, Place { kind, policy_id: Some(policy_id), id }, &body).await
}

/// `DELETE /v2.0/qos/alias-<kind>-rules/{id}`
pub async fn delete_alias(
    kind: Kind,
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    remove(app, context, Place { kind, policy_id: None, id }, &body).await
}

/// Where a request says a rule is.
struct Place {
    kind: Kind,
    /// `None` under the alias.
    policy_id: Option<String>,
    id: String,
}

impl Place {
    const fn resource(&self) -> &'static ResourceType {
        match self.policy_id {
            Some(_) => self.kind.resource(),
            None => self.kind.alias(),
        }
    }

    /// The action of a verb here: `get_policy_<kind>_rule` or `get_alias_<kind>_rule`.
    fn action(&self, verb: &str) -> String {
        let within = if self.policy_id.is_some() { "policy_" } else { "" };
        format!("{verb}_{within}{}", self.resource().name)
    }

    fn not_found(&self) -> Fault {
        not_found(self.policy_id.as_deref().unwrap_or_default(), &self.id)
    }
}

async fn change(app: App, context: Context, place: Place, bytes: &[u8]) -> Result<Response, Fault> {
    let resource = place.resource();
    let body = Body::update(resource, bytes)?;
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let changed = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let (parent, current) = find(tx, &unit_app, &unit_context, &place, "update").await?;
                unit_context.check_revision(parent.revision_number)?;
                let rule = rules::update(&current, &body);
                if rule != current {
                    rules::check_conflicts(&store::of_policy(tx, parent.id).await?, &rule)?;
                    store::update(tx, &rule).await?;
                    qos_policy::store::rules_changed(tx, parent.id, place.kind).await?;
                }
                Ok::<_, Fault>(rule)
            })
        })
        .await?;
    Ok(answer(&app, &context, resource, &[], &changed))
}

async fn remove(app: App, context: Context, place: Place, body: &[u8]) -> Result<Response, Fault> {
    page::no_body(body)?;
    let (store, request_id) = (app.store.clone(), context.request_id.clone());
    store
        .write(&request_id, move |tx| Box::pin(async move { remove_one(tx, &app, &context, &place).await }))
        .await?;
    Ok(no_content())
}

async fn remove_one(tx: &mut Tx, app: &App, context: &Context, place: &Place) -> Result<(), Fault> {
    let (parent, rule) = find(tx, app, context, place, "delete").await?;
    context.check_revision(parent.revision_number)?;
    store::delete(tx, rule.id).await?;
    qos_policy::store::rules_changed(tx, parent.id, place.kind).await
}

/// The rule with its policy, if it is where the request says and the caller may do
/// `verb` to it: 403 when it may only be read, 404 when not even that.
async fn find(
    session: &mut Session,
    app: &App,
    context: &Context,
    place: &Place,
    verb: &str,
) -> Result<(QosPolicy, QosRule), Fault> {
    let caller = &context.caller;
    // A policy that is hidden hides what is in it.
    let named = match &place.policy_id {
        Some(id) => Some(qos_policy::handlers::seen(session, app, caller, id).await?),
        None => None,
    };
    let rule = match place.id.parse::<QosRuleId>() {
        Ok(id) => store::find(session, id).await?,
        Err(_) => None,
    };
    let rule = rule.filter(|rule| rule.kind == place.kind).ok_or_else(|| place.not_found())?;
    let parent = match named {
        Some(parent) => Some(parent).filter(|parent| parent.id == rule.policy_id),
        None => qos_policy::store::get(session, rule.policy_id, caller).await?,
    };
    let parent = parent.ok_or_else(|| place.not_found())?;
    let target = target(&parent);
    if app.policy.allows(&place.action(verb), caller, &target) {
        return Ok((parent, rule));
    }
    if app.policy.allows(&place.action("get"), caller, &target) {
        return Err(Fault::new(
            FaultType::PolicyNotAuthorized,
            format!("rule:{} is disallowed by policy", place.action(verb)),
        ));
    }
    Err(place.not_found())
}

/// What rules ask of the policy a rule is in.
fn target(parent: &QosPolicy) -> Target<'_> {
    Target::owned_by(&parent.project_id).with("ext_parent:project_id", &parent.project_id)
}

fn answer(
    app: &App,
    context: &Context,
    resource: &ResourceType,
    fields: &[String],
    rule: &QosRule,
) -> Response {
    let shown = view::show(resource, &app.policy, &context.caller, fields, rule);
    keyed(StatusCode::OK, resource.name, shown)
}
