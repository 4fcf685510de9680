//! The prefixes of pools: which are free, in O(log n) of the pool.
//!
//! `free_prefixes` holds what no subnet has of a pool's prefixes, as the fewest
//! aligned blocks. Taking any prefix of a length, taking a named one and giving one
//! back each look at one or two index entries and write few rows.
//!
//! Invariant: free = the pool's prefixes without those of its subnets. Units of work
//! run one at a time, so two of them never take the same prefix; the row a prefix is
//! taken from is also deleted by name, and counted.

mod blocks;

use ipnet::IpNet;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Columns, Row, Session, StoreError, Tx, Value, values};
use isospin_types::SubnetPoolId;

use crate::ipam::{key, stored_number};
use crate::ranges::{self, Range};
use blocks::Block;

/// Takes the first prefix of this length out of the smallest free block that holds
/// one; `None` when none does.
///
/// # Errors
/// The store's.
pub async fn take_any(
    tx: &mut Tx,
    pool_id: SubnetPoolId,
    is_ipv4: bool,
    prefixlen: u8,
) -> Result<Option<IpNet>, StoreError> {
    let length = blocks::length_of(is_ipv4, prefixlen);
    let row = tx
        .row(
            "SELECT first_key, length FROM free_prefixes WHERE subnet_pool_id = $1 AND length <= $2 \
             ORDER BY length DESC, first_key LIMIT 1",
            values![pool_id, i64::from(length)],
        )
        .await?;
    let Some(free) = row.map(stored_block).transpose()? else { return Ok(None) };
    let taken = Block { first: free.first, length };
    Ok(take_out(tx, pool_id, free, taken).await?.then(|| taken.net()))
}

/// Takes this prefix; whether all of it was free.
///
/// # Errors
/// The store's.
pub async fn take(tx: &mut Tx, pool_id: SubnetPoolId, net: IpNet) -> Result<bool, StoreError> {
    let row = tx
        .row(
            "SELECT first_key, length FROM free_prefixes WHERE subnet_pool_id = $1 AND first_key <= $2 \
             ORDER BY first_key DESC LIMIT 1",
            values![pool_id, key(net.network())],
        )
        .await?;
    let taken = Block::of(net);
    match row.map(stored_block).transpose()?.filter(|free| free.contains(taken)) {
        Some(free) => take_out(tx, pool_id, free, taken).await,
        None => Ok(false),
    }
}

/// Makes the prefix of a subnet that goes free again.
///
/// # Errors
/// The store's.
pub async fn give_back(tx: &mut Tx, pool_id: SubnetPoolId, net: IpNet) -> Result<(), StoreError> {
    let block = Block::of(net);
    let candidates = blocks::buddies(block).into_iter().map(|buddy| Value::Bytes(bytes(buddy))).collect();
    let mut select = Select::new("first_key, length", "free_prefixes");
    let name = select.bind(pool_id);
    select.condition(format!("subnet_pool_id = {name}")).one_of("first_key", candidates);
    let (sql, values) = select.build();
    let free = stored_blocks(tx.rows(&sql, values).await?)?;
    let (joined, used) = blocks::join(block, &free);
    let mut statements: Vec<_> = used.iter().map(|gone| delete(pool_id, *gone)).collect();
    statements.push((INSERT_FREE, row_of(pool_id, joined)));
    tx.execute_many_later(statements).await?;
    Ok(())
}

/// The prefixes of several pools: pool and prefix, in order of address.
///
/// # Errors
/// The store's.
pub async fn of_pools(
    session: &mut Session,
    pool_ids: impl IntoIterator<Item = SubnetPoolId>,
) -> Result<Vec<(SubnetPoolId, IpNet)>, StoreError> {
    let mut select = Select::new("subnet_pool_id, first_key, length", "subnet_pool_prefixes");
    select.one_of("subnet_pool_id", pool_ids.into_iter().map(Value::from).collect());
    select.order_by("first_key", false);
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            Ok((columns.parse()?, block_from(&mut columns)?.net()))
        })
        .collect()
}

