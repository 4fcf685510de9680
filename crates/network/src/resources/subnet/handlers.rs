//! Requests about subnets.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault, now_seconds};
use isospin_store_kit::{Session, Tx};
use isospin_types::{NetworkId, PortId, SubnetId};

use super::model::{AllocationPool, Subnet, SubnetDetails};
use super::{TYPE, automatic, from_pool, rules, store, target, view};
use crate::background::scheduling::ensure_dhcp;
use crate::resources::network::{self, model::Network};
use crate::resources::port::model::is_router_interface;
use crate::resources::rbac_policy::Access;
use crate::resources::segment;
use crate::{App, ipam, owner, page, quota};

/// `GET /v2.0/subnets`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let caller = context.caller.clone();
    let sees_all = app.policy.allows("get_subnet", &caller, &Target::new());
    let (found, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let found = store::list(session, &query, &caller, sees_all).await?;
                Ok::<_, Fault>((found, query))
            })
        })
        .await?;
    let ids: Vec<String> = found.iter().map(|details| details.subnet.id.to_string()).collect();
    let items = found
        .iter()
        .filter(|details| app.policy.allows("get_subnet", &context.caller, &target(details)))
        .map(|details| view::subnet(&app.policy, &context.caller, details, &query.fields))
        .collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/subnets/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let details = find(&mut session, &context.caller, &id).await?;
    if !app.policy.allows("get_subnet", &context.caller, &target(&details)) {
        return Err(rules::not_found(id));
    }
    let shown = view::subnet(&app.policy, &context.caller, &details, &query.fields);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `POST /v2.0/subnets`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let wanted = bodies
        .into_iter()
        .map(|body| Ok((owner::project(&body, &context.caller)?, body)))
        .collect::<Result<Vec<_>, Fault>>()?;
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let created = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let mut created = Vec::with_capacity(wanted.len());
                let mut networks = BTreeSet::new();
                for (project_id, body) in wanted {
                    let details = create_one(tx, &unit_app, &unit_context, project_id, &body).await?;
                    networks.insert(details.subnet.network_id);
                    created.push(details);
                }
                for network_id in networks {
                    ensure_dhcp(tx, &unit_app, network_id).await?;
                }
                Ok::<_, Fault>(created)
            })
        })
        .await?;
    let shown =
        created.iter().map(|details| view::subnet(&app.policy, &context.caller, details, &[])).collect();
    Ok(page::created(&TYPE, bulk, shown))
}

/// Makes the subnet a body describes: what the cloud makes by itself. DHCP of the
/// network is the caller's to arrange.
///
/// # Errors
/// As for a POST.
pub(in crate::resources) async fn make(
    tx: &mut Tx,
    app: &App,
    context: &Context,
    project_id: &str,
    body: &Body,
) -> Result<Subnet, Fault> {
    Ok(create_one(tx, app, context, project_id.to_owned(), body).await?.subnet)
}

async fn create_one(
    tx: &mut Tx,
    app: &App,
    context: &Context,
    project_id: String,
    body: &Body,
) -> Result<SubnetDetails, Fault> {
    let (network, access) = network_of(tx, app, context, body).await?;
    let facts = access.facts(Target::owned_by(&project_id).with("network:project_id", &network.project_id));
    app.policy.check_create(&TYPE, &context.caller, &facts, body)?;
    let now = now_seconds();
    let prefix = from_pool::prefix(tx, app, &context.caller, &project_id, &network, body).await?;
    let (subnet, pools) = rules::create(body, project_id, network.id, prefix, &app.settings, now.clone())?;
    let others = store::of_network(tx, network.id).await?;
    rules::check_overlap(&subnet, &others)?;
    check_segment(tx, None, &subnet, &others).await?;
    rules::check_mtu(network.mtu, [&subnet])?;
    quota::take(tx, &app.settings, &subnet.project_id, "subnet", 1).await?;
    store::create(tx, &subnet).await?;
    automatic::add_to_ports(tx, &subnet).await?;
    set_pools(tx, &subnet, &pools).await?;
    network::store::touch(tx, network.id, &now).await?;
    Ok(SubnetDetails {
        subnet,
        allocation_pools: pools,
        tags: Vec::new(),
        network_project_id: network.project_id,
        network_external: network.external,
        network_access: access,
    })
}

/// Refuses a segment the subnet cannot be on; who names none on a network without
/// any is not asked.
async fn check_segment(
    session: &mut Session,
    before: Option<&Subnet>,
    subnet: &Subnet,
    others: &[Subnet],
) -> Result<(), Fault> {
    let segments = match subnet.segment_id {
        Some(id) => {
            if segment::store::get(session, id).await?.is_none() {
                return Err(segment::rules::not_found(id));
            }
            segment::store::of_network(session, subnet.network_id).await?
        }
        None => Vec::new(),
    };
    rules::check_segment(before, subnet, others, &segments)
}

