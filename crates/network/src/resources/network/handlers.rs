//! Requests about networks.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault, now_seconds};
use isospin_store_kit::{Session, Tx};
use isospin_types::{NetworkId, QosPolicyId};

use super::model::{AddressScopes, Network, NetworkDetails};
use super::{SHAREABLE, TYPE, rules, store, target, view};
use crate::background::scheduling::{agents, ensure_dhcp};
use crate::resources::qos_policy::{self, bindings};
use crate::resources::rbac_policy::{self, Access, Action, forget_action, forget_for_all, open_to_all};
use crate::resources::segment::model::NetworkSegment;
use crate::resources::{floating_ip, port, segment, subnet};
use crate::{App, drivers, owner, page, quota};

/// `GET /v2.0/networks`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let caller = context.caller.clone();
    let sees_all = app.policy.allows("get_network", &caller, &Target::new());
    let (found, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let found = store::list(session, &query, &caller, sees_all).await?;
                Ok::<_, Fault>((found, query))
            })
        })
        .await?;
    let ids: Vec<String> = found.iter().map(|details| details.network.id.to_string()).collect();
    let items = found
        .iter()
        .filter(|details| {
            app.policy.allows("get_network", &context.caller, &target(&details.network, details.access))
        })
        .map(|details| view::network(&app.policy, &context.caller, details, &query.fields))
        .collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/networks/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let details = find(&mut session, &context.caller, &id).await?;
    if !app.policy.allows("get_network", &context.caller, &target(&details.network, details.access)) {
        return Err(rules::not_found(id));
    }
    let shown = view::network(&app.policy, &context.caller, &details, &query.fields);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `POST /v2.0/networks`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let mut wanted = Vec::with_capacity(bodies.len());
    for body in bodies {
        let project_id = owner::project(&body, &context.caller)?;
        app.policy.check_create(&TYPE, &context.caller, &Target::owned_by(&project_id), &body)?;
        wanted.push((project_id, body));
    }
    let (unit_app, caller) = (app.clone(), context.caller.clone());
    let created = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let policies = policies(tx, &unit_app, &caller, &wanted).await?;
                let mut created = Vec::with_capacity(wanted.len());
                for ((project_id, body), policy_id) in wanted.into_iter().zip(policies) {
                    created.push(create_one(tx, &unit_app, project_id, &body, policy_id).await?);
                }
                Ok::<_, Fault>(created)
            })
        })
        .await?;
    let shown =
        created.iter().map(|details| view::network(&app.policy, &context.caller, details, &[])).collect();
    Ok(page::created(&TYPE, bulk, shown))
}

/// The QoS policies of new networks: those named, else the defaults of their projects.
async fn policies(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    wanted: &[(String, Body)],
) -> Result<Vec<Option<QosPolicyId>>, Fault> {
    let named: Vec<Option<QosPolicyId>> =
        wanted.iter().map(|(_, body)| body.parsed("qos_policy_id")).collect();
    bindings::check_usable(tx, app, caller, &named.iter().flatten().copied().collect()).await?;
    let projects = wanted.iter().map(|(project_id, _)| project_id.as_str());
    let defaults = qos_policy::store::defaults_of(tx, projects.collect()).await?;
    let of = |((project_id, _), named): (&(String, Body), Option<QosPolicyId>)| {
        named.or_else(|| defaults.get(project_id).copied())
    };
    Ok(wanted.iter().zip(named).map(of).collect())
}

async fn create_one(
    tx: &mut Tx,
    app: &App,
    project_id: String,
    body: &Body,
    qos_policy_id: Option<QosPolicyId>,
) -> Result<NetworkDetails, Fault> {
    quota::take(tx, &app.settings, &project_id, "network", 1).await?;
    rules::check_drivers(body)?;
    let wanted = rules::wanted_segments(body)?;
    let places = drivers::reserve_all(tx, &app.settings, &project_id, &wanted).await?;
    let mut network = rules::create(body, project_id, &places, &app.settings, now_seconds())?;
    network.qos_policy_id = qos_policy_id;
    agents::check_zones(tx, agents::DHCP, &network.availability_zone_hints).await?;
    only_default(tx, &network).await?;
    store::create(tx, &network).await?;
    let segments: Vec<NetworkSegment> = (0i64..)
        .zip(places)
        .map(|(position, place)| NetworkSegment::new(network.id, position, place, &network.created_at))
        .collect();
    for segment in &segments {
        segment::store::create(tx, segment).await?;
    }
    open_and_close(tx, None, &network).await?;
    let access = Access { shared: network.shared, external: network.external };
    Ok(NetworkDetails {
        network,
        segments,
        routed: false,
        subnets: Vec::new(),
        availability_zones: Vec::new(),
        address_scopes: AddressScopes::default(),
        tags: Vec::new(),
        access,
    })
}

