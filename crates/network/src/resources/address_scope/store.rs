//! SQL for address scopes. Whether a scope is shared is told by entries alone.

use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Caller, Fault};
use isospin_store_kit::query::Select;
use isospin_store_kit::{ChangeKind, Row, Session, StoreError, Tx, Value, values};
use isospin_types::AddressScopeId;

use super::model::AddressScope;
use super::rules::not_found;
use super::{SHAREABLE, TABLE};
use crate::page;
use crate::resources::rbac_policy::{self, Access, Action, access};

/// The select list as a literal, so that whole statements stay constant.
macro_rules! columns {
    () => {
        "address_scopes.id, address_scopes.project_id, address_scopes.name, address_scopes.ip_version"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM address_scopes WHERE address_scopes.id = $1");

fn from_row(row: Row) -> Result<AddressScope, StoreError> {
    let mut columns = row.columns();
    Ok(AddressScope {
        id: columns.parse()?,
        project_id: columns.text()?,
        name: columns.text()?,
        ip_version: columns.number()?,
        shared: false,
    })
}

/// The scope of this id as the caller's project finds it, in one round trip.
///
/// # Errors
/// The store's.
pub async fn get(
    session: &mut Session,
    id: AddressScopeId,
    caller: &Caller,
) -> Result<Option<AddressScope>, StoreError> {
    let queries = vec![(GET, values![id]), (access::OF, values![id, caller.project_id.as_str()])];
    let mut answers = session.rows_many(queries).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default().into_iter();
    let (scope, entries) = (next().next(), next());
    let Some(scope) = scope else { return Ok(None) };
    Ok(Some(AddressScope { shared: Access::from_rows(entries)?.shared, ..from_row(scope)? }))
}

/// One page of the scopes the caller may know of; `sees_all` skips the filter.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    list: &ListQuery,
    caller: &Caller,
    sees_all: bool,
) -> Result<Vec<AddressScope>, Fault> {
    let mut select = Select::new(columns!(), TABLE.name);
    if !sees_all {
        rbac_policy::only_visible(&mut select, &SHAREABLE, &caller.project_id);
    }
    for (attribute, wanted) in &list.own {
        if *attribute == "ip_version" {
            let versions = wanted.iter().filter_map(|text| text.trim().parse::<i64>().ok());
            select.one_of("address_scopes.ip_version", versions.map(Value::Int).collect());
        } else {
            rbac_policy::filter_shared(&mut select, &SHAREABLE, &caller.project_id, wanted)?;
        }
    }
    let rows = page::rows(session, list, &TABLE, select, |marker| not_found(marker)).await?;
    let mut found = rows.into_iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<Value> = found.iter().map(|scope| Value::from(scope.id)).collect();
    let shared = rbac_policy::shared_among(session, &caller.project_id, ids).await?;
    for scope in &mut found {
        scope.shared = shared.contains(&scope.id.to_string());
    }
    Ok(found)
}

/// Stores a new scope.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, scope: &AddressScope) -> Result<(), Fault> {
    tx.execute_later(
        "INSERT INTO address_scopes (id, project_id, name, ip_version) VALUES ($1, $2, $3, $4)",
        values![scope.id, &scope.project_id, &scope.name, i64::from(scope.ip_version)],
    )
    .await?;
    tx.record("address_scope", ChangeKind::Set, scope.id);
    if scope.shared {
        rbac_policy::open_to_all(tx, &SHAREABLE, Action::Shared, scope.id.uuid(), &scope.project_id).await?;
    }
    Ok(())
}

/// Stores what an update may change.
///
/// # Errors
/// The store's.
pub async fn update(tx: &mut Tx, before: &AddressScope, scope: &AddressScope) -> Result<(), Fault> {
    tx.execute_later("UPDATE address_scopes SET name = $1 WHERE id = $2", values![&scope.name, scope.id])
        .await?;
    tx.record("address_scope", ChangeKind::Set, scope.id);
    if scope.shared && !before.shared {
        rbac_policy::open_to_all(tx, &SHAREABLE, Action::Shared, scope.id.uuid(), &scope.project_id).await?;
    }
    Ok(())
}

/// Removes a scope no pool is in, and the entries that open it.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, scope: &AddressScope) -> Result<(), Fault> {
    rbac_policy::forget(tx, scope.id.uuid()).await?;
    tx.execute_later("DELETE FROM address_scopes WHERE id = $1", values![scope.id]).await?;
    tx.record("address_scope", ChangeKind::Deleted, scope.id);
    Ok(())
}
