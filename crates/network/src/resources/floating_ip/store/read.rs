//! Reading floating IPs with the ports they lead to: a constant number of queries.

use std::net::IpAddr;

use isospin_api_kit::Fault;
use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Columns, Row, Session, StoreError, Value, values};
use isospin_types::{FloatingIpId, NetworkId, PortId, RouterId};

use super::super::TABLE;
use super::super::model::{Association, FloatingIp, FloatingIpStatus, PortDetails};
use super::super::rules::not_found;
use crate::page;
use crate::resources::{port_forwarding, tag};

/// The select list as a literal, so that whole statements stay constant.
macro_rules! selected {
    () => {
        "floating_ips.id, floating_ips.project_id, floating_ips.description, \
         floating_ips.floating_network_id, floating_ips.floating_ip_address, floating_ips.floating_port_id, \
         floating_ips.port_id, floating_ips.fixed_ip_address, floating_ips.router_id, floating_ips.status, \
         floating_ips.dns_name, floating_ips.dns_domain, floating_ips.created_at, floating_ips.updated_at, \
         floating_ips.revision_number, \
         (SELECT policy_id FROM floating_ip_qos_policies WHERE floating_ip_id = floating_ips.id), \
         (SELECT policy_id FROM network_qos_policies WHERE network_id = floating_ips.floating_network_id), \
         ports.name, ports.network_id, ports.mac_address, \
         ports.admin_state_up, ports.status, ports.device_id, ports.device_owner"
    };
}
macro_rules! selected_from {
    () => {
        "floating_ips LEFT JOIN ports ON ports.id = floating_ips.port_id"
    };
}

/// Columns of a floating IP and of the port it leads to, in the order [`read`] takes them.
const SELECTED: &str = selected!();
/// Where [`SELECTED`] comes from.
const SELECTED_FROM: &str = selected_from!();

const BY_ID: &str =
    concat!("SELECT ", selected!(), " FROM ", selected_from!(), " WHERE floating_ips.id = $1");

/// A floating IP from a row of [`SELECTED`].
fn read(row: Row) -> Result<FloatingIp, StoreError> {
    let mut columns = row.columns();
    let mut floating_ip = FloatingIp {
        id: columns.parse()?,
        project_id: columns.text()?,
        description: columns.text()?,
        floating_network_id: columns.parse()?,
        floating_ip_address: columns.parse()?,
        floating_port_id: columns.parse()?,
        association: None,
        port_forwardings: Vec::new(),
        forwarding_router: None,
        status: FloatingIpStatus::Down,
        qos_policy_id: None,
        qos_network_policy_id: None,
        dns_name: String::new(),
        dns_domain: String::new(),
        created_at: String::new(),
        updated_at: String::new(),
        revision_number: 0,
    };
    let port_id: Option<PortId> = columns.opt_parse()?;
    let fixed_ip_address: Option<IpAddr> = columns.opt_parse()?;
    let router_id: Option<RouterId> = columns.opt_parse()?;
    floating_ip.status = columns.parse()?;
    floating_ip.dns_name = columns.text()?;
    floating_ip.dns_domain = columns.text()?;
    floating_ip.created_at = columns.text()?;
    floating_ip.updated_at = columns.text()?;
    floating_ip.revision_number = columns.int()?;
    floating_ip.qos_policy_id = columns.opt_parse()?;
    floating_ip.qos_network_policy_id = columns.opt_parse()?;
    if let (Some(port_id), Some(fixed_ip_address), Some(router_id)) = (port_id, fixed_ip_address, router_id) {
        let port = port_details(&mut columns)?;
        floating_ip.association = Some(Association { port_id, fixed_ip_address, router_id, port });
    } else {
        floating_ip.forwarding_router = router_id;
    }
    Ok(floating_ip)
}

fn port_details(columns: &mut Columns) -> Result<PortDetails, StoreError> {
    Ok(PortDetails {
        name: columns.text()?,
        network_id: columns.parse()?,
        mac_address: columns.parse()?,
        admin_state_up: columns.flag()?,
        status: columns.parse()?,
        device_id: columns.text()?,
        device_owner: columns.text()?,
    })
}

/// The floating IP of this id with its port forwardings and tags, in one round trip.
///
/// # Errors
/// The store's.
pub async fn find(
    session: &mut Session,
    id: FloatingIpId,
) -> Result<Option<(FloatingIp, Vec<String>)>, StoreError> {
    let queries = [BY_ID, tag::store::OF, port_forwarding::store::OF].map(|sql| (sql, values![id]));
    let mut answers = session.rows_many(queries.into()).await?.into_iter();
    let Some(row) = answers.next().unwrap_or_default().pop() else { return Ok(None) };
    let tags = answers.next().unwrap_or_default().into_iter().map(|row| row.columns().text());
    let tags = tags.collect::<Result<_, _>>()?;
    let mut floating_ip = read(row)?;
    let forwardings = answers.next().unwrap_or_default().into_iter().map(port_forwarding::store::read);
    floating_ip.port_forwardings = forwardings.collect::<Result<_, _>>()?;
    Ok(Some((floating_ip, tags)))
}

/// The floating IPs of an external network that lead nowhere, not even single ports.
///
/// # Errors
/// The store's.
pub async fn unused(session: &mut Session, network_id: NetworkId) -> Result<Vec<FloatingIp>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        selected!(),
        " FROM ",
        selected_from!(),
        " WHERE floating_ips.floating_network_id = $1 AND floating_ips.port_id IS NULL AND NOT EXISTS \
         (SELECT 1 FROM port_forwardings f WHERE f.floating_ip_id = floating_ips.id) ORDER BY floating_ips.id"
    );
    session.rows(SQL, values![network_id]).await?.into_iter().map(read).collect()
}

/// One page of the floating IPs of a project, or of all, with their port forwardings
/// and tags.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    query: &ListQuery,
    project: Option<&str>,
) -> Result<Vec<(FloatingIp, Vec<String>)>, Fault> {
    let mut select = Select::new(SELECTED, SELECTED_FROM);
    if let Some(project) = project {
        let project = select.bind(project);
        select.condition(format!("floating_ips.project_id = {project}"));
    }
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    let all = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut tags = tag::store::of_many(session, all.iter().map(|each| Value::from(each.id))).await?;
    let ids = all.iter().map(|each| Value::from(each.id));
    let mut forwardings = port_forwarding::store::of_many(session, ids).await?;
    let with = |mut each: FloatingIp| {
        each.port_forwardings = forwardings.remove(&each.id).unwrap_or_default();
        let tags = tags.remove(&each.id.to_string()).unwrap_or_default();
        (each, tags)
    };
    Ok(all.into_iter().map(with).collect())
}
