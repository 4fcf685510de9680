//! Addresses: which are free, in O(log n) of the pool.
//!
//! `free_addresses` holds what is left of a subnet's pools as ranges. Taking the
//! first free address, taking a named one and giving one back each touch at most
//! two ranges. `port_addresses` (one row for each address in use) has the last
//! word through its primary key, also for addresses outside the pools.
//!
//! Invariant: free = pools without the addresses in `port_addresses`. Whoever adds
//! a row there calls [`take`] or [`take_any`], whoever removes one [`give_back`].

mod several;

use std::net::{IpAddr, Ipv6Addr};

use isospin_store_kit::{Row, Session, StoreError, Tx, Value, values};
use isospin_types::SubnetId;

use crate::ranges::{self, Edit, Range};

pub use several::take_several;

/// The sortable form of an address in the database: 16 bytes, IPv4 as `::ffff:a.b.c.d`.
#[must_use]
pub fn key(address: IpAddr) -> Vec<u8> {
    number(address).to_be_bytes().to_vec()
}

/// The address of a key; `::` for bytes that are no key.
#[must_use]
pub fn address(key: &[u8]) -> IpAddr {
    from_number(u128::from_be_bytes(key.try_into().unwrap_or_default()))
}

/// The address as a number that sorts as its key does.
#[must_use]
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address of a number.
#[must_use]
pub fn from_number(number: u128) -> IpAddr {
    Ipv6Addr::from_bits(number).to_canonical()
}

/// Takes the first free address of the subnet's pools; `None` when all are in use.
///
/// # Errors
/// The store's.
pub async fn take_any(tx: &mut Tx, subnet_id: SubnetId) -> Result<Option<IpAddr>, StoreError> {
    let row = tx
        .row(
            "SELECT first_key, last_key FROM free_addresses WHERE subnet_id = $1 ORDER BY first_key LIMIT 1",
            values![subnet_id],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let range = stored_range(row)?;
    edit(tx, subnet_id, ranges::take(range, range.first)).await?;
    Ok(Some(from_number(range.first)))
}

/// Takes this address out of the free ranges, if it is in one. Whether the address
/// is in use already is told by `port_addresses` alone.
///
/// # Errors
/// The store's.
pub async fn take(tx: &mut Tx, subnet_id: SubnetId, address: IpAddr) -> Result<(), StoreError> {
    let row = tx.row(FREE_AT_OR_BELOW, values![subnet_id, key(address)]).await?;
    let range = row.map(stored_range).transpose()?.filter(|range| range.contains(number(address)));
    match range {
        Some(range) => edit(tx, subnet_id, ranges::take(range, number(address))).await,
        None => Ok(()),
    }
}

/// Makes this address free again, if it lies in one of the subnet's pools.
///
/// # Errors
/// The store's.
pub async fn give_back(tx: &mut Tx, subnet_id: SubnetId, address: IpAddr) -> Result<(), StoreError> {
    let value = number(address);
    let next = value.saturating_add(1).to_be_bytes().to_vec();
    let found = tx
        .rows_many(vec![
            (POOL_AT_OR_BELOW, values![subnet_id, key(address)]),
            (FREE_AT_OR_BELOW, values![subnet_id, key(address)]),
            (FREE_AT, values![subnet_id, next]),
        ])
        .await?;
    let mut found = found.into_iter().map(|rows| rows.into_iter().next().map(stored_range).transpose());
    let mut next_found = || found.next().transpose().map(Option::flatten);
    let (pool, below, above) = (next_found()?, next_found()?, next_found()?);
    if !pool.is_some_and(|pool| pool.contains(value)) {
        return Ok(());
    }
    edit(tx, subnet_id, ranges::give_back(value, below, above)).await
}

/// Gives the subnet these pools; free is what no port uses of them.
///
/// # Errors
/// The store's.
pub async fn set_pools(tx: &mut Tx, subnet_id: SubnetId, pools: &[Range]) -> Result<(), StoreError> {
    let used = tx
        .rows("SELECT address_key FROM port_addresses WHERE subnet_id = $1", values![subnet_id])
        .await?
        .into_iter()
        .map(|row| Ok(number(address(&row.columns().bytes()?))))
        .collect::<Result<Vec<u128>, StoreError>>()?;
    let mut statements = vec![
        ("DELETE FROM allocation_pools WHERE subnet_id = $1", values![subnet_id]),
        ("DELETE FROM free_addresses WHERE subnet_id = $1", values![subnet_id]),
    ];
    for pool in pools {
        statements.push((
            "INSERT INTO allocation_pools (subnet_id, first_key, last_key) VALUES ($1, $2, $3)",
            row_of(subnet_id, *pool),
        ));
    }
    for range in ranges::without(pools.to_vec(), used) {
        statements.push((INSERT_FREE, row_of(subnet_id, range)));
    }
    tx.execute_many_later(statements).await?;
    Ok(())
}

/// The pools of several subnets: subnet and range, in order of address.
///
/// # Errors
/// The store's.
pub async fn pools_of(
    session: &mut Session,
    subnet_ids: &[SubnetId],
) -> Result<Vec<(SubnetId, Range)>, StoreError> {
    let mut select =
        isospin_store_kit::query::Select::new("subnet_id, first_key, last_key", "allocation_pools");
    select.one_of("subnet_id", subnet_ids.iter().map(Value::from).collect());
    select.order_by("first_key", false);
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            let subnet_id = columns.parse()?;
            Ok((
                subnet_id,
                Range { first: stored_number(&columns.bytes()?), last: stored_number(&columns.bytes()?) },
            ))
        })
        .collect()
}

