//! SQL for ranges.

use std::collections::{BTreeMap, HashMap};

use isospin_api_kit::Fault;
use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, Value, values};
use isospin_types::{NetworkId, SegmentRangeId};

use super::model::{LISTED, RangeDetails, SegmentIdRange};
use super::rules::not_found;
use super::{AVAILABLE, TABLE, USED};
use crate::page;
use crate::resources::tag;

const COLUMNS: &str = "network_segment_ranges.id, network_segment_ranges.name, \
     network_segment_ranges.description, network_segment_ranges.is_default, network_segment_ranges.shared, \
     network_segment_ranges.project_id, network_segment_ranges.network_type, \
     network_segment_ranges.physical_network, network_segment_ranges.minimum, network_segment_ranges.maximum, \
     network_segment_ranges.created_at, network_segment_ranges.updated_at, \
     network_segment_ranges.revision_number";

fn from_row(row: Row) -> Result<SegmentIdRange, StoreError> {
    let mut columns = row.columns();
    Ok(SegmentIdRange {
        id: columns.parse()?,
        name: columns.text()?,
        description: columns.text()?,
        is_default: columns.flag()?,
        shared: columns.flag()?,
        project_id: columns.text()?,
        network_type: columns.parse()?,
        physical_network: columns.text()?,
        minimum: columns.number()?,
        maximum: columns.number()?,
        created_at: columns.text()?,
        updated_at: columns.text()?,
        revision_number: columns.int()?,
    })
}

/// The range of this id.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, id: SegmentRangeId) -> Result<Option<SegmentIdRange>, StoreError> {
    let mut select = Select::new(COLUMNS, TABLE.name);
    select.one_of("network_segment_ranges.id", values![id]);
    let (sql, values) = select.build();
    session.row(&sql, values).await?.map(from_row).transpose()
}

/// One page of ranges.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(session: &mut Session, query: &ListQuery) -> Result<Vec<SegmentIdRange>, Fault> {
    let select = Select::new(COLUMNS, TABLE.name);
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    Ok(rows.into_iter().map(from_row).collect::<Result<_, _>>()?)
}

/// Adds what an answer shows, as far as `fields` want it (none = all), with a constant
/// number of queries.
///
/// # Errors
/// The store's.
pub async fn with_details(
    session: &mut Session,
    ranges: Vec<SegmentIdRange>,
    fields: &[String],
) -> Result<Vec<RangeDetails>, StoreError> {
    let wants = |name: &str| fields.is_empty() || fields.iter().any(|field| field == name);
    let ids: Vec<Value> = ranges.iter().map(|range| Value::from(range.id)).collect();
    let mut tags = tag::store::of_many(session, ids.clone()).await?;
    let mut details: HashMap<SegmentRangeId, RangeDetails> = HashMap::with_capacity(ranges.len());
    let order: Vec<SegmentRangeId> = ranges.iter().map(|range| range.id).collect();
    for range in ranges {
        let tags = tags.remove(&range.id.to_string()).unwrap_or_default();
        details.insert(range.id, RangeDetails { range, used: BTreeMap::new(), available: Vec::new(), tags });
    }
    if wants(USED) && !order.is_empty() {
        used(session, ids.clone(), &mut details).await?;
    }
    if wants(AVAILABLE) && !order.is_empty() {
        available(session, ids, &mut details).await?;
    }
    Ok(order.iter().filter_map(|id| details.remove(id)).collect())
}

async fn used(
    session: &mut Session,
    ids: Vec<Value>,
    details: &mut HashMap<SegmentRangeId, RangeDetails>,
) -> Result<(), StoreError> {
    let mut select = Select::new(
        "r.id, s.segmentation_id, n.project_id",
        "network_segment_ranges r JOIN segments s ON s.network_type = r.network_type \
         AND s.physical_network = r.physical_network AND s.segmentation_id >= r.minimum \
         AND s.segmentation_id <= r.maximum JOIN networks n ON n.id = s.network_id",
    );
    select.one_of("r.id", ids);
    let (sql, values) = select.build();
    for row in session.rows(&sql, values).await? {
        let mut columns = row.columns();
        if let Some(found) = details.get_mut(&columns.parse()?) {
            found.used.insert(columns.number()?, columns.text()?);
        }
    }
    Ok(())
}

