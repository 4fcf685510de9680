//! SQL for address groups.

use std::collections::{BTreeSet, HashMap};

use ipnet::IpNet;
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Caller, Fault, now_seconds};
use isospin_store_kit::query::Select;
use isospin_store_kit::{ChangeKind, Row, Session, StoreError, Tx, Value, values};
use isospin_types::{AddressGroupId, SecurityGroupRuleId};

use super::model::AddressGroup;
use super::rules::not_found;
use super::{SHAREABLE, TABLE};
use crate::page;
use crate::resources::rbac_policy::{self, Access, access};

macro_rules! columns {
    () => {
        "address_groups.id, address_groups.project_id, address_groups.name, address_groups.description, \
         address_groups.created_at, address_groups.updated_at, address_groups.revision_number"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM address_groups WHERE address_groups.id = $1");
const ADDRESSES: &str = "SELECT address FROM address_group_addresses WHERE address_group_id = $1";
const INSERT_ADDRESS: &str =
    "INSERT INTO address_group_addresses (address_group_id, address) VALUES ($1, $2)";
const DELETE_ADDRESS: &str =
    "DELETE FROM address_group_addresses WHERE address_group_id = $1 AND address = $2";

/// Without its addresses.
fn from_row(row: Row) -> Result<AddressGroup, StoreError> {
    let mut columns = row.columns();
    Ok(AddressGroup {
        id: columns.parse()?,
        project_id: columns.text()?,
        name: columns.text()?,
        description: columns.text()?,
        addresses: BTreeSet::new(),
        created_at: columns.text()?,
        updated_at: columns.text()?,
        revision_number: columns.int()?,
    })
}

/// The group of this id, and whether it is shared with the project, in one round trip.
///
/// # Errors
/// The store's.
pub async fn get_for(
    session: &mut Session,
    id: AddressGroupId,
    project_id: &str,
) -> Result<Option<(AddressGroup, bool)>, StoreError> {
    let queries = vec![(GET, values![id]), (ADDRESSES, values![id]), (access::OF, values![id, project_id])];
    let mut answers = session.rows_many(queries).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default().into_iter();
    let (group, addresses, entries) = (next().next(), next(), next());
    let Some(group) = group else { return Ok(None) };
    let mut group = from_row(group)?;
    group.addresses = addresses.map(|row| row.columns().parse()).collect::<Result<_, _>>()?;
    Ok(Some((group, Access::from_rows(entries)?.shared)))
}

/// One page of the groups the caller may see, each with whether it is shared with it.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    list: &ListQuery,
    caller: &Caller,
    sees_all: bool,
) -> Result<Vec<(AddressGroup, bool)>, Fault> {
    let mut select = Select::new(columns!(), TABLE.name);
    if !sees_all {
        rbac_policy::only_visible(&mut select, &SHAREABLE, &caller.project_id);
    }
    let rows = page::rows(session, list, &TABLE, select, |marker| not_found(marker)).await?;
    let groups = rows.into_iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<Value> = groups.iter().map(|group| Value::from(group.id)).collect();
    let mut addresses = addresses_of(session, &ids).await?;
    let shared = rbac_policy::shared_among(session, &caller.project_id, ids).await?;
    Ok(groups
        .into_iter()
        .map(|mut group| {
            group.addresses = addresses.remove(&group.id).unwrap_or_default();
            let shared = shared.contains(&group.id.to_string());
            (group, shared)
        })
        .collect())
}

async fn addresses_of(
    session: &mut Session,
    ids: &[Value],
) -> Result<HashMap<AddressGroupId, BTreeSet<IpNet>>, StoreError> {
    let mut addresses: HashMap<AddressGroupId, BTreeSet<IpNet>> = HashMap::new();
    for batch in ids.chunks(page::BATCH) {
        let mut select = Select::new("address_group_id, address", "address_group_addresses");
        select.one_of("address_group_id", batch.to_vec());
        let (sql, values) = select.build();
        for row in session.rows(&sql, values).await? {
            let mut columns = row.columns();
            addresses.entry(columns.parse()?).or_default().insert(columns.parse()?);
        }
    }
    Ok(addresses)
}

/// Stores a new group with its addresses.
///
/// # Errors
/// The store's.
pub async fn create(tx: &mut Tx, group: &AddressGroup) -> Result<(), StoreError> {
    let insert = (
        "INSERT INTO address_groups (id, project_id, name, description, created_at, updated_at, \
         revision_number) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        values![
            group.id,
            &group.project_id,
            &group.name,
            &group.description,
            &group.created_at,
            &group.updated_at,
            group.revision_number,
        ],
    );
    let addresses = group.addresses.iter().map(|net| (INSERT_ADDRESS, values![group.id, net.to_string()]));
    tx.execute_many_later([insert].into_iter().chain(addresses).collect()).await?;
    tx.record("address_group", ChangeKind::Set, group.id);
    Ok(())
}

