//! Requests about default rules.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault};
use isospin_store_kit::{Session, Tx};
use isospin_types::{AddressGroupId, DefaultSecurityGroupRuleId, SecurityGroupId};

use super::model::DefaultRule;
use super::{TYPE, rules, store, view};
use crate::resources::{address_group, security_group};
use crate::{App, page};

const GET: &str = "get_default_security_group_rule";

/// `GET /v2.0/default-security-group-rules`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let (found, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let found = store::list(session, &query).await?;
                Ok::<_, Fault>((found, query))
            })
        })
        .await?;
    let ids: Vec<String> = found.iter().map(|rule| rule.id.to_string()).collect();
    let items = found
        .iter()
        .filter(|_| app.policy.allows(GET, &context.caller, &Target::new()))
        .map(|rule| view::show(&app.policy, &context.caller, rule, &query.fields))
        .collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/default-security-group-rules/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let rule = find(&mut session, &id).await?;
    drop(session);
    if !app.policy.allows(GET, &context.caller, &Target::new()) {
        return Err(rules::not_found(id));
    }
    Ok(keyed(StatusCode::OK, TYPE.name, view::show(&app.policy, &context.caller, &rule, &query.fields)))
}

/// `POST /v2.0/default-security-group-rules`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let mut wanted = Vec::with_capacity(bodies.len());
    for body in &bodies {
        app.policy.check_create(&TYPE, &context.caller, &Target::new(), body)?;
        wanted.push(rules::create(body)?);
    }
    let mut seen = BTreeSet::new();
    for rule in &wanted {
        for kind in [rule.in_default.then_some("default"), rule.in_others.then_some("others")] {
            if kind.is_some_and(|kind| !seen.insert((rule.identity(), kind))) {
                return Err(rules::duplicate());
            }
        }
    }
    let caller = context.caller.clone();
    let created = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                create_all(tx, &caller, &wanted).await?;
                Ok::<_, Fault>(wanted)
            })
        })
        .await?;
    let shown = created.iter().map(|rule| view::show(&app.policy, &context.caller, rule, &[])).collect();
    Ok(page::created(&TYPE, bulk, shown))
}

async fn create_all(tx: &mut Tx, caller: &Caller, wanted: &[DefaultRule]) -> Result<(), Fault> {
    let groups: BTreeSet<SecurityGroupId> =
        wanted.iter().filter_map(|rule| rule.matching.remote.group()).collect();
    security_group::store::check_usable(tx, caller, &caller.project_id, &groups).await?;
    let addresses: BTreeSet<AddressGroupId> =
        wanted.iter().filter_map(|rule| rule.matching.remote.addresses()).collect();
    address_group::store::check_usable(tx, caller, &caller.project_id, &addresses).await?;
    match store::insert(tx, wanted).await? {
        None => Ok(()),
        Some(rule) => {
            let same = store::equal_to(tx, rule).await?;
            Err(rules::exists(same.map_or_else(String::new, |id| id.to_string())))
        }
    }
}

/// `DELETE /v2.0/default-security-group-rules/{id}`
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    page::no_body(&body)?;
    let (store, request_id) = (app.store.clone(), context.request_id.clone());
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let rule = find(tx, &id).await?;
                let action = "delete_default_security_group_rule";
                app.policy.check_or_hide(action, &TYPE, &context.caller, &Target::new(), || {
                    rules::not_found(&id)
                })?;
                store::delete(tx, rule.id).await?;
                Ok::<_, Fault>(())
            })
        })
        .await?;
    Ok(no_content())
}

async fn find(session: &mut Session, id: &str) -> Result<DefaultRule, Fault> {
    let found = match id.parse::<DefaultSecurityGroupRuleId>() {
        Ok(id) => store::get(session, id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| rules::not_found(id))
}
