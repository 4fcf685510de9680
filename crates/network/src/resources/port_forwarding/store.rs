//! SQL for port forwardings.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Fault, now_seconds};
use isospin_store_kit::query::Select;
use isospin_store_kit::{ChangeKind, Columns, Row, Session, StoreError, Tx, Value, values};
use isospin_types::{FloatingIpId, PortForwardingId, PortId};

use super::TABLE;
use super::model::{PortForwarding, PortRange, Ports};
use super::rules::not_found;
use crate::page;

/// The select list as a literal, so that whole statements stay constant.
macro_rules! selected {
    () => {
        "port_forwardings.id, port_forwardings.floating_ip_id, port_forwardings.internal_port_id, \
         port_forwardings.internal_ip_address, port_forwardings.protocol, port_forwardings.external_first, \
         port_forwardings.external_last, port_forwardings.internal_first, port_forwardings.internal_last, \
         port_forwardings.description"
    };
}

/// The port forwardings of one floating IP, for batches; read with [`read`].
pub const OF: &str = concat!(
    "SELECT ",
    selected!(),
    " FROM port_forwardings WHERE port_forwardings.floating_ip_id = $1 ORDER BY port_forwardings.id"
);

/// A port forwarding from a row of [`OF`].
///
/// # Errors
/// The row does not hold one.
pub fn read(row: Row) -> Result<PortForwarding, StoreError> {
    let mut columns = row.columns();
    Ok(PortForwarding {
        id: columns.parse()?,
        floating_ip_id: columns.parse()?,
        internal_port_id: columns.parse()?,
        internal_ip_address: columns.parse()?,
        protocol: columns.parse()?,
        ports: ports(&mut columns)?,
        description: columns.text()?,
    })
}

fn ports(columns: &mut Columns) -> Result<Option<Ports>, StoreError> {
    let mut next = || Ok::<_, StoreError>(columns.opt_int()?.and_then(|port| u16::try_from(port).ok()));
    let (external, internal) = ((next()?, next()?), (next()?, next()?));
    let range = |(first, last): (Option<u16>, Option<u16>)| Some(PortRange { first: first?, last: last? });
    Ok(range(external).zip(range(internal)).map(|(external, internal)| Ports { external, internal }))
}

/// The port forwardings of several floating IPs; those without any are absent.
///
/// # Errors
/// The store's.
pub async fn of_many(
    session: &mut Session,
    floating_ips: impl IntoIterator<Item = Value>,
) -> Result<HashMap<FloatingIpId, Vec<PortForwarding>>, StoreError> {
    let ids: Vec<Value> = floating_ips.into_iter().collect();
    let mut all: HashMap<FloatingIpId, Vec<PortForwarding>> = HashMap::new();
    for batch in ids.chunks(page::BATCH) {
        let mut select = Select::new(selected!(), "port_forwardings");
        select.one_of("port_forwardings.floating_ip_id", batch.to_vec());
        select.order_by("port_forwardings.id", false);
        let (sql, values) = select.build();
        for row in session.rows(&sql, values).await? {
            let forwarding = read(row)?;
            all.entry(forwarding.floating_ip_id).or_default().push(forwarding);
        }
    }
    Ok(all)
}

