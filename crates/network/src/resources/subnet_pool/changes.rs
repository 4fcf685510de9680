//! Changing a pool: by PUT, and by what the actions do to its prefixes.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use ipnet::IpNet;
use isospin_api_kit::http::{Context, keyed};
use isospin_api_kit::{Body, Caller, Fault, now_seconds};
use isospin_store_kit::Tx;
use isospin_types::AddressScopeId;

use super::handlers::find_for;
use super::model::{SubnetPool, SubnetPoolDetails};
use super::{TYPE, prefixes, rules, store, target, view};
use crate::App;
use crate::resources::address_scope;
use crate::resources::address_scope::model::AddressScope;

/// `PUT /v2.0/subnetpools/{id}`
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let changed = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let mut details = find_for(tx, &unit_app, &unit_context, "update_subnetpool", &id).await?;
                let caller = &unit_context.caller;
                unit_app.policy.check_update(&TYPE, caller, &target(&details.pool, details.shared), &body)?;
                let (pool, prefixes) = rules::update(&details, &body)?;
                apply(tx, &unit_app, caller, &mut details, Change { pool, prefixes, joining: Vec::new() })
                    .await?;
                Ok::<_, Fault>(details)
            })
        })
        .await?;
    let shown = view::subnet_pool(&app.policy, &context.caller, &changed, &[]);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// How a pool is to be.
pub(super) struct Change {
    pub pool: SubnetPool,
    pub prefixes: Vec<IpNet>,
    /// Of the prefixes those of subnets that join the pool.
    pub joining: Vec<IpNet>,
}

/// Stores a changed pool, unless its scope or the networks it serves stand against it.
pub(super) async fn apply(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    details: &mut SubnetPoolDetails,
    change: Change,
) -> Result<(), Fault> {
    let Change { mut pool, prefixes, joining } = change;
    let other_prefixes = prefixes != details.prefixes;
    if pool == details.pool && !other_prefixes && joining.is_empty() {
        return Ok(());
    }
    check_own_scope(tx, caller, &details.pool).await?;
    let other_scope = pool.address_scope_id != details.pool.address_scope_id;
    if let Some(scope_id) = pool.address_scope_id {
        if other_scope {
            check_scope(tx, app, caller, &pool, scope_id).await?;
        }
        if other_scope || other_prefixes {
            let others = store::prefixes_in_scope(tx, scope_id, pool.id).await?;
            rules::check_scope_prefixes(&prefixes, &others)?;
        }
    }
    if other_scope {
        let left_behind = store::others_beside(tx, &pool).await?;
        if !left_behind.is_empty() {
            return Err(rules::scope_split(&left_behind));
        }
    }
    if pool.is_default && !details.pool.is_default {
        check_default(tx, &pool).await?;
    }
    pool.updated_at = now_seconds();
    pool.revision_number += 1;
    store::update(tx, &pool).await?;
    if other_scope {
        store::note_subnets(tx, pool.id).await?;
    }
    if other_prefixes || !joining.is_empty() {
        prefixes::replace(tx, pool.id, &details.prefixes, &prefixes, &joining).await?;
    }
    details.pool = pool;
    details.prefixes = prefixes;
    Ok(())
}

/// Refuses changes to a pool in a scope of others, who rely on what is in it.
async fn check_own_scope(tx: &mut Tx, caller: &Caller, pool: &SubnetPool) -> Result<(), Fault> {
    let Some(scope_id) = pool.address_scope_id.filter(|_| !caller.is_admin()) else { return Ok(()) };
    match address_scope::store::get(tx, scope_id, caller).await? {
        Some(scope) if scope.project_id != caller.project_id => Err(rules::foreign_scope(pool.id, scope_id)),
        _ => Ok(()),
    }
}

/// Refuses a scope the caller does not see, or of the other family.
///
/// # Errors
/// 404, 400.
pub(super) async fn check_scope(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    pool: &SubnetPool,
    scope_id: AddressScopeId,
) -> Result<(), Fault> {
    let sees =
        |scope: &AddressScope| app.policy.allows("get_address_scope", caller, &address_scope::target(scope));
    let scope = address_scope::store::get(tx, scope_id, caller)
        .await?
        .filter(sees)
        .ok_or_else(|| address_scope::rules::not_found(scope_id))?;
    if scope.ip_version != pool.ip_version {
        return Err(rules::wrong_scope(pool.id, scope_id, scope.ip_version));
    }
    Ok(())
}

/// Refuses a second default pool of a family.
///
/// # Errors
/// 400.
pub(super) async fn check_default(tx: &mut Tx, pool: &SubnetPool) -> Result<(), Fault> {
    if !pool.is_default {
        return Ok(());
    }
    match store::default(tx, pool.ip_version).await?.filter(|other| other.id != pool.id) {
        Some(other) => Err(rules::default_exists(other.id)),
        None => Ok(()),
    }
}
