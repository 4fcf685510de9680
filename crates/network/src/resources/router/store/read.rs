//! Reading routers: a constant number of queries.

use std::collections::BTreeMap;

use isospin_api_kit::Fault;
use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Columns, Row, Session, StoreError, Value, values};
use isospin_types::{NetworkId, PortId, RouterId};

use super::super::TABLE;
use super::super::model::{Details, Gateway, Route, Router};
use super::super::rules::not_found;
use crate::page;
use crate::resources::port::model::FixedIp;
use crate::resources::{conntrack_helper, tag};

/// The select list as a literal, so that whole statements stay constant.
macro_rules! selected {
    () => {
        "routers.id, routers.project_id, routers.name, routers.description, routers.admin_state_up, \
         routers.status, routers.enable_snat, routers.gateway_port_id, routers.gateway_network_id, \
         routers.availability_zone_hints, routers.flavor_id, routers.host, agents.availability_zone, routers.created_at, \
         routers.updated_at, routers.revision_number"
    };
}
macro_rules! selected_from {
    () => {
        "routers LEFT JOIN agents ON agents.host = routers.host AND agents.agent_type = 'L3 agent'"
    };
}

/// Columns of a router, in the order [`read`] takes them.
pub const SELECTED: &str = selected!();
/// Where [`SELECTED`] comes from.
pub const SELECTED_FROM: &str = selected_from!();

const BY_ID: &str = concat!("SELECT ", selected!(), " FROM ", selected_from!(), " WHERE routers.id = $1");
const ROUTES: &str =
    "SELECT router_id, destination, nexthop FROM router_routes WHERE router_id = $1 ORDER BY ordinal";
const GATEWAY_ADDRESSES: &str = "SELECT routers.id, port_addresses.subnet_id, port_addresses.ip_address FROM routers \
     JOIN port_addresses ON port_addresses.port_id = routers.gateway_port_id WHERE routers.id = $1 \
     ORDER BY port_addresses.ordinal";

/// Ids named in one statement at most; both engines take as many parameters.
const BATCH: usize = 8192;

/// A router from a row of [`SELECTED`].
pub fn read(row: Row) -> Result<Router, StoreError> {
    let mut columns = row.columns();
    Ok(Router {
        id: columns.parse()?,
        project_id: columns.text()?,
        name: columns.text()?,
        description: columns.text()?,
        admin_state_up: columns.flag()?,
        status: columns.parse()?,
        enable_snat: columns.flag()?,
        gateway: columns
            .opt_parse::<PortId>()?
            .zip(columns.opt_parse::<NetworkId>()?)
            .map(|(port_id, network_id)| Gateway { port_id, network_id }),
        availability_zone_hints: page::texts(&columns.parse()?),
        flavor_id: columns.opt_parse()?,
        host: columns.text()?,
        availability_zone: columns.opt_text()?,
        created_at: columns.text()?,
        updated_at: columns.text()?,
        revision_number: columns.int()?,
    })
}

/// The router of this id.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, id: RouterId) -> Result<Option<Router>, StoreError> {
    session.row(BY_ID, values![id]).await?.map(read).transpose()
}

/// The router of this id with all an answer shows.
///
/// # Errors
/// The store's.
pub async fn find(session: &mut Session, id: RouterId) -> Result<Option<(Router, Details)>, StoreError> {
    let queries = [BY_ID, GATEWAY_ADDRESSES, ROUTES, tag::store::OF, conntrack_helper::store::OF]
        .map(|sql| (sql, values![id]));
    let mut answers = session.rows_many(queries.into()).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let Some(row) = next().pop() else { return Ok(None) };
    let mut details = Details::default();
    for row in next() {
        details.gateway_addresses.push(of_router(row, fixed_ip)?.1);
    }
    for row in next() {
        details.routes.push(of_router(row, route)?.1);
    }
    for row in next() {
        details.tags.push(row.columns().text()?);
    }
    for row in next() {
        details.conntrack_helpers.push(conntrack_helper::store::read(row)?);
    }
    Ok(Some((read(row)?, details)))
}

