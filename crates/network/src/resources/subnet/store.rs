//! SQL for subnets.

mod list;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use isospin_store_kit::{ChangeKind, Columns, Row, Session, StoreError, Tx, Value, values};
use isospin_types::{NetworkId, PortId, SubnetId};
use serde_json::{Value as Json, json};

pub use list::list;

use super::model::{AllocationPool, HostRoute, Subnet, SubnetDetails};
use super::rules::Member;
use crate::resources::rbac_policy::Access;
use crate::resources::subnet_pool::{self, scope_of_subnet};
use crate::resources::tag;
use crate::{ipam, page};

/// The select list as a literal, so that whole statements stay constant.
macro_rules! columns {
    () => {
        "subnets.id, subnets.project_id, subnets.network_id, subnets.name, subnets.description, \
         subnets.subnetpool_id, subnets.cidr, subnets.gateway_ip, subnets.enable_dhcp, subnets.ipv6_ra_mode, \
         subnets.ipv6_address_mode, subnets.dns_nameservers, subnets.host_routes, subnets.service_types, \
         subnets.segment_id, subnets.created_at, subnets.updated_at, subnets.revision_number"
    };
}
macro_rules! details {
    () => {
        concat!(columns!(), ", networks.project_id, networks.external")
    };
}
macro_rules! joined {
    () => {
        "subnets JOIN networks ON networks.id = subnets.network_id"
    };
}

const DETAILS: &str = details!();
const JOINED: &str = joined!();
const GET: &str = concat!("SELECT ", columns!(), " FROM subnets WHERE subnets.id = $1");
const GET_DETAILS: &str = concat!("SELECT ", details!(), " FROM ", joined!(), " WHERE subnets.id = $1");
const OF_NETWORK: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM subnets WHERE subnets.network_id = $1 ORDER BY subnets.created_at, subnets.id"
);

fn from_columns(columns: &mut Columns) -> Result<Subnet, StoreError> {
    Ok(Subnet {
        id: columns.parse()?,
        project_id: columns.text()?,
        network_id: columns.parse()?,
        name: columns.text()?,
        description: columns.text()?,
        subnetpool_id: columns.opt_parse()?,
        cidr: columns.parse()?,
        gateway_ip: columns.opt_parse()?,
        enable_dhcp: columns.flag()?,
        ipv6_ra_mode: columns.opt_parse()?,
        ipv6_address_mode: columns.opt_parse()?,
        dns_nameservers: addresses(&columns.parse()?),
        host_routes: routes(&columns.parse()?),
        service_types: page::texts(&columns.parse()?),
        // "" is none.
        segment_id: columns.text()?.parse().ok(),
        created_at: columns.text()?,
        updated_at: columns.text()?,
        revision_number: columns.int()?,
    })
}

fn from_row(row: Row) -> Result<Subnet, StoreError> {
    from_columns(&mut row.columns())
}

fn details(row: Row) -> Result<SubnetDetails, StoreError> {
    let mut columns = row.columns();
    Ok(SubnetDetails {
        subnet: from_columns(&mut columns)?,
        allocation_pools: Vec::new(),
        tags: Vec::new(),
        network_project_id: columns.text()?,
        network_external: columns.flag()?,
        network_access: Access::default(),
    })
}

fn addresses(list: &Json) -> Vec<IpAddr> {
    page::texts(list).iter().filter_map(|text| text.parse().ok()).collect()
}

fn routes(list: &Json) -> Vec<HostRoute> {
    let text = |item: &Json, key: &str| item.get(key).and_then(Json::as_str).map(str::to_owned);
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| {
            Some(HostRoute {
                destination: text(item, "destination")?.parse().ok()?,
                nexthop: text(item, "nexthop")?.parse().ok()?,
            })
        })
        .collect()
}

/// The subnet of this id.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, id: SubnetId) -> Result<Option<Subnet>, StoreError> {
    session.row(GET, values![id]).await?.map(from_row).transpose()
}

/// The subnets of a network, oldest first.
///
/// # Errors
/// The store's.
pub async fn of_network(session: &mut Session, network_id: NetworkId) -> Result<Vec<Subnet>, StoreError> {
    session.rows(OF_NETWORK, values![network_id]).await?.into_iter().map(from_row).collect()
}

/// Of which pools and scopes the network's subnets of a family are.
///
/// # Errors
/// The store's.
pub async fn members(
    session: &mut Session,
    network_id: NetworkId,
    ip_version: u8,
) -> Result<Vec<Member>, StoreError> {
    let sql = concat!(
        "SELECT id, subnetpool_id, ",
        scope_of_subnet!(),
        " FROM subnets WHERE network_id = $1 AND ip_version = $2 ORDER BY created_at, id"
    );
    let rows = session.rows(sql, values![network_id, i64::from(ip_version)]).await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            Ok(Member {
                subnet_id: columns.parse()?,
                pool: columns.opt_parse()?,
                scope: columns.opt_parse()?,
            })
        })
        .collect()
}

/// The subnet of this id with all an answer to the project shows.
///
/// # Errors
/// The store's.
pub async fn get_details(
    session: &mut Session,
    id: SubnetId,
    project_id: &str,
) -> Result<Option<SubnetDetails>, StoreError> {
    let Some(row) = session.row(GET_DETAILS, values![id]).await? else { return Ok(None) };
    Ok(complete(session, project_id, vec![details(row)?]).await?.pop())
}