/// Makes the network a body describes: what the cloud makes by itself.
///
/// # Errors
/// As for a POST.
pub(in crate::resources) async fn make(
    tx: &mut Tx,
    app: &App,
    project_id: &str,
    body: &Body,
) -> Result<Network, Fault> {
    let default = qos_policy::store::defaults_of(tx, [project_id].into()).await?.remove(project_id);
    Ok(create_one(tx, app, project_id.to_owned(), body, default).await?.network)
}

/// `PUT /v2.0/networks/{id}`
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
                let mut details = find_for(tx, &unit_app, &unit_context, "update_network", &id).await?;
                let facts = target(&details.network, details.access);
                unit_app.policy.check_update(&TYPE, &unit_context.caller, &facts, &body)?;
                let moves = rules::segmentation_id(&details.segments, &body)?;
                let network = rules::update(&details.network, &details.segments, &body, &unit_app.settings)?;
                if network == details.network && moves.is_none() {
                    return Ok(details);
                }
                if let (Some(id), Some(segment)) = (moves, details.segments.first()) {
                    move_to(tx, &unit_app, &details.network, segment, id).await?;
                }
                change(tx, &unit_app, &unit_context.caller, &details.network, network.clone()).await?;
                if network.admin_state_up != details.network.admin_state_up {
                    ensure_dhcp(tx, &unit_app, network.id).await?;
                }
                details = find(tx, &unit_context.caller, &id).await?;
                Ok::<_, Fault>(details)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, view::network(&app.policy, &context.caller, &details, &[])))
}

/// Stores a changed network, unless those who use it stand against it.
async fn change(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    current: &Network,
    mut network: Network,
) -> Result<(), Fault> {
    if network.qos_policy_id != current.qos_policy_id {
        let (before, after) = (current.qos_policy_id, network.qos_policy_id);
        bindings::check_change(tx, app, caller, before, after).await?;
        bindings::change_of_network(tx, network.id, after).await?;
    }
    if current.shared && !network.shared {
        rules::check_unshared(current, &store::users_among_others(tx, current).await?)?;
    }
    if current.external && !network.external {
        rules::check_no_gateways(current, &store::gateway_routers(tx, current.id).await?)?;
    }
    if network.is_default && !current.is_default {
        only_default(tx, &network).await?;
    }
    if network.mtu != current.mtu {
        subnet::rules::check_mtu(network.mtu, &subnet::store::of_network(tx, network.id).await?)?;
    }
    network.updated_at = now_seconds();
    network.revision_number += 1;
    store::update(tx, &network).await?;
    open_and_close(tx, Some(current), &network).await
}

/// Makes the entries say what `shared` and `external` say; that nobody relies on what
/// is closed is known.
async fn open_and_close(tx: &mut Tx, current: Option<&Network>, network: &Network) -> Result<(), Fault> {
    let (id, owner) = (network.id.uuid(), network.project_id.as_str());
    // External first: being the default network depends on it.
    match (current.is_some_and(|current| current.external), network.external) {
        (false, true) => open_to_all(tx, &SHAREABLE, Action::External, id, owner).await?,
        (true, false) => forget_action(tx, &SHAREABLE, Action::External, id).await?,
        _ => {}
    }
    match (current.is_some_and(|current| current.shared), network.shared) {
        (false, true) => open_to_all(tx, &SHAREABLE, Action::Shared, id, owner).await,
        (true, false) => forget_for_all(tx, &SHAREABLE, Action::Shared, id).await,
        _ => Ok(()),
    }
}

