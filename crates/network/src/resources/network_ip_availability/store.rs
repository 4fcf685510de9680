//! SQL for availability: four queries whatever the number of networks and subnets.

use std::collections::HashMap;

use ipnet::IpNet;
use isospin_api_kit::Fault;
use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Value, values};
use isospin_types::{NetworkId, SubnetId};

use super::TABLE;
use super::model::{Availability, Counts, SubnetAvailability};
use crate::ranges::Range;
use crate::resources::network;
use crate::{ipam, page};

const COLUMNS: &str = "networks.id, networks.name, networks.project_id";

fn from_row(row: Row) -> Result<Availability, StoreError> {
    let mut columns = row.columns();
    Ok(Availability {
        network_id: columns.parse()?,
        name: columns.text()?,
        project_id: columns.text()?,
        subnets: Vec::new(),
    })
}

/// The network of this id.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, id: NetworkId) -> Result<Option<Availability>, StoreError> {
    let mut select = Select::new(COLUMNS, TABLE.name);
    select.one_of("networks.id", values![id]);
    let (sql, values) = select.build();
    let found = session.row(&sql, values).await?.map(from_row).transpose()?;
    Ok(with_subnets(session, found.into_iter().collect(), None).await?.pop())
}

/// One page of the networks; `only` keeps those of one project.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    list: &ListQuery,
    only: Option<&str>,
) -> Result<Vec<Availability>, Fault> {
    let mut select = Select::new(COLUMNS, TABLE.name);
    if let Some(project_id) = only {
        select.one_of("networks.project_id", values![project_id]);
    }
    // The IP version is the only filter that is no column of networks.
    let versions: Option<Vec<Value>> = list.own.first().map(|(_, wanted)| {
        wanted.iter().filter_map(|text| text.trim().parse().ok()).map(Value::Int).collect()
    });
    if let Some(versions) = &versions {
        let names = select.bind_list(versions.iter().cloned());
        let wanted = if names.is_empty() { "1 = 0".to_owned() } else { format!("ip_version IN ({names})") };
        select
            .condition(format!("EXISTS (SELECT 1 FROM subnets WHERE network_id = networks.id AND {wanted})"));
    }
    let rows = page::rows(session, list, &TABLE, select, |marker| network::rules::not_found(marker)).await?;
    let mut found = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let batch = rows.by_ref().take(page::BATCH).map(from_row).collect::<Result<Vec<_>, _>>()?;
        found.extend(with_subnets(session, batch, versions.as_deref()).await?);
    }
    Ok(found)
}

/// Adds the subnets, of these versions or of all.
async fn with_subnets(
    session: &mut Session,
    mut networks: Vec<Availability>,
    versions: Option<&[Value]>,
) -> Result<Vec<Availability>, StoreError> {
    let mut select = Select::new("network_id, id, name, cidr", "subnets");
    select.one_of("network_id", networks.iter().map(|network| Value::from(network.network_id)).collect());
    if let Some(versions) = versions {
        select.one_of("ip_version", versions.to_vec());
    }
    select.order_by("created_at", false).order_by("id", false);
    let (sql, values) = select.build();
    let mut subnets: Vec<(NetworkId, SubnetId, String, IpNet)> = Vec::new();
    for row in session.rows(&sql, values).await? {
        let mut columns = row.columns();
        subnets.push((columns.parse()?, columns.parse()?, columns.text()?, columns.parse()?));
    }
    let mut by_network: HashMap<NetworkId, Vec<SubnetAvailability>> = HashMap::new();
    for batch in subnets.chunks(page::BATCH) {
        let ids: Vec<SubnetId> = batch.iter().map(|(_, id, ..)| *id).collect();
        let mut pools: HashMap<SubnetId, Vec<Range>> = HashMap::new();
        for (id, range) in ipam::pools_of(session, &ids).await? {
            pools.entry(id).or_default().push(range);
        }
        let used = used(session, &ids).await?;
        for (network_id, id, name, cidr) in batch {
            let (all, in_pools) = used.get(id).copied().unwrap_or_default();
            let pools = pools.remove(id).unwrap_or_default();
            by_network.entry(*network_id).or_default().push(SubnetAvailability {
                subnet_id: *id,
                name: name.clone(),
                cidr: *cidr,
                counts: Counts::of(*cidr, &pools, all, in_pools),
            });
        }
    }
    for network in &mut networks {
        network.subnets = by_network.remove(&network.network_id).unwrap_or_default();
    }
    Ok(networks)
}

/// Addresses in use, and those of them inside of pools, which are disjoint; subnets
/// without any are absent.
async fn used(
    session: &mut Session,
    subnet_ids: &[SubnetId],
) -> Result<HashMap<SubnetId, (u128, u128)>, StoreError> {
    let mut select = Select::new(
        "a.subnet_id, COUNT(*), COUNT(p.subnet_id)",
        "port_addresses a LEFT JOIN allocation_pools p ON p.subnet_id = a.subnet_id \
         AND p.first_key <= a.address_key AND p.last_key >= a.address_key",
    );
    select.one_of("a.subnet_id", subnet_ids.iter().map(Value::from).collect());
    let (sql, values) = select.build();
    let rows = session.rows(&format!("{sql} GROUP BY a.subnet_id"), values).await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            let id = columns.parse()?;
            let mut count = || Ok::<_, StoreError>(u128::try_from(columns.int()?).unwrap_or_default());
            Ok((id, (count()?, count()?)))
        })
        .collect()
}
