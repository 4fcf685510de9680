//! SQL for networks.

mod places;
mod scopes;
mod usage;

use std::collections::{BTreeSet, HashMap};

use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Caller, Fault};
use isospin_store_kit::query::Select;
use isospin_store_kit::{ChangeKind, Columns, Row, Session, StoreError, Tx, Value, values};
use isospin_types::{NetworkId, SubnetId};

pub use places::follow_segments;
pub use usage::{default_external, gateway_routers, has_bound_ports, ports, users_among_others};

use scopes::SCOPES;

use super::model::{Network, NetworkDetails};
use super::rules::not_found;
use super::{SHAREABLE, TABLE};
use crate::page;
use crate::resources::qos_policy::bindings::Holder;
use crate::resources::rbac_policy::{self, Access, access};
use crate::resources::{segment, tag};

/// The select list as a literal, so that whole statements stay constant.
macro_rules! columns {
    () => {
        "networks.id, networks.project_id, networks.name, networks.description, networks.admin_state_up, \
         networks.status, networks.mtu, networks.mtu_given, networks.shared, networks.external, \
         networks.is_default, networks.port_security_enabled, networks.dns_domain, \
         networks.availability_zone_hints, networks.created_at, networks.updated_at, networks.revision_number, \
         (SELECT policy_id FROM network_qos_policies WHERE network_id = networks.id)"
    };
}

/// The columns [`from_columns`] reads.
pub const COLUMNS: &str = columns!();
const GET: &str = concat!("SELECT ", columns!(), " FROM networks WHERE networks.id = $1");

/// Reads [`COLUMNS`].
///
/// # Errors
/// A column does not hold what it must.
pub fn from_columns(columns: &mut Columns) -> Result<Network, StoreError> {
    let mut network = Network {
        id: columns.parse()?,
        project_id: columns.text()?,
        name: columns.text()?,
        description: columns.text()?,
        admin_state_up: columns.flag()?,
        status: columns.text()?,
        mtu: columns.number()?,
        mtu_given: columns.flag()?,
        shared: columns.flag()?,
        external: columns.flag()?,
        is_default: columns.flag()?,
        port_security_enabled: columns.flag()?,
        qos_policy_id: None,
        dns_domain: columns.text()?,
        availability_zone_hints: page::texts(&columns.parse()?),
        created_at: columns.text()?,
        updated_at: columns.text()?,
        revision_number: columns.int()?,
    };
    network.qos_policy_id = columns.opt_parse()?;
    Ok(network)
}

fn from_row(row: Row) -> Result<Network, StoreError> {
    from_columns(&mut row.columns())
}

/// The network of this id.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, id: NetworkId) -> Result<Option<Network>, StoreError> {
    session.row(GET, values![id]).await?.map(from_row).transpose()
}

/// The networks of these ids, in no order; unknown ids are left out.
///
/// # Errors
/// The store's.
pub async fn get_many(session: &mut Session, ids: &BTreeSet<NetworkId>) -> Result<Vec<Network>, StoreError> {
    let mut select = Select::new(COLUMNS, TABLE.name);
    select.one_of("networks.id", ids.iter().map(Value::from).collect());
    let (sql, values) = select.build();
    session.rows(&sql, values).await?.into_iter().map(from_row).collect()
}

/// The network of this id and what the project may do with it, in one round trip.
///
/// # Errors
/// The store's.
pub async fn get_for(
    session: &mut Session,
    id: NetworkId,
    project_id: &str,
) -> Result<Option<(Network, Access)>, StoreError> {
    let mut answers =
        session.rows_many(vec![(GET, values![id]), (access::OF, values![id, project_id])]).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let (network, entries) = (next().into_iter().next(), next());
    let Some(network) = network else { return Ok(None) };
    Ok(Some((from_row(network)?, Access::from_rows(entries)?)))
}

