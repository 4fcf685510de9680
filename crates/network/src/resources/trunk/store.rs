//! SQL for trunks.

use std::collections::BTreeMap;

use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Caller, Fault, now_seconds};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Columns, Row, Session, StoreError, Tx, Value, values};
use isospin_types::{MacAddr, PortId, TrunkId};

use super::TABLE;
use super::model::{SubPort, Trunk, TrunkDetails, VLAN};
use super::rules::{duplicate, not_found, parent_in_use, port_in_trunk};
use crate::page;
use crate::resources::tag;

/// The select list as a literal, so that whole statements stay constant.
macro_rules! columns {
    () => {
        "trunks.id, trunks.project_id, trunks.name, trunks.description, trunks.admin_state_up, trunks.status, \
         trunks.port_id, trunks.created_at, trunks.updated_at, trunks.revision_number"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM trunks WHERE trunks.id = $1");
const SUBPORTS: &str = "SELECT trunk_id, port_id, segmentation_id FROM trunk_subports WHERE trunk_id = $1 \
     ORDER BY segmentation_id";

/// Trunks by their parent port, each with one of its ports and that port's MAC; what
/// [`add_details`] reads.
pub const OF_PORT: &str = "SELECT t.port_id, t.id, s.port_id, s.segmentation_id, p.mac_address FROM trunks t \
     LEFT JOIN trunk_subports s ON s.trunk_id = t.id LEFT JOIN ports p ON p.id = s.port_id \
     WHERE t.port_id = $1 ORDER BY t.id, s.segmentation_id";

fn from_row(row: Row) -> Result<Trunk, StoreError> {
    let mut columns = row.columns();
    Ok(Trunk {
        id: columns.parse()?,
        project_id: columns.text()?,
        name: columns.text()?,
        description: columns.text()?,
        admin_state_up: columns.flag()?,
        status: columns.parse()?,
        port_id: columns.parse()?,
        created_at: columns.text()?,
        updated_at: columns.text()?,
        revision_number: columns.int()?,
        sub_ports: Vec::new(),
    })
}

fn subport(row: Row) -> Result<(TrunkId, SubPort), StoreError> {
    let mut columns = row.columns();
    let trunk_id = columns.parse()?;
    Ok((trunk_id, SubPort { port_id: columns.parse()?, segmentation_id: columns.number()? }))
}

/// The trunk of this id with its tags, in one round trip.
///
/// # Errors
/// The store's.
pub async fn find(session: &mut Session, id: TrunkId) -> Result<Option<(Trunk, Vec<String>)>, StoreError> {
    let queries = vec![(GET, values![id]), (SUBPORTS, values![id]), (tag::store::OF, values![id])];
    let mut answers = session.rows_many(queries).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default().into_iter();
    let (trunk, sub_ports, tags) = (next().next(), next(), next());
    let Some(trunk) = trunk else { return Ok(None) };
    let mut trunk = from_row(trunk)?;
    for row in sub_ports {
        trunk.sub_ports.push(subport(row)?.1);
    }
    Ok(Some((trunk, tags.map(|row| row.columns().text()).collect::<Result<_, _>>()?)))
}

/// One page of the trunks the caller may know of, with their tags.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    query: &ListQuery,
    caller: &Caller,
    sees_all: bool,
) -> Result<Vec<(Trunk, Vec<String>)>, Fault> {
    let mut select = Select::new(columns!(), TABLE.name);
    if !sees_all {
        let project = select.bind(caller.project_id.as_str());
        select.condition(format!("trunks.project_id = {project}"));
    }
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    let trunks = rows.into_iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<Value> = trunks.iter().map(|trunk| Value::from(trunk.id)).collect();
    let mut sub_ports: BTreeMap<TrunkId, Vec<SubPort>> = BTreeMap::new();
    for batch in ids.chunks(page::BATCH) {
        let mut select = Select::new("trunk_id, port_id, segmentation_id", "trunk_subports");
        select.one_of("trunk_id", batch.to_vec());
        select.order_by("trunk_id", false).order_by("segmentation_id", false);
        let (sql, values) = select.build();
        for row in session.rows(&sql, values).await? {
            let (trunk_id, own) = subport(row)?;
            sub_ports.entry(trunk_id).or_default().push(own);
        }
    }
    let mut tags = tag::store::of_many(session, ids).await?;
    let with = |mut trunk: Trunk| {
        trunk.sub_ports = sub_ports.remove(&trunk.id).unwrap_or_default();
        let tags = tags.remove(&trunk.id.to_string()).unwrap_or_default();
        (trunk, tags)
    };
    Ok(trunks.into_iter().map(with).collect())
}

/// Adds a row of [`OF_PORT`], read up to the parent port, to what is known of that
/// port's trunk.
///
/// # Errors
/// A column does not hold what it must.
pub fn add_details(details: &mut Option<TrunkDetails>, columns: &mut Columns) -> Result<(), StoreError> {
    let trunk_id: TrunkId = columns.parse()?;
    let details = details.get_or_insert(TrunkDetails { trunk_id, sub_ports: Vec::new() });
    let (port_id, number) = (columns.opt_parse::<PortId>()?, columns.opt_int()?);
    let mac = columns.opt_parse::<MacAddr>()?;
    if let (Some(port_id), Some(number), Some(mac)) = (port_id, number, mac) {
        let segmentation_id = u16::try_from(number).unwrap_or_default();
        details.sub_ports.push((SubPort { port_id, segmentation_id }, mac));
    }
    Ok(())
}

/// Stores a new trunk; its ports are [`add`]ed afterwards.
///
/// # Errors
/// 409 `ParentPortInUse` when the port has a trunk already.
pub async fn insert(tx: &mut Tx, trunk: &Trunk) -> Result<(), Fault> {
    let count = tx
        .execute(
            "INSERT INTO trunks (id, project_id, name, description, admin_state_up, status, port_id, created_at, \
             updated_at, revision_number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (port_id) DO NOTHING",
            values![
                trunk.id,
                &trunk.project_id,
                &trunk.name,
                &trunk.description,
                trunk.admin_state_up,
                trunk.status.as_str(),
                trunk.port_id,
                &trunk.created_at,
                &trunk.updated_at,
                trunk.revision_number,
            ],
        )
        .await?;
    if count == 0 { Err(parent_in_use(trunk.port_id, None)) } else { Ok(()) }
}

/// Stores a changed trunk: one revision on.
///
/// # Errors
/// The store's.
pub async fn save(tx: &mut Tx, trunk: &mut Trunk) -> Result<(), StoreError> {
    trunk.revision_number += 1;
    trunk.updated_at = now_seconds();
    tx.execute_later(
        "UPDATE trunks SET name = $1, description = $2, admin_state_up = $3, status = $4, updated_at = $5, \
         revision_number = $6 WHERE id = $7",
        values![
            &trunk.name,
            &trunk.description,
            trunk.admin_state_up,
            trunk.status.as_str(),
            &trunk.updated_at,
            trunk.revision_number,
            trunk.id,
        ],
    )
    .await?;
    Ok(())
}

/// Adds ports to a trunk, which then has them in the order of their tags.
///
/// # Errors
/// 409 `TrunkPortInUse`, `DuplicateSubPort`.
pub async fn add(tx: &mut Tx, trunk: &mut Trunk, new: &[SubPort]) -> Result<(), Fault> {
    if let Some(taken) = new
        .iter()
        .find(|own| trunk.sub_ports.iter().any(|other| other.segmentation_id == own.segmentation_id))
    {
        return Err(duplicate(trunk.id, taken.segmentation_id));
    }
    let row = |own: &SubPort| {
        (
            "INSERT INTO trunk_subports (port_id, trunk_id, segmentation_type, segmentation_id) \
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            values![own.port_id, trunk.id, VLAN, u32::from(own.segmentation_id)],
        )
    };
    let counts = tx.execute_many(new.iter().map(row).collect()).await?;
    // Tags were compared, so what is in the way is the port.
    if let Some((taken, _)) = new.iter().zip(counts).find(|(_, count)| *count == 0) {
        return Err(port_in_trunk(taken.port_id, None));
    }
    trunk.sub_ports.extend(new);
    trunk.sub_ports.sort_by_key(|own| own.segmentation_id);
    Ok(())
}

/// Takes ports out of their trunk.
///
/// # Errors
/// The store's.
pub async fn take_out(tx: &mut Tx, ports: &[PortId]) -> Result<(), StoreError> {
    let row = |id: &PortId| ("DELETE FROM trunk_subports WHERE port_id = $1", values![*id]);
    tx.execute_many_later(ports.iter().map(row).collect()).await?;
    Ok(())
}

/// Removes a trunk.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: TrunkId) -> Result<(), StoreError> {
    tx.execute_many_later(vec![
        (tag::store::FORGET, values![id]),
        ("DELETE FROM trunks WHERE id = $1", values![id]),
    ])
    .await?;
    Ok(())
}

/// What a port is to a trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Parent(TrunkId),
    SubPort(TrunkId),
}

/// The trunks these ports are part of, by port.
///
/// # Errors
/// The store's.
pub async fn parts(session: &mut Session, ports: &[PortId]) -> Result<BTreeMap<PortId, Part>, StoreError> {
    let mut found = BTreeMap::new();
    for batch in ports.chunks(page::BATCH) {
        let query = |columns: &str, table: &str| {
            let mut select = Select::new(columns, table);
            select.one_of("port_id", batch.iter().map(Value::from).collect());
            select.build()
        };
        let (parents, parent_values) = query("port_id, id", "trunks");
        let (subports, subport_values) = query("port_id, trunk_id", "trunk_subports");
        let queries = vec![(parents.as_str(), parent_values), (subports.as_str(), subport_values)];
        let answers = session.rows_many(queries).await?;
        for (rows, part) in answers.into_iter().zip([Part::Parent, Part::SubPort]) {
            for row in rows {
                let mut columns = row.columns();
                found.insert(columns.parse()?, part(columns.parse()?));
            }
        }
    }
    Ok(found)
}
