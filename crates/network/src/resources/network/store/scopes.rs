//! The address scopes of networks, through the pools of their subnets.

use std::collections::HashMap;

use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Value};
use isospin_types::NetworkId;

use super::super::model::AddressScopes;

macro_rules! scoped {
    () => {
        "subnets JOIN subnet_pools ON subnet_pools.id = subnets.subnetpool_id \
         AND subnet_pools.address_scope_id IS NOT NULL"
    };
}
macro_rules! columns {
    () => {
        "DISTINCT subnets.network_id, subnet_pools.ip_version, subnet_pools.address_scope_id"
    };
}

/// The scopes of one network, for batches; see [`collect`].
pub(super) const SCOPES: &str =
    concat!("SELECT ", columns!(), " FROM ", scoped!(), " WHERE subnets.network_id = $1");

/// The scopes of several networks; networks without any are absent.
///
/// # Errors
/// The store's.
pub(super) async fn of_many(
    session: &mut Session,
    ids: Vec<Value>,
) -> Result<HashMap<NetworkId, AddressScopes>, StoreError> {
    let mut select = Select::new(columns!(), scoped!());
    select.one_of("subnets.network_id", ids);
    let (sql, values) = select.build();
    collect(session.rows(&sql, values).await?)
}

/// The scopes by network, from such rows.
pub(super) fn collect(
    rows: impl IntoIterator<Item = Row>,
) -> Result<HashMap<NetworkId, AddressScopes>, StoreError> {
    let mut found: HashMap<NetworkId, AddressScopes> = HashMap::new();
    for row in rows {
        let mut columns = row.columns();
        let (network_id, ip_version) = (columns.parse()?, columns.number()?);
        found.entry(network_id).or_default().set(ip_version, columns.parse()?);
    }
    Ok(found)
}
