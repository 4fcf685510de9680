//! Requests about security group rules.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, answer, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Bodies, Body, Caller, Fault, FaultType, now_seconds};
use isospin_store_kit::{Session, Tx};
use isospin_types::{AddressGroupId, SecurityGroupId, SecurityGroupRuleId};
use serde_json::{Map, Value};

use super::model::{Matching, SecurityGroupRule};
use super::policy::{target, target_in};
use super::rules::{duplicate, exists, matching, not_found};
use super::store::Found;
use super::{TYPE, store, view};
use crate::resources::rbac_policy::Access;
use crate::resources::{address_group, security_group};
use crate::{App, owner, quota};

/// `GET /v2.0/security-group-rules`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let (store, url) = (app.store.clone(), context.url());
    let (items, links) = store
        .read_apart(move |session| {
            Box::pin(async move {
                let caller = &context.caller;
                let nobodys = Target::owned_by("").with("security_group:project_id", "");
                let sees_all = app.policy.allows("get_security_group_rule", caller, &nobodys);
                let rules = store::list(session, &query, caller, sees_all).await?;
                let ids: Vec<String> = rules.iter().map(|found| found.rule.id.to_string()).collect();
                let items: Vec<Value> = rules
                    .iter()
                    .filter(|found| app.policy.allows("get_security_group_rule", caller, &target(found)))
                    .map(|found| view::show(&app.policy, caller, found, &query.fields))
                    .collect();
                Ok::<_, Fault>((items, query.links(&url, &ids)))
            })
        })
        .await?;
    let mut body = Map::with_capacity(2);
    body.insert(TYPE.collection.to_owned(), Value::Array(items));
    if let Some(links) = links {
        body.insert(format!("{}_links", TYPE.collection), links);
    }
    Ok(answer(StatusCode::OK, &body))
}

/// `GET /v2.0/security-group-rules/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let found = find(&mut session, &id).await?;
    drop(session);
    if !app.policy.allows("get_security_group_rule", &context.caller, &target(&found)) {
        return Err(not_found(id));
    }
    let shown = view::show(&app.policy, &context.caller, &found, &query.fields);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// What a POST asks for: rules of one project in one group.
struct Wanted {
    security_group_id: SecurityGroupId,
    project_id: String,
    bodies: Vec<Body>,
    matchings: Vec<Matching>,
}

/// `POST /v2.0/security-group-rules`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = match Body::create(&TYPE, &body)? {
        Bodies::One(body) => (vec![body], false),
        Bodies::Many(bodies) => (bodies, true),
    };
    let wanted = wanted(&context.caller, bodies)?;
    let (unit_app, caller) = (app.clone(), context.caller.clone());
    let made = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move { create_all(tx, &unit_app, &caller, &wanted).await })
        })
        .await?;
    let mut shown: Vec<Value> =
        made.iter().map(|found| view::show(&app.policy, &context.caller, found, &[])).collect();
    Ok(match shown.pop() {
        Some(only) if !bulk => keyed(StatusCode::CREATED, TYPE.name, only),
        last => {
            shown.extend(last);
            keyed(StatusCode::CREATED, TYPE.collection, Value::Array(shown))
        }
    })
}

fn wanted(caller: &Caller, bodies: Vec<Body>) -> Result<Wanted, Fault> {
    let groups: BTreeSet<SecurityGroupId> =
        bodies.iter().filter_map(|body| body.parsed("security_group_id")).collect();
    let projects =
        bodies.iter().map(|body| owner::project(body, caller)).collect::<Result<BTreeSet<_>, _>>()?;
    let one_group = || {
        Fault::new(
            FaultType::SecurityGroupNotSingleGroupRules,
            "Only allowed to update rules for one security profile at a time",
        )
    };
    let one_project = || {
        Fault::new(
            FaultType::SecurityGroupRulesNotSingleProject,
            "Multiple tenant_ids in bulk security group rule create not allowed",
        )
    };
    let mut groups = groups.into_iter();
    let security_group_id = match (groups.next(), groups.next()) {
        (Some(only), None) => only,
        _ => return Err(one_group()),
    };
    let mut projects = projects.into_iter();
    let (Some(project_id), None) = (projects.next(), projects.next()) else { return Err(one_project()) };
    for remote in bodies.iter().filter_map(|body| body.text("remote_group_id")) {
        remote.parse::<SecurityGroupId>().map_err(|_| security_group::rules::not_found(remote))?;
    }
    let matchings = bodies.iter().map(matching).collect::<Result<Vec<_>, _>>()?;
    let mut seen = BTreeSet::new();
    if !matchings.iter().all(|matching| seen.insert(matching.identity())) {
        return Err(duplicate());
    }
    Ok(Wanted { security_group_id, project_id, bodies, matchings })
}