/// Gives the only segment of a network another id.
async fn move_to(
    tx: &mut Tx,
    app: &App,
    network: &Network,
    current: &NetworkSegment,
    id: u32,
) -> Result<(), Fault> {
    if store::has_bound_ports(tx, network.id).await? {
        return Err(Fault::invalid_input(
            "provider:segmentation_id cannot change while ports of the network are bound to hosts",
        ));
    }
    let wanted = drivers::Wanted {
        network_type: Some(current.place.network_type.to_string()),
        physical_network: current.place.physical_network.clone(),
        segmentation_id: Some(id.into()),
    };
    let mut segment = current.clone();
    segment.place = drivers::reserve(tx, &app.settings, &network.project_id, &wanted).await?;
    segment.updated_at = now_seconds();
    segment.revision_number += 1;
    segment::store::update(tx, &segment).await?;
    Ok(drivers::release(tx, &current.place).await?)
}

/// Refuses a second default network.
async fn only_default(tx: &mut Tx, network: &Network) -> Result<(), Fault> {
    if !network.is_default {
        return Ok(());
    }
    match store::default_external(tx).await?.filter(|other| *other != network.id) {
        Some(other) => Err(rules::default_exists(other)),
        None => Ok(()),
    }
}

/// `DELETE /v2.0/networks/{id}`
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
                let details = find_for(tx, &app, &context, "delete_network", &id).await?;
                delete_one(tx, &details.network).await
            })
        })
        .await?;
    Ok(no_content())
}

/// Removes a network with its subnets, unless ports stand against it.
///
/// # Errors
/// 409 naming the ports.
pub(in crate::resources) async fn delete_one(tx: &mut Tx, network: &Network) -> Result<(), Fault> {
    if network.external {
        floating_ip::release_unused(tx, network.id).await?;
    }
    let (going, staying): (Vec<_>, Vec<_>) = store::ports(tx, network.id)
        .await?
        .into_iter()
        .partition(|(_, device_owner)| rules::goes_with_network(device_owner));
    if !staying.is_empty() {
        let ports: Vec<_> = staying.into_iter().map(|(id, _)| id).collect();
        return Err(rules::in_use(network.id, &ports));
    }
    for (id, _) in going {
        if let Some(port) = port::store::get(tx, id).await? {
            port::remove(tx, None, &port).await?;
        }
    }
    for subnet in subnet::store::of_network(tx, network.id).await? {
        subnet::store::delete(tx, &subnet).await?;
        quota::give_back(tx, &subnet.project_id, "subnet", 1).await?;
    }
    rbac_policy::forget(tx, network.id.uuid()).await?;
    let segments = segment::store::of_network(tx, network.id).await?;
    store::delete(tx, network.id).await?;
    for segment in segments {
        drivers::release(tx, &segment.place).await?;
    }
    quota::give_back(tx, &network.project_id, "network", 1).await?;
    Ok(())
}

/// The network with what the caller may do on it, unless it is hidden from the caller.
///
/// # Errors
/// The store's.
pub async fn visible(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    id: NetworkId,
) -> Result<Option<(Network, Access)>, Fault> {
    let found = store::get_for(session, id, &caller.project_id).await?;
    Ok(found.filter(|(network, access)| app.policy.allows("get_network", caller, &target(network, *access))))
}

async fn find(session: &mut Session, caller: &Caller, id: &str) -> Result<NetworkDetails, Fault> {
    let Ok(known) = id.parse::<NetworkId>() else { return Err(rules::not_found(id)) };
    store::get_details(session, known, &caller.project_id).await?.ok_or_else(|| rules::not_found(id))
}

/// The network, if the caller may do `action` to it and means its present revision.
async fn find_for(
    session: &mut Session,
    app: &App,
    context: &Context,
    action: &str,
    id: &str,
) -> Result<NetworkDetails, Fault> {
    let details = find(session, &context.caller, id).await?;
    let facts = target(&details.network, details.access);
    app.policy.check_or_hide(action, &TYPE, &context.caller, &facts, || rules::not_found(id))?;
    context.check_revision(details.network.revision_number)?;
    Ok(details)
}