async fn available(
    session: &mut Session,
    ids: Vec<Value>,
    details: &mut HashMap<SegmentRangeId, RangeDetails>,
) -> Result<(), StoreError> {
    let mut select = Select::new(
        "r.id, f.first, f.last",
        "network_segment_ranges r JOIN segment_free f ON f.network_type = r.network_type \
         AND f.physical_network = r.physical_network AND f.first <= r.maximum AND f.last >= r.minimum",
    );
    select.one_of("r.id", ids);
    select.order_by("f.first", false);
    let (sql, values) = select.build();
    for row in session.rows(&sql, values).await? {
        let mut columns = row.columns();
        let Some(found) = details.get_mut(&columns.parse()?) else { continue };
        let (first, last): (u32, u32) = (columns.number()?, columns.number()?);
        let inside = first.max(found.range.minimum)..=last.min(found.range.maximum);
        let room = LISTED.saturating_sub(found.available.len());
        found.available.extend(inside.take(room));
    }
    Ok(())
}

/// Other ranges of clients with ids in common with this one.
///
/// # Errors
/// The store's.
pub async fn overlapping(
    session: &mut Session,
    range: &SegmentIdRange,
) -> Result<Vec<SegmentRangeId>, StoreError> {
    let rows = session
        .rows(
            "SELECT id FROM network_segment_ranges WHERE NOT is_default AND network_type = $1 \
             AND physical_network = $2 AND minimum <= $3 AND maximum >= $4 AND id <> $5 ORDER BY id",
            values![
                range.network_type.as_str(),
                &range.physical_network,
                range.maximum,
                range.minimum,
                range.id
            ],
        )
        .await?;
    rows.into_iter().map(|row| row.columns().parse()).collect()
}

/// Networks with an id of the range, with that id.
///
/// # Errors
/// The store's.
pub async fn users(
    session: &mut Session,
    range: &SegmentIdRange,
) -> Result<Vec<(NetworkId, u32)>, StoreError> {
    let rows = session
        .rows(
            "SELECT network_id, segmentation_id FROM segments WHERE network_type = $1 \
             AND physical_network = $2 AND segmentation_id >= $3 AND segmentation_id <= $4 \
             ORDER BY segmentation_id",
            values![range.network_type.as_str(), &range.physical_network, range.minimum, range.maximum],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            Ok((columns.parse()?, columns.number()?))
        })
        .collect()
}

/// Stores a new range.
///
/// # Errors
/// The store's.
pub async fn create(tx: &mut Tx, range: &SegmentIdRange) -> Result<(), StoreError> {
    tx.execute_later(
        "INSERT INTO network_segment_ranges (id, name, description, is_default, shared, project_id, \
         network_type, physical_network, minimum, maximum, created_at, updated_at, revision_number) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        values![
            range.id,
            &range.name,
            &range.description,
            range.is_default,
            range.shared,
            &range.project_id,
            range.network_type.as_str(),
            &range.physical_network,
            range.minimum,
            range.maximum,
            &range.created_at,
            &range.updated_at,
            range.revision_number,
        ],
    )
    .await?;
    Ok(())
}

/// Stores what an update may change.
///
/// # Errors
/// The store's.
pub async fn update(tx: &mut Tx, range: &SegmentIdRange) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE network_segment_ranges SET name = $1, description = $2, minimum = $3, maximum = $4, \
         updated_at = $5, revision_number = $6 WHERE id = $7",
        values![
            &range.name,
            &range.description,
            range.minimum,
            range.maximum,
            &range.updated_at,
            range.revision_number,
            range.id,
        ],
    )
    .await?;
    Ok(())
}

/// Removes a range.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: SegmentRangeId) -> Result<(), StoreError> {
    tx.execute_many_later(vec![
        (tag::store::FORGET, values![id]),
        ("DELETE FROM network_segment_ranges WHERE id = $1", values![id]),
    ])
    .await?;
    Ok(())
}