/// The network a new subnet goes on; one the caller cannot see is not there.
async fn network_of(
    tx: &mut Tx,
    app: &App,
    context: &Context,
    body: &Body,
) -> Result<(Network, Access), Fault> {
    let named = body.text("network_id").unwrap_or_default();
    let hidden = || network::rules::not_found(named);
    let id: NetworkId = named.parse().map_err(|_| hidden())?;
    network::visible(tx, app, &context.caller, id).await?.ok_or_else(hidden)
}

/// `PUT /v2.0/subnets/{id}`
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let details = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let mut details = find_for(tx, &unit_app, &unit_context, "update_subnet", &id).await?;
                unit_app.policy.check_update(&TYPE, &unit_context.caller, &target(&details), &body)?;
                let pools = &details.allocation_pools;
                let (subnet, pools) = rules::update(&details.subnet, pools, &body, &unit_app.settings)?;
                change(tx, &unit_app, &mut details, subnet, pools).await?;
                Ok::<_, Fault>(details)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, view::subnet(&app.policy, &context.caller, &details, &[])))
}

/// Stores a changed subnet, unless a router answers at its old gateway.
async fn change(
    tx: &mut Tx,
    app: &App,
    details: &mut SubnetDetails,
    mut subnet: Subnet,
    pools: Option<Vec<AllocationPool>>,
) -> Result<(), Fault> {
    let pools = pools.filter(|pools| *pools != details.allocation_pools);
    if subnet == details.subnet && pools.is_none() {
        return Ok(());
    }
    if let Some(gateway) =
        details.subnet.gateway_ip.filter(|_| subnet.gateway_ip != details.subnet.gateway_ip)
        && let Some(port_id) = store::interface_with(tx, subnet.id, gateway).await?
    {
        return Err(rules::gateway_in_use(gateway, port_id));
    }
    let joins = subnet.segment_id != details.subnet.segment_id;
    if joins {
        let others: Vec<Subnet> = store::of_network(tx, subnet.network_id)
            .await?
            .into_iter()
            .filter(|other| other.id != subnet.id)
            .collect();
        check_segment(tx, Some(&details.subnet), &subnet, &others).await?;
    }
    subnet.updated_at = now_seconds();
    subnet.revision_number += 1;
    store::update(tx, &subnet).await?;
    if joins {
        network::store::touch(tx, subnet.network_id, &subnet.updated_at).await?;
    }
    let serves_otherwise = pools.is_some() || subnet.enable_dhcp != details.subnet.enable_dhcp;
    if let Some(pools) = pools {
        set_pools(tx, &subnet, &pools).await?;
        details.allocation_pools = pools;
    }
    if serves_otherwise {
        ensure_dhcp(tx, app, subnet.network_id).await?;
    }
    details.subnet = subnet;
    Ok(())
}

/// `DELETE /v2.0/subnets/{id}`
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    page::no_body(&body)?;
    let request_id = context.request_id.clone();
    let store = app.store.clone();
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let details = find_for(tx, &app, &context, "delete_subnet", &id).await?;
                delete_one(tx, &app, &details.subnet).await
            })
        })
        .await?;
    Ok(no_content())
}

async fn delete_one(tx: &mut Tx, app: &App, subnet: &Subnet) -> Result<(), Fault> {
    let holders = store::holders(tx, subnet.id).await?;
    let stays = |device_owner: &str| {
        let made_from_mac = subnet.is_auto_address() && !is_router_interface(device_owner);
        !made_from_mac && !network::rules::goes_with_network(device_owner)
    };
    let staying = holders.iter().filter(|(_, device_owner)| stays(device_owner));
    let blocking: Vec<PortId> = staying.map(|(id, _)| *id).collect();
    if !blocking.is_empty() {
        return Err(rules::in_use(subnet.id, &blocking));
    }
    let ports: Vec<_> = holders.into_iter().map(|(id, _)| id).collect();
    automatic::remove_from_ports(tx, subnet, &ports).await?;
    store::delete(tx, subnet).await?;
    quota::give_back(tx, &subnet.project_id, "subnet", 1).await?;
    network::store::touch(tx, subnet.network_id, &now_seconds()).await?;
    ensure_dhcp(tx, app, subnet.network_id).await
}

async fn set_pools(tx: &mut Tx, subnet: &Subnet, pools: &[AllocationPool]) -> Result<(), Fault> {
    let ranges: Vec<_> = pools.iter().map(|pool| pool.range()).collect();
    Ok(ipam::set_pools(tx, subnet.id, &ranges).await?)
}

async fn find(session: &mut Session, caller: &Caller, id: &str) -> Result<SubnetDetails, Fault> {
    let Ok(known) = id.parse::<SubnetId>() else { return Err(rules::not_found(id)) };
    store::get_details(session, known, &caller.project_id).await?.ok_or_else(|| rules::not_found(id))
}

/// The subnet, if the caller may do `action` to it and means its present revision.
async fn find_for(
    session: &mut Session,
    app: &App,
    context: &Context,
    action: &str,
    id: &str,
) -> Result<SubnetDetails, Fault> {
    let details = find(session, &context.caller, id).await?;
    app.policy.check_or_hide(action, &TYPE, &context.caller, &target(&details), || rules::not_found(id))?;
    context.check_revision(details.subnet.revision_number)?;
    Ok(details)
}