async fn create_all(tx: &mut Tx, app: &App, caller: &Caller, wanted: &Wanted) -> Result<Vec<Found>, Fault> {
    let shared = Access::of(tx, &caller.project_id, wanted.security_group_id).await?.shared;
    let group = security_group::store::get(tx, wanted.security_group_id)
        .await?
        .filter(|group| {
            let target = security_group::policy::target(group, shared);
            app.policy.allows("get_security_group", caller, &target)
        })
        .ok_or_else(|| security_group::rules::not_found(wanted.security_group_id))?;
    let target = target_in(&group, &wanted.project_id);
    for body in &wanted.bodies {
        app.policy.check_create(&TYPE, caller, &target, body)?;
    }
    let remote_groups: BTreeSet<SecurityGroupId> =
        wanted.matchings.iter().filter_map(|matching| matching.remote.group()).collect();
    security_group::store::check_usable(tx, caller, &group.project_id, &remote_groups).await?;
    let addresses: BTreeSet<AddressGroupId> =
        wanted.matchings.iter().filter_map(|matching| matching.remote.addresses()).collect();
    address_group::store::check_usable(tx, caller, &group.project_id, &addresses).await?;
    let count = i64::try_from(wanted.matchings.len()).unwrap_or(i64::MAX);
    quota::take(tx, &app.settings, &wanted.project_id, "security_group_rule", count).await?;
    let now = now_seconds();
    let rule = |(body, matching): (&Body, &Matching)| SecurityGroupRule {
        id: SecurityGroupRuleId::random(),
        project_id: wanted.project_id.clone(),
        security_group_id: group.id,
        description: body.text("description").unwrap_or_default().to_owned(),
        matching: *matching,
        created_at: now.clone(),
        updated_at: now.clone(),
        revision_number: 0,
    };
    let rules: Vec<SecurityGroupRule> = wanted.bodies.iter().zip(&wanted.matchings).map(rule).collect();
    if let Some(same) = store::insert(tx, &rules).await? {
        let identity = wanted.matchings.get(same).map(Matching::identity).unwrap_or_default();
        let there = store::with_identity(tx, group.id, &identity).await?;
        return Err(exists(there.map_or_else(String::new, |id| id.to_string())));
    }
    security_group::store::touch(tx, group.id, &now).await?;
    let found =
        |rule| Found { rule, group_project_id: group.project_id.clone(), in_default_group: group.is_default };
    Ok(rules.into_iter().map(found).collect())
}

/// `DELETE /v2.0/security-group-rules/{id}`
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    if !body.is_empty() {
        return Err(Fault::bad_request("Request body is not supported in DELETE"));
    }
    let (store, request_id) = (app.store.clone(), context.request_id.clone());
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let found = find(tx, &id).await?;
                app.policy.check_or_hide(
                    "delete_security_group_rule",
                    &TYPE,
                    &context.caller,
                    &target(&found),
                    || not_found(&id),
                )?;
                context.check_revision(found.rule.revision_number)?;
                security_group::store::touch(tx, found.rule.security_group_id, &now_seconds()).await?;
                store::forget(tx, &[found.rule]).await?;
                Ok::<_, Fault>(())
            })
        })
        .await?;
    Ok(no_content())
}

async fn find(session: &mut Session, id: &str) -> Result<Found, Fault> {
    let found = match id.parse::<SecurityGroupRuleId>() {
        Ok(rule_id) => store::find(session, rule_id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| not_found(id))
}