/// One page of the routers of a project, or of all, with all an answer shows.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    query: &ListQuery,
    project: Option<&str>,
) -> Result<Vec<(Router, Details)>, Fault> {
    let mut select = Select::new(SELECTED, SELECTED_FROM);
    if let Some(project) = project {
        let project = select.bind(project);
        select.condition(format!("routers.project_id = {project}"));
    }
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    let routers = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<RouterId> = routers.iter().map(|router| router.id).collect();
    let mut details = details_of(session, &ids).await?;
    let with = |router: Router| {
        let details = details.remove(&router.id).unwrap_or_default();
        (router, details)
    };
    Ok(routers.into_iter().map(with).collect())
}

/// What answers show beside the rows of these routers; routers with nothing are absent.
async fn details_of(
    session: &mut Session,
    ids: &[RouterId],
) -> Result<BTreeMap<RouterId, Details>, StoreError> {
    let mut all: BTreeMap<RouterId, Details> = BTreeMap::new();
    for batch in ids.chunks(BATCH) {
        let children = |columns: &str, from: &str, router: &str, order: &str| {
            let mut select = Select::new(columns, from);
            select.one_of(router, batch.iter().map(Value::from).collect());
            select.order_by(order, false);
            select.build()
        };
        let (address_sql, address_values) = children(
            "routers.id, port_addresses.subnet_id, port_addresses.ip_address",
            "routers JOIN port_addresses ON port_addresses.port_id = routers.gateway_port_id",
            "routers.id",
            "port_addresses.ordinal",
        );
        let (route_sql, route_values) =
            children("router_id, destination, nexthop", "router_routes", "router_id", "ordinal");
        let (tag_sql, tag_values) = children("resource_id, tag", "tags", "resource_id", "tag");
        let (helper_sql, helper_values) = children(
            conntrack_helper::store::SELECTED,
            "conntrack_helpers",
            "conntrack_helpers.router_id",
            "conntrack_helpers.id",
        );
        let queries = vec![
            (address_sql.as_str(), address_values),
            (route_sql.as_str(), route_values),
            (tag_sql.as_str(), tag_values),
            (helper_sql.as_str(), helper_values),
        ];
        let mut answers = session.rows_many(queries).await?.into_iter();
        for row in answers.next().unwrap_or_default() {
            let (id, address) = of_router(row, fixed_ip)?;
            all.entry(id).or_default().gateway_addresses.push(address);
        }
        for row in answers.next().unwrap_or_default() {
            let (id, route) = of_router(row, route)?;
            all.entry(id).or_default().routes.push(route);
        }
        for row in answers.next().unwrap_or_default() {
            let (id, tag) = of_router(row, Columns::text)?;
            all.entry(id).or_default().tags.push(tag);
        }
        for row in answers.next().unwrap_or_default() {
            let helper = conntrack_helper::store::read(row)?;
            all.entry(helper.router_id).or_default().conntrack_helpers.push(helper);
        }
    }
    Ok(all)
}

fn of_router<T>(
    row: Row,
    child: impl FnOnce(&mut Columns) -> Result<T, StoreError>,
) -> Result<(RouterId, T), StoreError> {
    let mut columns = row.columns();
    Ok((columns.parse()?, child(&mut columns)?))
}

fn fixed_ip(columns: &mut Columns) -> Result<FixedIp, StoreError> {
    Ok(FixedIp { subnet_id: columns.parse()?, ip_address: columns.parse()? })
}

fn route(columns: &mut Columns) -> Result<Route, StoreError> {
    Ok(Route { destination: columns.parse()?, nexthop: columns.parse()? })
}

/// The routes of a router, in order.
///
/// # Errors
/// The store's.
pub async fn routes(session: &mut Session, id: RouterId) -> Result<Vec<Route>, StoreError> {
    let rows = session.rows(ROUTES, values![id]).await?;
    rows.into_iter().map(|row| Ok(of_router(row, route)?.1)).collect()
}
