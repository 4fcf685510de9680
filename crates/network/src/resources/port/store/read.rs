//! Reading ports with their addresses and groups: one query, and one round trip more where
//! there are tags, policies or trunks.

use std::collections::HashMap;

use isospin_store_kit::{Row, Session, StoreError, Value, values};
use isospin_types::{MacAddr, NetworkId, PortId, QosPolicyId, SecurityGroupId};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::super::model::{AddressPair, Binding, Card, DhcpOption, FixedIp, Port};
use crate::resources::qos_policy::requests::{self, Guarantee};
use crate::resources::rbac_policy::Access;
use crate::resources::trunk;
use crate::resources::trunk::model::TrunkDetails;

/// The select list as a literal, so that whole statements stay constant.
macro_rules! selected {
    () => {
        "ports.id, ports.project_id, ports.network_id, ports.name, ports.description, \
         ports.mac_address, ports.admin_state_up, ports.status, ports.device_id, ports.device_owner, \
         ports.port_security_enabled, ports.dns_name, ports.dns_domain, ports.ip_allocation, ports.allowed_address_pairs, \
         ports.extra_dhcp_opts, ports.binding_host, ports.binding_vnic_type, ports.binding_profile, \
         ports.binding_vif_type, ports.binding_vif_details, ports.binding_segment_id, \
         ports.data_plane_status, ports.device_profile, ports.hardware_offload_type, ports.hints, \
         ports.numa_affinity_policy, ports.propagate_uplink_status, ports.trusted, ports.created_at, \
         ports.updated_at, ports.revision_number, networks.project_id, networks.shared, \
         (SELECT policy_id FROM port_qos_policies WHERE port_id = ports.id), \
         (SELECT policy_id FROM network_qos_policies WHERE network_id = ports.network_id), \
         EXISTS (SELECT 1 FROM trunks WHERE trunks.port_id = ports.id), \
         EXISTS (SELECT 1 FROM tags WHERE tags.resource_id = ports.id), \
         (SELECT string_agg(subnet_id || ' ' || ip_address || ' ' || ordinal, ',') \
          FROM port_addresses WHERE port_id = ports.id), \
         (SELECT string_agg(security_group_id, ',') FROM port_security_groups WHERE port_id = ports.id)"
    };
}
macro_rules! selected_from {
    () => {
        "ports JOIN networks ON networks.id = ports.network_id"
    };
}

/// Columns of a port, its addresses and groups as one text each (half of what statements
/// of their own cost PostgreSQL), and what rules ask about its network, in the order read here.
pub const SELECTED: &str = selected!();
/// Where [`SELECTED`] comes from.
pub const SELECTED_FROM: &str = selected_from!();

const BY_ID: &str = concat!("SELECT ", selected!(), " FROM ", selected_from!(), " WHERE ports.id = $1");
const TAGS: &str = "SELECT resource_id, tag FROM tags WHERE resource_id = $1 ORDER BY tag";

/// A port with what policy and view ask beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub port: Port,
    /// Project of the port's network.
    pub network_project_id: String,
    /// Whether the network is shared, with the caller where that was asked.
    pub network_shared: bool,
    pub tags: Vec<String>,
    /// The policy of its network.
    pub qos_network_policy_id: Option<QosPolicyId>,
    /// What the policy it is under guarantees.
    pub guarantees: Vec<Guarantee>,
    /// The trunk it is the parent of.
    pub trunk: Option<TrunkDetails>,
}

/// The port of this id.
pub async fn get(session: &mut Session, id: PortId) -> Result<Option<Port>, StoreError> {
    Ok(find(session, id).await?.map(|found| found.port))
}

/// The port of this id with its tags and facts of its network.
pub async fn find(session: &mut Session, id: PortId) -> Result<Option<Found>, StoreError> {
    let rows = session.rows(BY_ID, values![id]).await?;
    Ok(found_rows(session, rows).await?.pop())
}

/// As [`find`], with the network shared where it is with this project.
pub async fn find_for(
    session: &mut Session,
    id: PortId,
    project_id: &str,
) -> Result<Option<Found>, StoreError> {
    let queries = vec![(BY_ID, values![id]), (ACCESS, values![id, project_id])];
    let mut answers = session.rows_many(queries).await?;
    let access = Access::from_rows(answers.pop().unwrap_or_default())?;
    let found = found_rows(session, answers.pop().unwrap_or_default()).await?.pop();
    Ok(found.map(|found| Found { network_shared: access.shared, ..found }))
}

