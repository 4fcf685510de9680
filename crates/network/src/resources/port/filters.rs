//! Lists of ports: visibility and the filters that are not plain columns.

use std::collections::{BTreeMap, BTreeSet};

use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Caller, Fault};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Session, Value};
use isospin_types::{NetworkId, PortId};

use super::TABLE;
use super::rules::checks::address_text;
use super::rules::references::not_found;
use super::store::{self, Found};
use crate::resources::rbac_policy::shared_among;
use crate::{App, page};

/// One page of the ports the caller may know of.
///
/// # Errors
/// 400 for a filter that cannot be meant; 404 for an unknown marker.
pub async fn page(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    query: &ListQuery,
) -> Result<Vec<Found>, Fault> {
    let select = select(store::SELECTED, visible_to(app, caller), query)?;
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    let found = store::found_rows(session, rows).await?;
    shared(session, caller, found).await
}

/// The ids of the same ports, in order.
///
/// # Errors
/// As [`page`].
pub async fn ids(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    query: &ListQuery,
) -> Result<Vec<PortId>, Fault> {
    let select = select("ports.id", visible_to(app, caller), query)?;
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    rows.into_iter().map(|row| Ok(row.columns().parse()?)).collect()
}

/// The ports of these ids, in this order.
///
/// # Errors
/// The store's.
pub async fn found(session: &mut Session, caller: &Caller, ids: &[PortId]) -> Result<Vec<Found>, Fault> {
    let mut found = store::found_many(session, ids).await?;
    let places: BTreeMap<PortId, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    found.sort_by_key(|found| places.get(&found.port.id).copied());
    shared(session, caller, found).await
}

/// With whether the network of each is shared with the caller.
async fn shared(session: &mut Session, caller: &Caller, mut found: Vec<Found>) -> Result<Vec<Found>, Fault> {
    let networks: BTreeSet<NetworkId> = found.iter().map(|found| found.port.network_id).collect();
    let shared = shared_among(session, &caller.project_id, networks.iter().map(Value::from)).await?;
    for found in &mut found {
        found.network_shared = shared.contains(&found.port.network_id.to_string());
    }
    Ok(found)
}

/// Columns that begin an index of their own: few ports have the same value.
const NARROW: &[&str] = &["id", "network_id", "name", "device_id", "binding_host"];

/// Whether the filters leave few ports, which are then found by them. Looking through a
/// project's ports in order until a page is full would go over all that do not match.
fn is_narrow(query: &ListQuery) -> bool {
    query.names_values_of(NARROW) || !query.own.is_empty()
}

/// These columns of the ports that the query's own filters mean: all, or those the
/// project may know of.
pub(super) fn select(columns: &str, project_id: Option<&str>, query: &ListQuery) -> Result<Select, Fault> {
    let mut select = Select::new(columns, store::SELECTED_FROM);
    if let Some(project_id) = project_id {
        let project = select.bind(project_id);
        let own = format!("ports.project_id = {project}");
        let guests = format!("ports.guest_of = {project}");
        if is_narrow(query) {
            select.condition(format!("({own} OR {guests})"));
        } else {
            select.either("ports.id", vec![own, guests]);
        }
    }
    for (attribute, values) in &query.own {
        match *attribute {
            "fixed_ips" => fixed_ips(&mut select, values)?,
            "security_groups" => security_groups(&mut select, values),
            _ => {}
        }
    }
    Ok(select)
}

/// The caller's project, for callers who see no ports but those it owns or has on its networks.
fn visible_to<'c>(app: &App, caller: &'c Caller) -> Option<&'c str> {
    let sees_all = app.policy.allows("get_port", caller, &Target::owned_by(""));
    (!sees_all).then_some(caller.project_id.as_str())
}

/// `subnet_id=…`, `ip_address=…`, `ip_address_substr=…`: any of the values of one
/// key, all of the keys.
fn fixed_ips(select: &mut Select, values: &[String]) -> Result<(), Fault> {
    let (mut subnets, mut addresses, mut parts): (Vec<Value>, Vec<Value>, Vec<&str>) = Default::default();
    for value in values {
        match value.split_once('=') {
            Some(("subnet_id", id)) => subnets.push(Value::from(id.to_lowercase())),
            Some(("ip_address", address)) => addresses.push(Value::from(address_text(address))),
            Some(("ip_address_substr", part)) => parts.push(part),
            _ => {
                return Err(Fault::invalid_input(format!(
                    "'{value}' is not a filter on fixed_ips; use subnet_id=…, ip_address=… or ip_address_substr=…"
                )));
            }
        }
    }
    for (column, wanted) in [("subnet_id", subnets), ("ip_address", addresses)] {
        if !wanted.is_empty() {
            let names = select.bind_list(wanted);
            select.condition(format!(
                "ports.id IN (SELECT port_id FROM port_addresses WHERE {column} IN ({names}))"
            ));
        }
    }
    if !parts.is_empty() {
        let mut alternatives = Vec::with_capacity(parts.len());
        for part in parts {
            let escaped = part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            let name = select.bind(format!("%{escaped}%"));
            alternatives.push(format!("ip_address LIKE {name} ESCAPE '\\'"));
        }
        let alternatives = alternatives.join(" OR ");
        select.condition(format!("ports.id IN (SELECT port_id FROM port_addresses WHERE {alternatives})"));
    }
    Ok(())
}

fn security_groups(select: &mut Select, values: &[String]) {
    let names = select.bind_list(values.iter().map(|id| Value::from(id.to_lowercase())));
    select.condition(format!(
        "ports.id IN (SELECT port_id FROM port_security_groups WHERE security_group_id IN ({names}))"
    ));
}
