//! Routers and floating IPs.

use std::collections::BTreeMap;

use isospin_feed::proto::{ConntrackHelper, FloatingIp, PortForwarding, Route, Router};
use isospin_store_kit::{Columns, Session, StoreError};

use super::{Of, each, rows, select};
use crate::resources::port_forwarding::model::Protocol;

/// Routers with the host that carries each.
pub(in crate::feed) async fn routers(
    session: &mut Session,
    of: &Of,
) -> Result<Vec<(Router, String)>, StoreError> {
    let mut routers = Vec::new();
    for portion in of.portions() {
        routers.append(&mut portion_of_routers(session, &portion).await?);
    }
    Ok(routers)
}

async fn portion_of_routers(session: &mut Session, of: &Of) -> Result<Vec<(Router, String)>, StoreError> {
    let (sql, values) = select(
        "r.id, r.name, r.project_id, r.admin_state_up, r.enable_snat, r.gateway_port_id, r.host",
        "routers r",
        of,
    );
    let (interface_sql, interface_values) = select(
        "DISTINCT x.router_id, x.port_id",
        "router_interfaces x JOIN routers r ON r.id = x.router_id",
        of,
    );
    let (route_sql, route_values) = select(
        "x.router_id, x.destination, x.nexthop",
        "router_routes x JOIN routers r ON r.id = x.router_id",
        of,
    );
    let route_sql = format!("{route_sql} ORDER BY x.router_id, x.ordinal");
    let (helper_sql, helper_values) = select(
        "x.router_id, x.helper, x.protocol, x.port",
        "conntrack_helpers x JOIN routers r ON r.id = x.router_id",
        of,
    );
    let helper_sql = format!("{helper_sql} ORDER BY x.router_id, x.helper, x.protocol, x.port");
    let queries = vec![
        (sql.as_str(), values),
        (interface_sql.as_str(), interface_values),
        (route_sql.as_str(), route_values),
        (helper_sql.as_str(), helper_values),
    ];
    let mut answers = session.rows_many(queries).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let mut routers: BTreeMap<String, (Router, String)> = each("router", next(), router)
        .into_iter()
        .map(|(router, host)| (router.id.clone(), (router, host)))
        .collect();
    let interfaces = each("router interface", next(), |columns| Ok((columns.text()?, columns.text()?)));
    for (router_id, port_id) in interfaces {
        if let Some((router, _)) = routers.get_mut(&router_id) {
            router.interface_port_ids.push(port_id);
        }
    }
    let routes = each("route", next(), |columns| {
        let router_id = columns.text()?;
        Ok((router_id, Route { destination: columns.text()?, nexthop: columns.text()? }))
    });
    for (router_id, route) in routes {
        if let Some((router, _)) = routers.get_mut(&router_id) {
            router.routes.push(route);
        }
    }
    let helpers = each("conntrack helper", next(), |columns| {
        let (router_id, helper) = (columns.text()?, columns.text()?);
        let protocol: Protocol = columns.parse()?;
        Ok((
            router_id,
            ConntrackHelper { helper, protocol: protocol.number().into(), port: columns.number()? },
        ))
    });
    for (router_id, helper) in helpers {
        if let Some((router, _)) = routers.get_mut(&router_id) {
            router.conntrack_helpers.push(helper);
        }
    }
    for (router, _) in routers.values_mut() {
        router.interface_port_ids.sort();
    }
    Ok(routers.into_values().collect())
}

fn router(columns: &mut Columns) -> Result<(Router, String), StoreError> {
    let router = Router {
        id: columns.text()?,
        name: columns.text()?,
        project_id: columns.text()?,
        admin_state_up: columns.flag()?,
        enable_snat: columns.flag()?,
        gateway_port_id: columns.opt_text()?.unwrap_or_default(),
        ..Router::default()
    };
    Ok((router, columns.text()?))
}

/// Floating IPs that lead somewhere, as a whole or by ports; others are no agent's
/// business.
pub(in crate::feed) async fn floating_ips(
    session: &mut Session,
    of: &Of,
) -> Result<Vec<FloatingIp>, StoreError> {
    let found = rows(
        session,
        "id, floating_ip_address, floating_network_id, router_id, fixed_ip_address, port_id",
        "floating_ips",
        of,
    )
    .await?;
    let carried: Vec<FloatingIp> = each("floating IP", found, |columns| {
        Ok(FloatingIp {
            id: columns.text()?,
            floating_ip_address: columns.text()?,
            floating_network_id: columns.text()?,
            router_id: columns.opt_text()?.unwrap_or_default(),
            fixed_ip_address: columns.opt_text()?.unwrap_or_default(),
            port_id: columns.opt_text()?.unwrap_or_default(),
            port_forwardings: Vec::new(),
        })
    });
    let mut carried: BTreeMap<String, FloatingIp> = carried
        .into_iter()
        .filter(|floating_ip| !floating_ip.router_id.is_empty())
        .map(|floating_ip| (floating_ip.id.clone(), floating_ip))
        .collect();
    let forwarding = carried.values().filter(|floating_ip| floating_ip.port_id.is_empty());
    let ids = forwarding.map(|floating_ip| floating_ip.id.clone()).collect();
    for (id, forwarding) in port_forwardings(session, ids).await? {
        if let Some(floating_ip) = carried.get_mut(&id) {
            floating_ip.port_forwardings.push(forwarding);
        }
    }
    carried
        .retain(|_, floating_ip| !floating_ip.port_id.is_empty() || !floating_ip.port_forwardings.is_empty());
    Ok(carried.into_values().collect())
}

/// Port forwardings of these floating IPs, each with the id of its own.
async fn port_forwardings(
    session: &mut Session,
    floating_ips: Vec<String>,
) -> Result<Vec<(String, PortForwarding)>, StoreError> {
    let found = rows(
        session,
        "floating_ip_id, protocol, internal_ip_address, external_first, external_last, internal_first, \
         internal_last, id",
        "port_forwardings",
        &Of::Column("floating_ip_id", floating_ips),
    )
    .await?;
    let mut forwardings = each("port forwarding", found, |columns| {
        let floating_ip = columns.text()?;
        let protocol: Protocol = columns.parse()?;
        let internal_ip_address = columns.text()?;
        let mut port = || {
            let port = columns.opt_int()?;
            Ok::<_, StoreError>(port.and_then(|port| u32::try_from(port).ok()).unwrap_or_default())
        };
        let forwarding = PortForwarding {
            protocol: protocol.number().into(),
            internal_ip_address,
            external_first: port()?,
            external_last: port()?,
            internal_first: port()?,
            internal_last: port()?,
        };
        Ok((columns.text()?, floating_ip, forwarding))
    });
    forwardings.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(forwardings.into_iter().map(|(_, floating_ip, forwarding)| (floating_ip, forwarding)).collect())
}