/// What entries let project `$2` do with the network of port `$1`.
const ACCESS: &str = "SELECT DISTINCT action FROM rbac_policies \
     WHERE object_id = (SELECT network_id FROM ports WHERE id = $1) AND target_project IN ('*', $2)";

/// Whether a port of the network has this MAC.
pub async fn has_mac(session: &mut Session, network_id: NetworkId, mac: MacAddr) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM ports WHERE network_id = $1 AND mac_address = $2";
    Ok(session.row(sql, values![network_id, mac]).await?.is_some())
}

/// Ports from rows of [`SELECTED`], in that order, with all they have.
pub async fn found_rows(session: &mut Session, rows: Vec<Row>) -> Result<Vec<Found>, StoreError> {
    let mut ports = rows.into_iter().map(row_of_port).collect::<Result<Vec<_>, _>>()?;
    attach_seldom(session, &mut ports).await?;
    Ok(ports.into_iter().map(|(found, _)| found).collect())
}

/// The ports of these ids, in no order; unknown ids are left out.
pub async fn found_many(session: &mut Session, ids: &[PortId]) -> Result<Vec<Found>, StoreError> {
    let sql = BY_ID.replace("= $1", &session.engine().any_of("$1"));
    let rows = session.rows(&sql, vec![Value::list(ids.iter().copied())]).await?;
    found_rows(session, rows).await
}

/// What few ports have, and is asked for only then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seldom {
    /// A policy of its own or of its network.
    policy: bool,
    trunk: bool,
    tags: bool,
}

/// Gives the ports that are under a policy its guarantees, parents their trunk, and tags.
async fn attach_seldom(session: &mut Session, ports: &mut [(Found, Seldom)]) -> Result<(), StoreError> {
    let of = |has: fn(&Seldom) -> bool| -> Vec<PortId> {
        ports.iter().filter(|(_, seldom)| has(seldom)).map(|(found, _)| found.port.id).collect()
    };
    let concerned = [of(|seldom| seldom.policy), of(|seldom| seldom.trunk), of(|seldom| seldom.tags)];
    if concerned.iter().all(Vec::is_empty) {
        return Ok(());
    }
    let any = session.engine().any_of("$1");
    let queries = [requests::OF_PORT, trunk::store::OF_PORT, TAGS].map(|sql| sql.replace("= $1", &any));
    let ids = concerned.map(Value::list);
    let queries = queries.iter().zip(ids).map(|(sql, ids)| (sql.as_str(), vec![ids])).collect();
    let mut answers = session.rows_many(queries).await?.into_iter();
    let index = places(ports);
    for row in answers.next().unwrap_or_default() {
        let mut columns = row.columns();
        if let Some((found, _)) = index.get(&columns.parse()?).and_then(|at| ports.get_mut(*at)) {
            found.guarantees.push(Guarantee::from_columns(&mut columns)?);
        }
    }
    for row in answers.next().unwrap_or_default() {
        let mut columns = row.columns();
        if let Some((found, _)) = index.get(&columns.parse()?).and_then(|at| ports.get_mut(*at)) {
            trunk::store::add_details(&mut found.trunk, &mut columns)?;
        }
    }
    for row in answers.next().unwrap_or_default() {
        let mut columns = row.columns();
        if let Some((found, _)) = index.get(&columns.parse()?).and_then(|at| ports.get_mut(*at)) {
            found.tags.push(columns.text()?);
        }
    }
    Ok(())
}

/// Where each port is in the list.
fn places(ports: &[(Found, Seldom)]) -> HashMap<PortId, usize> {
    ports.iter().enumerate().map(|(index, (found, _))| (found.port.id, index)).collect()
}