/// One page of the port forwardings of a floating IP.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    query: &ListQuery,
    floating_ip: FloatingIpId,
) -> Result<Vec<PortForwarding>, Fault> {
    let mut select = Select::new(selected!(), "port_forwardings");
    let parent = select.bind(floating_ip);
    select.condition(format!("port_forwardings.floating_ip_id = {parent}"));
    for (_, wanted) in &query.own {
        let ports = wanted.iter().filter_map(|text| text.trim().parse::<i64>().ok()).map(Value::from);
        select.one_of("port_forwardings.external_first", ports.collect());
        select.condition("port_forwardings.external_last = port_forwardings.external_first");
    }
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// The port forwardings that lead to an address of a port.
///
/// # Errors
/// The store's.
pub async fn to_address(
    session: &mut Session,
    port_id: PortId,
    address: Ipv4Addr,
) -> Result<Vec<PortForwarding>, StoreError> {
    let sql = concat!(
        "SELECT ",
        selected!(),
        " FROM port_forwardings WHERE internal_port_id = $1 AND internal_ip_address = $2 ORDER BY id"
    );
    let rows = session.rows(sql, values![port_id, IpAddr::V4(address)]).await?;
    rows.into_iter().map(read).collect()
}

/// Address and id of a floating IP that leads to the port as a whole, if there is one.
///
/// # Errors
/// The store's.
pub async fn binding_floating_ip(
    session: &mut Session,
    port_id: PortId,
) -> Result<Option<(IpAddr, String)>, StoreError> {
    let sql = "SELECT floating_ip_address, id FROM floating_ips WHERE port_id = $1 ORDER BY id LIMIT 1";
    let row = session.row(sql, values![port_id]).await?;
    row.map(|row| {
        let mut columns = row.columns();
        Ok((columns.parse()?, columns.text()?))
    })
    .transpose()
}

fn port_values(ports: Option<Ports>) -> [Value; 4] {
    let number = |port: Option<u16>| Value::from(port.map(i64::from));
    [
        number(ports.map(|ports| ports.external.first)),
        number(ports.map(|ports| ports.external.last)),
        number(ports.map(|ports| ports.internal.first)),
        number(ports.map(|ports| ports.internal.last)),
    ]
}

/// Stores a new port forwarding; the caller stores its floating IP.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, new: &PortForwarding) -> Result<(), StoreError> {
    let mut values = values![
        new.id,
        new.floating_ip_id,
        new.internal_port_id,
        IpAddr::V4(new.internal_ip_address),
        new.protocol.as_str(),
        &new.description,
    ];
    values.extend(port_values(new.ports));
    tx.execute_later(
        "INSERT INTO port_forwardings (id, floating_ip_id, internal_port_id, internal_ip_address, protocol, \
         description, external_first, external_last, internal_first, internal_last) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        values,
    )
    .await?;
    Ok(())
}

/// Stores a changed port forwarding; the caller stores its floating IP.
///
/// # Errors
/// The store's.
pub async fn save(tx: &mut Tx, changed: &PortForwarding) -> Result<(), StoreError> {
    let mut values = values![
        changed.internal_port_id,
        IpAddr::V4(changed.internal_ip_address),
        changed.protocol.as_str(),
        &changed.description,
    ];
    values.extend(port_values(changed.ports));
    values.push(Value::from(changed.id));
    tx.execute_later(
        "UPDATE port_forwardings SET internal_port_id = $1, internal_ip_address = $2, protocol = $3, \
         description = $4, external_first = $5, external_last = $6, internal_first = $7, internal_last = $8 \
         WHERE id = $9",
        values,
    )
    .await?;
    Ok(())
}

/// Removes a port forwarding; the caller stores its floating IP.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: PortForwardingId) -> Result<(), StoreError> {
    tx.execute_later("DELETE FROM port_forwardings WHERE id = $1", values![id]).await?;
    Ok(())
}

/// Removes the port forwardings that lead to a port, except to addresses it keeps.
/// A floating IP left without any is free again.
///
/// # Errors
/// The store's.
pub async fn forget_port(tx: &mut Tx, port_id: PortId, kept: &[IpAddr]) -> Result<(), StoreError> {
    let sql = "SELECT p.id, p.internal_ip_address, f.id, f.router_id FROM port_forwardings p \
               JOIN floating_ips f ON f.id = p.floating_ip_id WHERE p.internal_port_id = $1";
    let mut doomed = Vec::new();
    let mut touched = Vec::new();
    for row in tx.rows(sql, values![port_id]).await? {
        let mut columns = row.columns();
        let (id, address): (String, IpAddr) = (columns.text()?, columns.parse()?);
        if kept.contains(&address) {
            continue;
        }
        doomed.push(Value::from(id));
        let (floating_ip, router) = (columns.text()?, columns.opt_text()?.unwrap_or_default());
        tx.record_in("floating_ip", ChangeKind::Set, &floating_ip, router);
        touched.push(Value::from(floating_ip));
    }
    if doomed.is_empty() {
        return Ok(());
    }
    let names = |count: usize| (1..=count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    let forget = format!("DELETE FROM port_forwardings WHERE id IN ({})", names(doomed.len()));
    tx.execute_later(&forget, doomed).await?;
    let none_left = "NOT EXISTS (SELECT 1 FROM port_forwardings p WHERE p.floating_ip_id = floating_ips.id)";
    let (at, now) = (touched.len() + 1, now_seconds());
    let release = format!(
        "UPDATE floating_ips SET revision_number = revision_number + 1, updated_at = ${at}, \
         router_id = CASE WHEN {none_left} THEN NULL ELSE router_id END, \
         status = CASE WHEN {none_left} THEN 'DOWN' ELSE status END WHERE id IN ({})",
        names(touched.len())
    );
    touched.push(Value::from(now));
    tx.execute_later(&release, touched).await?;
    Ok(())
}
