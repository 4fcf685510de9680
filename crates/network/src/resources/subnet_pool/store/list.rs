//! Lists of subnet pools, with four queries for any page.

use std::collections::HashMap;

use ipnet::IpNet;
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Caller, Fault};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Session, Value};
use isospin_types::SubnetPoolId;

use super::super::model::SubnetPoolDetails;
use super::super::rules::not_found;
use super::super::{SHAREABLE, TABLE, prefixes};
use super::{COLUMNS, from_row};
use crate::page;
use crate::resources::{rbac_policy, tag};

/// One page of the pools the caller may know of; `sees_all` skips the filter.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    list: &ListQuery,
    caller: &Caller,
    sees_all: bool,
) -> Result<Vec<SubnetPoolDetails>, Fault> {
    let mut select = Select::new(COLUMNS, TABLE.name);
    if !sees_all {
        rbac_policy::only_visible(&mut select, &SHAREABLE, &caller.project_id);
    }
    // Shared is the only filter of pools that is no column.
    for (_, wanted) in &list.own {
        rbac_policy::filter_shared(&mut select, &SHAREABLE, &caller.project_id, wanted)?;
    }
    let rows = page::rows(session, list, &TABLE, select, |marker| not_found(marker)).await?;
    let mut found = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let batch = rows.by_ref().take(page::BATCH).map(from_row).collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<Value> = batch.iter().map(|pool| Value::from(pool.id)).collect();
        let mut nets: HashMap<SubnetPoolId, Vec<IpNet>> = HashMap::new();
        for (id, net) in prefixes::of_pools(session, batch.iter().map(|pool| pool.id)).await? {
            nets.entry(id).or_default().push(net);
        }
        let mut tags = tag::store::of_many(session, ids.clone()).await?;
        let shared = rbac_policy::shared_among(session, &caller.project_id, ids).await?;
        found.extend(batch.into_iter().map(|pool| SubnetPoolDetails {
            prefixes: nets.remove(&pool.id).unwrap_or_default(),
            tags: tags.remove(&pool.id.to_string()).unwrap_or_default(),
            shared: shared.contains(&pool.id.to_string()),
            pool,
        }));
    }
    Ok(found)
}
