//! Segmentation ids: which are free for automatic allocation, and for whom.
//!
//! Invariant: `segment_free` = the union of `network_segment_ranges` without the ids
//! of `segments`. Whether a network has an id is told by `segments` alone.

use isospin_store_kit::{Row, StoreError, Tx, Value, values};

use super::NetworkType;
use crate::ranges::{self, Edit, Range};

/// What came of asking for one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Now,
    /// Another network has it.
    Before,
}

/// Takes a free id for a network of the project: from the ranges of its own first,
/// then from those of everybody, but for what other projects have as their own.
///
/// # Errors
/// The store's.
pub async fn take_any(
    tx: &mut Tx,
    network_type: NetworkType,
    physical_network: &str,
    project_id: &str,
) -> Result<Option<u32>, StoreError> {
    for candidates in usable(tx, network_type, physical_network, project_id).await? {
        let space = |bound: u128| values![network_type.as_str(), physical_network, int(bound)];
        let queries = vec![
            (FREE_AT_OR_BELOW, space(candidates.first)),
            (
                "SELECT first, last FROM segment_free WHERE network_type = $1 AND physical_network = $2 \
                 AND first > $3 ORDER BY first LIMIT 1",
                space(candidates.first),
            ),
        ];
        for rows in tx.rows_many(queries).await? {
            let Some(row) = rows.into_iter().next() else { continue };
            let free = stored_range(row)?;
            if !free.overlaps(candidates) {
                continue;
            }
            let id = free.first.max(candidates.first);
            edit(tx, network_type, physical_network, ranges::take(free, id)).await?;
            return Ok(u32::try_from(id).ok());
        }
    }
    Ok(None)
}

/// The ranges a project may get ids from, in the order they are tried.
async fn usable(
    tx: &mut Tx,
    network_type: NetworkType,
    physical_network: &str,
    project_id: &str,
) -> Result<Vec<Range>, StoreError> {
    let rows = tx
        .rows(
            "SELECT minimum, maximum, shared, project_id FROM network_segment_ranges \
             WHERE network_type = $1 AND physical_network = $2 ORDER BY minimum",
            values![network_type.as_str(), physical_network],
        )
        .await?;
    let (mut own, mut shared, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let mut columns = row.columns();
        let range = Range { first: columns.number()?, last: columns.number()? };
        let place = if columns.flag()? {
            &mut shared
        } else if columns.text()? == project_id {
            &mut own
        } else {
            &mut others
        };
        place.push(range);
    }
    let mut usable = ranges::merge(own);
    usable.extend(ranges::difference(shared, others));
    Ok(usable)
}

/// Takes this id, whether or not it is in a range for automatic allocation.
///
/// # Errors
/// The store's.
pub async fn take(
    tx: &mut Tx,
    network_type: NetworkType,
    physical_network: &str,
    id: u32,
) -> Result<Taken, StoreError> {
    let space = values![network_type.as_str(), physical_network, id];
    let found = tx
        .rows_many(vec![
            (
                "SELECT 1 FROM segments WHERE network_type = $1 AND physical_network = $2 \
                 AND segmentation_id = $3",
                space.clone(),
            ),
            (FREE_AT_OR_BELOW, space),
        ])
        .await?;
    let mut found = found.into_iter();
    if found.next().is_some_and(|rows| !rows.is_empty()) {
        return Ok(Taken::Before);
    }
    let range = found.next().and_then(|rows| rows.into_iter().next()).map(stored_range).transpose()?;
    if let Some(range) = range.filter(|range| range.contains(id.into())) {
        edit(tx, network_type, physical_network, ranges::take(range, id.into())).await?;
    }
    Ok(Taken::Now)
}