/// A row of [`SELECTED`], still without what few ports have.
fn row_of_port(row: Row) -> Result<(Found, Seldom), StoreError> {
    let mut columns = row.columns();
    let mut port = Port {
        id: columns.parse()?,
        project_id: columns.text()?,
        network_id: columns.parse()?,
        name: columns.text()?,
        description: columns.text()?,
        mac_address: columns.parse()?,
        admin_state_up: columns.flag()?,
        status: columns.parse()?,
        device_id: columns.text()?,
        device_owner: columns.text()?,
        port_security_enabled: columns.flag()?,
        qos_policy_id: None,
        dns_name: columns.text()?,
        dns_domain: columns.text()?,
        ip_allocation: columns.parse()?,
        allowed_address_pairs: list(&columns.text()?, pair)?,
        extra_dhcp_opts: list(&columns.text()?, option)?,
        binding: Binding {
            host: columns.text()?,
            vnic_type: columns.text()?,
            profile: json(&columns.text()?)?,
            vif_type: columns.text()?,
            vif_details: json(&columns.text()?)?,
            segment_id: columns.opt_parse()?,
        },
        data_plane_status: columns.opt_text()?,
        card: Card {
            device_profile: columns.opt_text()?,
            hardware_offload_type: columns.opt_text()?,
            hints: columns.opt_text()?.map(|text| json(&text)).transpose()?,
            numa_affinity_policy: columns.opt_text()?,
            propagate_uplink_status: columns.flag()?,
            trusted: columns.opt_flag()?,
        },
        created_at: columns.text()?,
        updated_at: columns.text()?,
        revision_number: columns.int()?,
        fixed_ips: Vec::new(),
        security_groups: Vec::new(),
    };
    let (network_project_id, network_shared) = (columns.text()?, columns.flag()?);
    port.qos_policy_id = columns.opt_parse()?;
    let qos_network_policy_id: Option<QosPolicyId> = columns.opt_parse()?;
    let seldom = Seldom {
        policy: port.qos_policy_id.is_some() || qos_network_policy_id.is_some(),
        trunk: columns.flag()?,
        tags: columns.flag()?,
    };
    port.fixed_ips = addresses(columns.opt_text()?)?;
    port.security_groups = groups(columns.opt_text()?)?;
    let found = Found {
        port,
        network_project_id,
        network_shared,
        tags: Vec::new(),
        qos_network_policy_id,
        guarantees: Vec::new(),
        trunk: None,
    };
    Ok((found, seldom))
}

/// `SUBNET ADDRESS PLACE,…` in any order.
fn addresses(text: Option<String>) -> Result<Vec<FixedIp>, StoreError> {
    let text = text.unwrap_or_default();
    let mut placed = Vec::new();
    for item in text.split(',').filter(|item| !item.is_empty()) {
        let mut parts = item.split(' ');
        let mut part = || parts.next().ok_or_else(|| damaged(&text));
        let (subnet_id, ip_address, place) = (part()?, part()?, part()?);
        let fixed_ip = FixedIp {
            subnet_id: subnet_id.parse().map_err(|_| damaged(&text))?,
            ip_address: ip_address.parse().map_err(|_| damaged(&text))?,
        };
        placed.push((place.parse::<i64>().map_err(|_| damaged(&text))?, fixed_ip));
    }
    placed.sort_by_key(|(place, _)| *place);
    Ok(placed.into_iter().map(|(_, fixed_ip)| fixed_ip).collect())
}

/// `GROUP,…` in any order.
fn groups(text: Option<String>) -> Result<Vec<SecurityGroupId>, StoreError> {
    let text = text.unwrap_or_default();
    let each = text.split(',').filter(|item| !item.is_empty());
    let mut groups: Vec<SecurityGroupId> =
        each.map(|item| item.parse().map_err(|_| damaged(&text))).collect::<Result<_, _>>()?;
    groups.sort_unstable();
    Ok(groups)
}

/// A JSON column: written by us, so anything unreadable is damage, not input.
pub(super) fn json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| damaged(text))
}

fn list<T>(text: &str, each: fn(&Json) -> Option<T>) -> Result<Vec<T>, StoreError> {
    if text == "[]" {
        return Ok(Vec::new());
    }
    let items: Vec<Json> = json(text)?;
    items.iter().map(|item| each(item).ok_or_else(|| damaged(text))).collect()
}

fn damaged(text: &str) -> StoreError {
    StoreError::Decode { column: 0, wanted: "part of a port", found: text.to_owned() }
}

fn pair(item: &Json) -> Option<AddressPair> {
    Some(AddressPair {
        ip_address: item.get("ip_address")?.as_str()?.parse().ok()?,
        mac_address: item.get("mac_address")?.as_str()?.parse().ok()?,
    })
}

fn option(item: &Json) -> Option<DhcpOption> {
    Some(DhcpOption {
        name: item.get("opt_name")?.as_str()?.to_owned(),
        value: item.get("opt_value")?.as_str()?.to_owned(),
        ip_version: u8::try_from(item.get("ip_version")?.as_u64()?).ok()?,
    })
}
