//! The address scopes of networks, through the pools of their subnets.

use std::collections::HashMap;

use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Value};
use isospin_types::NetworkId;

use super::super::model::AddressScopes;
use crate::resources::subnet_pool::scope_of_subnet;

macro_rules! columns {
    () => {
        concat!("DISTINCT network_id, ip_version, ", scope_of_subnet!())
    };
}

/// The scopes of one network, for batches; see [`collect`].
pub(super) const SCOPES: &str = concat!("SELECT ", columns!(), " FROM subnets WHERE network_id = $1");

/// The scopes of several networks; networks without any are absent.
///
/// # Errors
/// The store's.
pub(super) async fn of_many(
    session: &mut Session,
    ids: Vec<Value>,
) -> Result<HashMap<NetworkId, AddressScopes>, StoreError> {
    let mut select = Select::new(columns!(), "subnets");
    select.one_of("network_id", ids);
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
        if let Some(scope) = columns.opt_parse()? {
            found.entry(network_id).or_default().set(ip_version, scope);
        }
    }
    Ok(found)
}