/// Makes this id free again, if it is in a range for automatic allocation.
///
/// # Errors
/// The store's.
pub async fn give_back(
    tx: &mut Tx,
    network_type: NetworkType,
    physical_network: &str,
    id: u32,
) -> Result<(), StoreError> {
    let space = |id: u32| values![network_type.as_str(), physical_network, id];
    let found = tx
        .rows_many(vec![
            (
                "SELECT minimum, maximum FROM network_segment_ranges WHERE network_type = $1 \
                 AND physical_network = $2 AND minimum <= $3 AND maximum >= $3 LIMIT 1",
                space(id),
            ),
            (FREE_AT_OR_BELOW, space(id)),
            (
                "SELECT first, last FROM segment_free WHERE network_type = $1 AND physical_network = $2 \
                 AND first = $3",
                space(id.saturating_add(1)),
            ),
        ])
        .await?;
    let mut found = found.into_iter().map(|rows| rows.into_iter().next().map(stored_range).transpose());
    let mut next_found = || found.next().transpose().map(Option::flatten);
    let (in_a_range, below, above) = (next_found()?, next_found()?, next_found()?);
    if in_a_range.is_none() {
        return Ok(());
    }
    edit(tx, network_type, physical_network, ranges::give_back(id.into(), below, above)).await
}

/// Makes the free ids of a space anew, from its ranges and the segments there are.
///
/// # Errors
/// The store's.
pub async fn refresh(
    tx: &mut Tx,
    network_type: NetworkType,
    physical_network: &str,
) -> Result<(), StoreError> {
    let space = values![network_type.as_str(), physical_network];
    let found = tx
        .rows_many(vec![
            (
                "SELECT minimum, maximum FROM network_segment_ranges WHERE network_type = $1 \
                 AND physical_network = $2",
                space.clone(),
            ),
            (
                "SELECT segmentation_id FROM segments WHERE network_type = $1 AND physical_network = $2",
                space.clone(),
            ),
        ])
        .await?;
    let mut found = found.into_iter();
    let mut next = || found.next().unwrap_or_default().into_iter();
    let wanted = next().map(stored_range).collect::<Result<Vec<_>, _>>()?;
    let used = next().map(|row| row.columns().number()).collect::<Result<Vec<u128>, _>>()?;
    let mut statements =
        vec![("DELETE FROM segment_free WHERE network_type = $1 AND physical_network = $2", space)];
    for range in ranges::without(wanted, used) {
        statements.push((INSERT_FREE, row_of(network_type.as_str(), physical_network, range)));
    }
    tx.execute_many_later(statements).await?;
    Ok(())
}

const FREE_AT_OR_BELOW: &str = "SELECT first, last FROM segment_free WHERE network_type = $1 \
     AND physical_network = $2 AND first <= $3 ORDER BY first DESC LIMIT 1";
const INSERT_FREE: &str =
    "INSERT INTO segment_free (network_type, physical_network, first, last) VALUES ($1, $2, $3, $4)";

async fn edit(
    tx: &mut Tx,
    network_type: NetworkType,
    physical_network: &str,
    edits: Vec<Edit>,
) -> Result<(), StoreError> {
    let kind = network_type.as_str();
    let statements = edits
        .into_iter()
        .map(|edit| match edit {
            Edit::Delete(first) => (
                "DELETE FROM segment_free WHERE network_type = $1 AND physical_network = $2 AND first = $3",
                values![kind, physical_network, int(first)],
            ),
            Edit::Replace { first, with } => (
                "UPDATE segment_free SET first = $1, last = $2 WHERE network_type = $3 \
                 AND physical_network = $4 AND first = $5",
                values![int(with.first), int(with.last), kind, physical_network, int(first)],
            ),
            Edit::Insert(range) => (INSERT_FREE, row_of(kind, physical_network, range)),
        })
        .collect();
    tx.execute_many_later(statements).await?;
    Ok(())
}

fn row_of(network_type: &str, physical_network: &str, range: Range) -> Vec<Value> {
    values![network_type, physical_network, int(range.first), int(range.last)]
}

/// Ids are below 2^32, so the conversion cannot fail.
fn int(number: u128) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads the two ends of a range.
///
/// # Errors
/// The row does not hold them.
pub fn stored_range(row: Row) -> Result<Range, StoreError> {
    let mut columns = row.columns();
    Ok(Range { first: columns.number()?, last: columns.number()? })
}
