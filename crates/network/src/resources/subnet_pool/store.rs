//! SQL for subnet pools. Whether a pool is shared is told by entries alone, what is
//! free of it by [`super::prefixes`].

mod list;
mod subnets;

use ipnet::IpNet;
use isospin_api_kit::{Caller, Fault};
use isospin_store_kit::{ChangeKind, Row, Session, StoreError, Tx, values};
use isospin_types::{AddressScopeId, SubnetPoolId};

pub use list::list;
pub use subnets::{adopt, allocated_to, note_subnets, others_beside, subnets_of, subnets_within};

use super::model::{Lengths, SubnetPool, SubnetPoolDetails};
use super::{SHAREABLE, prefixes};
use crate::resources::rbac_policy::{self, Access, Action, access};
use crate::resources::tag;

/// The select list as a literal, so that whole statements stay constant.
macro_rules! columns {
    () => {
        "subnet_pools.id, subnet_pools.project_id, subnet_pools.name, subnet_pools.description, \
         subnet_pools.ip_version, subnet_pools.min_prefixlen, subnet_pools.default_prefixlen, \
         subnet_pools.max_prefixlen, subnet_pools.is_default, subnet_pools.default_quota, \
         subnet_pools.address_scope_id, subnet_pools.created_at, subnet_pools.updated_at, \
         subnet_pools.revision_number"
    };
}

const COLUMNS: &str = columns!();
const GET: &str = concat!("SELECT ", columns!(), " FROM subnet_pools WHERE subnet_pools.id = $1");
const DEFAULT: &str =
    concat!("SELECT ", columns!(), " FROM subnet_pools WHERE is_default AND ip_version = $1");

fn from_row(row: Row) -> Result<SubnetPool, StoreError> {
    let mut columns = row.columns();
    Ok(SubnetPool {
        id: columns.parse()?,
        project_id: columns.text()?,
        name: columns.text()?,
        description: columns.text()?,
        ip_version: columns.number()?,
        lengths: Lengths { min: columns.number()?, default: columns.number()?, max: columns.number()? },
        is_default: columns.flag()?,
        default_quota: columns.opt_int()?,
        address_scope_id: columns.opt_parse()?,
        created_at: columns.text()?,
        updated_at: columns.text()?,
        revision_number: columns.int()?,
    })
}

/// The pool of this id with all an answer shows to the caller.
///
/// # Errors
/// The store's.
pub async fn get_details(
    session: &mut Session,
    id: SubnetPoolId,
    caller: &Caller,
) -> Result<Option<SubnetPoolDetails>, StoreError> {
    let queries = vec![
        (GET, values![id]),
        (tag::store::OF, values![id]),
        (access::OF, values![id, caller.project_id.as_str()]),
    ];
    let mut answers = session.rows_many(queries).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default().into_iter();
    let (pool, tags, entries) = (next().next(), next(), next());
    let Some(pool) = pool else { return Ok(None) };
    let prefixes = prefixes::of_pools(session, [id]).await?;
    Ok(Some(SubnetPoolDetails {
        pool: from_row(pool)?,
        prefixes: prefixes.into_iter().map(|(_, net)| net).collect(),
        tags: tags.map(|row| row.columns().text()).collect::<Result<_, _>>()?,
        shared: Access::from_rows(entries)?.shared,
    }))
}

/// The default pool of a family.
///
/// # Errors
/// The store's.
pub async fn default(session: &mut Session, ip_version: u8) -> Result<Option<SubnetPool>, StoreError> {
    session.row(DEFAULT, values![i64::from(ip_version)]).await?.map(from_row).transpose()
}

/// The prefixes of the other pools in a scope.
///
/// # Errors
/// The store's.
pub async fn prefixes_in_scope(
    session: &mut Session,
    scope_id: AddressScopeId,
    but: SubnetPoolId,
) -> Result<Vec<(SubnetPoolId, IpNet)>, StoreError> {
    let pools = in_scope(session, scope_id).await?;
    prefixes::of_pools(session, pools.into_iter().filter(|id| *id != but)).await
}

/// The pools in a scope.
///
/// # Errors
/// The store's.
pub async fn in_scope(
    session: &mut Session,
    scope_id: AddressScopeId,
) -> Result<Vec<SubnetPoolId>, StoreError> {
    let sql = "SELECT id FROM subnet_pools WHERE address_scope_id = $1 ORDER BY id";
    let rows = session.rows(sql, values![scope_id]).await?;
    rows.into_iter().map(|row| row.columns().parse()).collect()
}

/// Stores a new pool; all of its prefixes are free.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, details: &SubnetPoolDetails) -> Result<(), Fault> {
    let pool = &details.pool;
    tx.execute_later(
        "INSERT INTO subnet_pools (id, project_id, name, description, ip_version, min_prefixlen, \
         default_prefixlen, max_prefixlen, is_default, default_quota, address_scope_id, created_at, updated_at, \
         revision_number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        values![
            pool.id,
            &pool.project_id,
            &pool.name,
            &pool.description,
            i64::from(pool.ip_version),
            i64::from(pool.lengths.min),
            i64::from(pool.lengths.default),
            i64::from(pool.lengths.max),
            pool.is_default,
            pool.default_quota,
            pool.address_scope_id,
            &pool.created_at,
            &pool.updated_at,
            pool.revision_number,
        ],
    )
    .await?;
    prefixes::replace(tx, pool.id, &[], &details.prefixes, &[]).await?;
    tx.record("subnetpool", ChangeKind::Set, pool.id);
    if details.shared {
        rbac_policy::open_to_all(tx, &SHAREABLE, Action::Shared, pool.id.uuid(), &pool.project_id).await?;
    }
    Ok(())
}

/// Stores what an update may change, but for the prefixes.
///
/// # Errors
/// The store's.
pub async fn update(tx: &mut Tx, pool: &SubnetPool) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE subnet_pools SET name = $1, description = $2, min_prefixlen = $3, default_prefixlen = $4, \
         max_prefixlen = $5, is_default = $6, default_quota = $7, address_scope_id = $8, updated_at = $9, \
         revision_number = $10 WHERE id = $11",
        values![
            &pool.name,
            &pool.description,
            i64::from(pool.lengths.min),
            i64::from(pool.lengths.default),
            i64::from(pool.lengths.max),
            pool.is_default,
            pool.default_quota,
            pool.address_scope_id,
            &pool.updated_at,
            pool.revision_number,
            pool.id,
        ],
    )
    .await?;
    tx.record("subnetpool", ChangeKind::Set, pool.id);
    Ok(())
}

/// Removes a pool no subnet is of, its prefixes, tags and the entries that open it.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: SubnetPoolId) -> Result<(), Fault> {
    rbac_policy::forget(tx, id.uuid()).await?;
    tx.execute_many_later(vec![
        (tag::store::FORGET, values![id]),
        ("DELETE FROM subnet_pools WHERE id = $1", values![id]),
    ])
    .await?;
    tx.record("subnetpool", ChangeKind::Deleted, id);
    Ok(())
}