/// Gives a pool other prefixes: those of `now` instead of those of `before`. What is
/// new is free but for `taken`, the prefixes of subnets that join the pool with it.
///
/// What leaves the pool, and what is taken, must not be in use by a subnet of the
/// pool: [`in_use`] tells.
///
/// # Errors
/// The store's.
pub async fn replace(
    tx: &mut Tx,
    pool_id: SubnetPoolId,
    before: &[IpNet],
    now: &[IpNet],
    taken: &[IpNet],
) -> Result<(), StoreError> {
    let free = free_of(tx, pool_id).await?;
    let mut wanted: Vec<Range> = free.iter().map(|block| block.range()).collect();
    wanted.extend(ranges::difference(ranges_of(now), ranges_of(before)));
    let wanted = ranges::difference(wanted, ranges::difference(ranges_of(before), ranges_of(now)));
    let wanted = blocks::cover(ranges::difference(wanted, ranges_of(taken)));

    let mut statements = Vec::new();
    let gone = |old: &[Block], new: &[Block]| {
        old.iter().filter(|block| new.binary_search(block).is_err()).copied().collect::<Vec<_>>()
    };
    statements.extend(gone(&free, &wanted).into_iter().map(|block| delete(pool_id, block)));
    statements.extend(gone(&wanted, &free).into_iter().map(|block| (INSERT_FREE, row_of(pool_id, block))));
    let blocks_of = |nets: &[IpNet]| nets.iter().map(|net| Block::of(*net)).collect::<Vec<_>>();
    let (before, now) = (blocks_of(before), blocks_of(now));
    statements.extend(gone(&before, &now).into_iter().map(|block| {
        (
            "DELETE FROM subnet_pool_prefixes WHERE subnet_pool_id = $1 AND first_key = $2",
            values![pool_id, bytes(block)],
        )
    }));
    statements.extend(gone(&now, &before).into_iter().map(|block| {
        (
            "INSERT INTO subnet_pool_prefixes (subnet_pool_id, first_key, length) VALUES ($1, $2, $3)",
            row_of(pool_id, block),
        )
    }));
    tx.execute_many_later(statements).await?;
    Ok(())
}

/// What of these prefixes, all of the pool's, subnets have.
///
/// # Errors
/// The store's.
pub async fn in_use(
    session: &mut Session,
    pool_id: SubnetPoolId,
    prefixes: &[IpNet],
) -> Result<Vec<IpNet>, StoreError> {
    let free = free_of(session, pool_id).await?.iter().map(|block| block.range()).collect();
    let used = blocks::cover(ranges::difference(ranges_of(prefixes), free));
    Ok(used.into_iter().map(Block::net).collect())
}

/// The numbers of prefixes.
#[must_use]
pub fn ranges_of(prefixes: &[IpNet]) -> Vec<Range> {
    prefixes.iter().map(|net| Block::of(*net).range()).collect()
}

/// The same addresses in the fewest prefixes, in order.
#[must_use]
pub fn compact(ranges: Vec<Range>) -> Vec<IpNet> {
    blocks::cover(ranges).into_iter().map(Block::net).collect()
}

async fn free_of(session: &mut Session, pool_id: SubnetPoolId) -> Result<Vec<Block>, StoreError> {
    let sql = "SELECT first_key, length FROM free_prefixes WHERE subnet_pool_id = $1 ORDER BY first_key";
    stored_blocks(session.rows(sql, values![pool_id]).await?)
}

/// Replaces a free block by what is left of it; whether it was there.
async fn take_out(tx: &mut Tx, pool_id: SubnetPoolId, free: Block, taken: Block) -> Result<bool, StoreError> {
    let mut statements = vec![delete(pool_id, free)];
    let left = blocks::split(free, taken);
    statements.extend(left.into_iter().map(|block| (INSERT_FREE, row_of(pool_id, block))));
    let counts = tx.execute_many(statements).await?;
    Ok(counts.first() == Some(&1))
}

const INSERT_FREE: &str = "INSERT INTO free_prefixes (subnet_pool_id, first_key, length) VALUES ($1, $2, $3)";

fn delete(pool_id: SubnetPoolId, block: Block) -> (&'static str, Vec<Value>) {
    (
        "DELETE FROM free_prefixes WHERE subnet_pool_id = $1 AND first_key = $2 AND length = $3",
        row_of(pool_id, block),
    )
}

fn bytes(block: Block) -> Vec<u8> {
    block.first.to_be_bytes().to_vec()
}

fn row_of(pool_id: SubnetPoolId, block: Block) -> Vec<Value> {
    values![pool_id, bytes(block), i64::from(block.length)]
}

fn block_from(columns: &mut Columns) -> Result<Block, StoreError> {
    Ok(Block { first: stored_number(&columns.bytes()?), length: columns.number()? })
}

fn stored_block(row: Row) -> Result<Block, StoreError> {
    block_from(&mut row.columns())
}

fn stored_blocks(rows: Vec<Row>) -> Result<Vec<Block>, StoreError> {
    rows.into_iter().map(stored_block).collect()
}

#[cfg(test)]
mod tests;