/// Adds pools, tags and access, with three queries whatever the number of subnets.
async fn complete(
    session: &mut Session,
    project_id: &str,
    mut subnets: Vec<SubnetDetails>,
) -> Result<Vec<SubnetDetails>, StoreError> {
    let ids: Vec<SubnetId> = subnets.iter().map(|details| details.subnet.id).collect();
    let mut tags = tag::store::of_many(session, ids.iter().map(Value::from)).await?;
    let networks: BTreeSet<NetworkId> = subnets.iter().map(|details| details.subnet.network_id).collect();
    let access = Access::of_many(session, project_id, networks.iter().map(Value::from)).await?;
    let mut pools: HashMap<SubnetId, Vec<AllocationPool>> = HashMap::new();
    for (id, range) in ipam::pools_of(session, &ids).await? {
        pools.entry(id).or_default().push(range.into());
    }
    for details in &mut subnets {
        let network_id = details.subnet.network_id.to_string();
        details.network_access = access.get(&network_id).copied().unwrap_or_default();
        details.allocation_pools = pools.remove(&details.subnet.id).unwrap_or_default();
        details.tags = tags.remove(&details.subnet.id.to_string()).unwrap_or_default();
    }
    Ok(subnets)
}

/// Stores a new subnet, without pools: see [`ipam::set_pools`].
///
/// # Errors
/// The store's.
pub async fn create(tx: &mut Tx, subnet: &Subnet) -> Result<(), StoreError> {
    tx.execute_later(
        "INSERT INTO subnets (id, project_id, network_id, name, description, ip_version, cidr, gateway_ip, \
         enable_dhcp, ipv6_ra_mode, ipv6_address_mode, dns_nameservers, host_routes, service_types, \
         segment_id, created_at, updated_at, revision_number, subnetpool_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
        values![
            subnet.id,
            &subnet.project_id,
            subnet.network_id,
            &subnet.name,
            &subnet.description,
            i64::from(subnet.ip_version()),
            subnet.cidr.to_string(),
            subnet.gateway_ip,
            subnet.enable_dhcp,
            subnet.ipv6_ra_mode.map(|mode| mode.as_str()),
            subnet.ipv6_address_mode.map(|mode| mode.as_str()),
            address_list(&subnet.dns_nameservers).to_string(),
            route_list(&subnet.host_routes).to_string(),
            json!(subnet.service_types).to_string(),
            segment_text(subnet),
            &subnet.created_at,
            &subnet.updated_at,
            subnet.revision_number,
            subnet.subnetpool_id,
        ],
    )
    .await?;
    tx.record_in("subnet", ChangeKind::Set, subnet.id, subnet.network_id);
    Ok(())
}

/// Stores what an update may change.
///
/// # Errors
/// The store's.
pub async fn update(tx: &mut Tx, subnet: &Subnet) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE subnets SET name = $1, description = $2, gateway_ip = $3, enable_dhcp = $4, \
         dns_nameservers = $5, host_routes = $6, service_types = $7, segment_id = $8, updated_at = $9, \
         revision_number = $10 WHERE id = $11",
        values![
            &subnet.name,
            &subnet.description,
            subnet.gateway_ip,
            subnet.enable_dhcp,
            address_list(&subnet.dns_nameservers).to_string(),
            route_list(&subnet.host_routes).to_string(),
            json!(subnet.service_types).to_string(),
            segment_text(subnet),
            &subnet.updated_at,
            subnet.revision_number,
            subnet.id,
        ],
    )
    .await?;
    tx.record_in("subnet", ChangeKind::Set, subnet.id, subnet.network_id);
    Ok(())
}

/// Removes a subnet no port has an address of any more; its pool, if it has one, gets
/// the prefix back.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, subnet: &Subnet) -> Result<(), StoreError> {
    if let Some(pool_id) = subnet.subnetpool_id {
        subnet_pool::give_back(tx, pool_id, subnet.cidr).await?;
    }
    tx.execute_many_later(vec![
        (tag::store::FORGET, values![subnet.id]),
        ("DELETE FROM subnets WHERE id = $1", values![subnet.id]),
    ])
    .await?;
    tx.record_in("subnet", ChangeKind::Deleted, subnet.id, subnet.network_id);
    Ok(())
}

fn segment_text(subnet: &Subnet) -> String {
    subnet.segment_id.map(|id| id.to_string()).unwrap_or_default()
}

/// Name servers as JSON, for table and wire.
#[must_use]
pub fn address_list(addresses: &[IpAddr]) -> Json {
    addresses.iter().map(ToString::to_string).collect()
}

/// Host routes as JSON, for table and wire.
#[must_use]
pub fn route_list(routes: &[HostRoute]) -> Json {
    routes
        .iter()
        .map(|route| json!({"destination": route.destination.to_string(), "nexthop": route.nexthop.to_string()}))
        .collect()
}

/// The router interface that holds this address of the subnet, if any.
///
/// # Errors
/// The store's.
pub async fn interface_with(
    session: &mut Session,
    subnet_id: SubnetId,
    address: IpAddr,
) -> Result<Option<PortId>, StoreError> {
    let row = session
        .row(
            "SELECT ports.id FROM port_addresses JOIN ports ON ports.id = port_addresses.port_id \
             WHERE port_addresses.subnet_id = $1 AND port_addresses.address_key = $2 \
             AND ports.device_owner LIKE 'network:router_interface%'",
            values![subnet_id, ipam::key(address)],
        )
        .await?;
    row.map(|row| row.columns().parse()).transpose()
}

/// Ports with an address of the subnet, with their owners.
///
/// # Errors
/// The store's.
pub async fn holders(
    session: &mut Session,
    subnet_id: SubnetId,
) -> Result<Vec<(PortId, String)>, StoreError> {
    let rows = session
        .rows(
            "SELECT DISTINCT ports.id, ports.device_owner FROM port_addresses \
             JOIN ports ON ports.id = port_addresses.port_id WHERE port_addresses.subnet_id = $1 \
             ORDER BY ports.id",
            values![subnet_id],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            Ok((columns.parse()?, columns.text()?))
        })
        .collect()
}
