//! The resources of the Identity API, one file each. Adding one touches its file and
//! the lists here.

pub mod application_credential;
pub mod catalog;
pub mod credential;
pub mod domain;
mod endpoint;
mod endpoint_filter;
mod grant;
mod group;
pub mod held;
mod implied_role;
pub mod limit;
mod policy_store;
pub mod project;
pub mod record;
mod region;
mod revocation;
mod role;
mod role_assignment;
mod service;
mod tag;
mod tree;
pub mod trust;
pub mod user;

use isospin_api_kit::policy::{Rule, Target};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::Input;
use crate::policy;
use crate::request::Context;
use crate::routes::Routes;
use crate::tokens;

/// All declared rules.
pub fn policy_rules() -> impl Iterator<Item = &'static Rule> {
    [
        policy::RULES,
        tokens::handlers::RULES,
        domain::RULES,
        project::RULES,
        tag::RULES,
        user::RULES,
        group::RULES,
        role::RULES,
        implied_role::RULES,
        grant::RULES,
        role_assignment::RULES,
        service::RULES,
        endpoint::RULES,
        region::RULES,
        application_credential::RULES,
        trust::RULES,
        credential::RULES,
        limit::RULES,
        policy_store::RULES,
        endpoint_filter::RULES,
        revocation::RULES,
    ]
    .into_iter()
    .flatten()
}

/// All routes.
pub fn routes() -> Routes {
    [
        tokens::handlers::routes,
        domain::routes,
        project::routes,
        tag::routes,
        user::routes,
        group::routes,
        role::routes,
        implied_role::routes,
        grant::routes,
        role_assignment::routes,
        service::routes,
        endpoint::routes,
        region::routes,
        application_credential::routes,
        trust::routes,
        credential::routes,
        limit::routes,
        policy_store::routes,
        endpoint_filter::routes,
        revocation::routes,
    ]
    .into_iter()
    .fold(Routes::new(), |all, routes| all.merge(routes()))
}

/// A new id: 32 hexadecimal digits.
pub fn new_id() -> String {
    Uuid::new_v4().simple().to_string()
}

/// The text a JSON object is stored as.
pub fn json_text(object: &Map<String, Value>) -> String {
    Value::Object(object.clone()).to_string()
}

/// Adds what clients stored and the link to itself. What is stored never hides an
/// attribute.
fn finish(view: &mut Value, extra: &Map<String, Value>, link: String) {
    let Value::Object(view) = view else { return };
    for (name, value) in extra {
        view.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let mut links = Map::new();
    links.insert("self".to_owned(), Value::String(link));
    view.insert("links".to_owned(), Value::Object(links));
}

/// The domain of what is created without naming one.
fn default_domain(context: &Context) -> String {
    let own = &context.caller().domain_id;
    if own.is_empty() { domain::DEFAULT.to_owned() } else { own.clone() }
}

/// Checks a rule over lists of a domain's objects. `Some(id)`: the caller sees only
/// those of this domain.
fn readable_domain(app: &IdentityApp, context: &Context, action: &str) -> Result<Option<String>, Fault> {
    let own = &context.caller().domain_id;
    let target = Target::new().with("target.domain_id", own).with("target.domain.id", own);
    context.enforce(app, action, &target)?;
    let all = app.policy.allows("reads_all", context.caller(), &Target::new());
    Ok((!all && !own.is_empty()).then(|| own.clone()))
}

/// What was found, else 404 for those who may see everything and 403 for others, who
/// are not to learn which ids exist.
fn found_or_hidden<T>(
    app: &IdentityApp,
    context: &Context,
    found: Option<T>,
    kind: &str,
    id: &str,
) -> Result<T, Fault> {
    found.ok_or_else(|| {
        if app.policy.allows("reads_all", context.caller(), &Target::new()) {
            Fault::not_found(kind, id)
        } else {
            Fault::forbidden(&format!("identity:get_{kind}"))
        }
    })
}

/// Refuses to change or delete what has the option `immutable`, unless the change
/// takes that option away.
fn check_mutable(
    kind: &str,
    id: &str,
    options: &Map<String, Value>,
    change: Option<&Input>,
) -> Result<(), Fault> {
    let immutable = |options: &Map<String, Value>| options.get("immutable") == Some(&Value::Bool(true));
    let lifted = change.is_some_and(|change| !immutable(&change.merged_options(options)));
    if !immutable(options) || lifted {
        return Ok(());
    }
    let verb = if change.is_some() { "update" } else { "delete" };
    Err(Fault::refused(format!(
        "Unable to {verb} immutable {kind} resource: `{id}. Set resource option \"immutable\" to false first."
    )))
}

/// Microseconds since 1970 as `2026-11-20T09:04:00.123456`, with `end` behind it.
pub fn microsecond_time(microseconds: i64, end: &str) -> String {
    jiff::Timestamp::from_microsecond(microseconds)
        .map(|time| format!("{}{end}", time.strftime("%Y-%m-%dT%H:%M:%S%.6f")))
        .unwrap_or_default()
}
