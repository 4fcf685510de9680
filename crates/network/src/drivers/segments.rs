//! Segmentation ids: which are free for automatic allocation.
//!
//! Invariant: `segment_free` = `segment_ranges` without the ids of `networks`.
//! Whether a network has an id is told by `networks` alone.

use std::collections::{BTreeMap, BTreeSet};

use isospin_store_kit::{Row, StoreError, Tx, Value, values};

use super::NetworkType;
use crate::Settings;
use crate::ranges::{self, Edit, Range};

/// What came of asking for one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Now,
    /// Another network has it.
    Before,
}

/// Where ids are unique: a type and, for VLANs, a physical network ("" else).
type Space = (NetworkType, String);

/// Takes the first free id.
///
/// # Errors
/// The store's.
pub async fn take_any(
    tx: &mut Tx,
    network_type: NetworkType,
    physical_network: &str,
) -> Result<Option<u32>, StoreError> {
    let row = tx
        .row(
            "SELECT first, last FROM segment_free WHERE network_type = $1 AND physical_network = $2 \
             ORDER BY first LIMIT 1",
            values![network_type.as_str(), physical_network],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let range = stored_range(row)?;
    edit(tx, network_type, physical_network, ranges::take(range, range.first)).await?;
    Ok(u32::try_from(range.first).ok())
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
    let found = tx
        .rows_many(vec![
            (
                "SELECT 1 FROM networks WHERE network_type = $1 AND COALESCE(physical_network, '') = $2 \
                 AND segmentation_id = $3",
                values![network_type.as_str(), physical_network, id],
            ),
            (FREE_AT_OR_BELOW, values![network_type.as_str(), physical_network, id]),
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
                "SELECT minimum, maximum FROM segment_ranges WHERE network_type = $1 \
                 AND physical_network = $2 AND minimum <= $3 ORDER BY minimum DESC LIMIT 1",
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
    let (configured, below, above) = (next_found()?, next_found()?, next_found()?);
    if !configured.is_some_and(|range| range.contains(id.into())) {
        return Ok(());
    }
    edit(tx, network_type, physical_network, ranges::give_back(id.into(), below, above)).await
}

/// Brings the tables in line with the configured ranges; to be called once when a
/// server starts. Networks keep their ids, also those no longer in any range.
///
/// # Errors
/// The store's.
pub async fn sync_ranges(tx: &mut Tx, settings: &Settings) -> Result<(), StoreError> {
    let configured = configured(settings);
    let stored = stored(tx).await?;
    let spaces: BTreeSet<&Space> = configured.keys().chain(stored.keys()).collect();
    for space in spaces {
        let wanted = configured.get(space).cloned().unwrap_or_default();
        if stored.get(space) != Some(&wanted) {
            replace(tx, space, wanted).await?;
        }
    }
    Ok(())
}

fn configured(settings: &Settings) -> BTreeMap<Space, Vec<Range>> {
    let vxlan = ((NetworkType::Vxlan, String::new()), &settings.vxlan_ranges);
    let vlan = settings.vlan_ranges.iter().map(|(name, ranges)| ((NetworkType::Vlan, name.clone()), ranges));
    std::iter::once(vxlan)
        .chain(vlan)
        .map(|(space, ranges)| {
            let ranges = ranges
                .iter()
                .filter(|range| range.first <= range.last)
                .map(|range| Range { first: range.first.into(), last: range.last.into() })
                .collect();
            (space, ranges::merge(ranges))
        })
        .filter(|(_, ranges)| !ranges.is_empty())
        .collect()
}

async fn stored(tx: &mut Tx) -> Result<BTreeMap<Space, Vec<Range>>, StoreError> {
    let rows = tx
        .rows(
            "SELECT network_type, physical_network, minimum, maximum FROM segment_ranges \
             ORDER BY network_type, physical_network, minimum",
            vec![],
        )
        .await?;
    let mut stored: BTreeMap<Space, Vec<Range>> = BTreeMap::new();
    for row in rows {
        let mut columns = row.columns();
        let space = (columns.parse()?, columns.text()?);
        let range = Range { first: columns.number()?, last: columns.number()? };
        stored.entry(space).or_default().push(range);
    }
    Ok(stored)
}

async fn replace(tx: &mut Tx, space: &Space, wanted: Vec<Range>) -> Result<(), StoreError> {
    let (network_type, physical_network) = (space.0.as_str(), space.1.as_str());
    let used = tx
        .rows(
            "SELECT segmentation_id FROM networks WHERE network_type = $1 \
             AND COALESCE(physical_network, '') = $2 AND segmentation_id IS NOT NULL",
            values![network_type, physical_network],
        )
        .await?
        .into_iter()
        .map(|row| row.columns().number())
        .collect::<Result<Vec<u128>, _>>()?;
    let mut statements = vec![
        (
            "DELETE FROM segment_ranges WHERE network_type = $1 AND physical_network = $2",
            values![network_type, physical_network],
        ),
        (
            "DELETE FROM segment_free WHERE network_type = $1 AND physical_network = $2",
            values![network_type, physical_network],
        ),
    ];
    for range in &wanted {
        statements.push((
            "INSERT INTO segment_ranges (network_type, physical_network, minimum, maximum) \
             VALUES ($1, $2, $3, $4)",
            row_of(network_type, physical_network, *range),
        ));
    }
    for range in ranges::without(wanted, used) {
        statements.push((INSERT_FREE, row_of(network_type, physical_network, range)));
    }
    tx.execute_many(statements).await?;
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
    tx.execute_many(statements).await?;
    Ok(())
}

fn row_of(network_type: &str, physical_network: &str, range: Range) -> Vec<Value> {
    values![network_type, physical_network, int(range.first), int(range.last)]
}

/// Ids are below 2^32, so the conversion cannot fail.
fn int(number: u128) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn stored_range(row: Row) -> Result<Range, StoreError> {
    let mut columns = row.columns();
    Ok(Range { first: columns.number()?, last: columns.number()? })
}