/// The network of this id with all an answer to the project shows, in one round trip.
///
/// # Errors
/// The store's.
pub async fn get_details(
    session: &mut Session,
    id: NetworkId,
    project_id: &str,
) -> Result<Option<NetworkDetails>, StoreError> {
    let mut answers = session
        .rows_many(vec![
            (GET, values![id]),
            (segment::store::OF_NETWORK, values![id]),
            (
                "SELECT id, segment_id <> '' FROM subnets WHERE network_id = $1 ORDER BY created_at, id",
                values![id],
            ),
            (
                "SELECT DISTINCT agents.availability_zone FROM dhcp_bindings JOIN agents ON agents.host = \
                 dhcp_bindings.host AND agents.agent_type = 'DHCP agent' WHERE dhcp_bindings.network_id = $1 \
                 ORDER BY agents.availability_zone",
                values![id],
            ),
            (tag::store::OF, values![id]),
            (access::OF, values![id, project_id]),
            (SCOPES, values![id]),
        ])
        .await?
        .into_iter();
    let mut next = || answers.next().unwrap_or_default().into_iter();
    let (network, segments) = (next().next(), next());
    let (subnets, zones, tags) = (next(), next(), next());
    let (entries, scopes) = (next(), next());
    let Some(network) = network else { return Ok(None) };
    let subnets = subnets.map(|row| subnet(&mut row.columns())).collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Some(NetworkDetails {
        network: from_row(network)?,
        segments: segments.map(segment::store::from_row).collect::<Result<_, _>>()?,
        routed: subnets.iter().any(|(_, on_segment)| *on_segment),
        subnets: subnets.into_iter().map(|(id, _)| id).collect(),
        availability_zones: zones.map(|row| row.columns().text()).collect::<Result<_, _>>()?,
        tags: tags.map(|row| row.columns().text()).collect::<Result<_, _>>()?,
        access: Access::from_rows(entries)?,
        address_scopes: scopes::collect(scopes)?.remove(&id).unwrap_or_default(),
    }))
}

/// A subnet, and whether it belongs to a segment.
fn subnet(columns: &mut Columns) -> Result<(SubnetId, bool), StoreError> {
    Ok((columns.parse()?, columns.flag()?))
}

/// One page of the networks the caller may know of; `sees_all` skips the filter.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    list: &ListQuery,
    caller: &Caller,
    sees_all: bool,
) -> Result<Vec<NetworkDetails>, Fault> {
    let mut select = Select::new(COLUMNS, TABLE.name);
    if !sees_all {
        rbac_policy::only_visible(&mut select, &SHAREABLE, &caller.project_id);
    }
    for (attribute, wanted) in &list.own {
        if *attribute == "shared" {
            rbac_policy::filter_shared(&mut select, &SHAREABLE, &caller.project_id, wanted)?;
        }
    }
    places::filter(&mut select, list);
    let rows = page::rows(session, list, &TABLE, select, |marker| not_found(marker)).await?;
    let mut found = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let batch = rows.by_ref().take(page::BATCH).map(from_row).collect::<Result<Vec<_>, _>>()?;
        found.extend(with_details(session, &caller.project_id, batch).await?);
    }
    Ok(found)
}

/// Adds what an answer shows, with a constant number of queries whatever the number of networks.
async fn with_details(
    session: &mut Session,
    project_id: &str,
    networks: Vec<Network>,
) -> Result<Vec<NetworkDetails>, StoreError> {
    let ids: Vec<Value> = networks.iter().map(|network| Value::from(network.id)).collect();
    let mut segments = segment::store::of_networks(session, ids.clone()).await?;
    let mut subnets: HashMap<NetworkId, Vec<(SubnetId, bool)>> = HashMap::new();
    for (network_id, subnet) in subnets_of(session, ids.clone()).await? {
        subnets.entry(network_id).or_default().push(subnet);
    }
    let mut zones: HashMap<NetworkId, BTreeSet<String>> = HashMap::new();
    for (network_id, zone) in zones_of(session, ids.clone()).await? {
        zones.entry(network_id).or_default().insert(zone);
    }
    let mut access = Access::of_many(session, project_id, ids.clone()).await?;
    let mut scopes = scopes::of_many(session, ids.clone()).await?;
    let mut tags = tag::store::of_many(session, ids).await?;
    Ok(networks
        .into_iter()
        .map(|network| {
            let subnets = subnets.remove(&network.id).unwrap_or_default();
            NetworkDetails {
                segments: segments.remove(&network.id).unwrap_or_default(),
                routed: subnets.iter().any(|(_, on_segment)| *on_segment),
                subnets: subnets.into_iter().map(|(id, _)| id).collect(),
                availability_zones: zones.remove(&network.id).unwrap_or_default().into_iter().collect(),
                address_scopes: scopes.remove(&network.id).unwrap_or_default(),
                access: access.remove(&network.id.to_string()).unwrap_or_default(),
                tags: tags.remove(&network.id.to_string()).unwrap_or_default(),
                network,
            }
        })
        .collect())
}