const FREE_AT: &str =
    "SELECT first_key, last_key FROM free_addresses WHERE subnet_id = $1 AND first_key = $2";
const FREE_AT_OR_BELOW: &str = "SELECT first_key, last_key FROM free_addresses \
     WHERE subnet_id = $1 AND first_key <= $2 ORDER BY first_key DESC LIMIT 1";
const POOL_AT_OR_BELOW: &str = "SELECT first_key, last_key FROM allocation_pools \
     WHERE subnet_id = $1 AND first_key <= $2 ORDER BY first_key DESC LIMIT 1";
const INSERT_FREE: &str = "INSERT INTO free_addresses (subnet_id, first_key, last_key) VALUES ($1, $2, $3)";

async fn edit(tx: &mut Tx, subnet_id: SubnetId, edits: Vec<Edit>) -> Result<(), StoreError> {
    let statements = edits
        .into_iter()
        .map(|edit| match edit {
            Edit::Delete(first) => (
                "DELETE FROM free_addresses WHERE subnet_id = $1 AND first_key = $2",
                values![subnet_id, bytes(first)],
            ),
            Edit::Replace { first, with } => (
                "UPDATE free_addresses SET first_key = $1, last_key = $2 WHERE subnet_id = $3 AND first_key = $4",
                values![bytes(with.first), bytes(with.last), subnet_id, bytes(first)],
            ),
            Edit::Insert(range) => (INSERT_FREE, row_of(subnet_id, range)),
        })
        .collect();
    tx.execute_many_later(statements).await?;
    Ok(())
}

fn bytes(number: u128) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn row_of(subnet_id: SubnetId, range: Range) -> Vec<Value> {
    values![subnet_id, bytes(range.first), bytes(range.last)]
}

/// The number of a stored key.
pub(crate) fn stored_number(key: &[u8]) -> u128 {
    u128::from_be_bytes(key.try_into().unwrap_or_default())
}

fn stored_range(row: Row) -> Result<Range, StoreError> {
    let mut columns = row.columns();
    Ok(Range { first: stored_number(&columns.bytes()?), last: stored_number(&columns.bytes()?) })
}

#[cfg(test)]
mod tests;
