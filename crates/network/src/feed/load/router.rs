//! Routers and floating IPs.

use std::collections::BTreeMap;

use isospin_feed::proto::{FloatingIp, Route, Router};
use isospin_store_kit::{Columns, Session, StoreError};

use super::{Of, each, rows, select};

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
    let queries = vec![
        (sql.as_str(), values),
        (interface_sql.as_str(), interface_values),
        (route_sql.as_str(), route_values),
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

/// Floating IPs that are associated; others are no agent's business.
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
    let associated = each("floating IP", found, |columns| {
        let floating_ip = FloatingIp {
            id: columns.text()?,
            floating_ip_address: columns.text()?,
            floating_network_id: columns.text()?,
            ..FloatingIp::default()
        };
        Ok(match (columns.opt_text()?, columns.opt_text()?, columns.opt_text()?) {
            (Some(router_id), Some(fixed_ip_address), Some(port_id)) => {
                Some(FloatingIp { router_id, fixed_ip_address, port_id, ..floating_ip })
            }
            _ => None,
        })
    });
    Ok(associated.into_iter().flatten().collect())
}