async fn subnets_of(
    session: &mut Session,
    ids: Vec<Value>,
) -> Result<Vec<(NetworkId, (SubnetId, bool))>, StoreError> {
    let mut select = Select::new("network_id, id, segment_id <> ''", "subnets");
    select.one_of("network_id", ids);
    select.order_by("created_at", false).order_by("id", false);
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            Ok((columns.parse()?, subnet(&mut columns)?))
        })
        .collect()
}

async fn zones_of(session: &mut Session, ids: Vec<Value>) -> Result<Vec<(NetworkId, String)>, StoreError> {
    let mut select = Select::new(
        "dhcp_bindings.network_id, agents.availability_zone",
        "dhcp_bindings JOIN agents ON agents.host = dhcp_bindings.host AND agents.agent_type = 'DHCP agent'",
    );
    select.one_of("dhcp_bindings.network_id", ids);
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            Ok((columns.parse()?, columns.text()?))
        })
        .collect()
}

/// Stores a new network.
///
/// # Errors
/// The store's.
pub async fn create(tx: &mut Tx, network: &Network) -> Result<(), StoreError> {
    tx.execute_later(
        "INSERT INTO networks (id, project_id, name, description, admin_state_up, status, mtu, mtu_given, \
         shared, external, is_default, port_security_enabled, dns_domain, availability_zone_hints, \
         created_at, updated_at, revision_number) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        values![
            network.id,
            &network.project_id,
            &network.name,
            &network.description,
            network.admin_state_up,
            &network.status,
            network.mtu,
            network.mtu_given,
            network.shared,
            network.external,
            network.is_default,
            network.port_security_enabled,
            &network.dns_domain,
            hints(network),
            &network.created_at,
            &network.updated_at,
            network.revision_number,
        ],
    )
    .await?;
    if network.qos_policy_id.is_some() {
        let (sql, values) = Holder::Network.statement(network.id, network.qos_policy_id);
        tx.execute_later(sql, values).await?;
    }
    tx.record("network", ChangeKind::Set, network.id);
    Ok(())
}

/// Stores what an update may change; being shared and external is kept by
/// [`rbac_policy`], the policy asked for by `qos_policy`.
///
/// # Errors
/// The store's.
pub async fn update(tx: &mut Tx, network: &Network) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE networks SET name = $1, description = $2, admin_state_up = $3, mtu = $4, mtu_given = $5, \
         is_default = $6, port_security_enabled = $7, dns_domain = $8, \
         updated_at = $9, revision_number = $10 WHERE id = $11",
        values![
            &network.name,
            &network.description,
            network.admin_state_up,
            network.mtu,
            network.mtu_given,
            network.is_default,
            network.port_security_enabled,
            &network.dns_domain,
            &network.updated_at,
            network.revision_number,
            network.id,
        ],
    )
    .await?;
    tx.record("network", ChangeKind::Set, network.id);
    Ok(())
}

/// Counts a change of something the network shows, such as its list of subnets.
///
/// # Errors
/// The store's.
pub async fn touch(tx: &mut Tx, id: NetworkId, now: &str) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE networks SET revision_number = revision_number + 1, updated_at = $1 WHERE id = $2",
        values![now, id],
    )
    .await?;
    tx.record("network", ChangeKind::Set, id);
    Ok(())
}

/// Removes a network nothing refers to any more.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: NetworkId) -> Result<(), StoreError> {
    tx.execute_many_later(vec![
        ("DELETE FROM dhcp_bindings WHERE network_id = $1", values![id]),
        (tag::store::FORGET, values![id]),
        ("DELETE FROM networks WHERE id = $1", values![id]),
    ])
    .await?;
    tx.record("network", ChangeKind::Deleted, id);
    Ok(())
}

fn hints(network: &Network) -> String {
    serde_json::Value::from(network.availability_zone_hints.clone()).to_string()
}