/// Stores what changed of a group, and counts the change.
///
/// # Errors
/// The store's.
pub async fn save(tx: &mut Tx, before: &AddressGroup, group: &mut AddressGroup) -> Result<(), StoreError> {
    if before == group {
        return Ok(());
    }
    group.revision_number = before.revision_number + 1;
    group.updated_at = now_seconds();
    let update = (
        "UPDATE address_groups SET name = $1, description = $2, updated_at = $3, revision_number = $4 \
         WHERE id = $5",
        values![&group.name, &group.description, &group.updated_at, group.revision_number, group.id],
    );
    let of = |sql, net: &IpNet| (sql, values![group.id, net.to_string()]);
    let gone = before.addresses.difference(&group.addresses).map(|net| of(DELETE_ADDRESS, net));
    let new = group.addresses.difference(&before.addresses).map(|net| of(INSERT_ADDRESS, net));
    tx.execute_many_later([update].into_iter().chain(gone).chain(new).collect()).await?;
    tx.record("address_group", ChangeKind::Set, group.id);
    Ok(())
}

/// The first of the rules that name the group, those of the template included.
///
/// # Errors
/// The store's.
pub async fn rules_naming(
    session: &mut Session,
    id: AddressGroupId,
) -> Result<Vec<SecurityGroupRuleId>, StoreError> {
    let sql = format!(
        "SELECT id FROM security_group_rules WHERE remote_address_group_id = $1 UNION ALL \
         SELECT id FROM default_security_group_rules WHERE remote_address_group_id = $1 \
         ORDER BY id LIMIT {}",
        Fault::NAMED
    );
    session.rows(&sql, values![id]).await?.into_iter().map(|row| row.columns().parse()).collect()
}

/// Removes a group no rule names.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: AddressGroupId) -> Result<(), Fault> {
    rbac_policy::forget(tx, id.uuid()).await?;
    tx.execute_later("DELETE FROM address_groups WHERE id = $1", values![id]).await?;
    tx.record("address_group", ChangeKind::Deleted, id);
    Ok(())
}

/// Refuses groups that are not there, or that neither belong to `project_id` nor are
/// shared with it while the caller is no administrator.
///
/// # Errors
/// 404 `AddressGroupNotFound` for the first such.
pub async fn check_usable(
    session: &mut Session,
    caller: &Caller,
    project_id: &str,
    ids: &BTreeSet<AddressGroupId>,
) -> Result<(), Fault> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut select = Select::new("id", TABLE.name);
    select.one_of("id", ids.iter().map(Value::from).collect());
    if !caller.is_admin() {
        rbac_policy::only_visible(&mut select, &SHAREABLE, project_id);
    }
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?.into_iter();
    let usable = rows.map(|row| row.columns().parse()).collect::<Result<BTreeSet<AddressGroupId>, _>>()?;
    match ids.iter().find(|id| !usable.contains(id)) {
        Some(unknown) => Err(not_found(unknown)),
        None => Ok(()),
    }
}
