//! SQL for segments.

use std::collections::HashMap;
use std::str::FromStr;

use isospin_api_kit::Fault;
use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{ChangeKind, Row, Session, StoreError, Tx, Value, values};
use isospin_types::{NetworkId, PortId, SegmentId, SubnetId};

use super::TABLE;
use super::model::NetworkSegment;
use super::rules::not_found;
use crate::drivers::Segment;
use crate::page;

/// The select list as a literal, so that whole statements stay constant.
macro_rules! columns {
    () => {
        "segments.id, segments.network_id, segments.position, segments.name, segments.description, \
         segments.network_type, segments.physical_network, segments.segmentation_id, segments.created_at, \
         segments.updated_at, segments.revision_number"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM segments WHERE segments.id = $1");

/// The query behind [`of_network`], for batches; rows for [`from_row`].
pub const OF_NETWORK: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM segments WHERE segments.network_id = $1 ORDER BY segments.position"
);

/// Reads a row of [`OF_NETWORK`].
///
/// # Errors
/// A column does not hold what it must.
pub fn from_row(row: Row) -> Result<NetworkSegment, StoreError> {
    let mut columns = row.columns();
    Ok(NetworkSegment {
        id: columns.parse()?,
        network_id: columns.parse()?,
        position: columns.int()?,
        name: columns.text()?,
        description: columns.text()?,
        place: Segment {
            network_type: columns.parse()?,
            physical_network: Some(columns.text()?).filter(|name| !name.is_empty()),
            segmentation_id: Some(columns.number()?).filter(|id| *id > 0),
        },
        created_at: columns.text()?,
        updated_at: columns.text()?,
        revision_number: columns.int()?,
    })
}

/// The segment of this id.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, id: SegmentId) -> Result<Option<NetworkSegment>, StoreError> {
    session.row(GET, values![id]).await?.map(from_row).transpose()
}

/// The segments of a network, in order.
///
/// # Errors
/// The store's.
pub async fn of_network(
    session: &mut Session,
    network_id: NetworkId,
) -> Result<Vec<NetworkSegment>, StoreError> {
    session.rows(OF_NETWORK, values![network_id]).await?.into_iter().map(from_row).collect()
}

/// The segments of these networks, in order.
///
/// # Errors
/// The store's.
pub async fn of_networks(
    session: &mut Session,
    ids: Vec<Value>,
) -> Result<HashMap<NetworkId, Vec<NetworkSegment>>, StoreError> {
    let mut select = Select::new(columns!(), TABLE.name);
    select.one_of("segments.network_id", ids);
    select.order_by("segments.network_id", false).order_by("segments.position", false);
    let (sql, values) = select.build();
    let mut segments: HashMap<NetworkId, Vec<NetworkSegment>> = HashMap::new();
    for row in session.rows(&sql, values).await? {
        let segment = from_row(row)?;
        segments.entry(segment.network_id).or_default().push(segment);
    }
    Ok(segments)
}

/// One page of segments.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(session: &mut Session, query: &ListQuery) -> Result<Vec<NetworkSegment>, Fault> {
    let select = Select::new(columns!(), TABLE.name);
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    Ok(rows.into_iter().map(from_row).collect::<Result<_, _>>()?)
}

/// Stores a new segment.
///
/// # Errors
/// The store's.
pub async fn create(tx: &mut Tx, segment: &NetworkSegment) -> Result<(), StoreError> {
    tx.execute_later(
        "INSERT INTO segments (id, network_id, position, name, description, network_type, physical_network, \
         segmentation_id, created_at, updated_at, revision_number) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        values![
            segment.id,
            segment.network_id,
            segment.position,
            &segment.name,
            &segment.description,
            segment.place.network_type.as_str(),
            segment.place.physical_network.as_deref().unwrap_or(""),
            segment.place.segmentation_id.unwrap_or(0),
            &segment.created_at,
            &segment.updated_at,
            segment.revision_number,
        ],
    )
    .await?;
    tx.record("network", ChangeKind::Set, segment.network_id);
    Ok(())
}

/// Stores what an update may change, of the segment and (for its network) of its place.
///
/// # Errors
/// The store's.
pub async fn update(tx: &mut Tx, segment: &NetworkSegment) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE segments SET name = $1, description = $2, segmentation_id = $3, updated_at = $4, \
         revision_number = $5 WHERE id = $6",
        values![
            &segment.name,
            &segment.description,
            segment.place.segmentation_id.unwrap_or(0),
            &segment.updated_at,
            segment.revision_number,
            segment.id,
        ],
    )
    .await?;
    tx.record("network", ChangeKind::Set, segment.network_id);
    Ok(())
}

/// Removes a segment nothing is on any more.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, segment: &NetworkSegment) -> Result<(), StoreError> {
    tx.execute_many_later(vec![
        // Bindings that wait have no port there yet.
        ("UPDATE inactive_bindings SET segment_id = NULL WHERE segment_id = $1", values![segment.id]),
        ("DELETE FROM segments WHERE id = $1", values![segment.id]),
    ])
    .await?;
    tx.record("network", ChangeKind::Set, segment.network_id);
    Ok(())
}

/// Subnets of the segment.
///
/// # Errors
/// The store's.
pub async fn subnets_on(session: &mut Session, id: SegmentId) -> Result<Vec<SubnetId>, StoreError> {
    let sql = "SELECT id FROM subnets WHERE segment_id = $1 ORDER BY id";
    ids(session.rows(sql, values![id]).await?)
}

/// Ports bound on the segment.
///
/// # Errors
/// The store's.
pub async fn ports_on(session: &mut Session, segment: &NetworkSegment) -> Result<Vec<PortId>, StoreError> {
    let sql = "SELECT id FROM ports WHERE network_id = $1 AND binding_segment_id = $2 ORDER BY id";
    ids(session.rows(sql, values![segment.network_id, segment.id]).await?)
}

fn ids<T: FromStr>(rows: Vec<Row>) -> Result<Vec<T>, StoreError> {
    rows.into_iter().map(|row| row.columns().parse()).collect()
}
