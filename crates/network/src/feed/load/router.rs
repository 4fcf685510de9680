//! Routers with all that is told of them.

use std::collections::BTreeMap;

use isospin_feed::proto::{ConntrackHelper, Route, Router};
use isospin_store_kit::{Columns, Session, StoreError};

use super::{Of, each, metering, qos, select};
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
    let (metering_sql, metering_values) = select(metering::COLUMNS, metering::COUNTED, of);
    let metering_sql = format!("{metering_sql} ORDER BY r.id, l.id, m.id");
    let (rule_sql, rule_values) = select(&format!("r.id, {}", qos::RULE), UNDER_RULES, of);
    let queries = vec![
        (sql.as_str(), values),
        (interface_sql.as_str(), interface_values),
        (route_sql.as_str(), route_values),
        (helper_sql.as_str(), helper_values),
        (rule_sql.as_str(), rule_values),
        (metering_sql.as_str(), metering_values),
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
    for (router_id, asked) in qos::asked(next()) {
        if let Some((router, _)) = routers.get_mut(&router_id) {
            router.gateway_qos = Some(asked);
        }
    }
    for (router_id, labels) in metering::labels(next()) {
        if let Some((router, _)) = routers.get_mut(&router_id) {
            router.metering_labels = labels;
        }
    }
    for (router, _) in routers.values_mut() {
        router.interface_port_ids.sort();
    }
    Ok(routers.into_values().collect())
}

/// Routers with the rules for their gateways: those of the external network are for
/// what it carries, not for its own ports.
const UNDER_RULES: &str = "routers r JOIN router_qos_policies own ON own.router_id = r.id \
     JOIN qos_rules q ON q.policy_id = own.policy_id";

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
